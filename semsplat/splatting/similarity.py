"""Turning, scaling alike in all directions, moving: what places a thing without changing its shape."""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from .camera import Camera
from .edit_base import Quaternion, Vector
from .edit_place import multiplied, transformed, unit
from .gaussians import Gaussians
from .project import rotations

AXES = {  # directions by their names
    "x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0),
    "-x": (-1.0, 0.0, 0.0), "-y": (0.0, -1.0, 0.0), "-z": (0.0, 0.0, -1.0),
}  # fmt: skip


@dataclass(frozen=True)
class Similarity:
    """``new = scale * rotation(old) + translation``; world units."""

    rotation: Quaternion = (1.0, 0.0, 0.0, 0.0)  # unit, wxyz
    scale: float = 1.0  # above 0
    translation: Vector = (0.0, 0.0, 0.0)

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return self == Similarity()

    @property
    def matrix(self) -> Float[Tensor, "4 4"]:
        """From old to new places, float64."""
        matrix = torch.eye(4, dtype=torch.float64)
        matrix[:3, :3] = self.scale * self._turn
        matrix[:3, 3] = torch.tensor(self.translation, dtype=torch.float64)
        return matrix

    @property
    def inverse(self) -> Self:
        """Takes back what this one does."""
        w, x, y, z = self.rotation
        back = -(self._turn.T @ torch.tensor(self.translation, dtype=torch.float64)) / self.scale
        x_back, y_back, z_back = back.tolist()
        return type(self)((w, -x, -y, -z), 1.0 / self.scale, (x_back, y_back, z_back))

    def then(self, other: Self) -> Self:
        """This one, and the other after it."""
        w, x, y, z = multiplied(other.rotation, torch.tensor([self.rotation], dtype=torch.float64))[0].tolist()
        moved = other.matrix @ torch.tensor([*self.translation, 1.0], dtype=torch.float64)
        return type(self)(
            unit((w, x, y, z)), other.scale * self.scale, (moved[0].item(), moved[1].item(), moved[2].item())
        )

    def points(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
        """Points in their new places."""
        moved = points.double() @ self.matrix[:3, :3].to(points.device).T
        return (moved + self.matrix[:3, 3].to(points.device)).to(points)

    def gaussians(self, gaussians: Gaussians) -> Gaussians:
        """Gaussians in their new places, with their spherical harmonics; the same ones where nothing changes."""
        if self.is_identity:
            return gaussians
        return transformed(gaussians, self.rotation, self.scale, self.translation)

    def camera(self, camera: Camera) -> Camera:
        """The camera that sees the placed things as ``camera`` sees them where they were; depths are scaled."""
        view = camera.world_to_camera.double().cpu()
        turn = view[:3, :3] @ self._turn.T
        moved = torch.eye(4, dtype=torch.float64)
        moved[:3, :3] = turn
        moved[:3, 3] = self.scale * view[:3, 3] - turn @ torch.tensor(self.translation, dtype=torch.float64)
        return Camera(moved.to(camera.world_to_camera), camera.intrinsics, camera.width, camera.height)

    @property
    def _turn(self) -> Float[Tensor, "3 3"]:
        return rotations(torch.tensor([self.rotation], dtype=torch.float64))[0]


def upright(up: Float[Tensor, "3"], axis: Float[Tensor, "3"]) -> Quaternion:
    """The shortest turn that takes one direction to another, unit wxyz; opposite ones: 180 degrees about x or y."""
    one = torch.nn.functional.normalize(up.double().cpu(), dim=0)
    other = torch.nn.functional.normalize(axis.double().cpu(), dim=0)
    half = one + other
    if half.norm() < 1e-6:
        return (0.0, 1.0, 0.0, 0.0) if abs(one[0].item()) < 0.9 else (0.0, 0.0, 1.0, 0.0)
    half = torch.nn.functional.normalize(half, dim=0)
    x, y, z = torch.linalg.cross(one, half).tolist()
    return (one @ half).item(), x, y, z
