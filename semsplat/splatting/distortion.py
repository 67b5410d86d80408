"""How far apart along its ray lies what a pixel shows: a loss that makes surfaces of what photos could see through.

Colours alone do not say where along a ray a plain wall is, so a fit spreads it over Gaussians in front of and behind
each other. Barron et al. 2022 (Mip-NeRF 360, eq. 15) and Huang et al. 2024 (2DGS, eq. 13) draw all pairs of what a ray
meets together: depth distortion. Half of the mean squared distance of pairs is the variance, and the mean of log depth
and of its square are two more channels of the picture that is drawn anyhow: ``W @ (u, u^2)``.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from .camera import Camera
from .gaussians import Gaussians
from .project import NEAR

FROM = 0.25  # of the fit: before, pictures are smaller and all is still on its way
EVERY = 4  # views: the others are drawn without, which saves three quarters of what it costs
WIDE = 0.03  # of the depth: a spread well above it is a border between two surfaces, and hardly drawn together


def due(share: float, view: int) -> bool:
    """Whether the ``view``-th view of a fit, when it is done to this share, is one that is drawn with depth."""
    return share >= FROM and view % EVERY == 0


def moments(gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 2"]:
    """Log depth of each Gaussian's centre, and its square: to be blended with the colours."""
    logs = camera.local(gaussians.means)[:, 2:].clamp_min(NEAR).log()
    return torch.cat([logs, logs.square()], dim=1)


def spread(blended: Float[Tensor, "h w 2"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, ""]:
    """Mean over pixels of their coverage times v / (v + WIDE^2), v the variance of log depth; in [0, 1].

    Args:
        blended: W @ moments.
        alpha: W @ 1.
    """
    mean, square = (blended / alpha.clamp_min(1e-3)).unbind(-1)
    variance = (square - mean.square()).clamp_min(0.0)
    return (alpha[..., 0] * variance / (variance + WIDE**2)).mean()
