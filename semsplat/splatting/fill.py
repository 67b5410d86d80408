"""Close the hole that something leaves: the surface behind it, from what photos show around it and behind it."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from .capture.types import Frame
from .edit_fill import Fill
from .errors import InputError
from .fill_plane import Plane, aligned, around, back_projected, planes
from .fill_refine import refined
from .fill_surface import cells_of, disagreement, evidence, filled, fineness, seeds
from .fill_views import Say, Sight, look, surface_depth
from .gaussians import Gaussians
from .ids import rows_of
from .splat import splat
from .train import one_torch_thread

VIEWS = 48  # photos that are looked at, at most
TRUSTED = 0.3  # of what is seen of a Gaussian that must be in pixels where the thing was not in front
NEAR, BLUR = 0.04, 0.01  # of the thing's size, of the distance to it: what is nearer to a surface is on it
REACH = 2.0  # times the thing's radius: the surroundings that count
STEPS = 300
ALIGNED = 16  # photos in which a surface is put right, at most
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
        sights, free_mass, mass = look(gaussians, gone, _some(frames), _part(say, 0.0, 0.3, stop))
        if not sights:
            raise InputError("No photo shows what is deleted, so nothing is known of what is behind it.")
        dropped = ~gone & (free_mass < TRUSTED * mass)
        kept = gaussians[~gone & ~dropped]
        filling, cell = _seeded(_extent(sights), kept, sights, _part(say, 0.3, 0.7, stop))
        if len(filling):
            filling = refined(filling, kept, sights, cell, steps, _part(say, 0.7, 0.98, stop))
            filling = _seen(filling, kept, sights)
    say(1.0, "filled")
    return Fill(gaussians.ids[dropped].cpu(), filling)


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


def _extent(sights: Sequence[Sight]) -> tuple[Float[Tensor, "3"], float]:
    """Middle and radius of what is seen of the thing."""
    seen = []
    for sight in sights:
        places = back_projected(sight.before, sight.camera)[sight.thing]
        seen.append(places[places.isfinite().all(-1)])
    points = torch.cat(seen)
    if len(points) < 4:
        raise InputError("What is deleted is hardly seen in any photo, so nothing is known of what is behind it.")
    points = points[:: max(1, len(points) // 100_000)]
    low, high = (torch.quantile(points, q, dim=0) for q in (0.02, 0.98))
    return 0.5 * (low + high), max(0.5 * (high - low).norm().item(), 1e-6)


def _seeded(place: tuple[Tensor, float], kept: Gaussians, sights: Sequence[Sight], say: Say) -> tuple[Gaussians, float]:
    """The Gaussians of all surfaces, before they are fitted, and how far they are apart."""
    center, radius = place
    size = fineness(center, REACH * radius, sights)
    eyes = torch.stack([sight.camera.center for sight in sights])
    near = max(NEAR * radius, size, BLUR * (eyes - center).norm(dim=-1).median().item())
    points, normals = around(sights, center, REACH * radius)
    parts, some = [], sights[:: -(-len(sights) // ALIGNED)]
    without = _drawn(kept, sights)
    for number, plane in enumerate(planes(points, normals, near, eyes)):
        say(number / 5, "finding the surfaces behind")
        reach = REACH * radius

        def cost(tried: Plane, reach: float = reach) -> float:
            return disagreement(cells_of(tried, center, reach, size), some, near)

        cells = cells_of(aligned(plane, cost, near, reach), center, reach, size)
        chosen, color, height = filled(cells, evidence(cells, sights, without, near))
        places = cells.points + height[:, None] * cells.plane.normal
        if chosen.any():
            parts.append(seeds(places[chosen], cells.plane, size, color[chosen]))
            without = _drawn(Gaussians.cat([kept, *(_like(part, kept) for part in parts)]), sights)
    return (Gaussians.cat(parts), size) if parts else (kept[:0].replace(sh=kept.sh[:0, :1]), 1.0)


def _drawn(gaussians: Gaussians, sights: Sequence[Sight]) -> list[tuple[Tensor, Tensor]]:
    return [surface_depth(splat(gaussians, sight.camera).detach()) for sight in sights]


def _like(part: Gaussians, other: Gaussians) -> Gaussians:
    """With as many spherical harmonics and features as another."""
    more = part.sh.new_zeros(len(part), other.sh.shape[1] - part.sh.shape[1], 3)
    return part.replace(
        sh=torch.cat([part.sh, more], 1), features=other.features.new_zeros(len(part), other.features.shape[1])
    )


@torch.no_grad()
def _seen(filling: Gaussians, kept: Gaussians, sights: Sequence[Sight]) -> Gaussians:
    """Without those that no photo's view shows."""
    both = Gaussians.cat([_like(filling, kept), kept])
    mass = filling.means.new_zeros(len(filling))
    for sight in sights:
        ones = torch.ones_like(sight.photo[..., :1])
        mass += (splat(both, sight.camera).detach().T @ ones)[: len(filling), 0]
    return filling[mass > SEEN]
