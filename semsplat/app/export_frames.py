"""Exports rendered pictures of every view; of chosen objects alone, on a transparent ground.

OUT/images/<view>.png   8-bit RGB, or RGBA of objects alone
OUT/transforms.json     their cameras: together they are a capture that can be trained from
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians
from ..splatting.splat import splat
from . import pictures, render
from .export import Work
from .export_views import Folder, Shot, drawn, shots, write_cameras
from .plan import pick_device


def write(work: Work) -> None:
    """Write a picture of every view."""
    taken = shots(work)
    gaussians, alone = drawn(work)
    folder = Folder(work, taken, alone=alone)
    gaussians = gaussians.to(pick_device(work.request.views.device))

    def make(shot: Shot) -> None:
        picture = cut_out(gaussians, shot.camera) if alone else next(render.draw(gaussians, [shot.camera]))
        pictures.save(_file(folder.path, shot), picture)

    folder.each(taken, lambda shot: _file(folder.path, shot), make)
    write_cameras(work, taken, "images/*.png")
    folder.finish()
    first = taken[0].camera
    work.say(f"{len(taken)} pictures of {first.width} x {first.height}: {folder.path}")


def cut_out(gaussians: Gaussians, camera: Camera) -> UInt8[np.ndarray, "h w 4"]:
    """Gaussians alone in 8-bit RGBA; colours are not multiplied with the last channel, which is their coverage."""
    image, alpha = splat(gaussians, camera).detach().composite(gaussians.colors(camera))
    color = pictures.to_bytes((image / alpha.clamp_min(1e-6)).clamp(0.0, 1.0))
    return np.concatenate([color, pictures.to_bytes(alpha.expand(-1, -1, 3))[..., :1]], axis=-1)


def _file(folder: Path, shot: Shot) -> Path:
    return folder / "images" / f"{shot.stem}.png"
