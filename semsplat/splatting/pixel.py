"""One row of W without the picture around it: which Gaussians are behind a pixel, at the cost of one projection."""

import dataclasses

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ._dense import DenseBlend
from .blend import Limits
from .camera import Camera
from .errors import InputError
from .gaussians import Gaussians
from .project import DILATION, FRUSTUM_MARGIN, NEAR, project


def row(
    gaussians: Gaussians, camera: Camera, x: int, y: int, limits: Limits | None = None
) -> tuple[Int64[Tensor, " k"], Float[Tensor, " k"]]:
    """The Gaussians behind pixel (column x, row y), front to back: ids and weights, equal to ``splat(...).row(x, y)``.

    Footprints are those of the whole picture, moved so that the pixel becomes a picture of its own. (A 1 x 1 camera
    with a moved principal point would not do: EWA holds far centres at the border of *its* picture.)

    Raises:
        InputError: the pixel is outside the picture.
    """
    if not (0 <= x < camera.width and 0 <= y < camera.height):
        raise InputError(f"Pixel ({x}, {y}) is outside the picture of {camera.width} x {camera.height} pixels.")
    limits = limits or Limits()
    gaussians = gaussians.detach()
    near = gaussians[_can_touch(gaussians, camera, x + 0.5, y + 0.5, limits)]
    footprints = project(near, camera, limits.alpha_min)
    moved = footprints.centers - footprints.centers.new_tensor([x, y])
    pixel = Camera(camera.world_to_camera, camera.intrinsics, 1, 1)
    return DenseBlend(near, pixel, dataclasses.replace(footprints, centers=moved), limits).row(0, 0)


def _can_touch(gaussians: Gaussians, camera: Camera, x: float, y: float, limits: Limits) -> Bool[Tensor, " n"]:
    """A cheap bound that never says no to a Gaussian that reaches the pixel: projected as a ball around the centre."""
    fx, fy, cx, cy = (camera.intrinsics[i, j].item() for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    points = camera.local(gaussians.means)
    z = points[:, 2].clamp_min(NEAR)
    dx, dy = fx * points[:, 0] / z + cx - x, fy * points[:, 1] / z + cy - y
    slant_x = (max(abs(cx), abs(camera.width - cx)) + FRUSTUM_MARGIN * camera.width) / fx
    slant_y = (max(abs(cy), abs(camera.height - cy)) + FRUSTUM_MARGIN * camera.height) / fy
    stretch = fx**2 * (1 + slant_x**2) + fy**2 * (1 + slant_y**2)  # Frobenius norm of the Jacobian, times z, squared
    variance = stretch * (gaussians.scales.amax(-1) / z).square() + DILATION
    level = 2.0 * (gaussians.opacities / limits.alpha_min).clamp_min(1.0).log()
    return (points[:, 2] > NEAR) & (dx * dx + dy * dy <= 1.01 * level * variance + 1.0)
