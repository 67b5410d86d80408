"""Gaussians on the surfaces on which a thing stood, before they are fitted."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .errors import InputError
from .fill_plane import Plane, aligned, around, back_projected, planes
from .fill_surface import cells_of, disagreement, evidence, filled, fineness, in_the_air, membrane, seeds
from .fill_views import SURE, Say, Sight, rays, surface_depth
from .gaussians import Gaussians
from .splat import splat

NEAR, BLUR = 0.04, 0.01  # of the thing's size, of the distance to it: what is nearer to a surface is on it
REACH = 2.0  # times the thing's radius: the surroundings that count
ALIGNED = 16  # photos in which a surface is put right, at most
OPEN, SMALLEST = 0.75, 12  # coverage below which a pixel is a hole; pixels of one that is worth it
FULL = 0.97  # coverage of what is left as it is around one: less would be a dark rim
APART, FARTHEST = 0.03, 60  # of a depth, by which photos tell two surfaces apart; steps of that size to the farthest
ROUNDS = 6  # photos in which what is left of the hole is closed, at most


def seeded(kept: Gaussians, photos: Sequence[Sight], say: Say) -> tuple[Gaussians, float]:
    """The Gaussians of all surfaces, and how far they are apart; ``kept`` is the scene without the thing."""
    sights = [photo.around() for photo in photos]
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
        chosen, color, height = filled(cells, evidence(cells, sights, drawn, near))
        places, color = (cells.points + height[:, None] * cells.plane.normal)[chosen], color[chosen]
        firm = ~in_the_air(places, photos, APART)
        if firm.any():
            parts.append(seeds(places[firm], cells.plane, size, color[firm]))
            drawn = _drawn(kept, parts, sights)
    for _ in range(ROUNDS):
        rest = _behind(kept, parts, photos, sights, drawn)
        if rest is None:
            break
        parts.append(rest)
        drawn = _drawn(kept, parts, sights)
    return (Gaussians.cat(parts) if parts else kept[:0].replace(sh=kept.sh[:0, :1])), size


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


def _behind(
    kept: Gaussians,
    parts: Sequence[Gaussians],
    photos: Sequence[Sight],
    sights: Sequence[Sight],
    drawn: Sequence[tuple[Tensor, Tensor]],
) -> Gaussians | None:
    """What closes the hole in the photo that has most of it: smooth in colour and inverse depth, as planes are.

    None where no photo has a hole to speak of.
    """
    open_ = [sight.hidden & (alpha < OPEN) for sight, (_, alpha) in zip(sights, drawn, strict=True)]
    worst = max(range(len(sights)), key=lambda number: int(open_[number].sum()))
    sight, (depth, alpha) = sights[worst], drawn[worst]
    if int(open_[worst].sum()) < SMALLEST:
        return None
    whole = Gaussians.cat([kept, *(alike(part, kept) for part in parts)])
    color = splat(whole, sight.camera).detach() @ whole.colors(sight.camera) / alpha.clamp_min(0.1)[..., None]
    front = torch.nanquantile(sight.before[sight.thing], 0.05) if sight.thing.any() else depth.new_tensor(0.0)
    wanted = _around(open_[worst], sight.hidden & (alpha < FULL))
    known = (alpha >= FULL) & depth.isfinite() & (depth > front)
    values = torch.cat([color, 1.0 / depth.nan_to_num(1.0).clamp_min(1e-6)[..., None]], -1).permute(2, 0, 1)
    found = torch.from_numpy(membrane(values.double().numpy(), known.numpy(), wanted.numpy())).float()
    solid = membrane(alpha.double()[None].numpy(), ~wanted.numpy(), wanted.numpy())  # empty space goes on, too
    good = wanted & (torch.from_numpy(solid)[0] > SURE) & (found[3] > 1e-3 * found[3].max())
    if not good.any():
        return None
    along = rays(sight.camera)[good]
    away = _out_of_the_air(1.0 / found[3][good], along, sight.camera.center, photos)
    places = sight.camera.center + away[:, None] * along
    right, down, forward = sight.camera.world_to_camera[:3, :3]
    facing = Plane(places.mean(0), torch.stack([right, -down, -forward]))
    size = away.median().item() / sight.camera.intrinsics[0, 0].item()
    return seeds(places, facing, size, found[:3].permute(1, 2, 0)[good].clamp(0.0, 1.0))


def _out_of_the_air(
    away: Float[Tensor, " k"], along: Float[Tensor, "k 3"], eye: Float[Tensor, "3"], photos: Sequence[Sight]
) -> Float[Tensor, " k"]:
    """Depths moved back as far as photos see through to something behind; as they were where that never ends.

    It is the hull that photos leave (Kutulakos and Seitz 2000), from the first guess on.
    """
    moved, left = away.clone(), torch.arange(len(away))
    for _ in range(FARTHEST):
        left = left[in_the_air(eye + moved[left, None] * along[left], photos, APART)]
        if not len(left):
            return moved
        moved[left] *= 1.0 + APART
    moved[left] = away[left]
    return moved


def _around(core: Bool[Tensor, "h w"], wide: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """The connected parts of ``wide`` that hold enough of ``core``."""
    from scipy import ndimage

    label, parts = ndimage.label(wide.numpy())  # type: ignore[misc]
    held = np.bincount(label[core.numpy()], minlength=parts + 1)
    held[0] = 0
    return torch.from_numpy(held[label] >= SMALLEST)
