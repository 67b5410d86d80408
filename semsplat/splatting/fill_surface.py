"""The surface in a hole: cells of a plane, what the photos say of each, and what lies between those that are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .fill_plane import Plane
from .fill_texture import textured
from .fill_views import Sight, pixels_of
from .gaussians import Gaussians
from .sh import from_color

FINE = 1.4  # pixels of the photos that a cell is wide, about
GRID = 140  # cells on a side of a plane, at most
COMPARED = 800  # cells on which photos are compared, about
WEAK = 0.95  # coverage below which a surface is not there, or only the frayed end of one
KNOWN = 2  # photos that must agree on a cell, or on that nothing is there
RIM = 2  # cells around what no photo sees that do not count: the thing's border and its shadow are there
SUPPORT = 0.35  # of the border of unseen cells that must be known surface, and not air
ROUND, FLAT = 0.62, 0.1  # standard deviations of a Gaussian, in cells: along the surface, across it
DENSE = 3.0  # logit of its opacity


@dataclass(frozen=True)
class Cells:
    """A square of a plane in cells, ``rows x columns``; what is said of the cells is flat, row by row."""

    plane: Plane
    size: float  # of a cell, world units
    side: int  # cells on a side
    center: tuple[float, float]  # of the square, along u and v

    @property
    def points(self) -> Float[Tensor, "m 3"]:
        """Their middles on the plane."""
        step = (torch.arange(self.side).to(self.plane.origin) - 0.5 * (self.side - 1)) * self.size
        v, u = torch.meshgrid(step + self.center[1], step + self.center[0], indexing="ij")
        return self.plane.origin + u.reshape(-1, 1) * self.plane.axes[0] + v.reshape(-1, 1) * self.plane.axes[1]


@dataclass(frozen=True)
class Evidence:
    """What the photos say of each cell."""

    known: Bool[Tensor, " m"]  # the surface was seen here
    shadow: Bool[Tensor, " m"]  # no photo sees it, and the thing is in front of it in some
    air: Bool[Tensor, " m"]  # photos see through it
    missing: Bool[Tensor, " m"]  # without the thing, nothing is drawn here
    color: Float[Tensor, "m 3"]  # in [0, 1], where known
    height: Float[Tensor, " m"]  # above the plane, world units, where known


def fineness(center: Float[Tensor, "3"], radius: float, sights: Sequence[Sight]) -> float:
    """How wide cells are, world units: about the photos' pixels."""
    reach = [(s.camera.center - center).norm().item() / s.camera.intrinsics[0, 0].item() for s in sights]
    return max(FINE * float(np.median(reach)), 2.0 * radius / GRID)


def cells_of(plane: Plane, center: Float[Tensor, "3"], radius: float, size: float) -> Cells:
    """The part of a plane that is near the thing, in cells of a size."""
    u, v = ((center - plane.origin) @ plane.axes[:2].T).tolist()
    return Cells(plane, size, max(4, int(2.0 * radius / size)), (u, v))


def disagreement(cells: Cells, sights: Sequence[Sight], near: float) -> float:
    """How different the photos are on the cells: mean variance of the colours, where several show the surface."""
    points = cells.points
    points = points[:: max(1, len(points) // COMPARED)]
    count, first, second = torch.zeros(len(points)), torch.zeros(len(points), 3), torch.zeros(len(points), 3)
    for sight in sights:
        at, depth, inside = pixels_of(points, sight.camera)
        eye = cells.plane.heights(sight.camera.center)
        height = eye * (1.0 - sight.before.reshape(-1)[at] / depth)
        good = inside & sight.free.reshape(-1)[at] & (height.abs() < near)
        color = torch.where(good[:, None], sight.photo.reshape(-1, 3)[at], 0.0)
        count, first, second = count + good, first + color, second + color**2
    several = count >= 3
    if int(several.sum()) < 20:
        return float("inf")
    n = count[several, None]
    variance = (second[several] / n - (first[several] / n) ** 2).clamp_min(0).mean(-1)
    return (variance.clamp_max(0.02) - 0.01).sum().item()  # more cells on which they agree are better, too


def evidence(cells: Cells, sights: Sequence[Sight], without: Sequence[tuple[Tensor, Tensor]], near: float) -> Evidence:
    """Go over the photos.

    Args:
        without: depth, nan where nothing is, and coverage of each sight without the thing.
        near: height at which a point is on it.
    """
    points = cells.points
    count = torch.zeros(6, len(points))  # agree, through, hidden, drawn, not drawn, perhaps
    color, height, total = torch.zeros(len(points), 3), torch.zeros(len(points)), torch.full((len(points),), 1e-12)
    for sight, (after, alpha) in zip(sights, without, strict=True):
        at, depth, inside = pixels_of(points, sight.camera)
        eye = cells.plane.heights(sight.camera.center)
        inside &= eye > near
        before, now = (eye * (1.0 - map_.reshape(-1)[at] / depth) for map_ in (sight.before, after))
        free = inside & sight.free.reshape(-1)[at]
        agrees = free & (before.abs() < near)
        count[0] += agrees
        count[1] += free & (before < -2.0 * near)
        count[5] += free & (before.abs() < 2.0 * near)
        count[2] += inside & sight.hidden.reshape(-1)[at]
        gap = now.isnan() | (~free & (now < -2.0 * near)) | (alpha.reshape(-1)[at] < WEAK)
        count[3] += inside & ~gap & (now < 2.0 * near)
        count[4] += inside & gap
        weight = torch.where(agrees, (eye / (points - sight.camera.center).norm(dim=-1)) ** 2 / depth**2, 0.0)
        color += weight[:, None] * _sampled(points, sight)
        height += weight * before.nan_to_num(0.0)
        total += weight
    agree, through, hidden, drawn, not_drawn, perhaps = count
    known = (agree >= KNOWN) & (agree > through)
    air = ~known & (through >= KNOWN)
    return Evidence(
        known, ~known & ~air & (hidden > 0) & (perhaps == 0), air, (not_drawn > 0) & (not_drawn >= drawn),
        color / total[:, None], height / total,
    )  # fmt: skip


def in_the_air(points: Float[Tensor, "m 3"], sights: Sequence[Sight], apart: float) -> Bool[Tensor, " m"]:
    """Points that several photos, and most of those that tell, see through to something behind.

    Args:
        apart: share of a depth, within which it is the same.
    """
    through, agree = torch.zeros(2, len(points), dtype=torch.long)
    for sight in sights:
        at, depth, inside = pixels_of(points, sight.camera)
        behind = torch.where(inside & sight.free.reshape(-1)[at], sight.before.reshape(-1)[at] / depth - 1.0, torch.nan)
        through += behind > apart
        agree += behind.abs() <= apart
    return (through >= KNOWN) & (through > agree)


def unseen(cells: Cells, seen: Evidence) -> Bool[Tensor, " m"]:
    """Cells that no photo sees and that count as surface: together, they mostly border on surface that was seen."""
    from scipy import ndimage

    known, shadow, air = (_grid(values, cells) for values in (seen.known, seen.shadow, seen.air))
    label, parts = ndimage.label(shadow)  # type: ignore[misc]
    cross = ndimage.generate_binary_structure(2, 1)
    for part in range(1, parts + 1):
        mine = label == part
        border = ndimage.binary_dilation(mine, cross, 2) & ~mine
        firm, open_ = (known & border).sum(), (air & border).sum()
        if firm == 0 or firm < SUPPORT * (firm + open_):
            shadow = shadow & ~mine
    if shadow.any():
        shadow = shadow | (known & ndimage.binary_dilation(shadow, cross, RIM))
    return torch.from_numpy(shadow.reshape(-1))


def filled(cells: Cells, seen: Evidence) -> tuple[Bool[Tensor, " m"], Float[Tensor, "m 3"], Float[Tensor, " m"]]:
    """Which cells get a Gaussian, and colour and height of all that are known or unseen surface."""
    hidden = unseen(cells, seen)
    known, shadow = _grid(seen.known, cells), _grid(hidden, cells)
    values = np.concatenate([seen.color.double().T.numpy(), seen.height.double()[None].numpy()])
    whole = membrane(values.reshape(4, cells.side, cells.side), known, shadow)
    whole[:3] = textured(whole[:3].transpose(1, 2, 0), known, shadow).transpose(2, 0, 1)
    found = torch.from_numpy(whole).to(seen.color).reshape(4, -1)
    return (seen.known | hidden) & seen.missing, found[:3].T.contiguous(), found[3]


def _grid(values: Tensor, cells: Cells) -> np.ndarray:
    return values.numpy().reshape(cells.side, cells.side)


def seeds(points: Float[Tensor, "k 3"], plane: Plane, size: float, color: Float[Tensor, "k 3"]) -> Gaussians:
    """Flat round Gaussians on a plane, ``size`` apart."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(plane.axes.T.cpu().double().numpy()).as_quat()
    scales = points.new_tensor([ROUND * size, ROUND * size, FLAT * size]).log()
    return Gaussians(
        points,
        points.new_tensor([w, x, y, z]).expand(len(points), 4).contiguous(),
        scales.expand(len(points), 3).contiguous(),
        points.new_full((len(points),), DENSE),
        from_color(color)[:, None].contiguous(),
    )


def _sampled(points: Float[Tensor, "m 3"], sight: Sight) -> Float[Tensor, "m 3"]:
    """The photo's colours at points, between its pixels."""
    camera = sight.camera
    local = camera.local(points)
    image = (local @ camera.intrinsics.T)[:, :2] / local[:, 2:].clamp_min(1e-6)
    places = 2.0 * image / image.new_tensor([camera.width, camera.height]) - 1.0
    found = torch.nn.functional.grid_sample(
        sight.photo.permute(2, 0, 1)[None], places.clamp(-2, 2)[None, None], padding_mode="border", align_corners=False
    )
    return found[0, :, 0].T


def membrane(values: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Values (c, h, w) where wanted so that each is the mean of its neighbours there: Laplace's equation, solved."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    result = values * known
    rows, columns = np.nonzero(wanted)
    if not len(rows):
        return result
    number = np.full(wanted.shape, -1)
    number[rows, columns] = np.arange(len(rows))
    entries, right, weight = [], np.zeros((len(rows), len(values))), np.zeros(len(rows))
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = rows + dy, columns + dx
        inside = (y >= 0) & (x >= 0) & (y < wanted.shape[0]) & (x < wanted.shape[1])
        y, x, mine = y[inside], x[inside], np.nonzero(inside)[0]
        fixed, loose = known[y, x] & ~wanted[y, x], wanted[y, x]
        np.add.at(right, mine[fixed], values[:, y[fixed], x[fixed]].T)
        entries.append((mine[loose], number[y[loose], x[loose]]))
        np.add.at(weight, mine[fixed | loose], 1.0)
    i, j = np.concatenate([e[0] for e in entries]), np.concatenate([e[1] for e in entries])
    count = len(rows)
    system = sparse.diags(weight + 1e-9) - sparse.csr_array((np.ones(len(i)), (i, j)), shape=(count, count))
    result[:, rows, columns] = spsolve(sparse.csc_array(system), right).reshape(count, -1).T
    return result
