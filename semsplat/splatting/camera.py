"""A pinhole camera in OpenCV axes (x right, y down, z forward); the centre of the first pixel is at (0.5, 0.5)."""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from .errors import InputError


@dataclass(frozen=True)
class Camera:
    """Where a picture was taken from and through which lens; no distortion (pictures are undistorted when prepared)."""

    world_to_camera: Float[Tensor, "4 4"]  # rigid: world units in, OpenCV camera axes out
    intrinsics: Float[Tensor, "3 3"]  # pixels: [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]
    width: int  # pixels
    height: int

    @classmethod
    def look_at(
        cls,
        position: Float[Tensor, "3"],
        target: Float[Tensor, "3"],
        up: Float[Tensor, "3"],
        fov: float,
        width: int,
        height: int,
    ) -> Self:
        """A camera at ``position`` looking at ``target``; ``fov`` is the vertical angle of view in radians."""
        forward = torch.nn.functional.normalize(target - position, dim=0)
        right = torch.linalg.cross(forward, up)
        if right.norm() < 1e-6 * up.norm():  # looking along up: any right will do
            right = torch.linalg.cross(forward, up.roll(1))
        right = torch.nn.functional.normalize(right, dim=0)
        rotation = torch.stack([right, torch.linalg.cross(forward, right), forward])
        world_to_camera = torch.eye(4, dtype=position.dtype)
        world_to_camera[:3, :3] = rotation
        world_to_camera[:3, 3] = -rotation @ position
        focal = 0.5 * height / torch.tan(torch.tensor(fov / 2)).item()
        return cls(world_to_camera, pinhole(focal, focal, width / 2, height / 2).to(position), width, height)

    @property
    def center(self) -> Float[Tensor, "3"]:
        """Position of the camera in the world."""
        rotation, translation = self.world_to_camera[:3, :3], self.world_to_camera[:3, 3]
        return -rotation.T @ translation

    @property
    def camera_to_world(self) -> Float[Tensor, "4 4"]:
        """The inverse pose."""
        return torch.linalg.inv(self.world_to_camera)

    @property
    def fov(self) -> float:
        """Vertical angle of view, radians."""
        return 2.0 * torch.atan(0.5 * self.height / self.intrinsics[1, 1]).item()

    def local(self, points: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 3"]:
        """Points of the world in the camera's axes, world units; the last number is the depth."""
        view = self.world_to_camera.to(points)
        return points @ view[:3, :3].T + view[:3, 3]

    def cut(self, rows: slice, columns: slice) -> Self:
        """The camera of a part of its picture; slices have a start and a stop, pixels."""
        k = self.intrinsics
        moved = pinhole(k[0, 0].item(), k[1, 1].item(), k[0, 2].item() - columns.start, k[1, 2].item() - rows.start)
        return type(self)(self.world_to_camera, moved.to(k), columns.stop - columns.start, rows.stop - rows.start)

    def resized(self, width: int, height: int) -> Self:
        """The same view on another pixel grid: intrinsics scale with it."""
        if width < 1 or height < 1:
            raise InputError(f"A picture of {width} x {height} pixels is not possible; ask for at least 1 x 1.")
        factors = torch.tensor([[width / self.width], [height / self.height], [1.0]]).to(self.intrinsics)
        return type(self)(self.world_to_camera, self.intrinsics * factors, width, height)

    def scaled(self, factor: float) -> Self:
        """The same view with ``factor`` times as many pixels on a side, at least one."""
        return self.resized(max(1, round(self.width * factor)), max(1, round(self.height * factor)))

    def to(self, target: torch.device | str | torch.dtype) -> Self:
        """On another device or in another precision."""
        return type(self)(self.world_to_camera.to(target), self.intrinsics.to(target), self.width, self.height)


def pinhole(fx: float, fy: float, cx: float, cy: float) -> Float[Tensor, "3 3"]:
    """The intrinsics matrix of four numbers in pixels."""
    return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
