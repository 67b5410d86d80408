"""A thing that is flat as a whole, like a painting or a rug: what floats off its plane is brought to it.

Photos tell little about depth, so a fit leaves some of the Gaussians of a flat thing behind its surface, where they are
seen through those in front, or off it where few photos see them, all from about the same direction. In the scene that
looks right; in a file of its own they float. :mod:`.behind` does it for what is behind any surface, less well: of a
plane it is known where it is even where most of what is seen lies off it.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...splatting.camera import Camera
from ...splatting.gaussians import Gaussians
from ...splatting.splat import splat

NEAR = 0.012  # of the distance to the cameras: what is nearer to a plane may be on it ...
WIDE = 0.1  # ... or of the standard deviation of a thing where it is second narrowest: what is large is known less well
FLAT = 0.7  # share of what is seen of a thing that must be near a plane
THIN = 0.6  # of the standard deviation of a thing along its plane, where it is narrowest: "near" must be less
SLAB = 3.0  # mean deviations from the plane, of what is near it, that are left as they are
TRIES = 300  # planes through three of them that are tried (Fischler and Bolles 1981)
ROUNDS = 4  # of least squares
THROUGH = 0.8  # share of what is seen of something behind the plane that is seen through what is on it
MOST = 2.0  # times as far from the cameras: farther nothing is brought
FEWEST = 12  # Gaussians


@torch.no_grad()
def flattened(chosen: Gaussians, cameras: Sequence[Camera]) -> tuple[Gaussians, Bool[Tensor, " n"]]:
    """The same Gaussians, those that float off the plane of a flat thing moved to it, and which these are.

    They move along the rays to the cameras that see them, and shrink or grow, so they stay where they are in pictures.
    Only those move that are behind the plane and seen through others on it, or that would hardly move in any picture,
    by less than their own size: the legs of a table, seen beside its top, stay. Things that are not flat stay as they
    are.

    Args:
        cameras: some of those that see them.
    """
    masses, centers = _seen(chosen, cameras)
    mass, means = masses.sum(0), chosen.means
    nothing = torch.zeros_like(mass, dtype=torch.bool)
    if int((mass > 0).sum()) < FEWEST:
        return chosen, nothing
    eyes = masses.T @ centers / mass.clamp_min(1e-12)[:, None]  # from where each is seen, on the mean
    near = NEAR * (means - eyes).norm(dim=1)[mass > 0].median().item()
    near = max(near, WIDE * _narrowest(means, mass))
    origin, normal = _plane(means, mass, near)
    if (mass * ((eyes - origin) @ normal)).sum() < 0:
        normal = -normal
    heights, above = (means - origin) @ normal, (eyes - origin) @ normal
    on = heights.abs() < near
    if (mass * on).sum() < FLAT * mass.sum() or near > THIN * _narrowest(means, mass * on):
        return chosen, nothing
    slab = min(0.5 * near, SLAB * ((mass * on * heights.abs()).sum() / (mass * on).sum()).item())
    off = (heights.abs() > slab) & (mass > 0) & (above > near) & (above - heights > near)
    share, reached = _shares(above, heights, slab), _Reached(chosen[on], near)
    places = eyes + share * (means - eyes)
    moved = off & ((1.0 - share[:, 0]).abs() * _apart(masses, centers, eyes, means) < chosen.scales.median(1).values)
    moved[moved.clone()] = reached(places[moved])
    rows = (off & ~moved & (heights < 0)).nonzero()[:, 0]
    through = torch.zeros_like(mass[rows])
    for part, center in zip(masses, centers, strict=True):
        seen = _shares((center - origin) @ normal, heights[rows], slab)
        through += part[rows] * reached(center + seen * (means[rows] - center))
    moved[rows] = through > THROUGH * mass[rows]
    return chosen.replace(
        means=torch.where(moved[:, None], places, means),
        log_scales=chosen.log_scales + torch.where(moved[:, None], share.log(), 0.0),
    ), moved


def _shares(above: Float[Tensor, "*n"], heights: Float[Tensor, " n"], slab: float) -> Float[Tensor, "n 1"]:
    """How much of the way from an eye above a plane to a place lies before it is within ``slab`` of the plane."""
    ends = heights.clamp(-slab, slab)
    return ((above - ends) / (above - heights).clamp_min(1e-9)).clamp(1e-6, MOST)[:, None]


def _apart(
    masses: Float[Tensor, "v n"], centers: Float[Tensor, "v 3"], eyes: Float[Tensor, "n 3"], means: Float[Tensor, "n 3"]
) -> Float[Tensor, " n"]:
    """Standard deviation across the line of sight of where the cameras are that see each; world units."""
    mass = masses.sum(0).clamp_min(1e-12)
    along = torch.nn.functional.normalize(means - eyes, dim=1)
    total = torch.zeros_like(mass)
    for part, center in zip(masses, centers, strict=True):
        away = center - eyes
        total += part * (away.square().sum(1) - (away * along).sum(1).square())
    return (total / mass).clamp_min(0.0).sqrt()


def _seen(chosen: Gaussians, cameras: Sequence[Camera]) -> tuple[Float[Tensor, "v n"], Float[Tensor, "v 3"]]:
    """How much each view sees of each, and where its camera is."""
    masses, centers = chosen.means.new_zeros(len(cameras), len(chosen)), chosen.means.new_zeros(len(cameras), 3)
    for k, camera in enumerate(cameras):
        blend = splat(chosen, camera)
        masses[k], centers[k] = (blend.T @ torch.ones_like(blend.alpha))[:, 0], camera.center.to(centers)
    return masses, centers


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
