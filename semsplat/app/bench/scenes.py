"""The scene of the speed figures, which anybody can make: coloured points in a shell, and square dots as photos."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...splatting.camera import Camera, pinhole
from ...splatting.gaussians import Gaussians

WIDTH, HEIGHT, FOCAL = 320, 240, 260.0  # pixels


@dataclass(frozen=True)
class Views:
    """A scene before its first step, and what it should look like."""

    gaussians: Gaussians
    cameras: Sequence[Camera]
    photos: Sequence[torch.Tensor]  # (h, w, 3) in [0, 1]

    def to(self, device: torch.device) -> "Views":
        """On another device."""
        return Views(self.gaussians.to(device), self.cameras, [photo.to(device) for photo in self.photos])


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
    local = camera.local(points)
    order = local[:, 2].argsort(descending=True)
    pixels = (local[:, :2] / local[:, 2:] * camera.intrinsics[0, 0] + camera.intrinsics[:2, 2]).long()[order]
    photo = np.zeros((camera.height, camera.width, 3), np.float32)
    for (x, y), color in zip(pixels.tolist(), colors[order].numpy(), strict=True):
        photo[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = color
    return torch.from_numpy(photo)
