"""Close the hole that something leaves: the surface behind it, from what photos show around it and behind it."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from .capture.types import Frame
from .edit_fill import Fill
from .errors import InputError
from .fill_refine import refined
from .fill_seeds import alike, seeded
from .fill_views import Say, Sight, look
from .gaussians import Gaussians
from .ids import rows_of
from .splat import splat
from .train import one_torch_thread

VIEWS = 48  # photos that are looked at, at most
TRUSTED = 0.15  # of what is seen of a Gaussian that must be in pixels where the thing was not in front
STEPS = 450
SEEN = 0.02  # pixels' weight below which a Gaussian of the filling is left out


def fill(
    gaussians: Gaussians,
    ids: Int64[Tensor, " k"],
    frames: Sequence[Frame],
    say: Say | None = None,
    stop: Callable[[], bool] | None = None,
    steps: int = STEPS,
) -> Fill:
    """The edit that fills the hole which the Gaussians ``ids`` leave when they are deleted.

    Args:
        gaussians: the scene with them. frames: its photos.
        say: told (share done in [0, 1], what is done). stop: asked now and then; True gives up.

    Raises:
        InputError: nothing or everything is deleted, no photo shows it, or nothing is around to go by.
        Stopped: ``stop`` said so.
    """
    say, stop = say or (lambda share, words: None), stop or (lambda: False)
    gaussians = gaussians.detach().to("cpu").float()
    gone = _gone(gaussians, ids)
    with one_torch_thread(gaussians.means.device):
        photos, free_mass, mass = look(gaussians, gone, _some(frames), _part(say, 0.0, 0.3, stop))
        if not photos:
            raise InputError("No photo shows what is deleted, so nothing is known of what is behind it.")
        dropped = ~gone & (free_mass < TRUSTED * mass)
        kept = gaussians[~gone & ~dropped]
        filling, cell = seeded(kept, photos, _part(say, 0.3, 0.7, stop))
        if len(filling):
            sights = [photo.around(filling.means) for photo in photos]
            filling = refined(filling, kept, sights, cell, steps, _part(say, 0.7, 0.98, stop))
            filling = _seen(filling, kept, sights)
    say(1.0, "filled")
    return Fill(gaussians.ids[dropped], filling)


class Stopped(Exception):
    """Somebody did not want to wait for it."""


def _part(say: Say, low: float, high: float, stop: Callable[[], bool]) -> Say:
    def told(share: float, words: str) -> None:
        if stop():
            raise Stopped
        say(low + (high - low) * share, words)

    return told


def _gone(gaussians: Gaussians, ids: Int64[Tensor, " k"]) -> Bool[Tensor, " n"]:
    rows = rows_of(gaussians.ids, ids)
    good = gaussians.is_finite()
    rows = rows[good[rows]]
    if not len(rows):
        raise InputError("Nothing is deleted, so there is no hole to fill; delete a thing first.")
    gone = torch.zeros(len(gaussians), dtype=torch.bool, device=gaussians.means.device)
    gone[rows] = True
    if len(rows) == int(good.sum()):
        raise InputError(
            "Everything is deleted, so nothing is left to go by; delete a part of the scene and fill that."
        )
    return gone


def _some(frames: Sequence[Frame]) -> list[Frame]:
    step = max(1.0, len(frames) / VIEWS)
    return [frames[int(k * step)] for k in range(min(len(frames), VIEWS))]


@torch.no_grad()
def _seen(filling: Gaussians, kept: Gaussians, sights: Sequence[Sight]) -> Gaussians:
    """Without those that no photo's view shows."""
    both = Gaussians.cat([alike(filling, kept), kept])
    mass = filling.means.new_zeros(len(filling))
    for sight in sights:
        ones = torch.ones_like(sight.photo[..., :1])
        mass += (splat(both, sight.camera).detach().T @ ones)[: len(filling), 0]
    return filling[mass > SEEN]
