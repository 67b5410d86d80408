"""What leaves a page beside files of the scene: pictures, films along keyframes, links. Knows no browser."""

import io
import math
import re
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ..splatting.camera import Camera, pinhole
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.video import write_video
from . import pictures
from .layers import Layer
from .paths import interpolate
from .poses import Pose, point_at
from .render import Pictures, Report

SIZES: dict[str, tuple[int, int]] = {  # width, height in pixels; even, as videos need them
    "640 × 360": (640, 360),
    "1280 × 720": (1280, 720),
    "1920 × 1080": (1920, 1080),
    "1080 × 1080": (1080, 1080),
    "3840 × 2160": (3840, 2160),
}
CAMERA = ("initialCameraPosition", "initialCameraLookAt", "initialCameraUp")  # what viser's page reads in a link
FOV, LAYER = "initialCameraFov", "layer"
MOST_BYTES = 200_000_000  # of one file that is sent to a page
MOST_SPLATS = 1_000_000  # in a file for browsers
LONGEST_NAME = 60  # letters of a file's name


class Cancelled(Exception):
    """Somebody does not want it any more."""


@dataclass(frozen=True)
class Wanted:
    """What a link asks of a page beside the camera, which the page sees to itself."""

    layer: str | None = None  # title

    @classmethod
    def of(cls, address: str) -> Self:
        """Read a page's address; what is damaged in it is as if it were not there."""
        try:
            layers = parse_qs(urlsplit(address).query).get(LAYER, [])
        except ValueError:
            return cls()
        return cls(layers[0]) if len(layers) == 1 else cls()


def link(address: str, pose: Pose, layer: str) -> str:
    """The address of a page with where one stands and what one sees, in place of what it asked for before.

    Args:
        address: as the browser shows it. layer: its title.
    """
    parts = urlsplit(address)
    numbers = {
        name: ",".join(f"{number:.6g}" for number in vector.tolist())
        for name, vector in zip(CAMERA, (pose.position, pose.target, pose.up), strict=True)
    }
    query = urlencode({**numbers, FOV: f"{pose.fov:.6g}", LAYER: layer}, safe=",")
    return parts._replace(query=query, fragment="").geturl()


def file_name(words: Sequence[str], suffix: str) -> str:
    """A name that every system takes: letters, digits, - and _."""
    kept = "-".join(filter(None, (re.sub(r"[^\w]+", "-", word).strip("-") for word in words)))
    return (kept[:LONGEST_NAME].rstrip("-") or "semsplat") + suffix


def checked(content: bytes) -> bytes:
    """The same file, when it can be sent to a page.

    Raises:
        InputError: it is too large.
    """
    if len(content) > MOST_BYTES:
        raise InputError(
            f"This file has {len(content) / 1e6:,.0f} MB, too much to send to a page; "
            f"save a part of the scene, or all of it in the terminal with: semsplat export SCENE -o FILE"
        )
    return content


def seen_at(camera: Camera, width: int, height: int) -> Camera:
    """From the same place with the same vertical angle of view, on a picture of another size and shape."""
    focal = 0.5 * height / math.tan(0.5 * camera.fov)
    intrinsics = pinhole(focal, focal, width / 2, height / 2).to(camera.intrinsics)
    return Camera(camera.world_to_camera, intrinsics, width, height)


@torch.no_grad()
def splats_of(
    gaussians: Gaussians, layer: Layer, camera: Camera, importance: Float[Tensor, " n"] | None = None
) -> tuple[Gaussians, Float[Tensor, "m 3"]]:
    """What a browser draws of a layer without a server: (Gaussians, their colours), without those that are hidden.

    Args:
        importance: when there are more than a browser draws well, those of the most are taken.

    Raises:
        InputError: nothing is left.
    """
    colors, alpha, drawn = layer.colors(gaussians, camera), layer.alpha(gaussians, camera), gaussians
    if layer.form is not None or alpha is not None:
        drawn = layer.drawn(gaussians, camera)
    keep = torch.ones(len(drawn), dtype=torch.bool, device=colors.device) if alpha is None else alpha > 0
    if importance is not None and int(keep.sum()) > MOST_SPLATS:
        best = torch.where(keep, importance.to(colors), -1.0).topk(MOST_SPLATS).indices
        keep = torch.zeros_like(keep).index_fill(0, best, True)
    if not keep.any():
        raise InputError("There is nothing to save: nothing of the scene is shown.")
    return drawn[keep], colors[keep]


@torch.no_grad()
def png(gaussians: Gaussians, layer: Layer, camera: Camera) -> bytes:
    """What the camera sees through the layer, as a PNG file."""
    picture = pictures.to_bytes(layer.picture(gaussians, camera.to(gaussians.means.device)))
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return file.getvalue()


def travel(keyframes: Sequence[Camera], seconds: float, fps: float, size: tuple[int, int]) -> list[Camera]:
    """Cameras of a film that goes smoothly through the keyframes.

    Raises:
        InputError: there are fewer than two keyframes, or they are all the same.
    """
    if len(keyframes) < 2:
        raise InputError("A camera path needs at least two keyframes: stand somewhere else and add another.")
    count = max(2, round(seconds * fps))
    return [seen_at(camera, *size) for camera in interpolate(keyframes, count)]


def standing(camera: Camera, distance: float, up: Tensor) -> Pose:
    """A camera as a pose whose target is ``distance`` ahead."""
    target = point_at(camera, (camera.width / 2, camera.height / 2), distance)
    return Pose(camera.center, target, up, camera.fov)


def film(
    gaussians: Gaussians,
    layer: Layer,
    cameras: Sequence[Camera],
    fps: float,
    report: Report,
    cancelled: threading.Event,
) -> bytes:
    """The layer along the cameras as an .mp4 file.

    Args:
        report: is called with (pictures done, of how many).

    Raises:
        Cancelled: ``cancelled`` was set meanwhile.
    """

    def drawn() -> Pictures:
        for done, camera in enumerate(cameras):
            if cancelled.is_set():
                raise Cancelled
            report(done, len(cameras))
            with torch.no_grad():
                yield pictures.to_bytes(layer.picture(gaussians, camera.to(gaussians.means.device)))

    with tempfile.TemporaryDirectory(prefix="semsplat-") as folder:
        path = Path(folder) / "film.mp4"
        write_video(path, drawn(), fps)
        return path.read_bytes()
