"""How each photo shows the colours of the scene: an affine map of its own, fitted with the scene and off at render.

Cameras choose exposure and white balance anew for every photo. Without a say in it, a fit explains what photos disagree
about by fog before each of them. With it, a photo shows ``A color + b`` (as Kerbl's program since 2024; Kerbl et al.
2024, H-3DGS, sec. 3.3), drawn towards the identity. The scene itself has the mean of what the photos show.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .errors import InputError
from .optimizer import adam
from .train_types import TrainConfig, TrainState

NAME = "run.exposure"  # in the state, beside its two moments; (v, 3, 4) for the v training photos
RATE, RATE_END = 1e-2, 1e-3  # learning rate, falling with the share of the fit
WEIGHT = 1e-2  # of the squared distance from the identity in the loss
RIDGE = 1e-6  # of the best map between two pictures: where they are of one colour, it stays near the identity


def identity(count: int, like: Tensor) -> Float[Tensor, "v 3 4"]:
    """What changes nothing."""
    return torch.eye(3, 4).to(like).expand(count, 3, 4).clone()


def ready(state: TrainState, count: int, config: TrainConfig) -> None:
    """Give the state a map for each of ``count`` photos, where maps are fitted and it has none.

    Raises:
        InputError: it has maps for another number of photos.
    """
    if not config.exposure:
        return
    if NAME not in state.tensors:
        state.tensors[NAME] = identity(count, state.tensors["means"])
        for moment in ("first", "second"):
            state.tensors[f"{NAME}.{moment}"] = torch.zeros_like(state.tensors[NAME])
    if len(state.tensors[NAME]) != count:
        before = len(state.tensors[NAME])
        raise InputError(f"The fit was begun with {before} training photos, not {count}; use --overwrite.")


def leaf(state: TrainState, config: TrainConfig) -> list[Tensor]:
    """The maps, for a gradient: one tensor, or none where they are not fitted."""
    return [state.tensors[NAME].requires_grad_()] if config.exposure else []


def shown(
    rendered: Float[Tensor, "h w 3"], alpha: Float[Tensor, "h w 1"], own: Float[Tensor, "3 4"]
) -> Float[Tensor, "h w 3"]:
    """What a photo shows of ``W c`` and ``W 1``: W (A c + b), as if every Gaussian had the photo's colours."""
    return rendered @ own[:, :3].T + alpha * own[:, 3]


def distance(own: Float[Tensor, "3 4"]) -> Float[Tensor, ""]:
    """From the identity, for the loss."""
    return WEIGHT * (own - identity(1, own)[0]).square().sum()


def move(state: TrainState, gradient: Tensor, photos: Sequence[int], share: float, epoch: int, batch: int) -> None:
    """A step of Adam for the maps of the photos just looked at, after which the mean of all is the identity again.

    Args:
        epoch: how often each photo was looked at, this time included.
    """
    maps = state.tensors[NAME].detach()
    rows = torch.tensor(sorted(set(photos)), device=maps.device)
    names = (NAME, f"{NAME}.first", f"{NAME}.second")
    own, first, second = (state.tensors[name].detach()[rows].contiguous() for name in names)
    rate = math.exp((1 - share) * math.log(RATE) + share * math.log(RATE_END))
    adam(own, batch * gradient[rows].contiguous(), first, second, rate, epoch)
    for name, changed in zip(names, (own, first, second), strict=True):
        state.tensors[name] = state.tensors[name].detach().index_copy(0, rows, changed)
    state.tensors[NAME] -= state.tensors[NAME].mean(0) - identity(1, maps)[0]


def best(
    drawn: Float[Tensor, "h w 3"], photo: Float[Tensor, "h w 3"], weight: Float[Tensor, "h w 1"] | None = None
) -> Float[Tensor, "h w 3"]:
    """The drawn picture under the affine map that brings it nearest to the photo, least squares over what counts.

    The usual "colour-corrected" comparison: it scores shape and detail where nobody can know a photo's exposure.
    """
    known = (torch.ones_like(drawn[..., :1]) if weight is None else weight).double().reshape(-1, 1)
    colors = torch.cat([drawn.double().reshape(-1, 3), torch.ones_like(known)], dim=1)
    gram = colors.T @ (known * colors) + RIDGE * len(colors) * torch.eye(4, dtype=torch.float64, device=drawn.device)
    start = torch.eye(4, 3, dtype=torch.float64, device=drawn.device)
    wrong = photo.double().reshape(-1, 3) - colors @ start
    change = torch.linalg.solve(gram, colors.T @ (known * wrong))
    return (colors @ (start + change)).reshape(drawn.shape).to(drawn).clamp(0.0, 1.0)
