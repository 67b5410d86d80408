"""Things as bodies in space: which Gaussians hang together, and where they are for somebody who looks at them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ...splatting.camera import Camera
from ...splatting.gaussians import Gaussians
from ...splatting.project import rotations

CELL = 2.0  # edge of a cell in median largest standard deviations; measured on the bundled capture (1 splits tables)
CRUMB = 0.1  # of the mass of the largest part: less is a fragment, not a thing of its own
REACH = 0.5  # of a thing's diagonal: fragments nearer than that belong to it
TRIM = 0.01  # of a body's cells at each end of an extent: strays
FAINT = 0.02  # of a body's mass: the faintest cells, which together hold less, are strays
FINEST = 64  # cells along a body's diagonal
MOST_CELLS = 2048  # that a body is described by
MOST_GAUSSIANS = 8192  # that its cells are filled with; of more, every second, third ... is taken


@dataclass(frozen=True)
class Viewpoint:
    """Which way is up, and from where left and right, in front and behind are meant."""

    up: Float[Tensor, "3"]  # unit vector
    camera: Camera | None = None  # None: nobody looks

    def axes(self, target: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
        """Rows: right, away, up of somebody who stands at the camera and has turned to face ``target``.

        Without a camera, or right above the target, away is any direction square to up.
        """
        up = self.up.to(target)
        away = up.roll(1) if self.camera is None else target - self.camera.center.to(target)
        away = away - (away @ up) * up
        if away.norm() < 1e-6:
            away = up.roll(1) - (up.roll(1) @ up) * up
        away = torch.nn.functional.normalize(away, dim=0)
        return torch.stack([torch.linalg.cross(away, up), away, up])


@dataclass(frozen=True, eq=False)
class Body:
    """A thing as the cells of space that it fills, each of which counts alike: thin legs as much as broad tops."""

    rows: Int64[Tensor, " k"]  # of the Gaussians it is made of
    points: Float[Tensor, "p 3"]  # the middle of what is in each cell, world units
    edge: float  # of the cells, world units
    mass: float  # of its Gaussians, in the unit of what was given

    @classmethod
    def of(cls, gaussians: Gaussians, rows: Int64[Tensor, " k"], mass: Float[Tensor, " n"]) -> Self:
        """The body that some of the Gaussians are.

        Args:
            mass: how much each Gaussian counts, such as how much of it the photos see; positive.
        """
        some = rows[:: 1 + len(rows) // MOST_GAUSSIANS]
        points = _surface(gaussians, some)
        shares = (mass[some] / mass[some].sum()).repeat_interleave(points.shape[1]) / points.shape[1]
        places = points.reshape(-1, 3)
        edge = (places.amax(0) - places.amin(0)).norm().item() / FINEST + 1e-9
        while True:
            cells, heavy = _cells(places, shares, edge)
            if len(cells) <= MOST_CELLS:
                break
            edge *= (len(cells) / MOST_CELLS) ** 0.5 * 1.05  # things are surfaces: cells go with the square
        faint = heavy.argsort()
        faint = faint[heavy[faint].cumsum(0) < FAINT]
        kept = torch.ones_like(heavy, dtype=torch.bool).index_fill_(0, faint, False)
        return cls(rows, cells[kept], edge, mass[rows].sum().item())

    def extent(self, axes: Float[Tensor, "3 3"]) -> Float[Tensor, "3 2"]:
        """(low, high) along each axis, without 1 % of the cells at each end."""
        values = (self.points @ axes.T.to(self.points)).sort(0).values
        strays = int(TRIM * len(values))
        return torch.stack([values[strays], values[len(values) - 1 - strays]], dim=1)

    @cached_property
    def center(self) -> Float[Tensor, "3"]:
        """Middle of the extent along the world's axes."""
        return self.extent(torch.eye(3)).mean(1)

    @cached_property
    def diagonal(self) -> float:
        """Of the extent along the world's axes, world units."""
        extent = self.extent(torch.eye(3))
        return (extent[:, 1] - extent[:, 0]).norm().item()


def bodies(gaussians: Gaussians, selection: Bool[Tensor, " n"], mass: Float[Tensor, " n"]) -> list[Body]:
    """The things in a selection: its connected parts, the heaviest first.

    Fragments (under a tenth of the largest part's mass) go to the part that they are near to, or nowhere.

    Args:
        mass: how much each Gaussian counts, such as how much of it the photos see; not negative.
    """
    rows = selection.nonzero()[:, 0]
    if not len(rows):
        return []
    labels = connected(gaussians, rows)
    mass = mass + 1e-9 * mass.max().clamp_min(1e-9)
    weights = mass[rows]
    heavy = weights.new_zeros(int(labels.max()) + 1).index_add_(0, labels, weights)
    order = heavy.argsort(descending=True)
    kept = order[heavy[order] >= CRUMB * heavy[order[0]]]
    parts = [rows[labels == label] for label in kept.tolist()]
    crumbs = rows[~torch.isin(labels, kept)]
    found = [Body.of(gaussians, part, mass) for part in parts]
    if not len(crumbs):
        return found
    whole = [torch.cat([part, near]) for part, near in zip(parts, _near(gaussians.means, crumbs, found), strict=True)]
    return [replace(body, rows=rows.sort().values) for rows, body in zip(whole, found, strict=True)]


def connected(gaussians: Gaussians, rows: Int64[Tensor, " k"]) -> Int64[Tensor, " k"]:
    """The number of the connected part that each of some Gaussians belongs to.

    Gaussians touch where their centres or the ends of their standard deviations lie in the same cell of a grid, or in
    two that touch. The grid is as fine as the Gaussians are.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    points = _surface(gaussians, rows).cpu()
    edge = CELL * gaussians.log_scales[rows].amax(-1).median().exp().clamp_min(1e-9).cpu()
    cells = ((points - points.amin((0, 1))) / edge).clamp_max(2**20).floor().long() + 1
    steps = torch.tensor([1 << 42, 1 << 21, 1])
    occupied, place = (cells @ steps).unique(return_inverse=True)
    around = torch.cartesian_prod(*[torch.arange(-1, 2)] * 3) @ steps
    starts, ends = [place[:, :1].expand(-1, 6).reshape(-1)], [place[:, 1:].reshape(-1)]
    for step in around[around > 0]:
        at = torch.searchsorted(occupied, occupied + step).clamp_max(len(occupied) - 1)
        touches = occupied[at] == occupied + step
        starts.append(touches.nonzero()[:, 0])
        ends.append(at[touches])
    pairs = torch.cat(starts).numpy(), torch.cat(ends).numpy()
    graph = coo_array((np.ones(len(pairs[0]), dtype=np.int8), pairs), shape=(len(occupied), len(occupied)))
    _, labels = connected_components(graph, directed=False)
    return torch.from_numpy(labels).long()[place[:, 0]].to(gaussians.means.device)


def gap(a: Body, b: Body) -> float:
    """Distance between two bodies, world units: 1 % of the cells of one are that near to a cell of the other."""
    from scipy.spatial import KDTree

    distances, _ = KDTree(b.points.cpu().numpy()).query(a.points.cpu().numpy())
    return float(np.partition(distances, int(TRIM * len(distances)))[int(TRIM * len(distances))])


def _cells(
    places: Float[Tensor, "m 3"], shares: Float[Tensor, " m"], edge: float
) -> tuple[Float[Tensor, "p 3"], Float[Tensor, " p"]]:
    """(mean place, share) of what is in each cell of a grid."""
    cells = ((places - places.amin(0)) / edge).floor().long()
    _, inverse = (cells @ torch.tensor([1 << 42, 1 << 21, 1]).to(cells)).unique(return_inverse=True)
    count = int(inverse.max()) + 1
    heavy = shares.new_zeros(count).index_add_(0, inverse, shares)
    sums = places.new_zeros(count, 3).index_add_(0, inverse, shares[:, None] * places)
    return sums / heavy[:, None], heavy


def _surface(gaussians: Gaussians, rows: Int64[Tensor, " k"]) -> Float[Tensor, "k 7 3"]:
    """Centre and the ends of the standard deviations along the own axes."""
    means, axes, scales = gaussians.means[rows], rotations(gaussians.quats[rows]), gaussians.log_scales[rows].exp()
    arms = [sign * scales[:, k : k + 1] * axes[:, :, k] for k in range(3) for sign in (-1, 1)]
    return torch.stack([means, *(means + arm for arm in arms)], dim=1)


def _near(
    means: Float[Tensor, "n 3"], crumbs: Int64[Tensor, " m"], parts: Sequence[Body]
) -> list[Int64[Tensor, " _k"]]:
    """For each part the crumbs that are nearer to it than to others and within its reach."""
    from scipy.spatial import KDTree

    places = means[crumbs].cpu().numpy()
    distances = np.stack([KDTree(part.points.cpu().numpy()).query(places)[0] for part in parts], axis=1)
    reach = np.array([REACH * part.diagonal for part in parts])
    best = (distances / np.maximum(reach, 1e-12)).argmin(1)
    inside = distances[np.arange(len(places)), best] <= reach[best]
    return [crumbs[torch.from_numpy((best == number) & inside).to(crumbs.device)] for number in range(len(parts))]
