"""gsplat's four functions on the CPU, for tests: its own torch code, and compositing by our definition.

As strict as the CUDA originals: the same shapes, types and numbers of channels, memory that is not written is NaN, and
the absolute gradient of the centers is left on the very tensor that was given.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import gsplat
import torch
from gsplat.cuda import _torch_impl as theirs
from torch import Tensor

from semsplat.splatting._gsplat_operations import Operations

CHANNELS = (1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 256, 257, 512, 513)


def called_like(original: Callable) -> Callable:
    """Calls must fit the signature of gsplat's own function."""
    signature = inspect.signature(original)

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def checked(*arguments: Any, **named: Any) -> Any:
            signature.bind(*arguments, **named)
            return function(*arguments, **named)

        return checked

    return decorate


@called_like(gsplat.fully_fused_projection)
def project(
    means, covars, quats, scales, viewmats, Ks, width, height, eps2d=0.3, near_plane=0.01, packed=False, opacities=None
):
    """fully_fused_projection: what it does not draw it leaves unwritten, and does not differentiate."""
    assert covars is None and not packed
    assert all(t.isfinite().all() for t in (means, quats, scales, opacities)), "gsplat must see finite numbers only"
    forward = torch.linalg.inv(viewmats[0])[:3] @ means.new_tensor([0.0, 0.0, 1.0, 1.0])

    def run(drawn: Tensor) -> tuple[Tensor, ...]:
        covars, _ = theirs._quat_scale_to_covar_preci(quats, torch.where(drawn[:, None], scales, 1.0), True, False)
        places = torch.where(drawn[:, None], means, forward)
        return theirs._fully_fused_projection(places, covars, viewmats, Ks, width, height, eps2d, near_plane)[:4]

    with torch.no_grad():
        depths = (means @ viewmats[0, :3, :3].T + viewmats[0, :3, 3])[:, 2]
        drawn = (depths >= near_plane) & (opacities >= 1 / 255)
        drawn &= (run(drawn)[0][0] > 0).all(-1)
    radii, *found = run(drawn)
    found = [torch.where(drawn[:, None] if t.ndim == 3 else drawn, t, torch.nan) for t in found]
    return radii * drawn[:, None], *found, None


@called_like(gsplat.isect_tiles)
def intersect(means2d, radii, depths, tile_size, tile_width, tile_height):
    """isect_tiles."""
    assert radii.dtype == torch.int32 and means2d.shape == (1, radii.shape[1], 2)
    return theirs._isect_tiles(means2d, radii, depths, tile_size, tile_width, tile_height)


class _Rasterize(torch.autograd.Function):
    """As gsplat's _RasterizeToPixels, with the gradient by autograd through the definition."""

    @staticmethod
    def forward(ctx: Any, centers, conics, colors, opacities, width, height, size, starts, rows, absgrad):
        ctx.save_for_backward(centers, conics, colors, opacities, starts, rows)
        ctx.size, ctx.absgrad = (width, height, size), absgrad
        return _composite(centers, conics, colors, opacities, width, height, size, starts, rows)[:2]

    @staticmethod
    def backward(ctx: Any, g_image: Tensor, g_alpha: Tensor):
        centers, *others, starts, rows = ctx.saved_tensors
        with torch.enable_grad():
            given = [t.detach().requires_grad_() for t in (centers, *others)]
            image, alpha, spread = _composite(*given, *ctx.size, starts, rows)
            *gradients, pulls = torch.autograd.grad((image, alpha), (*given, spread), (g_image, g_alpha))
        if ctx.absgrad:
            centers.absgrad = pulls.abs().sum(0)[None]
        return (*gradients, *[None] * 6)


def _composite(centers, conics, colors, opacities, width, height, size, starts, rows):
    """Front to back in the order of the tile lists, in float64; also the centers once a pixel, for their gradients."""
    centers, conics, colors, opacities = (t[0].double() for t in (centers, conics, colors, opacities))
    spread = centers.expand(width * height, *centers.shape)
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    tiles = (ys // size * starts.shape[-1] + xs // size).flatten()
    ends = torch.cat([starts.flatten()[1:], starts.new_tensor([len(rows)])])
    image = colors.new_zeros(height * width, colors.shape[1])
    alpha = colors.new_zeros(height * width, 1)
    for tile in tiles.unique().tolist():
        pixels = (tiles == tile).nonzero()[:, 0]
        listed = rows[int(starts.flatten()[tile]) : int(ends[tile])].long()
        places = torch.stack([xs.flatten()[pixels], ys.flatten()[pixels]], -1) + 0.5
        dx, dy = (places[:, None] - spread[pixels][:, listed]).unbind(-1)
        a, b, c = conics[listed].unbind(-1)
        power = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
        alphas = (opacities[listed] * torch.exp(-power)).clamp_max(0.999)
        alphas = torch.where((power >= 0) & (alphas >= 1 / 255), alphas, 0.0)
        after = torch.cumprod(1 - alphas, dim=1)
        before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], dim=1)
        weights = torch.where(after > 1e-4, before * alphas, 0.0)
        image = image.index_copy(0, pixels, weights @ colors[listed])
        alpha = alpha.index_copy(0, pixels, weights.sum(1, keepdim=True))
    shape = 1, height, width
    return image.float().reshape(*shape, -1), alpha.float().reshape(*shape, 1), spread


@called_like(gsplat.rasterize_to_pixels)
def rasterize(
    means2d,
    conics,
    colors,
    opacities,
    image_width,
    image_height,
    tile_size,
    isect_offsets,
    flatten_ids,
    packed=False,
    absgrad=False,
):
    """rasterize_to_pixels."""
    count, channels = colors.shape[1:]
    assert not packed and channels in CHANNELS and len(flatten_ids) > 0
    assert [t.shape for t in (means2d, conics, opacities)] == [(1, count, 2), (1, count, 3), (1, count)]
    assert all(t.dtype == torch.float32 and t.is_contiguous() for t in (means2d, conics, colors, opacities))
    assert isect_offsets.dtype == flatten_ids.dtype == torch.int32
    sizes = image_width, image_height, tile_size
    return _Rasterize.apply(means2d, conics, colors, opacities, *sizes, isect_offsets, flatten_ids, absgrad)


DOUBLE = Operations(project, intersect, called_like(gsplat.isect_offset_encode)(theirs._isect_offset_encode), rasterize)
