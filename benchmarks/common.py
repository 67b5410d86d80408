"""What the CPU benchmarks share: scenes that anybody can make, timing, the machine in words, results as JSON."""

import argparse
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semsplat.splatting._kernels.split import threads
from semsplat.splatting.camera import Camera, pinhole
from semsplat.splatting.gaussians import Gaussians

RESULTS = Path(__file__).parent / "results"
_load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None  # others at work make times longer
WIDTH, HEIGHT, FOCAL = 320, 240, 260.0  # pixels


@dataclass(frozen=True)
class Views:
    """A scene before its first step, and what it should look like."""

    gaussians: Gaussians
    cameras: Sequence[Camera]
    photos: Sequence[torch.Tensor]  # (h, w, 3) in [0, 1]


def shell(count: int = 10_000, width: int = WIDTH, height: int = HEIGHT, views: int = 12, seed: int = 0) -> Views:
    """Coloured points between two spheres and square dots as photos, twelve cameras around: like the set bench10k."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = torch.from_numpy(directions * rng.uniform(0.7, 1.0, (count, 1))).float()
    colors = 0.5 + 0.5 * points
    cameras = [_camera(2 * math.pi * k / views, width, height) for k in range(views)]
    return Views(Gaussians.from_points(points, colors), cameras, [_dots(points, colors, c) for c in cameras])


def _camera(angle: float, width: int, height: int) -> Camera:
    eye, up = torch.tensor([3 * math.cos(angle), 3 * math.sin(angle), 0.5]), torch.tensor([0.0, 0.0, 1.0])
    view = Camera.look_at(eye, torch.zeros(3), up, 1.0, width, height)
    focal = FOCAL * width / WIDTH
    return Camera(view.world_to_camera, pinhole(focal, focal, width / 2, height / 2), width, height)


def _dots(points: torch.Tensor, colors: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Every point as a square of 5 pixels, near ones over far ones."""
    local = points @ camera.world_to_camera[:3, :3].T + camera.world_to_camera[:3, 3]
    order = local[:, 2].argsort(descending=True)
    pixels = (local[:, :2] / local[:, 2:] * camera.intrinsics[0, 0] + camera.intrinsics[:2, 2]).long()[order]
    photo = np.zeros((camera.height, camera.width, 3), np.float32)
    for (x, y), color in zip(pixels.tolist(), colors[order].numpy(), strict=True):
        photo[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = color
    return torch.from_numpy(photo)


def captured(folder: Path) -> Views:
    """A capture with points, as training starts from it when it starts faint: an opacity of 0.1 everywhere."""
    from semsplat.splatting import capture
    from semsplat.splatting.start import start
    from semsplat.splatting.train import target
    from semsplat.splatting.train_types import TrainConfig

    found = capture.load(folder)
    with tempfile.TemporaryDirectory() as cache:
        frames = capture.prepare(found, cache)
        photos = [target(frame, frame.camera, torch.device("cpu"))[0] for frame in frames]
    return Views(start(found, TrainConfig(density="classic"), frames), [frame.camera for frame in frames], photos)


def spread_of(seconds: Sequence[float]) -> dict[str, float]:
    """Median, least and most, in milliseconds."""
    return {
        "median": round(statistics.median(seconds) * 1e3, 3),
        "min": round(min(seconds) * 1e3, 3),
        "max": round(max(seconds) * 1e3, 3),
    }


@contextmanager
def one_thread() -> Iterator[None]:
    """Everything on one thread, so that CPU time is comparable; also when the machine is busy with other things."""
    before, wanted = torch.get_num_threads(), os.environ.get("SEMSPLAT_THREADS")
    torch.set_num_threads(1)
    os.environ["SEMSPLAT_THREADS"] = "1"
    yield
    torch.set_num_threads(before)
    del os.environ["SEMSPLAT_THREADS"]
    if wanted is not None:
        os.environ["SEMSPLAT_THREADS"] = wanted


def timed(work: Callable[[], Any], runs: int, warm: int = 1) -> dict[str, float]:
    """Wall times of ``runs`` calls in milliseconds, after ``warm`` calls that do not count."""
    seconds = []
    for k in range(warm + runs):
        start = time.perf_counter()
        work()
        if k >= warm:
            seconds.append(time.perf_counter() - start)
    return spread_of(seconds)


def machine() -> dict[str, Any]:
    """Cores, threads and versions; generic, as results are published."""
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine().replace('_', '-')}{_vectors()}",
        "threads": threads(),
        "load_before": _load,
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
    }


def _vectors() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return next((f" with {name}" for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")


def arguments(description: str) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test in seconds; its figures mean nothing")
    parser.add_argument("--save", action="store_true", help="also write benchmarks/results/")
    return parser


def emit(name: str, result: dict[str, Any], lines: Sequence[str], save: bool) -> None:
    """One JSON line for machines on stdout, a table for people on stderr; with ``save`` also the file."""
    print("\n".join(lines), file=sys.stderr)
    result = {"benchmark": name, "command": f"python benchmarks/{name}.py --save", **machine(), **result}
    print(json.dumps(result))
    if save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
        told = f"{result['machine']}, {result['threads']} threads, torch {result['torch']}, load before {_load}"
        (RESULTS / f"{name}.txt").write_text("\n".join([told, *lines]) + "\n")
