"""W of a tile as a matrix on tensor cores: kernels in Triton (Tillet et al. 2019). Nothing but kernels; see _triton.py.

A program has one tile of 16 x 16 pixels, or half of it, and a block of channels. It goes over the tile's Gaussians
front to back, ENTRIES at a time: their weights in each pixel (Kerbl et al. 2023, eq. 3), then a matrix product with
their values, or with the picture. What gsplat decides one Gaussian after another is a mask here: a pixel is finished
where the transmittance behind a Gaussian is not over STOP, and the transmittance only falls.

Values and sums have rows of ``channels``, of which ``depth`` from ``first`` on go with those of the picture.
"""

import triton
import triton.language as tl
from triton import knobs

INTERPRETED = tl.constexpr(bool(knobs.runtime.interpret))  # by Triton in Python, on the CPU: for tests
SIDE = tl.constexpr(16)  # pixels of a tile along each axis
FIELDS = tl.constexpr(8)  # numbers in a row of the table: center x y, conic a b c, opacity, two spare
STOP = tl.constexpr(1e-4)
FAINT = tl.constexpr(1.0 / 255.0)
SIZES = ("width", "height", "across", "columns", "lines")  # of pictures: not compiled again where they are 1 or 16 k


@triton.jit
def _weights(table, rows, listed, x, y, before, AXIS: tl.constexpr, ALPHA_MAX: tl.constexpr):
    """(weights, transmittance behind, alphas) of ``rows`` in pixels; ``before`` is what reaches them, front to back."""
    near = table + rows * FIELDS
    dx = x - tl.load(near, mask=listed, other=0.0)
    dy = y - tl.load(near + 1, mask=listed, other=0.0)
    a = tl.load(near + 2, mask=listed, other=0.0)
    b = tl.load(near + 3, mask=listed, other=0.0)
    c = tl.load(near + 4, mask=listed, other=0.0)
    power = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
    alphas = tl.minimum(tl.load(near + 5, mask=listed, other=0.0) * tl.exp(-power), ALPHA_MAX)
    alphas = tl.where((power >= 0.0) & (alphas >= FAINT), alphas, 0.0)
    behind = before * tl.cumprod(1.0 - alphas, axis=AXIS)
    weights = tl.where(behind > STOP, behind / (1.0 - alphas) * alphas, 0.0)
    return weights, behind, alphas


@triton.jit
def _operand(x, EXACT: tl.constexpr):
    """As tensor cores want it: bf16; or float32, for tests. Interpreted dot takes bf16 for whole numbers."""
    if EXACT:
        return x.to(tl.float32)
    elif INTERPRETED:
        return x.to(tl.bfloat16).to(tl.float32)
    else:
        return x.to(tl.bfloat16)


@triton.jit
def _product(a, b, sum, EXACT: tl.constexpr):
    """a @ b + sum in float32."""
    if EXACT:
        return tl.dot(a, b, sum, input_precision="ieee")
    else:
        return tl.dot(a, b, sum)


@triton.jit
def _share(pixel, cell, size):
    """How much of a pixel lies in a cell of ``size`` pixels, along one axis."""
    low = tl.maximum(pixel, cell * size)
    return tl.maximum(tl.minimum(pixel + 1.0, (cell + 1.0) * size) - low, 0.0)


@triton.jit(do_not_specialize=SIZES[:3])
def trim(
    table, starts, rows, kept, ends, alpha, width, height, across, ENTRIES: tl.constexpr, ALPHA_MAX: tl.constexpr
):  # fmt: skip
    """Of each tile's list, those that reach an unfinished pixel: ``kept`` from the same start to ``ends``; coverage."""
    tile = tl.program_id(0)
    pixel = tl.arange(0, SIDE * SIDE)
    column, line = (tile % across) * SIDE + pixel % SIDE, (tile // across) * SIDE + pixel // SIDE
    inside = (column < width) & (line < height)
    x, y = (column.to(tl.float32) + 0.5)[:, None], (line.to(tl.float32) + 0.5)[:, None]
    through = tl.where(inside, 1.0, 0.0)
    cover = tl.zeros([SIDE * SIDE], tl.float32)
    at = tl.load(starts + tile)
    end = tl.load(starts + tile + 1)
    free = at
    while (at < end) & (tl.max(through, axis=0) > STOP):
        entry = at + tl.arange(0, ENTRIES)
        listed = entry < end
        row = tl.load(rows + entry, mask=listed, other=0)
        weights, behind, alphas = _weights(
            table, row[None, :], listed[None, :], x, y, through[:, None], 1, ALPHA_MAX
        )  # fmt: skip
        reaches = (alphas > 0.0) & (behind > (1.0 - alphas) * STOP)
        used = tl.max(reaches.to(tl.int32), axis=0)
        tl.store(kept + free + tl.cumsum(used, axis=0) - used, row, mask=used > 0)
        free += tl.sum(used, axis=0)
        cover += tl.sum(weights, axis=1)
        through = tl.min(behind, axis=1)
        at += ENTRIES
    tl.store(ends + tile, free)
    tl.store(alpha + line * width + column, cover, mask=inside)


@triton.jit(do_not_specialize=SIZES[:3])
def draw(
    table, starts, ends, order, rows, values, image, width, height, across, channels, first, depth,
    PIXELS: tl.constexpr, ENTRIES: tl.constexpr, CHANNELS: tl.constexpr, ALPHA_MAX: tl.constexpr, EXACT: tl.constexpr
):  # fmt: skip
    """image = W @ values; a program has PIXELS of a tile."""
    tile = tl.load(order + tl.program_id(0) // (SIDE * SIDE // PIXELS))
    pixel = tl.program_id(0) % (SIDE * SIDE // PIXELS) * PIXELS + tl.arange(0, PIXELS)
    column, line = (tile % across) * SIDE + pixel % SIDE, (tile // across) * SIDE + pixel // SIDE
    inside = (column < width) & (line < height)
    x, y = (column.to(tl.float32) + 0.5)[:, None], (line.to(tl.float32) + 0.5)[:, None]
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    wanted = channel < depth
    through = tl.full([PIXELS], 1.0, tl.float32)
    sum = tl.zeros([PIXELS, CHANNELS], tl.float32)
    start = tl.load(starts + tile)
    end = tl.load(ends + tile)
    for at in range(start, end, ENTRIES):
        entry = at + tl.arange(0, ENTRIES)
        listed = entry < end
        row = tl.load(rows + entry, mask=listed, other=0)
        place = values + row.to(tl.int64)[:, None] * channels + (first + channel)[None, :]
        value = tl.load(place, mask=listed[:, None] & wanted[None, :], other=0.0)
        weights, behind, _ = _weights(table, row[None, :], listed[None, :], x, y, through[:, None], 1, ALPHA_MAX)
        through = tl.min(behind, axis=1)
        sum = _product(_operand(weights, EXACT), _operand(value, EXACT), sum, EXACT)
    place = image + (line.to(tl.int64) * width + column)[:, None] * depth + channel[None, :]
    tl.store(place, sum.to(image.dtype.element_ty), mask=inside[:, None] & wanted[None, :])


@triton.jit(do_not_specialize=SIZES[:3])
def gather(
    table, starts, ends, order, rows, image, total, width, height, across, channels, first, depth,
    ENTRIES: tl.constexpr, CHANNELS: tl.constexpr, ALPHA_MAX: tl.constexpr, EXACT: tl.constexpr
):  # fmt: skip
    """total += W.T @ image; a program has a tile."""
    tile = tl.load(order + tl.program_id(0))
    pixel = tl.arange(0, SIDE * SIDE)
    column, line = (tile % across) * SIDE + pixel % SIDE, (tile // across) * SIDE + pixel // SIDE
    inside = (column < width) & (line < height)
    x, y = (column.to(tl.float32) + 0.5)[None, :], (line.to(tl.float32) + 0.5)[None, :]
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    wanted = channel < depth
    place = image + (line.to(tl.int64) * width + column)[:, None] * depth + channel[None, :]
    seen = _operand(tl.load(place, mask=inside[:, None] & wanted[None, :], other=0.0), EXACT)
    through = tl.full([SIDE * SIDE], 1.0, tl.float32)
    start = tl.load(starts + tile)
    end = tl.load(ends + tile)
    for at in range(start, end, ENTRIES):
        entry = at + tl.arange(0, ENTRIES)
        listed = entry < end
        row = tl.load(rows + entry, mask=listed, other=0)
        weights, behind, _ = _weights(table, row[:, None], listed[:, None], x, y, through[None, :], 0, ALPHA_MAX)
        through = tl.min(behind, axis=0)
        none = tl.zeros([ENTRIES, CHANNELS], tl.float32)
        share = _product(_operand(weights, EXACT), seen, none, EXACT)
        owner = total + row.to(tl.int64)[:, None] * channels + (first + channel)[None, :]
        tl.atomic_add(owner, share, mask=listed[:, None] & wanted[None, :], sem="relaxed")


@triton.jit(do_not_specialize=SIZES)
def draw_mean(
    table, starts, ends, order, rows, values, cells, width, height, across, channels, first, depth,
    columns, lines, SPAN: tl.constexpr, ENTRIES: tl.constexpr, CHANNELS: tl.constexpr,
    ALPHA_MAX: tl.constexpr, EXACT: tl.constexpr
):  # fmt: skip
    """cells += A W @ values, A the means over lines x columns cells; a tile touches at most SPAN x SPAN of them."""
    tile = tl.load(order + tl.program_id(0))
    pixel = tl.arange(0, SIDE * SIDE)
    column, line = (tile % across) * SIDE + pixel % SIDE, (tile // across) * SIDE + pixel // SIDE
    x, y = column.to(tl.float32), line.to(tl.float32)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    wanted = channel < depth
    cell = tl.arange(0, SPAN * SPAN)
    cell_x = (tile % across) * SIDE * columns // width + cell % SPAN
    cell_y = (tile // across) * SIDE * lines // height + cell // SPAN
    cell_width, cell_height = width / columns, height / lines
    part = _share(x[:, None], cell_x.to(tl.float32)[None, :], cell_width)
    part *= _share(y[:, None], cell_y.to(tl.float32)[None, :], cell_height)
    part = _operand(tl.where((column < width) & (line < height), 1.0, 0.0)[:, None] * part, EXACT)
    through = tl.full([SIDE * SIDE], 1.0, tl.float32)
    sum = tl.zeros([SPAN * SPAN, CHANNELS], tl.float32)
    start = tl.load(starts + tile)
    end = tl.load(ends + tile)
    for at in range(start, end, ENTRIES):
        entry = at + tl.arange(0, ENTRIES)
        listed = entry < end
        row = tl.load(rows + entry, mask=listed, other=0)
        place = values + row.to(tl.int64)[:, None] * channels + (first + channel)[None, :]
        value = tl.load(place, mask=listed[:, None] & wanted[None, :], other=0.0)
        weights, behind, _ = _weights(
            table, row[:, None], listed[:, None], (x + 0.5)[None, :], (y + 0.5)[None, :], through[None, :], 0, ALPHA_MAX
        )
        through = tl.min(behind, axis=0)
        none = tl.zeros([ENTRIES, SPAN * SPAN], tl.float32)
        mean = tl.trans(_operand(_product(_operand(weights, EXACT), part, none, EXACT), EXACT))
        sum = _product(mean, _operand(value, EXACT), sum, EXACT)
    known = (cell_x < columns) & (cell_y < lines)
    place = cells + (cell_y * columns + cell_x).to(tl.int64)[:, None] * depth + channel[None, :]
    sum = sum / (cell_width * cell_height)
    tl.atomic_add(place, sum, mask=known[:, None] & wanted[None, :], sem="relaxed")


@triton.jit(do_not_specialize=SIZES)
def gather_mean(
    table, starts, ends, order, rows, cells, total, width, height, across, channels, first, depth,
    columns, lines, SPAN: tl.constexpr, ENTRIES: tl.constexpr, CHANNELS: tl.constexpr,
    ALPHA_MAX: tl.constexpr, EXACT: tl.constexpr
):  # fmt: skip
    """total += W.T A.T @ cells."""
    tile = tl.load(order + tl.program_id(0))
    pixel = tl.arange(0, SIDE * SIDE)
    column, line = (tile % across) * SIDE + pixel % SIDE, (tile // across) * SIDE + pixel // SIDE
    x, y = column.to(tl.float32), line.to(tl.float32)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    wanted = channel < depth
    cell = tl.arange(0, SPAN * SPAN)
    cell_x = (tile % across) * SIDE * columns // width + cell % SPAN
    cell_y = (tile // across) * SIDE * lines // height + cell // SPAN
    cell_width, cell_height = width / columns, height / lines
    part = _share(x[:, None], cell_x.to(tl.float32)[None, :], cell_width)
    part *= _share(y[:, None], cell_y.to(tl.float32)[None, :], cell_height)
    part = _operand(tl.where((column < width) & (line < height), 1.0, 0.0)[:, None] * part, EXACT)
    known = (cell_x < columns) & (cell_y < lines)
    place = cells + (cell_y * columns + cell_x).to(tl.int64)[:, None] * depth + channel[None, :]
    seen = tl.load(place, mask=known[:, None] & wanted[None, :], other=0.0).to(tl.float32)
    seen = _operand(seen / (cell_width * cell_height), EXACT)
    through = tl.full([SIDE * SIDE], 1.0, tl.float32)
    start = tl.load(starts + tile)
    end = tl.load(ends + tile)
    for at in range(start, end, ENTRIES):
        entry = at + tl.arange(0, ENTRIES)
        listed = entry < end
        row = tl.load(rows + entry, mask=listed, other=0)
        weights, behind, _ = _weights(
            table, row[:, None], listed[:, None], (x + 0.5)[None, :], (y + 0.5)[None, :], through[None, :], 0, ALPHA_MAX
        )
        through = tl.min(behind, axis=0)
        none = tl.zeros([ENTRIES, SPAN * SPAN], tl.float32)
        mean = _product(_operand(weights, EXACT), part, none, EXACT)
        share = tl.zeros([ENTRIES, CHANNELS], tl.float32)
        share = _product(_operand(mean, EXACT), seen, share, EXACT)
        owner = total + row.to(tl.int64)[:, None] * channels + (first + channel)[None, :]
        tl.atomic_add(owner, share, mask=listed[:, None] & wanted[None, :], sem="relaxed")


@triton.jit
def _rounded(x, random):
    """bf16 just above or below x, at random and right on average: small steps would else be lost (16 random bits)."""
    bits = x.to(tl.int32, bitcast=True) + (random & 0xFFFF)
    return (bits & -65536).to(tl.float32, bitcast=True).to(tl.bfloat16)


@triton.jit(do_not_specialize=("seed",))
def adam(
    parameter, gradient, first, second, count, rate, beta1, beta2, epsilon, correction, seed, BLOCK: tl.constexpr
):  # fmt: skip
    """A step of Adam (Kingma and Ba 2015) in one pass; the moments are bf16."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    known = at < count
    slope = tl.load(gradient + at, mask=known, other=0.0)
    mean = tl.load(first + at, mask=known, other=0.0).to(tl.float32)
    square = tl.load(second + at, mask=known, other=0.0).to(tl.float32)
    mean += (1.0 - beta1) * (slope - mean)
    square = beta2 * square + (1.0 - beta2) * slope * slope
    place = tl.load(parameter + at, mask=known, other=0.0)
    place -= rate * mean / (tl.sqrt(square) / correction + epsilon)
    tl.store(parameter + at, place, mask=known)
    random = tl.randint(seed, at.to(tl.int32)).to(tl.int32, bitcast=True)
    tl.store(first + at, _rounded(mean, random), mask=known)
    tl.store(second + at, _rounded(square, random >> 16), mask=known)
