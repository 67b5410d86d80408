"""From pictures to Gaussians: closed-form lifting by W.T, and the least-squares values by conjugate gradients."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from . import processes
from .average import Averaged
from .blend import Blend
from .errors import InputError

View = tuple[Blend | Averaged, Float[Tensor, "h w c"]]  # W of a camera, and what it should give of the values


def lift(views: Iterable[View]) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n 1"]]:
    """Values of the Gaussians as the mean of what they are seen with: (sum W.T @ map) / (sum W.T @ 1).

    One pass, nothing is kept of a view (as Marrie et al. 2024, LUDVIG, and Cheng et al. 2024, Occam's LGS).

    Returns:
        values: (n, c), 0 where no view sees a Gaussian. mass: (n, 1), sum of the Gaussian's weights over all pixels.

    Raises:
        InputError: there is no view.
    """
    total, mass = None, None
    for blend, image in views:
        still, ones = blend.detach(), image.new_ones(*image.shape[:2], 1)
        if total is None or mass is None:
            total, mass = still.T @ image, still.T @ ones
        else:
            still.gather_into(total, image)
            still.gather_into(mass, ones)
    if total is None or mass is None:
        raise InputError("Lifting needs at least one view.")
    total /= torch.where(mass > 0, mass, torch.inf)
    return total, mass


def solve(views: Iterable[View], start: Float[Tensor, "n c"], sweeps: int) -> Float[Tensor, "n c"]:
    """Values that minimise the sum over views of ||W values - map||^2, by conjugate gradients from ``start``.

    Each channel is a system of its own with the same matrix, sum W.T W; its row sums, which bound it, precondition it
    (Hestenes and Stiefel 1952). Every sweep goes over the views once, with the two products and nothing else.

    Args:
        views: gone over ``sweeps + 1`` times, so a list, or anything that makes its views anew; not a generator. Of
            several processes each gives those of its share, and all get the values of all views.
        start: usually :func:`lift`'s values. Gaussians that no view sees keep it.

    Raises:
        InputError: ``views`` can be gone over only once.
    """
    if iter(views) is views:
        raise InputError("solve() goes over the views several times; give a list of them, not a generator.")
    values = start.clone()
    residual, mass = torch.zeros_like(values), values.new_zeros(len(values), 1)
    for blend, image in views:
        still = blend.detach()
        still.gather_into(residual, image - still @ values)
        mass += still.T @ (still @ values.new_ones(len(values), 1))
    processes.add([residual, mass])
    scale = torch.where(mass > 0, 1.0 / mass.clamp_min(torch.finfo(mass.dtype).tiny), 0.0)
    direction = scale * residual
    energy = (residual * direction).sum(0)
    for _ in range(sweeps):
        moved = torch.zeros_like(values)
        for blend, _ in views:
            still = blend.detach()
            still.gather_into(moved, still @ direction)
        processes.add([moved])
        step = _divide(energy, (direction * moved).sum(0))
        values += step * direction
        residual -= step * moved
        before, energy = energy, (residual * scale * residual).sum(0)
        direction = scale * residual + _divide(energy, before) * direction
    return values


def _divide(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where a channel is solved already."""
    return torch.where(b > 0, a / b.clamp_min(torch.finfo(b.dtype).tiny), 0.0)
