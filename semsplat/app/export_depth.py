"""Exports how far away things are in every view, along the camera's axis.

    OUT/depth/<view>.png   16 bits: steps, 0 where less than half of the pixel is covered or it is too far away
    OUT/depth/<view>.npz   with --floats: "depth", float32, 0 where less than half is covered
    OUT/depth.json         how long a step is, and which depth it is
    OUT/transforms.json    the cameras; depth_file_path is the depth of each, file_path its photo

Depths follow the slant of the Gaussians; median (the default) or mean: see :mod:`semsplat.splatting.depth`.
A step is a thousandth of a unit (millimetres, where a unit is a metre) wherever that fits; units are metres where
the scale of the scene is known, else those of the scene, times --scale.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from ..splatting.depth import mean_depth, median_depth
from ..splatting.files import replacing
from ..splatting.gaussians import Gaussians
from ..splatting.splat import splat
from .export import Work
from .export_views import Folder, Shot, drawn, shots, write_cameras
from .plan import pick_device
from .scene import write_json

STEP, MOST = 1e-3, 65535  # units; steps that 16 bits hold
FEW = 1000  # steps to the farthest thing: fewer are too coarse
COVERED = 0.5  # of a pixel: what is less has no depth
TRIED, SMALL = 8, 64  # views, and pixels on their longest side, that the step is chosen from


def write(work: Work) -> None:
    """Write the depth of every view."""
    taken, wanted = shots(work), work.request.views
    gaussians, alone = drawn(work)
    scale = work.placement.scale
    folder = Folder(work, taken, alone=alone, scale=scale, mean=wanted.mean, floats=wanted.floats)
    gaussians = gaussians.to(pick_device(wanted.device))
    step = step_for(gaussians, taken, scale)

    def make(shot: Shot) -> None:
        depth = depth_of(gaussians, shot, wanted.mean) * scale
        path = _file(folder.path, shot)
        if wanted.floats:
            with replacing(path.with_suffix(".npz")) as temporary:
                np.savez_compressed(temporary, depth=depth)
        steps = np.rint(depth / step)
        with replacing(path) as temporary:
            Image.fromarray(np.where(steps > MOST, 0, steps).astype(np.uint16)).save(temporary)

    folder.each(taken, lambda shot: _file(folder.path, shot), make)
    kind = "mean" if wanted.mean else "median"
    unit = work.unit if work.request.scale == 1.0 else f"1 / {work.request.scale:g} {work.unit}"
    facts = {
        "step": step,
        "unit": unit,
        "depth": kind,
        "along": "the camera's axis",
        "nothing": 0,
        "most": MOST * step,
    }
    write_json(folder.path / "depth.json", facts)
    write_cameras(work, taken, depth_file_path="depth/*.png")
    folder.finish(**facts)
    work.say(f"{kind.capitalize()} depth of {len(taken)} views, in steps of {step:g} {unit}s: {folder.path}")


def depth_of(gaussians: Gaussians, shot: Shot, mean: bool = True) -> Float[np.ndarray, "h w"]:
    """Depth along the camera's axis, scene units, float32; 0 where less than half of the pixel is covered."""
    blend = splat(gaussians, shot.camera).detach()
    depth = mean_depth(blend) if mean else median_depth(blend)
    return torch.where(blend.alpha >= COVERED, depth, torch.zeros_like(depth))[..., 0].cpu().numpy()


def step_for(gaussians: Gaussians, taken: Sequence[Shot], scale: float) -> float:
    """Units of a step: a thousandth, or the power of ten next to it with which the farthest things fit and are told
    apart."""
    farthest = 0.0
    for shot in taken[:: max(1, len(taken) // TRIED)]:
        camera = shot.camera.scaled(SMALL / max(shot.camera.width, shot.camera.height))
        farthest = max(farthest, float(depth_of(gaussians, Shot(shot.stem, shot.photo, camera)).max()) * scale)
    if farthest <= 0.0:
        return STEP
    power = 0
    while farthest / (STEP * 10.0**power) > 0.9 * MOST:
        power += 1
    while farthest / (STEP * 10.0**power) < FEW:
        power -= 1
    return float(f"{STEP * 10.0**power:.0e}")


def _file(folder: Path, shot: Shot) -> Path:
    return folder / "depth" / f"{shot.stem}.png"
