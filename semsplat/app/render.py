"""``semsplat render``: a camera travels through a scene, as a video or as pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from rich.console import Console

from ..splatting.camera import Camera
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.video import write_video
from . import pictures
from .layers import Depth, Layer, Rgb
from .layers_combined import steady
from .paths import PATHS, Up
from .plan import pick_device
from .progress import counter, say
from .scene import Scene
from .session import Session

LARGEST = 8192  # pixels on the longest side of a picture
Report = Callable[[int, int], None]
Pictures = Iterator[UInt8[np.ndarray, "_h _w 3"]]


@dataclass(frozen=True)
class Film:
    """What was asked for on the command line."""

    scene: Path
    path: str = "orbit"
    video: Path | None = None
    frames: Path | None = None
    layer: str = "rgb"
    size: int | None = None
    fps: float = 24.0
    seconds: float = 8.0
    device: str = "auto"


def run(film: Film, console: Console) -> int:
    """Draw the film into its video, its folder of pictures, or both."""
    if film.video is None and film.frames is None:
        raise InputError("Nothing to write: give --video FILE.mp4, --frames FOLDER, or both.")
    if not (film.fps > 0 and film.seconds > 0):
        raise InputError(f"A film of {film.seconds:g} seconds at {film.fps:g} pictures a second is not possible.")
    opened = Scene.open(film.scene)
    gaussians = opened.edited.to(pick_device(film.device))
    count = max(1, round(film.seconds * film.fps))
    views = travel(list(opened.cameras.values()), film.path, count, film.size, opened.world.up)
    drawn = draw(gaussians, views, film.layer, counter(console, "rendering"))
    if film.frames is not None:
        drawn = write_frames(film.frames, drawn)
    if film.video is not None:
        write_video(film.video, drawn, film.fps)
    else:
        for _ in drawn:
            pass
    said = " and ".join(str(target) for target in (film.video, film.frames) if target)
    say(console, f"{len(views)} pictures of {views[0].width} x {views[0].height}: {said}")
    return 0


def travel(cameras: Sequence[Camera], path: str, count: int, size: int | None = None, up: Up = None) -> list[Camera]:
    """``count`` cameras along the path orbit, interpolate or spiral.

    Args:
        cameras: those of the scene, in their order.
        size: pixels on the longest side; as the scene's cameras when not given. Sides are even, as videos need them.
        up: of the scene; what its cameras say when not given.
    """
    if path not in PATHS:
        raise InputError(f"There is no path '{path}'; use {', '.join(PATHS)}.")
    if count < 1 or (size is not None and size < 2):
        raise InputError("A film needs at least one picture of at least 2 pixels; check --seconds, --fps and --size.")
    views = PATHS[path](cameras, count, up)
    if size is not None and size > LARGEST:
        raise InputError(f"--size {size} is too large: {LARGEST} pixels are the most for the longest side.")
    factor = size / max(views[0].width, views[0].height) if size else 1.0
    width, height = (max(2, round(side * factor / 2) * 2) for side in (views[0].width, views[0].height))
    return [view.resized(width, height) for view in views]


def draw(gaussians: Gaussians, views: Sequence[Camera], layer: str = "rgb", report: Report | None = None) -> Pictures:
    """The views one after another, in 8 bits."""
    session = Session(gaussians)
    shown = _layer(layer, session.gaussians, views)
    for done, view in enumerate(views, 1):
        with torch.no_grad():
            yield pictures.to_bytes(session.picture(view, shown))
        if report:
            report(done, len(views))


def write_frames(folder: Path, drawn: Pictures) -> Pictures:
    """Pass the pictures on, each also written as folder/00000.png and so on."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not an empty folder; give a new one for the pictures.")
    for number, picture in enumerate(drawn):
        pictures.save(folder / f"{number:05}.png", picture)
        yield picture


def _layer(name: str, gaussians: Gaussians, views: Sequence[Camera]) -> Layer:
    """The layer, with one range of depth for the whole path so that colours stay put."""
    if name == "rgb":
        return Rgb()
    if name != "depth":
        raise InputError(f"There is no layer '{name}' to render; use rgb or depth.")
    return steady([Depth().fit(gaussians, view) for view in views[:: max(1, len(views) // 8)]])
