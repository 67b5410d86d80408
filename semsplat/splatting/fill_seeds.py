"""Gaussians on the surfaces on which a thing stood, before they are fitted."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .errors import InputError
from .fill_plane import Plane, aligned, around, back_projected, planes
from .fill_surface import Cells, cells_of, disagreement, evidence, filled, fineness, seeds, unseen
from .fill_views import Say, Sight, surface_depth
from .gaussians import Gaussians
from .splat import splat

NEAR, BLUR = 0.04, 0.01  # of the thing's size, of the distance to it: what is nearer to a surface is on it
REACH = 2.0  # times the thing's radius: the surroundings that count
ALIGNED = 16  # photos in which a surface is put right, at most
FIRM = 0.9  # of what is seen of a Gaussian must be in free pixels for it to stay where no photo sees the surface


def seeded(
    kept: Gaussians, trust: Float[Tensor, " n"], sights: Sequence[Sight], say: Say
) -> tuple[Gaussians, Gaussians, float]:
    """The Gaussians of all surfaces, what is kept of the others, and how far those of the surfaces are apart.

    Args:
        trust: how much of what is seen of each is seen in pixels where the thing was not in front, in [0, 1].
    """
    center, radius = _extent(sights)
    reach = REACH * radius
    size = fineness(center, reach, sights)
    eyes = torch.stack([sight.camera.center for sight in sights])
    near = max(NEAR * radius, size, BLUR * (eyes - center).norm(dim=-1).median().item())
    some = sights[:: -(-len(sights) // ALIGNED)]
    parts: list[Gaussians] = []
    drawn = _drawn(kept, parts, sights)

    def cost(plane: Plane) -> float:
        return disagreement(cells_of(plane, center, reach, size), some, near)

    found = planes(*around(sights, center, reach), near, eyes)
    for number, plane in enumerate(found):
        say(number / len(found), "finding the surfaces behind")
        cells = cells_of(aligned(plane, cost, near, reach), center, reach, size)
        seen = evidence(cells, sights, drawn, near)
        away = _inside(kept, cells, unseen(cells, seen), near) & (trust < FIRM)
        if away.any():
            kept, trust = kept[~away], trust[~away]
            drawn = _drawn(kept, parts, sights)
            seen = evidence(cells, sights, drawn, near)
        chosen, color, height = filled(cells, seen)
        if chosen.any():
            places = cells.points + height[:, None] * cells.plane.normal
            parts.append(seeds(places[chosen], cells.plane, size, color[chosen]))
            drawn = _drawn(kept, parts, sights)
    return (Gaussians.cat(parts) if parts else kept[:0].replace(sh=kept.sh[:0, :1])), kept, size


def alike(part: Gaussians, other: Gaussians) -> Gaussians:
    """With as many spherical harmonics and features as another."""
    more = part.sh.new_zeros(len(part), other.sh.shape[1] - part.sh.shape[1], 3)
    features = other.features.new_zeros(len(part), other.features.shape[1])
    return part.replace(sh=torch.cat([part.sh, more], 1), features=features)


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


def _drawn(kept: Gaussians, parts: Sequence[Gaussians], sights: Sequence[Sight]) -> list[tuple[Tensor, Tensor]]:
    whole = Gaussians.cat([kept, *(alike(part, kept) for part in parts)])
    return [surface_depth(splat(whole, sight.camera).detach()) for sight in sights]


def _inside(gaussians: Gaussians, cells: Cells, wanted: Bool[Tensor, " m"], near: float) -> Bool[Tensor, " n"]:
    """Which are on the surface where it is wanted."""
    at, inside = cells.at(gaussians.means)
    return inside & wanted[at] & (cells.plane.heights(gaussians.means).abs() < 2.0 * near)
