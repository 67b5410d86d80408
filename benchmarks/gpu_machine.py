"""What the parts of gpu.py share: sizes, scenes, the clock of the device, and the double of a GPU for a dry run."""

import json
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from semsplat.splatting.camera import Camera
from semsplat.splatting.gaussians import Gaussians

TESTS = Path(__file__).parents[1] / "tests"


@dataclass(frozen=True)
class Machine:
    """Where it runs, and how large."""

    device: str
    dry: bool
    count: int  # Gaussians of the scenes
    sizes: tuple[tuple[int, int], ...]  # of pictures, pixels
    channels: tuple[int, ...]
    widest: int  # channels of the goals
    map_size: tuple[int, int]  # of a feature map that is drawn in full, pixels
    lift_size: tuple[int, int]
    grid: tuple[int, int]  # of a teacher's map
    views: int  # that are lifted
    steps: int  # of training that are timed
    repeats: int
    minutes: float  # of training the bundled capture

    def wait(self) -> None:
        """Until the device has nothing to do."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def milliseconds(self, work: Callable[[], Any], repeats: int | None = None) -> float:
        """Median wall time of ``work``, with the device idle before and after."""
        times, repeats = [], repeats or self.repeats
        for _ in range(0 if self.dry else 2):
            work()
        for _ in range(repeats):
            self.wait()
            began = time.perf_counter()
            work()
            self.wait()
            times.append(1e3 * (time.perf_counter() - began))
        return round(statistics.median(times), 4)

    def peak_gb(self) -> float | None:
        """GB at the worst moment since the last call; None on the CPU."""
        if self.device != "cuda":
            return None
        most = torch.cuda.max_memory_allocated() / 1e9
        torch.cuda.reset_peak_memory_stats()
        return round(most, 3)

    def random(self, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.randn(*shape, device=self.device, dtype=dtype)


def real() -> Machine:
    """A GPU, at the sizes that the goals name.

    gsplat is compiled for this GPU alone. Every process must say so: one that does not compiles all of it again.
    """
    os.environ.setdefault("TORCH_CUDA_ARCH_LIST", ".".join(map(str, torch.cuda.get_device_capability())))
    os.environ.setdefault("MAX_JOBS", str(os.cpu_count() or 4))
    return Machine(
        "cuda", False, 1_000_000, ((1280, 720), (648, 420), (1920, 1080)), (512, 64, 16, 128, 256, 32), 512,
        (986, 728), (640, 480), (64, 85), 300, 60, 7, 0.4,
    )  # fmt: skip


def dry() -> Machine:
    """The CPU in place of a GPU: gsplat's double and Triton's interpreter draw, and nothing is measured."""
    import dataclasses
    import functools
    import sys

    sys.path[:0] = [str(TESTS / "splatting")]
    from gsplat_double import DOUBLE

    from semsplat.splatting import _cpu
    from semsplat.splatting._gsplat import blend_with

    _cpu.cpu_blend = functools.partial(blend_with, dataclasses.replace(DOUBLE, tensor_cores=True))
    return Machine("cpu", True, 60, ((20, 16),), (48, 16), 48, (20, 16), (20, 16), (3, 4), 2, 2, 1, 0.0)


def generated(count: int, size: float = 1.0, features: int = 0, seed: int = 0) -> Gaussians:
    """Random Gaussians in a box, on the CPU; ``size`` times larger or smaller."""
    make = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=make)

    return Gaussians(
        means=(torch.rand(count, 3, generator=make) - 0.5) * 4,
        quats=normal(count, 4),
        log_scales=normal(count, 3) * 0.5 + math.log(size * 0.5 / count ** (1 / 3)),
        logit_opacities=normal(count) * 1.5,
        sh=normal(count, 16, 3) * 0.2,
        features=torch.zeros(count, features),
    )


def view(width: int, height: int, turn: float = 0.0) -> Camera:
    """Into the box, from outside."""
    eye = torch.tensor([4.0 * math.sin(turn + 0.25), -4.0 * math.cos(turn + 0.25), 1.0])
    return Camera.look_at(eye, torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]), 0.9, width, height)


def note(file: Path, found: Any) -> None:
    """Keep what a part has so far, in case it does not finish."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(json.dumps(found))
    fresh.replace(file)
