"""How time and memory of fitting and lifting grow with photos, pixels, Gaussians and dimensions; what is linear.

    python benchmarks/growth.py --save       writes results/growth.json, .txt and .png; about five CPU minutes

Every point is a process of its own on one thread, so that its CPU time and its high-water mark are its own. The scene
is a made shell of points, written to disk as a capture; the teacher mixes the colours of its photos into as many
numbers as wanted, of which 64 are kept (more than that only makes looking longer). What a point costs is told beside
the exponent of a straight line through the logarithms: 1 is linear, 0 does not grow.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, arguments, emit, one_thread, shell
from cpu_channels import high_water
from PIL import Image

from semsplat.app.bench.clock import taken
from semsplat.app.bench.scenes import Views
from semsplat.distill import fit, maps
from semsplat.distill.teachers.base import Card, Teacher
from semsplat.splatting import capture
from semsplat.splatting.average import average
from semsplat.splatting.train import train
from semsplat.splatting.train_types import TrainConfig

BASE = {"photos": 24, "width": 320, "gaussians": 10_000, "dimensions": 16}
SWEEPS = {
    "photos": (12, 24, 48, 96),
    "width": (160, 320, 640),
    "gaussians": (3_000, 10_000, 30_000),
    "dimensions": (4, 16, 64, 256),
}
QUICK = {"photos": 3, "width": 64, "gaussians": 300, "dimensions": 5}
FIGURES = {
    "prepare_s": "preparing photos, s",
    "step_ms": "a step of the fit, ms",
    "look_s": "the teacher's maps, s",
    "lift_s": "lifting, s",
    "fit_mib": "peak while fitting, MiB",
    "lift_mib": "peak while lifting, MiB",
}
KEPT, GRID, STEPS = 64, 96, 30  # numbers of a feature that are kept; cells of a map along its longer side; timed steps


class Mixer(Teacher):
    """Colours of a photo in any number of numbers: sines of random directions, so that none follows from the others."""

    card = Card("mixer", "made up, for measuring", "none", channels=None, words=False)

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._mix = 4.0 * torch.randn(3, channels, generator=torch.Generator().manual_seed(0))

    def look(self, image: torch.Tensor, name: str = "") -> torch.Tensor:
        size = GRID / max(image.shape[:2])
        rows, columns = (max(1, round(min(1.0, size) * side)) for side in image.shape[:2])
        return torch.sin(average(image, rows, columns) @ self._mix + 1.0)

    def memory(self) -> dict[str, Any]:
        return {"channels": self.channels}


def written(views: Views, folder: Path) -> Path:
    """The scene as a capture on disk."""
    (folder / "images").mkdir(parents=True)
    flip, frames = np.diag([1.0, -1.0, -1.0, 1.0]), []
    for number, (camera, photo) in enumerate(zip(views.cameras, views.photos, strict=True)):
        name = f"images/{number:04d}.png"
        Image.fromarray((photo * 255).round().byte().numpy()).save(folder / name)
        pose = np.linalg.inv(camera.world_to_camera.double().numpy()) @ flip
        frames.append({"file_path": name, "transform_matrix": pose.tolist()})
    (fx, _, cx), (_, fy, cy) = camera.intrinsics[:2].tolist()
    lens = {"w": camera.width, "h": camera.height, "fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy}
    (folder / "transforms.json").write_text(json.dumps({"camera_model": "PINHOLE", **lens, "frames": frames}))
    return folder


def measure(photos: int, width: int, gaussians: int, dimensions: int) -> dict[str, Any]:
    """One point; runs in a process of its own."""
    here, cpu = (
        {"photos": photos, "width": width, "gaussians": gaussians, "dimensions": dimensions},
        torch.device("cpu"),
    )
    with tempfile.TemporaryDirectory() as scratch, one_thread():
        views, place = shell(gaussians, width, width * 3 // 4, views=photos), Path(scratch)
        found = capture.load(written(views, place / "capture"))
        start, kept = views.gaussians, []
        del views
        seconds = {"prepare_s": taken(lambda: kept.extend(capture.prepare(found, place / "photos")), cpu)}
        progress = train(start, kept, TrainConfig(steps=10 * STEPS, cap=gaussians))
        for _ in range(3):  # code is loaded
            next(progress)
        seconds["step_ms"] = 1e3 / STEPS * taken(lambda: [next(progress) for _ in range(STEPS)], cpu)
        memory = {"fit_mib": round(high_water())}
        teacher, made = Mixer(dimensions), []
        seconds["look_s"] = taken(lambda: made.append(maps.make(kept, teacher, place / "maps", KEPT)), cpu)
        fit.lift(start, kept[:1], made[0])
        seconds["lift_s"] = taken(lambda: fit.lift(start, kept, made[0]), cpu)
        memory["lift_mib"] = round(high_water())
    return {**here, **{name: round(value, 4) for name, value in seconds.items()}, **memory}


def point(at: dict[str, int]) -> dict[str, Any]:
    """:func:`measure` in a child."""
    command = [sys.executable, __file__, "--point", *(str(at[name]) for name in BASE)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def exponent(points: Sequence[dict[str, Any]], what: str, figure: str) -> float:
    """The slope of the straight line through the logarithms; pixels grow as the square of the width."""
    x = np.log([point[what] for point in points]) * (2 if what == "width" else 1)
    return float(np.polyfit(x, np.log([max(point[figure], 1e-9) for point in points]), 1)[0])


def table(sweeps: dict[str, list[dict[str, Any]]]) -> list[str]:
    """For each sweep its points, and the exponent of every figure."""
    lines = []
    for what, points in sweeps.items():
        lines.append(f"{'pixels' if what == 'width' else what:>12s}" + "".join(f"{name:>12s}" for name in FIGURES))
        for one in points:
            x = one["width"] ** 2 * 3 // 4 if what == "width" else one[what]
            lines.append(f"{x:>12,}" + "".join(f"{one[name]:>12,}" for name in FIGURES))
        if len(points) > 1:
            lines.append(f"{'exponent':>12s}" + "".join(f"{exponent(points, what, n):>12.2f}" for n in FIGURES))
    return lines


def plot(sweeps: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """A panel for each sweep, times above, memory below, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, len(sweeps), figsize=(11, 5), sharey="row", layout="constrained")
    for column, (what, points) in enumerate(sweeps.items()):
        xs = [one["width"] ** 2 * 3 // 4 if what == "width" else one[what] for one in points]
        for name, label in FIGURES.items():
            panel = panels[int(name.endswith("mib"))][column]
            panel.loglog(xs, [max(one[name], 1e-3) for one in points], "o-", ms=3, label=label)
            panel.grid(alpha=0.3, which="both", lw=0.4)
            panel.set_xticks(xs, [f"{x:,}" for x in xs], fontsize=7)
            panel.minorticks_off()
        panels[1][column].set_xlabel("pixels" if what == "width" else what)
    panels[0][0].set_ylabel("CPU time, one thread")
    panels[1][0].set_ylabel("MiB")
    for row in panels:
        row[-1].legend(fontsize=7)
    figure.savefig(path, dpi=80)


def main() -> None:
    """Measure every point and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--point", type=int, nargs=len(BASE), help=argparse.SUPPRESS)  # the child's
    given = parser.parse_args()
    if given.point:
        print(json.dumps(measure(*given.point)))
        return
    sweeps, known = {}, {}
    for what, values in {"photos": (3,)}.items() if given.quick else SWEEPS.items():
        for number, value in enumerate(values, 1):
            at = {**(QUICK if given.quick else BASE), what: value}
            print(f"{what}: {value} ({number} of {len(values)})", file=sys.stderr, flush=True)
            key = tuple(at.values())
            known[key] = known.get(key) or point(at)
            sweeps.setdefault(what, []).append(known[key])
    found = {what: {n: round(exponent(points, what, n), 2) for n in FIGURES} for what, points in sweeps.items()
             if len(points) > 1}  # fmt: skip
    emit("growth", {"sweeps": sweeps, "exponents": found}, table(sweeps), given.save)
    if given.save and not given.quick:
        plot(sweeps, RESULTS / "growth.png")


if __name__ == "__main__":
    main()
