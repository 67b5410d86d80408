"""W @ values and W.T @ image for many channels, as matrix products on tensor cores (kernels in _triton_kernels.py).

Takes gsplat's projection and tile lists. Operands are bf16, sums float32; nothing has a gradient to the geometry. Each
also comes with A, the means over a coarser grid (:mod:`.average`): ``A W`` and ``W.T A.T`` never hold a picture of all
channels at the size of the camera. Sums over tiles are atomic, so last digits differ from run to run.
"""

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
import triton
from jaxtyping import Float, Int32
from torch import Tensor
from triton.runtime.errors import TritonError

from . import _triton_kernels as kernels
from .average import average, spread_back
from .errors import DeviceError

VERSION = triton.__version__
SIDE = int(kernels.SIDE.value)  # pixels of a tile
SPANS = (4, 8)  # cells of a coarser grid that a tile may touch along an axis, as compiled
PIECE = 128  # channels drawn at once where cells are so small that a tile is not averaged by itself
UNIT = 16  # channels come in multiples of so many: rows are aligned, and atomics are four numbers wide
Grid = tuple[int, int]  # height, width of a coarser grid


@dataclass(frozen=True)
class Lists:
    """What W of a camera follows from: Gaussians on the picture, and per tile those that it needs, front to back."""

    table: Float[Tensor, "n 8"]  # center x y, conic a b c, opacity, two spare; contiguous
    starts: Int32[Tensor, " tiles1"]
    ends: Int32[Tensor, " tiles"]  # of each tile's rows; what comes after it up to the next start is not used
    order: Int32[Tensor, " tiles"]  # longest list first
    rows: Int32[Tensor, " pairs"]
    size: Grid
    alpha: Float[Tensor, "h w 1"]  # W @ 1
    alpha_max: float
    exact: bool = False  # float32 operands: for tests


def lists(
    centers: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    starts: Int32[Tensor, "down across"],
    rows: Int32[Tensor, " pairs"],
    size: Grid,
    alpha_max: float,
    exact: bool = False,
) -> Lists:
    """From what gsplat projects and sorts for one camera; rows that no pixel needs are left out.

    Args:
        starts: where each tile's part of ``rows`` begins (gsplat's isect_offsets of one camera).
        rows: of the Gaussians (gsplat's flatten_ids, not packed; see :func:`unpacked`).
        alpha_max: where gsplat cuts alpha off: 0.999 in 1.5, 0.99 in 1.6.
    """
    (height, width), (down, across) = size, starts.shape
    if (down, across) != (-(-height // SIDE), -(-width // SIDE)):
        raise ValueError(f"{down} x {across} tiles of {SIDE} pixels do not cover a picture of {height} x {width}.")
    spare = torch.zeros_like(centers)
    table = torch.cat([centers, conics, opacities[:, None], spare], dim=1).detach().float().contiguous()
    starts = torch.cat([starts.flatten(), starts.new_tensor([len(rows)])])
    kept, ends, alpha = rows.new_empty(len(rows)), starts.new_empty(down * across), table.new_empty(height, width, 1)
    trim: Any = kernels.trim
    with _at(table):
        trim[(down * across,)](
            table, starts, _aligned(rows), kept, ends, alpha, width, height, across,
            ENTRIES=16, ALPHA_MAX=alpha_max, num_warps=8,
        )  # fmt: skip
    order = (ends - starts[:-1]).argsort(descending=True, stable=True).int()
    return Lists(table, starts, ends, order, kept, size, alpha, alpha_max, exact)


def unpacked(
    gaussian_ids: Tensor, count: int, rows: Int32[Tensor, " pairs"], *columns: Tensor
) -> tuple[Int32[Tensor, " pairs"], tuple[Tensor, ...]]:
    """(rows, columns) of gsplat's packed=True for one camera as packed=False has them; ``count`` Gaussians in all."""
    full = tuple(c.new_zeros(count, *c.shape[1:]).index_copy(0, gaussian_ids.long(), c) for c in columns)
    return gaussian_ids[rows.long()].int(), full


def draw(lists: Lists, values: Float[Tensor, "n c"], grid: Grid | None = None) -> Float[Tensor, "h w c"]:
    """W @ values, or A W @ values over the cells of ``grid``; in the type of the values, differentiable for them."""
    return _Draw.apply(lists, values, grid)


def gather(lists: Lists, image: Float[Tensor, "h w c"], coarse: bool = False) -> Float[Tensor, "n c"]:
    """W.T @ image in float32, or W.T A.T @ image where it is ``coarse``; differentiable for the image."""
    return _Gather.apply(lists, image, coarse)


def gather_into(total: Float[Tensor, "n c"], lists: Lists, image: Float[Tensor, "h w c"], coarse: bool = False) -> None:
    """total += W.T @ image (or W.T A.T @ image), in place, without a gradient or another tensor of that size."""
    channels, image = image.shape[2], _padded(image)
    fits = total.is_contiguous() and total.dtype == torch.float32 and total.shape[1] == image.shape[2]
    sums = total if fits else total.new_zeros(len(total), image.shape[2], dtype=torch.float32)
    span = _span(lists.size, (image.shape[0], image.shape[1])) if coarse else None
    if not coarse:
        _launch("gather", lists, sums, image)
    elif span is not None:
        _launch("gather_mean", lists, sums, image, span=span)
    else:
        for first in range(0, image.shape[2], PIECE):
            piece = spread_back(image[..., first : first + PIECE].float(), *lists.size)
            _launch("gather", lists, sums, _aligned(piece), first)
    if sums is not total:
        total += sums[:, :channels]


def _drawn(lists: Lists, values: Tensor, grid: Grid | None) -> Tensor:
    """W @ values, or A W @ values; (height, width, multiple of UNIT)."""
    channels = values.shape[1]
    if grid is None:
        image = values.new_empty(*lists.size, channels)
        _launch("draw", lists, values, image)
        return image
    cells = values.new_zeros(*grid, channels, dtype=torch.float32)
    span = _span(lists.size, grid)
    if span is not None:  # tiles add to the cells that they share
        _launch("draw_mean", lists, values, cells, span=span)
        return cells
    for first in range(0, channels, PIECE):
        piece = cells.new_empty(*lists.size, min(PIECE, channels - first))
        _launch("draw", lists, values, piece, first)
        cells[..., first : first + PIECE] = average(piece, *grid)
    return cells


def _span(size: Grid, grid: Grid) -> int | None:
    """The least of SPANS that the cells of ``grid`` in any tile of a picture of ``size`` fit in; None if in none."""
    most = max(_cells(fine, coarse) for fine, coarse in zip(size, grid, strict=True))
    return next((span for span in SPANS if most <= span), None)


def _cells(fine: int, coarse: int) -> int:
    """Most cells along one axis that a tile touches."""
    edges = [(first, min(first + SIDE, fine)) for first in range(0, fine, SIDE)]
    return max(-(-last * coarse // fine) - first * coarse // fine for first, last in edges)


class _Draw(torch.autograd.Function):
    """W @ values."""

    @staticmethod
    def forward(ctx: Any, lists: Lists, values: Tensor, grid: Grid | None) -> Tensor:
        ctx.lists, ctx.coarse, ctx.like = lists, grid is not None, (values.dtype, len(values))
        return _drawn(lists, _padded(values), grid)[..., : values.shape[1]].to(values.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        dtype, count = ctx.like
        total = gradient.new_zeros(count, gradient.shape[2], dtype=torch.float32)
        gather_into(total, ctx.lists, gradient, ctx.coarse)
        return None, total.to(dtype), None


class _Gather(torch.autograd.Function):
    """W.T @ image."""

    @staticmethod
    def forward(ctx: Any, lists: Lists, image: Tensor, coarse: bool) -> Tensor:
        ctx.lists, ctx.dtype = lists, image.dtype
        ctx.grid = tuple(image.shape[:2]) if coarse else None
        total = image.new_zeros(len(lists.table), image.shape[2], dtype=torch.float32)
        gather_into(total, lists, image, coarse)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        return None, draw(ctx.lists, gradient, ctx.grid).to(ctx.dtype), None


def _launch(name: str, lists: Lists, values: Tensor, image: Tensor, first: int = 0, span: int | None = None) -> None:
    """Run a kernel over all tiles and blocks of channels: the image's, which are those of ``values`` from ``first``."""
    (height, width), (lines, columns, depth), tiles = lists.size, image.shape, len(lists.ends)
    if depth == 0 or len(lists.rows) == 0:
        if name == "draw":
            image.zero_()
        return
    options, warps = blocks(name, depth, span)
    pair = (values, image) if name.startswith("draw") else (image, values)
    shared = lists.table, lists.starts, lists.ends, lists.order, lists.rows, *pair
    sizes = width, height, -(-width // SIDE), values.shape[1], first, depth, *((columns, lines) if span else ())
    programs = tiles * SIDE * SIDE // options.get("PIXELS", SIDE * SIDE), triton.cdiv(depth, options["CHANNELS"])
    fixed = {"ALPHA_MAX": lists.alpha_max, "EXACT": lists.exact, "num_warps": warps, "num_stages": 2}
    try:
        with _at(lists.table):
            getattr(kernels, name)[programs](*shared, *sizes, **options, **fixed)
    except TritonError as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise DeviceError(
            f"Triton {VERSION} could not compile or start '{name}' for {depth} channels: {why[0]}."
        ) from error


def blocks(name: str, channels: int, span: int | None) -> tuple[dict[str, int], int]:
    """(sizes of the blocks, warps) of a kernel; chosen so that nothing spills on sm_80 and sm_90 (a test compiles)."""
    least = max(64, 1 << (channels - 1).bit_length())
    if name == "draw":
        return {"PIXELS": 128, "ENTRIES": 32, "CHANNELS": min(least, 256)}, 8
    if name == "gather":
        return {"ENTRIES": 32, "CHANNELS": min(least, 128)}, 8
    if span == SPANS[0]:
        return {"SPAN": span, "ENTRIES": 32, "CHANNELS": min(least, 512)}, 8
    return {"SPAN": SPANS[1], "ENTRIES": 16, "CHANNELS": min(least, 256)}, 8


def adam_half(
    parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, rate: float, beta1: float, beta2: float,
    epsilon: float, correction: float, seed: int,
) -> None:  # fmt: skip
    """A step of Adam in place, with bf16 moments that are rounded at random (see :func:`.optimizer.adam`)."""
    count, numbers = parameter.numel(), (rate, beta1, beta2, epsilon, correction)
    given = parameter, gradient.contiguous(), first, second
    step: Any = kernels.adam
    with _at(parameter):
        step[(triton.cdiv(count, 1024),)](*given, count, *numbers, seed, BLOCK=1024, num_warps=4)


def _padded(tensor: Tensor) -> Tensor:
    """Contiguous, aligned, with a multiple of UNIT channels."""
    missing = -tensor.shape[-1] % UNIT
    if missing:
        tensor = torch.nn.functional.pad(tensor, (0, missing))
    return _aligned(tensor)


def _aligned(tensor: Tensor) -> Tensor:
    """Contiguous, and starting at 16 bytes as the kernels are compiled for."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % 16 == 0 else tensor.clone()


def _at(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Triton starts kernels on the current GPU, which need not be the tensor's."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else contextlib.nullcontext()
