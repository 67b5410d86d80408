"""W of one camera as numbers: tiles, lists and products, without autograd. Holds no graph, so a graph may hold it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ._cpu_sparse import Sparse
from ._kernels import LANES, array, spread, spread_tiles
from ._kernels import bin as bin_kernels
from ._kernels import raster as raster_kernels
from ._kernels import weights as weight_kernels
from ._kernels.bin import SLACK
from .blend import Limits
from .camera import Camera
from .project import Footprints

CHUNK = 32  # channels of one pass over the tiles; more would not fit the cache
DRAW_STORED, GATHER_STORED = 24, 12  # channels from which W is stored for its products


@dataclass(frozen=True)
class Bins:
    """Per tile, its (Gaussian, tile) pairs front to back; per Gaussian, where its pairs are."""

    starts: np.ndarray  # (n + 1,) first pair of each Gaussian
    tile_starts: np.ndarray  # (tiles + 1,)
    tile_pairs: np.ndarray  # (pairs,)
    tile_rows: np.ndarray  # (pairs,) the Gaussians

    @property
    def tiles(self) -> np.ndarray:
        return np.arange(len(self.tile_starts) - 1)


def reaches(footprints: Footprints, levels: np.ndarray) -> np.ndarray:
    """(n, 2) half the width and height of each ellipse, pixels, a hair too large so that rounding loses no pixel."""
    variances = array(footprints.covariances)[:, 0::2]
    return np.sqrt(np.maximum(levels, 0)[:, None] * variances) + levels.dtype.type(SLACK)


def front_to_back(depths: np.ndarray) -> np.ndarray:
    """Rows in order of depths (none negative), ties by row."""
    if depths.dtype != np.float32:
        return np.argsort(depths, kind="stable")
    keys = depths.view(np.int32).astype(np.int64) << 32 | np.arange(len(depths))  # bits sort like positive numbers
    keys.sort()
    return keys & 0xFFFFFFFF


def bin_tiles(footprints: Footprints, levels: np.ndarray, extents: np.ndarray, camera: Camera) -> Bins:
    """Exact ellipse-tile tests, then one counting sort in order of depth (ties by row)."""
    count, width, height = len(levels), camera.width, camera.height
    starts = np.zeros(count + 1, np.int64)
    ellipses = array(footprints.centers), array(footprints.covariances), levels, extents
    arguments = (*ellipses, width, height, starts)
    spread(bin_kernels.tiles_of, count, False, *arguments, np.zeros(0, np.int32))
    np.cumsum(starts, out=starts)
    pairs = int(starts[-1])
    pair_tiles = np.empty(pairs, np.int32)
    spread(bin_kernels.tiles_of, count, True, *arguments, pair_tiles)
    tiles = ((width + LANES - 1) // LANES) * ((height + LANES - 1) // LANES)
    bins = Bins(starts, np.zeros(tiles + 1, np.int64), np.empty(pairs, np.int32), np.empty(pairs, np.int32))
    order = front_to_back(array(footprints.depths))
    bin_kernels.sort_pairs(order, starts, pair_tiles, bins.tile_starts, bins.tile_pairs, bins.tile_rows)
    return bins


class Raster:
    """The CPU rasterizer behind a blend and its gradients."""

    def __init__(self, footprints: Footprints, levels: np.ndarray, camera: Camera, limits: Limits) -> None:
        self.height, self.width, self.count = camera.height, camera.width, len(levels)
        extents = reaches(footprints, levels)
        self.bins = bin_tiles(footprints, levels, extents, camera)
        ellipses = array(footprints.centers), array(footprints.conics), array(footprints.opacities)
        self.geometry = (*ellipses, extents)
        cuts = (limits.alpha_min, limits.alpha_max, limits.transmittance_min)
        self.cuts = np.array(cuts, levels.dtype)
        self.gathered = False  # storing W pays from the second time on
        self.center_gradients = torch.zeros(self.count, 2, dtype=footprints.centers.dtype)

    @cached_property
    def sparse(self) -> Sparse | None:
        """W stored as a sparse matrix; None when it would be too large to keep."""
        lists = self.bins.tiles, self.bins.tile_starts, self.bins.tile_rows
        return Sparse.collect(lists, (*self.geometry, self.cuts), self.width, self.height, self.count)

    @property
    def stored(self) -> Sparse | None:
        """The same if it was made already: then it is faster for any number of channels."""
        return self.__dict__.get("sparse")

    @property
    def bytes(self) -> int:
        """Of the lists, and of the sparse W and its transpose once there is one."""
        return self.bins.tile_rows.nbytes * 2 + (2 * 8 * len(self.stored.by_pixel[1]) if self.stored else 0)

    def row(self, x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and weights of the Gaussians in pixel (x, y), front to back."""
        tile = (y // LANES) * ((self.width + LANES - 1) // LANES) + x // LANES
        listed = self.bins.tile_rows[self.bins.tile_starts[tile] : self.bins.tile_starts[tile + 1]]
        rows, weights = np.empty(len(listed), np.int64), np.empty(len(listed), self.cuts.dtype)
        count = weight_kernels.pixel_row(listed, *self.geometry[:3], self.cuts, x, y, rows, weights)
        return rows[:count], weights[:count]

    def half_way(self, coverage: Float[Tensor, "h w"]) -> Int64[Tensor, "h w"]:
        """Row of the Gaussian with which half of each pixel's coverage is reached; -1 where that is 0.

        Args:
            coverage: W @ 1.
        """
        rows = np.full(coverage.shape, -1, np.int32)
        lists = self.bins.tiles, self.bins.tile_starts, self.bins.tile_rows
        spread_tiles(weight_kernels.half_way, *lists, *self.geometry, self.cuts, array(coverage), rows)
        return torch.from_numpy(rows).long()

    def draw(self, values: Tensor, stored: bool) -> Tensor:
        """W @ values; ``stored`` allows the sparse W, which pays when it is used again."""
        height, width, channels = self.height, self.width, values.shape[1]
        sparse = self.sparse if stored and channels >= DRAW_STORED else self.stored
        if sparse is not None:
            return sparse.draw(values).reshape(height, width, channels)
        image = values.new_empty(height, width, channels)
        for first in range(0, channels, CHUNK):
            part = values.detach()[:, first : first + CHUNK].contiguous()
            drawn = part.new_empty(height, width, part.shape[1])
            lists = self.bins.tiles, self.bins.tile_starts, self.bins.tile_rows
            spread_tiles(raster_kernels.forward, *lists, *self.geometry, part.numpy(), self.cuts, drawn.numpy())
            if part.shape[1] == channels:
                return drawn
            image[..., first : first + CHUNK] = drawn
        return image

    def gather(self, image: Tensor) -> Tensor:
        """W.T @ image."""
        channels = image.shape[2]
        again = self.gathered and channels >= GATHER_STORED
        self.gathered = True
        sparse = self.sparse if again else self.stored
        if sparse is not None and (again or sparse.is_turned):
            return sparse.gather(image)
        total = image.new_empty(self.count, channels)
        values = image.new_zeros(self.count, min(channels, CHUNK))  # without geometry they do not matter
        for first in range(0, channels, CHUNK):
            part = image[..., first : first + CHUNK]
            sums = self._pull(values[:, : part.shape[2]], part, part, geometry=False)
            total[:, first : first + CHUNK] = torch.from_numpy(sums[:, raster_kernels.GEOMETRY :])
        return total

    def pull(self, values: Tensor, image: Tensor, gradient: Tensor) -> Float[Tensor, "n g"]:
        """Gradients per Gaussian, columns x y a b c opacity |x| |y| then the values', from that of the image."""
        head, channels = raster_kernels.GEOMETRY, values.shape[1]
        if channels <= CHUNK:
            return torch.from_numpy(self._pull(values, image, gradient, geometry=True))
        total = np.zeros((self.count, head + channels), self.cuts.dtype)
        for first in range(0, channels, CHUNK):
            chosen = slice(first, first + CHUNK)
            sums = self._pull(values[:, chosen], image[..., chosen], gradient[..., chosen], geometry=True)
            total[:, :head] += sums[:, :head]
            total[:, head:][:, chosen] = sums[:, head:]
        return torch.from_numpy(total)

    def _pull(self, values: Tensor, image: Tensor, gradient: Tensor, geometry: bool) -> np.ndarray:
        """Of no more than CHUNK channels; without ``geometry`` the first columns are left alone."""
        bins, width = self.bins, raster_kernels.GEOMETRY + values.shape[1]
        pairs = np.zeros((len(bins.tile_pairs), width), self.cuts.dtype)
        lists = bins.tiles, bins.tile_starts, bins.tile_rows, bins.tile_pairs
        arrays = array(values), self.cuts, array(image), array(gradient)
        spread_tiles(raster_kernels.backward, *lists, *self.geometry, *arrays, geometry, pairs)
        sums = np.empty((self.count, width), self.cuts.dtype)
        spread(raster_kernels.gather, self.count, bins.starts, pairs, sums)
        return sums
