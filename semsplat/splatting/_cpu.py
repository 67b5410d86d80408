"""The CPU rasterizer: exact tiles of 16 x 16 pixels, any number of channels, gradients for values and geometry.

float32 or float64, any number of calling threads. The same input gives the same bits, whatever the number of threads:
gradients are kept per (Gaussian, tile) pair and summed in a fixed order.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ._cpu_project import array, footprints
from ._cpu_sparse import Sparse
from ._kernels import LANES, spread, spread_tiles
from ._kernels import bin as bin_kernels
from ._kernels import raster as raster_kernels
from ._kernels import weights as weight_kernels
from ._kernels.bin import SLACK
from .blend import Blend, Limits
from .camera import Camera
from .errors import DeviceError
from .gaussians import Gaussians
from .project import Footprints

CHUNK = 32  # channels of one pass over the tiles; more would not fit the cache
SPARSE_FROM = 12  # channels from which values alone go through the stored sparse W


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
    """(n,) half the height of each ellipse, pixels, a hair too large so that rounding never loses a row."""
    return np.sqrt(np.maximum(levels, 0) * array(footprints.covariances)[:, 2]) + levels.dtype.type(SLACK)


def bin_tiles(footprints: Footprints, levels: np.ndarray, camera: Camera) -> Bins:
    """Exact ellipse-tile tests, then one counting sort in order of depth (ties by row)."""
    count, width, height = len(levels), camera.width, camera.height
    starts = np.zeros(count + 1, np.int64)
    ellipses = array(footprints.centers), array(footprints.covariances), levels, reaches(footprints, levels)
    arguments = (*ellipses, width, height, starts)
    spread(bin_kernels.tiles_of, count, False, *arguments, np.zeros(0, np.int32))
    np.cumsum(starts, out=starts)
    pairs = int(starts[-1])
    pair_tiles = np.empty(pairs, np.int32)
    spread(bin_kernels.tiles_of, count, True, *arguments, pair_tiles)
    tiles = ((width + LANES - 1) // LANES) * ((height + LANES - 1) // LANES)
    bins = Bins(starts, np.zeros(tiles + 1, np.int64), np.empty(pairs, np.int32), np.empty(pairs, np.int32))
    order = np.argsort(array(footprints.depths), kind="stable")
    bin_kernels.sort_pairs(order, starts, pair_tiles, bins.tile_starts, bins.tile_pairs, bins.tile_rows)
    return bins


class _Composite(torch.autograd.Function):
    """W @ values with gradients to values, centers, conics and opacities."""

    @staticmethod
    def forward(ctx: Any, blend: "CpuBlend", centers: Tensor, conics: Tensor, opacities: Tensor, values: Tensor):
        image = blend.draw(values)
        ctx.blend = blend
        ctx.save_for_backward(values, image)
        return image

    @staticmethod
    def backward(ctx: Any, g_image: Tensor):
        values, image = ctx.saved_tensors
        blend: CpuBlend = ctx.blend
        gradients = blend.pull(values, image, g_image, geometry=True)
        blend.center_gradients = blend.center_gradients + gradients[:, 6:8]
        return None, gradients[:, 0:2], gradients[:, 2:5], gradients[:, 5], gradients[:, 8:]


class _Product(torch.autograd.Function):
    """W @ values (or W.T @ image) for a W that has no gradient of its own; each is the other's gradient."""

    @staticmethod
    def forward(ctx: Any, blend: "CpuBlend", given: Tensor, transposed: bool):
        ctx.blend, ctx.transposed = blend, transposed
        return blend.gather(given) if transposed else blend.draw(given)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor):
        gradient = gradient.contiguous()
        return None, ctx.blend.draw(gradient) if ctx.transposed else ctx.blend.gather(gradient), None


class CpuBlend(Blend):
    """W of one camera on the CPU."""

    def __init__(
        self,
        gaussians: Gaussians,
        camera: Camera,
        footprints: Footprints,
        limits: Limits,
        levels: np.ndarray,
        bins: Bins,
    ) -> None:
        super().__init__(gaussians, camera, footprints, limits)
        self.levels, self.bins = levels, bins
        self.detached = not footprints.centers.requires_grad
        self.center_gradients = footprints.centers.new_zeros(len(gaussians), 2)

    @cached_property
    def geometry(self) -> tuple[np.ndarray, ...]:
        f = self.footprints
        return array(f.centers), array(f.conics), array(f.opacities), reaches(f, self.levels)

    @cached_property
    def cuts(self) -> np.ndarray:
        cuts = (self.limits.alpha_min, self.limits.alpha_max, self.limits.transmittance_min)
        return np.array(cuts, self.levels.dtype)

    def __matmul__(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "h w c"]:
        self._check_values(values)
        if self.detached:
            return _Product.apply(self, values, False)
        f = self.footprints
        return _Composite.apply(self, f.centers, f.conics, f.opacities, values)

    def transposed_product(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        self._check_image(image)
        return _Product.apply(self, image, True)

    def detach(self) -> Self:
        f = self.footprints
        still = Footprints(
            f.centers.detach(), f.conics.detach(), f.depths.detach(), f.opacities.detach(), f.visible, f.covariances
        )
        twin = type(self)(self.gaussians.detach(), self.camera, still, self.limits, self.levels, self.bins)
        if "sparse" in self.__dict__:
            twin.sparse = self.sparse
        return twin

    def row(self, x: int, y: int) -> tuple[Int64[Tensor, " k"], Float[Tensor, " k"]]:
        self._check_pixel(x, y)
        tile = (y // LANES) * ((self.camera.width + LANES - 1) // LANES) + x // LANES
        listed = self.bins.tile_rows[self.bins.tile_starts[tile] : self.bins.tile_starts[tile + 1]]
        rows, weights = np.empty(len(listed), np.int64), np.empty(len(listed), self.levels.dtype)
        count = weight_kernels.pixel_row(listed, *self.geometry[:3], self.cuts, x, y, rows, weights)
        return self.gaussians.ids[torch.from_numpy(rows[:count])], torch.from_numpy(weights[:count])

    @cached_property
    def sparse(self) -> Sparse | None:
        """W stored as a sparse matrix; None when it would be too large to keep."""
        return Sparse.collect(self)

    def draw(self, values: Tensor) -> Tensor:
        """W @ values, no autograd."""
        height, width, _ = self.shape
        channels = values.shape[1]
        if self.detached and channels >= SPARSE_FROM and self.sparse is not None:
            return self.sparse.draw(values).reshape(height, width, channels)
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
        """W.T @ image, no autograd."""
        channels = image.shape[2]
        if channels >= SPARSE_FROM and self.sparse is not None:
            return self.sparse.gather(image)
        zeros = image.new_zeros(len(self.gaussians), channels)
        return self.pull(zeros, image, image, geometry=False)[:, raster_kernels.GEOMETRY :]

    def pull(self, values: Tensor, image: Tensor, gradient: Tensor, geometry: bool) -> Float[Tensor, "n g"]:
        """Gradients per Gaussian, columns x y a b c opacity |x| |y| then the values', from that of the image."""
        head, channels, bins = raster_kernels.GEOMETRY, values.shape[1], self.bins
        total = gradient.new_zeros(len(self.gaussians), head + channels)
        for first in range(0, max(channels, 1), CHUNK):
            chosen = slice(first, first + CHUNK)
            arrays = [array(values[:, chosen]), self.cuts, array(image[..., chosen]), array(gradient[..., chosen])]
            width = head + arrays[0].shape[1]
            pairs = np.zeros((len(bins.tile_pairs), width), self.levels.dtype)
            lists = bins.tiles, bins.tile_starts, bins.tile_rows, bins.tile_pairs
            spread_tiles(raster_kernels.backward, *lists, *self.geometry, *arrays, geometry, pairs)
            sums = gradient.new_empty(len(self.gaussians), width)
            spread(raster_kernels.gather, len(self.gaussians), bins.starts, pairs, sums.numpy())
            total[:, :head] += sums[:, :head]
            total[:, head:][:, chosen] = sums[:, head:]
        return total


def cpu_blend(gaussians: Gaussians, camera: Camera, limits: Limits) -> CpuBlend:
    """W of one camera, on the CPU; differentiable for the geometry when its columns require a gradient."""
    if gaussians.means.dtype not in (torch.float32, torch.float64):
        raise DeviceError(f"The CPU rasterizer wants float32 or float64 Gaussians, not {gaussians.means.dtype}.")
    found, levels = footprints(gaussians, camera, limits)
    return CpuBlend(gaussians, camera, found, limits, levels, bin_tiles(found, levels, camera))
