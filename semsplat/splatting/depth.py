"""How far away surfaces are: depths that follow the slant of each Gaussian, as a mean or as a median.

A Gaussian seen at a slant is nearer on one side. Its depth at a pixel is the mean of its depths there, given the pixel
(the conditional mean of a normal distribution); under the affine projection of EWA that is linear in the pixel, so
three channels of the blend hold it: ``W @ (depth - slope . center)`` and ``W @ slope``.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .blend import Blend
from .project import rotations, slope_limits

BINS, TOGETHER = 24, 4  # steps of log depth that the median is looked for in; steps blended at once
TAIL = 0.01  # share of what is seen, by area, that is nearer or farther than the steps in between


def mean_depth(blend: Blend) -> Float[Tensor, "h w 1"]:
    """The mean over all that a pixel shows, along the camera's axis, world units; 0 where nothing is."""
    image = blend @ _planes(blend)
    return torch.where(image[..., :1] > 1e-6, _along(blend, image) / image[..., :1].clamp_min(1e-6), 0.0)


def median_depth(blend: Blend) -> Float[Tensor, "h w 1"]:
    """Around the depth where half of a pixel's coverage is reached: means over the steps next to it.

    Sharp at borders, where the mean lies between what is in front and what is behind; 0 where nothing is.
    """
    planes, numbers = _planes(blend), _steps(blend)
    half = 0.5 * (blend @ planes[:, :1])
    reached, before, window = torch.zeros_like(half), torch.zeros_like(half), torch.zeros_like(half)
    depth_before, depth = torch.zeros_like(half), torch.zeros_like(half)
    was_hit = torch.zeros_like(half, dtype=torch.bool)
    for first in range(0, BINS, TOGETHER):
        steps = [planes * (numbers == step)[:, None] for step in range(first, first + TOGETHER)]
        for image in (blend @ torch.cat(steps, dim=1)).split(planes.shape[1], dim=-1):
            weight, along = image[..., :1], _along(blend, image)
            hit = ~was_hit & (window == 0) & (reached + weight >= half) & (half > 0)
            window += torch.where(hit, before + weight, 0.0) + torch.where(was_hit, weight, 0.0)
            depth += torch.where(hit, depth_before + along, 0.0) + torch.where(was_hit, along, 0.0)
            reached, before, depth_before, was_hit = reached + weight, weight, along, hit
    return torch.where(window > 0, depth / window.clamp_min(1e-9), 0.0)


def slopes(blend: Blend, rows: Int64[Tensor, " k"] | None = None) -> Float[Tensor, "k 2"]:
    """How much deeper each Gaussian is a pixel to the right, and a pixel down, world units; 0 where it is not visible.

    Covariance of (pixel, depth) times the inverse covariance of the pixel, which has EWA's dilation in it: what is
    about a pixel in size has no slope to speak of.

    Args:
        rows: those asked for; all by default.
    """
    chosen = slice(None) if rows is None else rows
    gaussians, camera, seen = blend.gaussians.detach()[chosen], blend.camera, blend.footprints
    visible = seen.visible[chosen]
    view = camera.world_to_camera.to(gaussians.means)
    x, y, depths = camera.local(gaussians.means).unbind(-1)
    z = torch.where(visible, depths, 1.0)
    left, right, top, bottom = slope_limits(camera)
    fx, fy = camera.intrinsics[0, 0].item(), camera.intrinsics[1, 1].item()
    axes = view[:3, :3] @ (rotations(gaussians.quats) * gaussians.scales[:, None, :])  # of the Gaussians, camera space
    across = (fx / z)[:, None] * (axes[:, 0] - (x / z).clamp(left, right)[:, None] * axes[:, 2])
    down = (fy / z)[:, None] * (axes[:, 1] - (y / z).clamp(top, bottom)[:, None] * axes[:, 2])
    u, v = (across * axes[:, 2]).sum(-1), (down * axes[:, 2]).sum(-1)
    a, b, c = seen.conics.detach()[chosen].to(gaussians.means).unbind(-1)
    found = torch.stack([a * u + b * v, b * u + c * v], dim=-1)
    return torch.where((visible & found.isfinite().all(-1))[:, None], found, 0.0)


def _planes(blend: Blend) -> Float[Tensor, "n 4"]:
    """(1, depth at the corner of the picture, slopes) of each Gaussian."""
    seen, slope = blend.footprints, slopes(blend)
    corner = seen.depths.detach() - (slope * torch.where(seen.visible[:, None], seen.centers.detach(), 0.0)).sum(-1)
    return torch.cat([torch.ones_like(corner)[:, None], corner[:, None], slope], dim=1)


def _along(blend: Blend, image: Float[Tensor, "h w 4"]) -> Float[Tensor, "h w 1"]:
    """Blended depths, each where its plane is at the pixel."""
    rows, columns = (torch.arange(n).to(image) + 0.5 for n in image.shape[:2])
    return (image[..., 1] + columns * image[..., 2] + rows[:, None] * image[..., 3])[..., None]


def _steps(blend: Blend) -> Tensor:
    """(n,) the number of the step of log depth in which each Gaussian is, from 0 to BINS - 1."""
    seen = blend.footprints
    depths = seen.depths.detach()
    areas = torch.where(seen.visible, seen.radii().square() * seen.opacities, 0.0).detach()
    inside = (seen.centers > 0) & (seen.centers < seen.centers.new_tensor([blend.camera.width, blend.camera.height]))
    areas = torch.where(inside.all(-1), areas, 0.0)
    if not (areas > 0).any():
        return torch.zeros_like(depths, dtype=torch.long)
    ordered, order = depths.sort()
    share = areas[order].cumsum(0) / areas.sum()
    ends = torch.searchsorted(share, share.new_tensor([TAIL, 1.0 - TAIL])).clamp_max(len(ordered) - 1)
    near, far = ordered[ends].log().tolist()
    return torch.bucketize(depths, torch.linspace(near, far, BINS - 1).exp().to(depths))
