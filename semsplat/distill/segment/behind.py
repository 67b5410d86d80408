"""What of a thing is seen only through its surface: fog behind a wall, a rug, a pane; it is brought up to the surface.

Photos tell little about depth, so a fit leaves some Gaussians behind the surface, where they are seen through those in
front. In the scene that looks right; in a file of its own they float.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from ...splatting.camera import Camera
from ...splatting.depth import median_depth, slopes
from ...splatting.gaussians import Gaussians
from ...splatting.splat import splat

NEAR = 0.012  # of the distance to the camera: what is less behind a surface may be on it
THROUGH = 0.8  # share of what is seen of one that is seen behind the surface
LEAST = 0.2  # of the way: nearer to the camera nothing is brought
BACK = 1.0  # of the thing's standard deviation along its longest axis: what is farther behind may be its back
ROUNDS = 3  # what was brought up a part of the way is looked at again


@torch.no_grad()
def brought_up(chosen: Gaussians, cameras: Sequence[Camera]) -> tuple[Gaussians, Bool[Tensor, " n"]]:
    """The same Gaussians, those moved to the surface that are seen through it alone, and which these are.

    The surface of a view is where half of a pixel's coverage is reached. They move, and shrink, towards the cameras
    that see them, so they stay where they are in pictures.

    Args:
        cameras: some of those that see them.
    """
    moved = torch.zeros_like(chosen.logit_opacities, dtype=torch.bool)
    for _ in range(ROUNDS):
        chosen, now = _once(chosen, cameras)
        moved |= now
        if not bool(now.any()):
            break
    return chosen, moved


def _once(chosen: Gaussians, cameras: Sequence[Camera]) -> tuple[Gaussians, Bool[Tensor, " n"]]:
    """By the surface as it is now."""
    size = BACK * torch.linalg.matrix_norm(chosen.means - chosen.means.mean(0), 2).item() / max(len(chosen), 1) ** 0.5
    mass, through = chosen.means.new_zeros(2, len(chosen)).unbind(0)
    eyes, shares = torch.zeros_like(chosen.means), torch.zeros_like(mass)
    for camera in cameras:
        blend = splat(chosen, camera)
        surface, seen = median_depth(blend), blend.footprints
        rows, columns = (torch.arange(n).to(surface) + 0.5 for n in surface.shape[:2])
        place = torch.stack(torch.broadcast_tensors(columns, rows[:, None]), dim=-1)
        sums = blend.T @ torch.cat([torch.ones_like(surface), surface, place], dim=-1)
        weight = sums[:, 0]
        mean = sums[:, 1:] / weight.clamp_min(1e-12)[:, None]  # of the surface's depth, and of where it is seen
        centers = torch.where(seen.visible[:, None], seen.centers, mean[:, 1:])
        own = seen.depths + (slopes(blend) * (mean[:, 1:] - centers)).sum(-1)  # of the part that is seen
        share = (mean[:, 0] / own.clamp_min(1e-9)).nan_to_num(1.0).clamp(LEAST, 1.0)
        weight = torch.where(seen.visible, weight, 0.0)
        behind = weight * ((share < 1.0 - NEAR) & ((1.0 - share) * own < size))
        mass, through, shares = mass + weight, through + behind, shares + behind * share
        eyes += behind[:, None] * camera.center.to(eyes)
    moved = through > THROUGH * mass
    share = torch.where(moved, shares / through.clamp_min(1e-12), 1.0)[:, None]
    eyes = eyes / through.clamp_min(1e-12)[:, None]
    places = torch.where(moved[:, None], eyes + share * (chosen.means - eyes), chosen.means)
    return chosen.replace(means=places, log_scales=chosen.log_scales + share.log()), moved
