"""Fit the Gaussians of a filling to the pixels where the thing was not in front; all others stay as they are."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .fill_views import Say, Sight
from .gaussians import Gaussians
from .losses import photometric
from .optimizer import adam
from .splat import splat
from .train import one_torch_thread

RATES = {"means": 1e-2, "quats": 1e-3, "log_scales": 4e-3, "logit_opacities": 2e-2, "sh": 4e-3}  # means: times a cell
HOLD = {"means": 2e-4, "quats": 1e-3, "log_scales": 1e-3, "logit_opacities": 1e-4, "sh": 1e-2}  # against going away
COARSEST = 3.0  # cells that a Gaussian may become wide


def refined(
    filling: Gaussians, others: Gaussians, sights: Sequence[Sight], cell: float, steps: int, say: Say,
    stop: Callable[[], bool],
) -> Gaussians:  # fmt: skip
    """The filling after some steps of Adam, one photo each.

    Args:
        others: what it is drawn with. cell: world units, about the filling's spacing.
    """
    tensors = {name: getattr(filling, name).clone() for name in RATES}
    moments = {name: (torch.zeros_like(t), torch.zeros_like(t)) for name, t in tensors.items()}
    generator = torch.Generator().manual_seed(0)
    order: list[int] = []
    whole = dict(others.tensors())
    first = {name: t.clone() for name, t in tensors.items()}
    hold = {name: weight / (cell**2 if name == "means" else 1.0) for name, weight in HOLD.items()}
    with one_torch_thread(filling.means.device):
        for step in range(steps):
            if stop():
                break
            order = order or torch.randperm(len(sights), generator=generator).tolist()
            sight = sights[order.pop()]
            gradients = _gradients(tensors, whole, sight)
            for name, gradient in gradients.items():
                gradient += hold[name] / len(filling) * (tensors[name] - first[name])
            fade = 1.0 - 0.9 * step / steps
            for name, rate in RATES.items():
                rate = fade * rate * (cell if name == "means" else 1.0)
                adam(tensors[name], gradients[name], *moments[name], rate, step + 1)
            tensors["log_scales"].clamp_(max=torch.tensor(COARSEST * cell).log().item())
            say(step / steps, "fitting the filling to the photos")
    return filling.replace(**tensors)


def _gradients(tensors: dict[str, Tensor], others: dict[str, Tensor], sight: Sight) -> dict[str, Tensor]:
    leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
    count = len(tensors["means"])
    leaves_sh = torch.cat([leaves["sh"], leaves["sh"].new_zeros(count, others["sh"].shape[1] - 1, 3)], 1)
    both = {name: torch.cat([leaves_sh if name == "sh" else leaves[name], others[name]]) for name in leaves}
    scene = Gaussians(**both)
    drawn, _ = splat(scene, sight.camera).composite(scene.colors(sight.camera))
    drawn = torch.where(sight.free[..., None], drawn, sight.photo)
    loss = photometric(drawn, sight.photo)
    found = torch.autograd.grad(loss, list(leaves.values()))
    assert count == len(found[0])
    for tensor in tensors.values():
        tensor.requires_grad_(False)
    return dict(zip(leaves, found, strict=True))
