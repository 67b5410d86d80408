"""Photographs and where they were taken from: as they lie on disk (Photo) and as the trainer wants them (Frame)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..camera import Camera


@dataclass(frozen=True)
class Lens:
    """A lens as sources state it: pixels of the full-size picture, COLMAP's convention (first pixel centre at 0.5)."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    model: str = "PINHOLE"  # PINHOLE, OPENCV (k1 k2 p1 p2 k3 k4 k5 k6), OPENCV_FISHEYE (k1 k2 k3 k4)
    distortion: tuple[float, ...] = ()  # coefficients in the model's order; missing ones are 0


@dataclass(frozen=True)
class Photo:
    """One picture on disk, with pose and lens."""

    name: str  # path relative to the source, unique, forward slashes
    path: Path
    world_to_camera: Float[Tensor, "4 4"]  # float32, OpenCV axes, rigid
    lens: Lens
    mask_path: Path | None = None  # white (or nonzero) is kept
    held_out: bool | None = None  # True or False when the source itself says so
    upright: bool = False  # pose and lens are of the picture turned by its EXIF orientation, whatever its size says


@dataclass(frozen=True)
class Capture:
    """A whole source: photos in the order of their names, and sparse points when there are any."""

    photos: tuple[Photo, ...]
    points: Float[Tensor, "n 3"]  # world units; may be empty
    colors: Float[Tensor, "n 3"]  # in [0, 1]
    notes: tuple[str, ...] = ()  # sentences worth showing: what was missing, skipped or assumed


@dataclass(frozen=True)
class Frame:
    """One view ready for fitting: an undistorted pinhole camera, its pixels on disk; nothing is held in memory."""

    name: str
    camera: Camera
    pixels: Path  # .npy, uint8 (h, w, 3), or (h, w, 4) with a weight in the last channel (255 = counts fully)
    background: bool = False  # True: weight 0 means empty space (alpha), False: unknown (mask)

    def read(self) -> UInt8[Tensor, "h w c"]:
        """The pixels, c = 3 or 4, read afresh from disk each time."""
        return torch.from_numpy(np.load(self.pixels))

    def shown_to(
        self, camera: Camera, device: torch.device
    ) -> tuple[Float[Tensor, "h w 3"], Float[Tensor, "h w 1"] | None]:
        """The pixels at the size of ``camera`` in [0, 1], by area, and their weights if there is a mask or alpha."""
        pixels, size = self.read().to(device).float() / 255.0, (camera.height, camera.width)
        if pixels.shape[:2] != size:
            pixels = torch.nn.functional.interpolate(pixels.permute(2, 0, 1)[None], size, mode="area")[0]
            pixels = pixels.permute(1, 2, 0)
        return pixels[..., :3].contiguous(), pixels[..., 3:] if pixels.shape[2] == 4 else None


def split(frames: Sequence[Frame], every: int) -> tuple[list[Frame], list[Frame]]:
    """(training, held out): every ``every``-th frame is held out beginning with the first; 0 holds none out."""
    held_out = [f for i, f in enumerate(frames) if every and i % every == 0]
    return [f for i, f in enumerate(frames) if not every or i % every], held_out
