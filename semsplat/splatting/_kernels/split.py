"""Work split over threads: a plain pool, so any number of callers may be inside kernels at once."""

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from torch import Tensor


def array(tensor: Tensor) -> np.ndarray:
    """The tensor's numbers for a kernel: contiguous, shared when they already are; without torch's threads, which
    wait for each other busily and lose whole time slices where other programs run."""
    return np.ascontiguousarray(tensor.detach().numpy())


def threads() -> int:
    """How many threads kernels use: $SEMSPLAT_THREADS, else the cores this process may run on.

    Of several processes that torchrun started on this machine each takes its part of the cores.
    """
    wanted = os.environ.get("SEMSPLAT_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    beside = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(1, cores // int(beside)) if beside.isdigit() and int(beside) else cores


_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_pools.clear)  # a child has none of its parent's threads


def _pool(workers: int) -> ThreadPoolExecutor:
    with _lock:
        if workers not in _pools:
            _pools[workers] = ThreadPoolExecutor(workers, thread_name_prefix="semsplat-kernel")
        return _pools[workers]


def run(work: Callable[..., Any], parts: Sequence[tuple]) -> None:
    """``work(*part)`` for all parts, on all threads; whoever is free takes the next part."""
    helpers = min(threads(), len(parts)) - 1
    counter = itertools.count()

    def drain() -> None:
        while (k := next(counter)) < len(parts):
            work(*parts[k])

    futures = [_pool(helpers).submit(drain) for _ in range(helpers)] if helpers > 0 else []
    drain()
    for future in futures:
        future.result()


def spread(kernel: Callable[..., Any], count: int, *arguments: Any, least: int = 1024) -> None:
    """``kernel(begin, end, *arguments)`` over the range [0, count) on all threads, at least ``least`` to a part."""
    parts = max(1, min(2 * threads(), count // least))
    edges = [count * k // parts for k in range(parts + 1)]
    run(lambda begin, end: kernel(begin, end, *arguments), list(itertools.pairwise(edges)))


def spread_tiles(kernel: Callable[..., Any], tiles: np.ndarray, *arguments: Any) -> None:
    """``kernel(tiles[...], *arguments)`` with the tiles dealt out in small parts, as lists differ much in length."""
    parts = np.array_split(tiles, max(1, min(8 * threads(), len(tiles) // 4)))
    run(lambda part: kernel(part, *arguments), [(part,) for part in parts])
