"""Where a thing that is brought in comes to stand: on another, beside it, or on a point."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..splatting.gaussians import Gaussians

STRAYS = 50  # one in so many Gaussians at each end of an extent does not count
SEEN = 0.3  # opacity below which a Gaussian neither bears nor hinders
CELLS = 4  # across the thing
STEPS = 60  # places that are tried along each side of what it stands on
UNEVEN = 0.15  # of the thing's height that the ground under it may rise and fall
MOST_CLOSED = 3  # cells between the Gaussians of what it stands on
ROOM = 0.08  # of the thing's height above the ground that may be taken


@dataclass(frozen=True, eq=False)
class Standing:
    """A thing as it stands: where the middle of its foot is, and how far it reaches. World units, float64."""

    foot: Float[Tensor, "3"]
    radius: float  # level
    height: float

    @classmethod
    def of(cls, means: Float[Tensor, "n 3"], up: Float[Tensor, "3"]) -> "Standing":
        """From centres; a few strays do not count."""
        up, means = up.double().cpu(), means.double().cpu()
        level = frame(up)[:2]
        flat, heights = means @ level.T, means @ up
        low, high = _ends(flat)
        bottom, top = _ends(heights[:, None])
        middle = 0.5 * (low + high)
        return cls(middle @ level + bottom * up, 0.5 * float((high - low).max()), float(top - bottom))


def frame(up: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """Rows: two level directions and up; unit vectors, right-handed."""
    up = torch.nn.functional.normalize(up.double().cpu(), dim=0)
    side = torch.zeros(3, dtype=torch.float64)
    side[int(up.abs().argmin())] = 1.0
    first = torch.nn.functional.normalize(torch.linalg.cross(side, up), dim=0)
    return torch.stack([first, torch.linalg.cross(up, first), up])


def on_top(
    scene: Gaussians, below: Bool[Tensor, " n"], up: Float[Tensor, "3"], radius: float, height: float
) -> Float[Tensor, "3"]:
    """Where a thing's foot comes to stand on another, on its top: near its middle, level, where nothing else stands.

    Where there is no such place, the middle it is, and things overlap.

    Args:
        below: which Gaussians of the scene it is to stand on. radius, height: of the thing, world units.
    """
    axes = frame(up)
    solid = (scene.opacities > SEEN).cpu()
    places = scene.means.detach().cpu().double() @ axes.T
    mine = places[below.cpu() & solid] if bool((below.cpu() & solid).any()) else places[below.cpu()]
    low, high = _ends(mine[:, :2])
    cell = max(2.0 * radius / CELLS, float((high - low).max()) / STEPS, 1e-9)
    size = ((high - low) / cell).ceil().long().clamp(1, STEPS + 1)
    width = 2.0 * float(scene.scales[below].amax(-1).median())  # of its Gaussians: they may be fewer than cells
    ground = _closed(_heights(mine, low, cell, size), min(MOST_CLOSED, math.ceil(width / cell)))
    reach = max(1, round(radius / cell))
    low_ground, high_ground = _least(ground, reach), -_least(-ground, reach)
    even = (high_ground - low_ground <= UNEVEN * height) & high_ground.isfinite() & low_ground.isfinite()
    others = places[~below.cpu() & solid]
    free = _free(others, high_ground, low, cell, size, reach, height)
    distance = _from_middle(mine, low, cell, size)
    for good in (even & free, even, ground.isfinite()):
        if bool(good.any()):
            at = int(torch.where(good, distance, torch.inf).flatten().argmin())
            row, column = divmod(at, int(size[1]))
            flat = low + cell * (torch.tensor([row, column]) + 0.5)
            level = high_ground[row, column] if high_ground[row, column].isfinite() else ground[row, column]
            return flat @ axes[:2] + level * axes[2]
    raise AssertionError("a thing has Gaussians")  # pragma: no cover


def _ends(values: Float[Tensor, "n c"]) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    ordered = values.sort(0).values
    cut = len(ordered) // STRAYS
    return ordered[cut], ordered[len(ordered) - 1 - cut]


def _cells(places: Tensor, low: Tensor, cell: float, size: Tensor) -> tuple[Tensor, Tensor]:
    """The cell of each place that is over the grid, and which those are."""
    at = ((places[:, :2] - low) / cell).floor().long()
    inside = ((at >= 0) & (at < size)).all(1)
    return at[inside, 0] * size[1] + at[inside, 1], inside


def _heights(places: Tensor, low: Tensor, cell: float, size: Tensor) -> Float[Tensor, "r c"]:
    """The highest in each cell; -inf where there is none."""
    at, inside = _cells(places, low, cell, size)
    heights = torch.full((int(size.prod()),), -torch.inf, dtype=torch.float64)
    heights.scatter_reduce_(0, at, places[inside, 2], "amax")
    return heights.reshape(int(size[0]), int(size[1]))


def _closed(ground: Float[Tensor, "r c"], gap: int) -> Float[Tensor, "r c"]:
    """Gaps of up to twice so many cells get the height of what is highest around them."""
    there = ground.isfinite().double()
    near = -_least(-there, gap, 0.0)
    inside = _least(near, gap, 1.0) > 0
    filled = torch.where(there > 0, ground, -_least(-ground, gap, torch.inf))
    return torch.where(inside, filled, -torch.inf)


def _least(grid: Float[Tensor, "r c"], reach: int, beyond: float = -torch.inf) -> Float[Tensor, "r c"]:
    """The least within so many cells; ``beyond`` is what the edge has behind it."""
    padded = torch.nn.functional.pad(-grid[None, None], [reach] * 4, value=-beyond)
    return -torch.nn.functional.max_pool2d(padded, 2 * reach + 1, stride=1)[0, 0]


def _free(
    others: Tensor, ground: Float[Tensor, "r c"], low: Tensor, cell: float, size: Tensor, reach: int, height: float
) -> Bool[Tensor, "r c"]:
    """Where nothing else is above the ground, as high as the thing."""
    at, inside = _cells(others, low, cell, size)
    over = others[inside, 2] - ground.flatten()[at]
    taken = torch.zeros(int(size.prod()), dtype=torch.float64)
    blocking = (over > ROOM * height) & (over < height)
    taken[at[blocking]] = 1.0
    grid = torch.nn.functional.pad(taken.reshape(1, 1, int(size[0]), int(size[1])), [reach] * 4)
    return torch.nn.functional.max_pool2d(grid, 2 * reach + 1, stride=1)[0, 0] == 0


def _from_middle(mine: Tensor, low: Tensor, cell: float, size: Tensor) -> Float[Tensor, "r c"]:
    middle = (mine[:, :2].median(0).values - low) / cell - 0.5
    rows = torch.arange(int(size[0]), dtype=torch.float64)[:, None] - middle[0]
    columns = torch.arange(int(size[1]), dtype=torch.float64)[None] - middle[1]
    return rows**2 + columns**2
