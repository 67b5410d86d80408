"""What the CPU benchmarks share: scenes, timing, results as JSON. Some of it lives in the package, for its `bench`."""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from semsplat.app.bench.clock import LOAD, machine, one_thread
from semsplat.app.bench.scenes import Views, shell

__all__ = [
    "RESULTS",
    "Views",
    "arguments",
    "captured",
    "emit",
    "machine",
    "one_thread",
    "saved",
    "shell",
    "spread_of",
    "timed",
]

RESULTS = Path(__file__).parent / "results"


def captured(folder: Path) -> Views:
    """A capture with points, as training starts from it when it starts faint: an opacity of 0.1 everywhere."""
    from semsplat.splatting import capture
    from semsplat.splatting.start import start
    from semsplat.splatting.train_types import TrainConfig

    found = capture.load(folder)
    with tempfile.TemporaryDirectory() as cache:
        frames = capture.prepare(found, cache)
        photos = [frame.shown_to(frame.camera, torch.device("cpu"))[0] for frame in frames]
    return Views(start(found, TrainConfig(density="classic"), frames), [frame.camera for frame in frames], photos)


def spread_of(seconds: Sequence[float]) -> dict[str, float]:
    """Median, least and most, in milliseconds."""
    return {
        "median": round(statistics.median(seconds) * 1e3, 3),
        "min": round(min(seconds) * 1e3, 3),
        "max": round(max(seconds) * 1e3, 3),
    }


def timed(work: Callable[[], Any], runs: int, warm: int = 1) -> dict[str, float]:
    """Wall times of ``runs`` calls in milliseconds, after ``warm`` calls that do not count."""
    seconds = []
    for k in range(warm + runs):
        start = time.perf_counter()
        work()
        if k >= warm:
            seconds.append(time.perf_counter() - start)
    return spread_of(seconds)


def arguments(description: str) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test in seconds; its figures mean nothing")
    parser.add_argument("--save", action="store_true", help="also write benchmarks/results/")
    return parser


def saved(name: str) -> dict[str, Any]:
    """The committed record, whose other rows stay when some are measured anew; empty when there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def emit(name: str, result: dict[str, Any], lines: Sequence[str], save: bool) -> None:
    """One JSON line for machines on stdout, a table for people on stderr; with ``save`` also the file."""
    print("\n".join(lines), file=sys.stderr)
    result = {"benchmark": name, "command": f"python benchmarks/{name}.py --save", **machine(), **result}
    print(json.dumps(result))
    if save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
        told = f"{result['machine']}, {result['threads']} threads, torch {result['torch']}, load before {LOAD}"
        (RESULTS / f"{name}.txt").write_text("\n".join([told, *lines]) + "\n")
