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

from . import sh as spherical_harmonics
from ._kernels import LANES, spread, spread_tiles
from ._kernels import bin as bin_kernels
from ._kernels import project as project_kernels
from ._kernels import raster as raster_kernels
from ._kernels import sh as sh_kernels
from ._kernels import weights as weight_kernels
from ._kernels.bin import SLACK
from .blend import Blend, Limits
from .camera import Camera
from .errors import DeviceError
from .gaussians import Gaussians
from .project import DILATION, LARGEST_RADIUS, NEAR, Footprints, slope_limits

CHUNK = 32  # channels of one pass over the tiles; more would not fit the cache
SPARSE_FROM = 12  # channels from which values alone go through the stored sparse W
SPARSE_MOST = 2**27  # nonzeros of a stored W (1 GB twice); a larger picture is drawn in passes


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


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
    return np.sqrt(np.maximum(levels, 0) * _array(footprints.covariances)[:, 2]) + levels.dtype.type(SLACK)


def bin_tiles(footprints: Footprints, levels: np.ndarray, camera: Camera) -> Bins:
    """Exact ellipse-tile tests, then one counting sort in order of depth (ties by row)."""
    count, width, height = len(levels), camera.width, camera.height
    starts = np.zeros(count + 1, np.int64)
    ellipses = _array(footprints.centers), _array(footprints.covariances), levels, reaches(footprints, levels)
    arguments = (*ellipses, width, height, starts)
    spread(bin_kernels.tiles_of, count, False, *arguments, np.zeros(0, np.int32))
    np.cumsum(starts, out=starts)
    pairs = int(starts[-1])
    pair_tiles = np.empty(pairs, np.int32)
    spread(bin_kernels.tiles_of, count, True, *arguments, pair_tiles)
    tiles = ((width + LANES - 1) // LANES) * ((height + LANES - 1) // LANES)
    bins = Bins(starts, np.zeros(tiles + 1, np.int64), np.empty(pairs, np.int32), np.empty(pairs, np.int32))
    order = np.argsort(_array(footprints.depths), kind="stable")
    bin_kernels.sort_pairs(order, starts, pair_tiles, bins.tile_starts, bins.tile_pairs, bins.tile_rows)
    return bins


class _Project(torch.autograd.Function):
    """Footprints from geometry, with the analytic gradient."""

    @staticmethod
    def forward(
        ctx: Any, means: Tensor, quats: Tensor, log_scales: Tensor, logits: Tensor, view: Any, lens: Any, limits: Any
    ):
        n = len(means)
        outputs = [means.new_empty(shape) for shape in ((n, 2), (n, 3), (n,), (n,), (n,), (n, 3))]
        inputs = [_array(t) for t in (means, quats, log_scales, logits)]
        spread(project_kernels.forward, n, *inputs, view, lens, limits, *(o.numpy() for o in outputs))
        centers, conics, depths, opacities, levels, covariances = outputs
        ctx.save_for_backward(means, quats, log_scales, levels, covariances, opacities)
        ctx.view, ctx.lens = view, lens
        ctx.mark_non_differentiable(levels, covariances)
        ctx.set_materialize_grads(True)
        return centers, conics, depths, opacities, levels, covariances

    @staticmethod
    def backward(ctx: Any, g_centers: Tensor, g_conics: Tensor, g_depths: Tensor, g_opacities: Tensor, *_: Any):
        means, quats, log_scales, levels, covariances, opacities = ctx.saved_tensors
        gradients = [torch.empty_like(t) for t in (means, quats, log_scales, opacities)]
        arguments = (
            [_array(t) for t in (means, quats, log_scales)],
            [_array(t) for t in (levels, covariances, opacities)],
        )
        upstream = [_array(g) for g in (g_centers, g_conics, g_depths, g_opacities)]
        outputs = [g.numpy() for g in gradients]
        spread(
            project_kernels.backward, len(means), *arguments[0], ctx.view, ctx.lens, *arguments[1], *upstream, *outputs
        )
        return (*gradients, None, None, None)


class _Colors(torch.autograd.Function):
    """Colours from spherical harmonics, with the analytic gradient."""

    @staticmethod
    def forward(ctx: Any, means: Tensor, sh: Tensor, eye: np.ndarray, count: int):
        colors = means.new_empty(len(means), 3)
        spread(sh_kernels.forward, len(means), _array(means), _array(sh), count, eye, colors.numpy())
        ctx.save_for_backward(means, sh, colors)
        ctx.eye, ctx.count = eye, count
        return colors

    @staticmethod
    def backward(ctx: Any, g_colors: Tensor):
        means, sh, colors = ctx.saved_tensors
        g_means, g_sh = torch.empty_like(means), torch.empty_like(sh)
        arrays = _array(means), _array(sh), ctx.count, ctx.eye, _array(colors), _array(g_colors)
        spread(sh_kernels.backward, len(means), *arrays, g_means.numpy(), g_sh.numpy())
        return g_means, g_sh, None, None


def colors(gaussians: Gaussians, camera: Camera, coefficients: int) -> Float[Tensor, "n 3"]:
    """What :func:`.sh.colors` defines, with the first ``coefficients`` of the spherical harmonics only."""
    eye = camera.center.double().cpu().numpy()
    spherical_harmonics.degree(coefficients)
    return _Colors.apply(gaussians.means, gaussians.sh, eye, coefficients)


def footprints(gaussians: Gaussians, camera: Camera, limits: Limits) -> tuple[Footprints, np.ndarray]:
    """What :func:`.project.project` defines, and the (n,) levels; -1 where not drawn."""
    view = camera.world_to_camera[:3].double().cpu().contiguous().numpy()
    focal = [camera.intrinsics[i, j].item() for i, j in ((0, 0), (1, 1), (0, 2), (1, 2))]
    lens = np.array([*focal, *slope_limits(camera)])
    cuts = np.array([limits.alpha_min, NEAR, DILATION, LARGEST_RADIUS**2])
    columns = (gaussians.means, gaussians.quats, gaussians.log_scales, gaussians.logit_opacities)
    centers, conics, depths, opacities, levels, covariances = _Project.apply(*columns, view, lens, cuts)
    found = Footprints(centers, conics, depths, opacities, levels > 0, covariances)
    return found, levels.numpy()


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
    def _geometry(self) -> tuple[np.ndarray, ...]:
        f = self.footprints
        return _array(f.centers), _array(f.conics), _array(f.opacities), reaches(f, self.levels)

    @cached_property
    def _cuts(self) -> np.ndarray:
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
        count = weight_kernels.pixel_row(listed, *self._geometry[:3], self._cuts, x, y, rows, weights)
        return self.gaussians.ids[torch.from_numpy(rows[:count])], torch.from_numpy(weights[:count])

    @cached_property
    def sparse(self) -> "Sparse | None":
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
            spread_tiles(raster_kernels.forward, *lists, *self._geometry, part.numpy(), self._cuts, drawn.numpy())
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
            arrays = [_array(values[:, chosen]), self._cuts, _array(image[..., chosen]), _array(gradient[..., chosen])]
            width = head + arrays[0].shape[1]
            pairs = np.zeros((len(bins.tile_pairs), width), self.levels.dtype)
            lists = bins.tiles, bins.tile_starts, bins.tile_rows, bins.tile_pairs
            spread_tiles(raster_kernels.backward, *lists, *self._geometry, *arrays, geometry, pairs)
            sums = gradient.new_empty(len(self.gaussians), width)
            spread(raster_kernels.gather, len(self.gaussians), bins.starts, pairs, sums.numpy())
            total[:, :head] += sums[:, :head]
            total[:, head:][:, chosen] = sums[:, head:]
        return total


@dataclass(frozen=True)
class Sparse:
    """W as (starts, columns, data) by pixel; by Gaussian too, once a transposed product was asked for."""

    by_pixel: tuple[np.ndarray, np.ndarray, np.ndarray]
    count: int  # Gaussians

    @classmethod
    def collect(cls, blend: CpuBlend) -> Self | None:
        height, width, count = blend.shape
        starts = np.zeros(height * width + 1, np.int64)
        dtype = blend.levels.dtype
        lists = blend.bins.tiles, blend.bins.tile_starts, blend.bins.tile_rows
        arguments = (*lists, *blend._geometry, blend._cuts, width, height)
        spread_tiles(weight_kernels.collect, *arguments, False, starts, np.zeros(0, np.int32), np.zeros(0, dtype))
        np.cumsum(starts, out=starts)
        if starts[-1] > SPARSE_MOST:
            return None
        columns, data = np.empty(starts[-1], np.int32), np.empty(starts[-1], dtype)
        spread_tiles(weight_kernels.collect, *arguments, True, starts[:-1].copy(), columns, data)
        return cls((starts, columns, data), count)

    @cached_property
    def by_gaussian(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        starts, columns, data = self.by_pixel
        out = np.zeros(self.count + 1, np.int64), np.empty_like(columns), np.empty_like(data)
        weight_kernels.transpose(starts, columns, data, *out)
        return out

    def draw(self, values: Tensor) -> Tensor:
        """(n, c) -> (pixels, c)"""
        out = values.new_empty(len(self.by_pixel[0]) - 1, values.shape[1])
        spread(weight_kernels.multiply, len(out), *self.by_pixel, _array(values), out.numpy())
        return out

    def gather(self, image: Tensor) -> Tensor:
        """(h, w, c) -> (n, c)"""
        out = image.new_empty(self.count, image.shape[2])
        flat = _array(image).reshape(-1, image.shape[2])
        spread(weight_kernels.multiply, self.count, *self.by_gaussian, flat, out.numpy(), least=256)
        return out


def cpu_blend(gaussians: Gaussians, camera: Camera, limits: Limits) -> CpuBlend:
    """W of one camera, on the CPU; differentiable for the geometry when its columns require a gradient."""
    if gaussians.means.dtype not in (torch.float32, torch.float64):
        raise DeviceError(f"The CPU rasterizer wants float32 or float64 Gaussians, not {gaussians.means.dtype}.")
    found, levels = footprints(gaussians, camera, limits)
    return CpuBlend(gaussians, camera, found, limits, levels, bin_tiles(found, levels, camera))
