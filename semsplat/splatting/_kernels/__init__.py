"""Compiled CPU kernels. The only file that imports numba.

Kernels release the interpreter lock and are split over threads by :func:`spread`, not by numba: so any number of
threads may call them at once (training while a page renders), there is no threading layer to crash and nothing that a
forked child could inherit broken. Compiled code is cached on disk; :func:`on_compile` tells when compiling starts.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import torch

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}  # not nnan and ninf: kernels test for them

_pool: ThreadPoolExecutor | None = None
_pool_threads = 0
_pool_lock = threading.Lock()


def jit(function: Callable) -> Any:
    """Compile a kernel: no Python inside, no interpreter lock, cached on disk."""
    return numba.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")(function)


def inline(function: Callable) -> Any:
    """Compile a helper that always disappears into the kernel that calls it."""
    return numba.njit(nogil=True, fastmath=FAST, error_model="numpy", inline="always")(function)


def threads() -> int:
    """How many threads kernels use: $SEMSPLAT_THREADS, else the cores this process may run on."""
    wanted = os.environ.get("SEMSPLAT_THREADS")
    return max(1, int(wanted)) if wanted else len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
