"""Where to stand in a scene, and which way is up. Pure geometry of Gaussians and cameras."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians

LEVEL_PRIOR = (
    1e-3  # against squares of sines: the mean up of the cameras decides within the 2 degrees of unsteady hands
)
ROOM = 1.6  # of its own size that a thing has around it when one goes to look at it


@dataclass(frozen=True)
class Pose:
    """Where to stand and what to look at, in world units."""

    position: Float[Tensor, "3"]
    target: Float[Tensor, "3"]
    up: Float[Tensor, "3"]
    fov: float  # vertical, radians

    def camera(self, width: int, height: int) -> Camera:
        """The camera that stands there."""
        return Camera.look_at(self.position, self.target, self.up, self.fov, width, height)


def up_of(cameras: Sequence[Camera]) -> Float[Tensor, "3"]:
    """Up as cameras have it; -y, as most 3DGS files have it, when there are none. A scene's up: see :mod:`.world`.

    Photographers look down but hold the picture level: up is square to the pictures' right edges (least squares),
    and the mean up of the cameras decides as far as those leave it open, as when all look the same way.
    """
    if not cameras:
        return torch.tensor([0.0, -1.0, 0.0])
    poses = torch.stack([camera.world_to_camera.double().cpu() for camera in cameras])
    mean, right = -poses[:, 1, :3].mean(0), poses[:, 0, :3]
    level = right.T @ right / len(right) + LEVEL_PRIOR * torch.eye(3, dtype=torch.float64)
    up = torch.linalg.solve(level, mean)
    return torch.nn.functional.normalize(up, dim=0).float()


def overview(means: Float[Tensor, "n 3"], up: Float[Tensor, "3"]) -> Pose:
    """In front of a whole scene, without a few strays."""
    if not len(means):
        return Pose(torch.tensor([0.0, -0.3, -1.0]), torch.zeros(3), up, 0.9)
    center, radius = extent(means.cpu())
    direction = torch.nn.functional.normalize(torch.tensor([0.0, -0.25, -1.0]), dim=0)
    return Pose(center + 1.1 * radius / math.tan(0.45) * direction, center, up, 0.9)


def in_front_of(means: Float[Tensor, "n 3"], camera: Camera, up: Float[Tensor, "3"]) -> Pose:
    """Where a camera, turned and moved along its line of sight, has these points in its middle and as a whole."""
    center, radius = extent(means.cpu())
    away = torch.nn.functional.normalize(center - camera.center.cpu(), dim=0)
    if not away.isfinite().all() or away.norm() < 0.5:
        away = camera.world_to_camera[2, :3].cpu()
    fov = camera.fov
    return Pose(center - ROOM * radius / math.tan(0.5 * fov) * away, center, up, fov)


def extent(means: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "3"], float]:
    """(middle, half the diagonal) of a box around points, without 2 % at each end of each axis."""
    ordered = means.sort(0).values
    low, high = ordered[len(means) // 50], ordered[-1 - len(means) // 50]
    return (low + high) / 2, max(0.5 * (high - low).norm().item(), 1e-3)


def pose_at(gaussians: Gaussians, camera: Camera, depth: float, up: Float[Tensor, "3"]) -> Pose:
    """Stand at a camera and orbit around what is in its middle at ``depth`` (nan: as far as the Gaussians are)."""
    if not math.isfinite(depth):
        view = camera.world_to_camera.to(gaussians.means)
        ahead = gaussians.means @ view[2, :3] + view[2, 3]
        ahead = ahead[ahead > 0]
        depth = ahead.median().item() if len(ahead) else 1.0
    target = point_at(camera, (camera.width / 2, camera.height / 2), depth)
    return Pose(camera.center, target.to(camera.center), up, camera.fov)


def point_at(camera: Camera, xy: tuple[float, float], depth: float) -> Float[Tensor, "3"]:
    """The point of the world that a picture shows at ``xy`` (pixels) in the given depth along the camera's axis."""
    ray = torch.linalg.solve(camera.intrinsics, camera.intrinsics.new_tensor([xy[0], xy[1], 1.0]))
    return camera.camera_to_world[:3, :3] @ (ray * depth) + camera.center
