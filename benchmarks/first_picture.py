"""Time to the first picture: a fresh process draws the points of the bundled capture, with and without compiled code.

Cold: the kernels are compiled (an empty cache folder), as on the first start after installation. Warm: they are read
from the cache. Every run is a process of its own, timed from before it starts.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PARTS = ("start Python", "import torch", "import semsplat", "read points and cameras", "first picture", "first step")


def child(started: float) -> dict[str, float]:
    """Import, read, draw, and go one training step; ``started`` is when the parent began. Seconds of each part."""
    marks = [started, time.time()]
    import torch

    marks.append(time.time())
    from semsplat import assets
    from semsplat.splatting import capture
    from semsplat.splatting.camera import Camera, pinhole
    from semsplat.splatting.gaussians import Gaussians
    from semsplat.splatting.losses import photometric
    from semsplat.splatting.splat import splat

    marks.append(time.time())
    found = capture.load(Path(assets.__file__).parent / "room")
    photo = found.photos[0]
    lens = photo.lens
    intrinsics = pinhole(lens.fx, lens.fy, lens.cx, lens.cy)
    camera = Camera(photo.world_to_camera, intrinsics, lens.width, lens.height)
    scene = Gaussians.from_points(found.points, found.colors)
    marks.append(time.time())
    image, _ = splat(scene, camera).composite(scene.colors(camera))
    marks.append(time.time())
    scene = scene.map(lambda t: t.requires_grad_() if t.is_floating_point() else t)
    drawn, _ = splat(scene, camera).composite(scene.colors(camera))
    photometric(drawn, torch.zeros_like(image)).backward()
    marks.append(time.time())
    return dict(zip(PARTS, (b - a for a, b in itertools.pairwise(marks)), strict=True))


def run(cache: str) -> dict[str, float]:
    """One fresh process whose compiled kernels are in ``cache``."""
    command = [sys.executable, __file__, "--child", repr(time.time())]
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)


def summary(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of the parts; median and range until the first picture is there. Seconds."""
    totals = [sum(r[part] for part in PARTS[:-1]) for r in runs]
    return {
        "until_first_picture_s": {f.__name__: round(f(totals), 2) for f in (statistics.median, min, max)},
        "parts_s": {part: round(statistics.median(r[part] for r in runs), 2) for part in PARTS},
        "runs": len(runs),
    }


def main() -> None:
    """Measure cold and warm starts and print."""
    if "--child" in sys.argv:  # before anything is imported that the child shall be timed at
        print(json.dumps(child(float(sys.argv[-1]))))
        return
    from common import arguments, emit

    parser: argparse.ArgumentParser = arguments(__doc__)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cold = [run(f"{folder}/{k}") for k in range(1 if options.quick else 3)]
        warm = [run(f"{folder}/0") for _ in range(1 if options.quick else 5)]
    found = {"cold": summary(cold), "warm": summary(warm)}
    lines = [f"{'seconds':28s}{'cold':>8s}{'warm':>8s}"]
    lines += [f"{part:28s}{found['cold']['parts_s'][part]:8.2f}{found['warm']['parts_s'][part]:8.2f}" for part in PARTS]
    totals = [found[kind]["until_first_picture_s"]["median"] for kind in ("cold", "warm")]
    lines.append(f"{'until the first picture':28s}{totals[0]:8.2f}{totals[1]:8.2f}")
    emit("first_picture", found, lines, options.save)


if __name__ == "__main__":
    main()
