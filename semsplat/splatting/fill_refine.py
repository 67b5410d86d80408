"""Fit the Gaussians of a filling to the pixels where the thing was not in front; all others stay as they are."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .fill_views import Say, Sight
from .gaussians import Gaussians
from .losses import photometric
from .optimizer import adam
from .splat import splat

RATES = {"means": 1e-2, "quats": 1e-3, "log_scales": 4e-3, "logit_opacities": 0.2, "sh": 8e-3}  # means: times a cell
HOLD = {"means": 2e-4, "quats": 1e-3, "log_scales": 1e-3, "logit_opacities": 1e-4, "sh": 1e-2}  # against going away
COARSEST = 3.0  # cells that a Gaussian may become wide


def refined(
    filling: Gaussians, others: Gaussians, sights: Sequence[Sight], cell: float, steps: int, say: Say
) -> Gaussians:
    """The filling after some steps of Adam, one photo each; what no photo shows is held where it was put.

    Args:
        filling: with the first spherical harmonic alone. others: what it is drawn with.
        cell: world units, about the filling's spacing.
    """
    tensors = {name: getattr(filling, name).clone() for name in RATES}
    first = {name: tensor.clone() for name, tensor in tensors.items()}
    moments = {name: (torch.zeros_like(tensor), torch.zeros_like(tensor)) for name, tensor in tensors.items()}
    hold = {name: weight / (cell**2 if name == "means" else 1.0) / len(filling) for name, weight in HOLD.items()}
    generator = torch.Generator().manual_seed(0)
    order: list[int] = []
    for step in range(steps):
        say(step / steps, "fitting the filling to the photos")
        order = order or torch.randperm(len(sights), generator=generator).tolist()
        gradients = _gradients(tensors, others, sights[order.pop()])
        fade = 1.0 - 0.9 * step / steps
        for name, rate in RATES.items():
            gradient = gradients[name] + hold[name] * (tensors[name] - first[name])
            rate = fade * rate * (cell if name == "means" else 1.0)
            adam(tensors[name], gradient, *moments[name], rate, step + 1)
        tensors["log_scales"].clamp_(max=math.log(COARSEST * cell))
    return filling.replace(**tensors)


def _gradients(tensors: dict[str, Tensor], others: Gaussians, sight: Sight) -> dict[str, Tensor]:
    """Of the loss over the pixels where the thing was not in front."""
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
    rest = leaves["sh"].new_zeros(len(leaves["sh"]), others.sh.shape[1] - 1, 3)
    filling = leaves | {"sh": torch.cat([leaves["sh"], rest], 1)}
    scene = Gaussians(**{name: torch.cat([filling[name], getattr(others, name)]) for name in filling})
    drawn, _ = splat(scene, sight.camera).composite(scene.colors(sight.camera))
    loss = photometric(torch.where(sight.free[..., None], drawn, sight.photo), sight.photo)
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
