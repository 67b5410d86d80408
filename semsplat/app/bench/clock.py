"""Times that can be compared: in turns, CPU time on one thread or a GPU that is idle, as median, least and most."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...splatting._kernels.split import threads

LOAD = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None  # when this began: others at work


@dataclass(frozen=True)
class Spread:
    """Median, least and most of what was measured."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def rounded(self, digits: int = 3) -> dict[str, float]:
        """For JSON."""
        return {"median": round(self.median, digits), "min": round(self.least, digits), "max": round(self.most, digits)}


def taken(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds of one call: CPU time on a CPU, which other programs hardly change; wall time on a GPU that is idle."""
    if device.type == "cpu":
        began = time.process_time()
        work()
        return time.process_time() - began
    torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - began


class Limit:
    """A time on the wall's clock when a part of the bench has to come to its end."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether it is that time."""
        return time.monotonic() > self._end


def in_turns(
    ours: Callable[[], Any], theirs: Callable[[], Any], device: torch.device, rounds: int, each: int, limit: Limit
) -> tuple[Spread, Spread, Spread]:
    """(ours, theirs, their time over ours) in milliseconds, a turn of theirs after a turn of ours.

    So what else the machine does meets both alike. A first turn of both does not count.

    Args:
        rounds: how often, less where the limit comes before, once at least.
        each: calls of ours in a turn, of which the median counts; theirs is called once.
    """
    mine, others, ratios = [], [], []
    ours()
    theirs()
    while not ratios or (len(ratios) < rounds and not limit.over):
        mine.append(statistics.median(taken(ours, device) for _ in range(each)))
        others.append(taken(theirs, device))
        ratios.append(others[-1] / mine[-1])
    return Spread.of([1e3 * x for x in mine]), Spread.of([1e3 * x for x in others]), Spread.of(ratios)


@contextmanager
def one_thread() -> Iterator[None]:
    """Everything on one thread, so that CPU time is comparable; also when the machine is busy with other things."""
    before, wanted = torch.get_num_threads(), os.environ.get("SEMSPLAT_THREADS")
    torch.set_num_threads(1)
    os.environ["SEMSPLAT_THREADS"] = "1"
    try:
        yield
    finally:
        torch.set_num_threads(before)
        del os.environ["SEMSPLAT_THREADS"]
        if wanted is not None:
            os.environ["SEMSPLAT_THREADS"] = wanted


def machine(device: str = "cpu") -> dict[str, Any]:
    """Cores, threads, versions, and how busy the machine was before; generic, as results are published."""
    found = {
        "machine": f"{os.cpu_count()} cores, {platform.machine().replace('_', '-')}{_vectors()}",
        "threads": threads(),
        "load_before": LOAD,
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
    }
    return found | ({"gpu": torch.cuda.get_device_name()} if device == "cuda" else {})


def _vectors() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return next((f" with {name}" for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
