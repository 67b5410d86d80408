"""The flat surfaces on which a thing stood, from what is seen around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .camera import Camera
from .fill_views import Sight, grown, rays

TRIES = 400  # planes that are tried for each that is kept (Fischler and Bolles 1981)
BASE = 4  # pixels on each side from which a normal is taken
RING = 0.8  # of the thing's width: how far around it is looked
LIKE = 0.75  # cosine between normals of points of one plane
MOST = 5  # planes
SHARE = 0.04  # of all points around the thing, that a plane needs
POINTS = 6000  # that are looked at
LOOKED = 24  # photos that points are taken from, at most


@dataclass(frozen=True)
class Plane:
    """A plane with axes of its own; the normal points towards the cameras."""

    origin: Float[Tensor, "3"]
    axes: Float[Tensor, "3 3"]  # rows: u, v, normal; unit vectors

    @property
    def normal(self) -> Float[Tensor, "3"]:
        """Towards the cameras."""
        return self.axes[2]

    def heights(self, points: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k"]:
        """How far points are above it, world units."""
        return (points - self.origin) @ self.normal


def back_projected(depth: Float[Tensor, "h w"], camera: Camera) -> Float[Tensor, "h w 3"]:
    """The points of a depth map in the world."""
    return camera.center + depth[..., None] * rays(camera)


def around(
    sights: Sequence[Sight], center: Float[Tensor, "3"], radius: float
) -> tuple[Float[Tensor, "k 3"], Float[Tensor, "k 3"]]:
    """Points and normals of what is seen around the thing, within ``radius`` of its middle."""
    points, normals = [], []
    for sight in sights[:: -(-len(sights) // LOOKED)]:
        place = back_projected(sight.before, sight.camera)
        right, down = torch.full_like(place, torch.nan), torch.full_like(place, torch.nan)
        right[:, BASE:-BASE], down[BASE:-BASE] = (
            place[:, 2 * BASE :] - place[:, : -2 * BASE],
            (place[2 * BASE :] - place[: -2 * BASE]),
        )
        normal = torch.nn.functional.normalize(torch.linalg.cross(down, right), dim=-1)
        width = int(RING * sight.hidden.sum().sqrt().item()) + 8
        good = sight.free & grown(sight.hidden, width) & normal.isfinite().all(-1)
        good &= (place - center).norm(dim=-1) < radius
        points.append(place[good])
        normals.append(normal[good])
    if not points:
        return center.new_zeros(0, 3), center.new_zeros(0, 3)
    return torch.cat(points), torch.cat(normals)


def planes(
    points: Float[Tensor, "k 3"], normals: Float[Tensor, "k 3"], near: float, eyes: Float[Tensor, "v 3"]
) -> list[Plane]:
    """Planes that many of the points lie on, the one with most points first.

    Args:
        near: distance from a plane at which a point lies on it, world units. eyes: centres of the cameras.
    """
    generator = torch.Generator().manual_seed(0)
    if len(points) > POINTS:
        some = torch.randperm(len(points), generator=generator)[:POINTS].to(points.device)
        points, normals = points[some], normals[some]
    found: list[Plane] = []
    least = max(SHARE * len(points), 12)
    while len(found) < MOST and len(points) >= least:
        seeds = torch.randint(len(points), (TRIES,), generator=generator).to(points.device)
        offsets = (points[None] - points[seeds, None]) @ normals[seeds, :, None]
        on = (offsets[..., 0].abs() < near) & ((normals[seeds] @ normals.T).abs() > LIKE)
        best = on[on.sum(1).argmax()]
        if int(best.sum()) < least:
            break
        plane = _through(points[best], eyes)
        on_it = (plane.heights(points).abs() < near) & ((normals @ plane.normal).abs() > LIKE)
        if int(on_it.sum()) >= least:
            plane = _through(points[on_it], eyes)
            found.append(plane)
        rest = (plane.heights(points).abs() > 2.0 * near) & ~best
        points, normals = points[rest], normals[rest]
    return found


def _through(points: Float[Tensor, "k 3"], eyes: Float[Tensor, "v 3"]) -> Plane:
    """The plane of least squares."""
    origin = points.mean(0)
    axes = torch.linalg.svd((points - origin).double(), full_matrices=False).Vh.to(points)
    normal = axes[2] if (eyes.mean(0) - origin) @ axes[2] > 0 else -axes[2]
    return Plane(origin, torch.stack([axes[0], torch.linalg.cross(normal, axes[0]), normal]))


def aligned(plane: Plane, cost: Callable[[Plane], float], near: float, reach: float) -> Plane:
    """The plane moved and tilted a little so that the photos agree best.

    Args:
        cost: lower is better. near: by how much it may be off, world units. reach: half the width of what is compared.
    """
    best = cost(plane)
    for step in (near, 0.5 * near, 0.25 * near, 0.5 * near, 0.25 * near, 0.1 * near):
        for u, v, h in ((0, 0, 1), (0, 0, -1), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)):
            tried = _moved(plane, u * step / reach, v * step / reach, h * step)
            if (found := cost(tried)) < best:
                plane, best = tried, found
    return plane


def _moved(plane: Plane, u: float, v: float, height: float) -> Plane:
    """Tilted by slopes along its axes, then raised."""
    first, second, normal = plane.axes
    normal = torch.nn.functional.normalize(normal - u * first - v * second, dim=0)
    first = torch.nn.functional.normalize(first - (first @ normal) * normal, dim=0)
    return Plane(plane.origin + height * normal, torch.stack([first, torch.linalg.cross(normal, first), normal]))
