"""A thing that is flat, like a painting or the walls of a room: what floats off its planes is brought to them.

Photos tell little about depth, so a fit leaves some of the Gaussians of a flat thing behind its surfaces, where they
are seen through those in front, or off them where few photos see them, all from about the same direction. In the scene
that looks right; in a file of its own they float. :mod:`.behind` does it for what is behind any surface, less well: of
a plane it is known where it is even where most of what is seen lies off it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...splatting.camera import Camera
from ...splatting.gaussians import Gaussians
from ...splatting.splat import splat

NEAR = 0.012  # of the distance to the cameras: what is nearer to a plane may be on it ...
WIDE = 0.1  # ... or of the standard deviation of a thing where it is second narrowest: what is large is known less well
FLAT = 0.7  # share of what is seen of a thing that must be near its planes ...
FIRST, EACH = 0.25, 0.12  # ... of which the first holds so much, and each other
THIN = 0.6  # of the standard deviation of a thing along its plane, where it is narrowest: "near" must be less
SLAB = 3.0  # mean deviations from the plane, of what is near it, that are left as they are
TRIES = 300  # planes through three of them that are tried (Fischler and Bolles 1981)
ROUNDS = 4  # of least squares
THROUGH = 0.8  # share of what is seen of something behind the plane that is seen through what is on it
MOST = 2.0  # times as far from the cameras: farther nothing is brought
FEWEST = 12  # Gaussians


@dataclass(frozen=True)
class _Seen:
    """How some views see Gaussians."""

    masses: Float[Tensor, "v n"]  # how much each view sees of each
    centers: Float[Tensor, "v 3"]  # of the cameras
    mass: Float[Tensor, " n"]  # sum over the views
    eyes: Float[Tensor, "n 3"]  # from where each is seen, on the mean

    @classmethod
    def of(cls, chosen: Gaussians, cameras: Sequence[Camera]) -> Self:
        """Draw them once for each camera."""
        masses, centers = chosen.means.new_zeros(len(cameras), len(chosen)), chosen.means.new_zeros(len(cameras), 3)
        for k, camera in enumerate(cameras):
            blend = splat(chosen, camera)
            masses[k], centers[k] = (blend.T @ torch.ones_like(blend.alpha))[:, 0], camera.center.to(centers)
        mass = masses.sum(0)
        return cls(masses, centers, mass, masses.T @ centers / mass.clamp_min(1e-12)[:, None])

    def apart(self, means: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Standard deviation across the line of sight of where the cameras are that see each; world units."""
        along = torch.nn.functional.normalize(means - self.eyes, dim=1)
        total = torch.zeros_like(self.mass)
        for part, center in zip(self.masses, self.centers, strict=True):
            away = center - self.eyes
            total += part * (away.square().sum(1) - (away * along).sum(1).square())
        return (total / self.mass.clamp_min(1e-12)).clamp_min(0.0).sqrt()


@dataclass(frozen=True)
class _Plane:
    origin: Float[Tensor, "3"]
    normal: Float[Tensor, "3"]  # unit; to where the cameras are
    heights: Float[Tensor, " n"]  # of the Gaussians over it
    above: Float[Tensor, " n"]  # of the eyes that see them
    near: float  # what is lower is on it
    slab: float  # what is lower stays as it is

    @property
    def on(self) -> Bool[Tensor, " n"]:
        return self.heights.abs() < self.near


@torch.no_grad()
def flattened(chosen: Gaussians, cameras: Sequence[Camera]) -> tuple[Gaussians, Bool[Tensor, " n"]]:
    """The same Gaussians, those that float off the planes of a flat thing moved to the nearest, and which these are.

    They move along the rays to the cameras that see them, and shrink or grow, so they stay where they are in pictures.
    Only those move that are behind a plane and seen through others on it, or that would hardly move in any picture,
    by less than their own size: the legs of a table, seen beside its top, stay. Things that are not flat stay as they
    are.

    Args:
        cameras: some of those that see them.
    """
    seen, moved = _Seen.of(chosen, cameras), torch.zeros_like(chosen.logit_opacities, dtype=torch.bool)
    planes = _planes(chosen.means, seen) if int((seen.mass > 0).sum()) >= FEWEST else []
    if not planes:
        return chosen, moved
    off, shares = seen.mass > 0, torch.ones_like(chosen.means[:, :1])
    for plane in planes:
        off &= plane.heights.abs() > plane.slab
    for plane in planes:
        share, may = _moves(chosen, seen, plane, off)
        better = may & (~moved | ((1.0 - share).abs() < (1.0 - shares).abs())[:, 0])
        shares, moved = torch.where(better[:, None], share, shares), moved | better
    places = seen.eyes + shares * (chosen.means - seen.eyes)
    return chosen.replace(
        means=torch.where(moved[:, None], places, chosen.means), log_scales=chosen.log_scales + shares.log()
    ), moved


def _moves(
    chosen: Gaussians, seen: _Seen, plane: _Plane, off: Bool[Tensor, " n"]
) -> tuple[Float[Tensor, "n 1"], Bool[Tensor, " n"]]:
    """How much of the way from the eyes to each lies before a plane, and which of those that are off may move there."""
    means, above, heights = chosen.means, plane.above, plane.heights
    reached, share = _Reached(chosen[plane.on], plane.near), _shares(above, heights, plane.slab)
    off = off & (above > plane.near) & (above - heights > plane.near)
    places = seen.eyes + share * (means - seen.eyes)
    may = off & ((1.0 - share[:, 0]).abs() * seen.apart(means) < chosen.scales.median(1).values)
    may[may.clone()] = reached(places[may])
    rows = (off & ~may & (heights < 0)).nonzero()[:, 0]
    through = torch.zeros_like(seen.mass[rows])
    for part, center in zip(seen.masses, seen.centers, strict=True):
        before = _shares((center - plane.origin) @ plane.normal, heights[rows], plane.slab)
        through += part[rows] * reached(center + before * (means[rows] - center))
    may[rows] = through > THROUGH * seen.mass[rows]
    return share, may


def _planes(means: Float[Tensor, "n 3"], seen: _Seen) -> list[_Plane]:
    """The planes that hold most of what is seen of a thing, the largest first; none where it is not flat."""
    mass, left, found = seen.mass, seen.mass, list[_Plane]()
    near = NEAR * (means - seen.eyes).norm(dim=1)[mass > 0].median().item()
    near = max(near, WIDE * _narrowest(means, mass))
    while True:
        origin, normal = _plane(means, left, near)
        if (left * ((seen.eyes - origin) @ normal)).sum() < 0:
            normal = -normal
        heights = (means - origin) @ normal
        there = left * (heights.abs() < near)
        if there.sum() < (EACH if found else FIRST) * mass.sum() or near > THIN * _narrowest(means, there):
            break
        slab = min(0.5 * near, SLAB * ((there * heights.abs()).sum() / there.sum()).item())
        found.append(_Plane(origin, normal, heights, (seen.eyes - origin) @ normal, near, slab))
        left = left * (heights.abs() >= near)
    return found if mass.sum() - left.sum() >= FLAT * mass.sum() else []


def _shares(above: Float[Tensor, "*n"], heights: Float[Tensor, " n"], slab: float) -> Float[Tensor, "n 1"]:
    """How much of the way from an eye above a plane to a place lies before it is within ``slab`` of the plane."""
    ends = heights.clamp(-slab, slab)
    return ((above - ends) / (above - heights).clamp_min(1e-9)).clamp(1e-6, MOST)[:, None]


def _plane(
    points: Float[Tensor, "n 3"], mass: Float[Tensor, " n"], near: float
) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """A point and the unit normal of the plane that has the most mass within ``near``. Always the same."""
    generator = torch.Generator(points.device).manual_seed(0)
    three = torch.multinomial(mass.clamp_min(1e-12), 3 * TRIES, replacement=True, generator=generator)
    a, b, c = points[three.reshape(TRIES, 3)].unbind(1)
    normals = torch.linalg.cross(b - a, c - a)
    good = normals.norm(dim=1) > 1e-12  # the same Gaussian may be drawn twice
    if not bool(good.any()):
        return points.mean(0), points.new_tensor([0.0, 0.0, 1.0])
    a, normals = a[good], torch.nn.functional.normalize(normals[good], dim=1)
    distances = (normals @ points.T - (normals * a).sum(1)[:, None]).abs()
    best = ((distances < near) * mass).sum(1).argmax()
    origin, normal = a[best], normals[best]
    for _ in range(ROUNDS):
        weight = (mass * (((points - origin) @ normal).abs() < near))[:, None]
        if not bool((weight > 0).sum() >= 3):
            break
        origin = (weight * points).sum(0) / weight.sum()
        spread = (points - origin).double()
        normal = torch.linalg.eigh(spread.T @ (weight * spread)).eigenvectors[:, 0].to(points)
    return origin, normal


def _narrowest(points: Float[Tensor, "n 3"], weight: Float[Tensor, " n"]) -> float:
    """Standard deviation along the second axis of points about a plane."""
    total = weight.sum().clamp_min(1e-12)
    spread = (points - (weight[:, None] * points).sum(0) / total).double()
    return torch.linalg.eigvalsh(spread.T @ (weight[:, None] * spread) / total)[1].clamp_min(0.0).sqrt().item()


class _Reached:
    """Tells which places some Gaussians are near, or so large that they reach there."""

    def __init__(self, others: Gaussians, near: float) -> None:
        from scipy.spatial import KDTree

        self._tree = KDTree(others.means.cpu().double().numpy())
        self._reach = (2.0 * others.scales.amax(1)).clamp_min(near).cpu()

    def __call__(self, places: Float[Tensor, "m 3"]) -> Bool[Tensor, " m"]:
        distance, row = self._tree.query(places.cpu().double().numpy())
        return (torch.from_numpy(distance) < self._reach[torch.from_numpy(row)]).to(places.device)
