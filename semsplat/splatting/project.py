"""EWA projection (Zwicker et al. 2001; Kerbl et al. 2023, eq. 5), the readable definition of the fast kernels."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .camera import Camera
from .gaussians import GEOMETRY, Gaussians

NEAR = 0.01  # world units; nearer Gaussians are not drawn
DILATION = 0.3  # pixels^2 added to the diagonal of every projected covariance (Kerbl 2023: at least a pixel wide)
FRUSTUM_MARGIN = 0.15  # of the picture: centres beyond it are held at the border in the Jacobian, not in the mean
LARGEST_RADIUS = 1.0e6  # pixels


@dataclass(frozen=True)
class Footprints:
    """What a camera sees of each Gaussian: ellipses on the picture."""

    centers: Float[Tensor, "n 2"]  # pixels
    conics: Float[Tensor, "n 3"]  # inverse covariance (a, b, c): a dx^2 + 2 b dx dy + c dy^2, pixels^-2
    depths: Float[Tensor, " n"]  # along the camera's axis, world units
    opacities: Float[Tensor, " n"]
    visible: Bool[Tensor, " n"]  # in front of the camera, finite, and opaque enough to be seen
    covariances: Float[Tensor, "n 3"]  # (xx, xy, yy) after dilation, pixels^2

    def radii(self, alpha_min: float = 1.0 / 255.0) -> Float[Tensor, " n"]:
        """Half the longest axis of the ellipse on which alpha falls to ``alpha_min``, pixels; 0 where not visible."""
        xx, xy, yy = self.covariances.unbind(-1)
        largest = 0.5 * (xx + yy) + (0.25 * (xx - yy) ** 2 + xy**2).clamp_min(0).sqrt()
        level = 2.0 * (self.opacities / alpha_min).clamp_min(1.0).log()
        return torch.where(self.visible, (largest * level).sqrt(), 0.0)


def rotations(quats: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """Rotation matrices of wxyz quaternions of any length but zero."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def covariances(gaussians: Gaussians) -> Float[Tensor, "n 3 3"]:
    """R S S R^T in world units^2 (Kerbl 2023, eq. 6)."""
    half = rotations(gaussians.quats) * gaussians.scales[:, None, :]
    return half @ half.transpose(-1, -2)


def slope_limits(camera: Camera) -> tuple[float, float, float, float]:
    """Least and largest x/z, least and largest y/z at which the Jacobian is taken."""
    limits = []
    for axis, size in ((0, camera.width), (1, camera.height)):
        focal, center = camera.intrinsics[axis, axis].item(), camera.intrinsics[axis, 2].item()
        low, high = -center / focal, (size - center) / focal
        margin = FRUSTUM_MARGIN * (high - low)
        limits += [low - margin, high + margin]
    return limits[0], limits[1], limits[2], limits[3]


def project(gaussians: Gaussians, camera: Camera, alpha_min: float = 1.0 / 255.0) -> Footprints:
    """Footprints of all Gaussians; differentiable for means, quats, log_scales and logit_opacities.

    Rows that are not visible hold zeros. A Gaussian that is not finite is not visible: it never reaches a picture.
    """
    view = camera.world_to_camera.to(gaussians.means)
    fx, fy, cx, cy = (camera.intrinsics[i, j].item() for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    x, y, depths = camera.local(gaussians.means).unbind(-1)
    alive = gaussians.is_finite(GEOMETRY) & (depths > NEAR) & (gaussians.opacities > alpha_min)
    z = torch.where(alive, depths, 1.0)
    x, y = torch.where(alive, x, 0.0), torch.where(alive, y, 0.0)
    centers = torch.stack([fx * x / z + cx, fy * y / z + cy], dim=-1)

    left, right, top, bottom = slope_limits(camera)
    tx = z * (x / z).clamp(left, right)
    ty = z * (y / z).clamp(top, bottom)
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [
            torch.stack([fx / z, zero, -fx * tx / (z * z)], dim=-1),
            torch.stack([zero, fy / z, -fy * ty / (z * z)], dim=-1),
        ],
        dim=-2,
    )
    half = jacobian @ view[:3, :3] @ (rotations(gaussians.quats) * gaussians.scales[:, None, :])
    flat = half @ half.transpose(-1, -2)
    xx, xy, yy = flat[:, 0, 0] + DILATION, flat[:, 0, 1], flat[:, 1, 1] + DILATION
    determinant = xx * yy - xy * xy
    alive = alive & determinant.isfinite() & (determinant > 0) & (torch.maximum(xx, yy) < LARGEST_RADIUS**2)
    determinant = torch.where(alive, determinant, 1.0)
    conics = torch.stack([yy, -xy, xx], dim=-1) / determinant[:, None]

    def keep(tensor: Tensor) -> Tensor:
        mask = alive if tensor.ndim == 1 else alive[:, None]
        return torch.where(mask, tensor, torch.zeros_like(tensor))

    spread = keep(torch.stack([xx, xy, yy], dim=-1)).detach()
    return Footprints(keep(centers), keep(conics), keep(depths), keep(gaussians.opacities), alive, spread)
