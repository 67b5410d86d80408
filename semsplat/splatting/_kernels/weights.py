"""W itself, sparse: rows of pixels (CSR) and of Gaussians, products with any number of channels, and its medians."""

import numpy as np

from . import LANES, any_lane, fill, inline, jit, load, lowest_bit, store, where
from .raster import (
    AREA,
    BLOCK,
    CHECK,
    PLANES,
    T,
    X,
    Y,
    alphas_of,
    open_blocks,
    pass_through,
    place,
    start_tile,
    touched_blocks,
)  # fmt: skip


@jit
def collect(
    tiles, tile_starts, tile_rows, centers, conics, opacities, reaches, limits, width, height, fill, starts, columns,
    data,
):  # fmt: skip
    """Weights of the pixels of the tiles named: their number into ``starts[p + 1]``, or, to ``fill``, themselves.

    Args:
        starts: (pixels + 1,) int64, counts or, while filling, the next free place of each pixel (moved on).
        columns, data: (nonzeros,), the Gaussian and its weight, front to back.
    """
    across = (width + LANES - 1) // LANES
    alpha_min, alpha_max, least = limits[0], limits[1], limits[2]
    planes, weights = np.zeros(PLANES, centers.dtype), np.zeros(LANES, centers.dtype)
    for tile in tiles:
        x0, y0 = (tile % across) * LANES, (tile // across) * LANES
        start_tile(planes, x0, y0, width, height, 0)
        unfinished = open_blocks(planes, least)
        for k in range(tile_starts[tile], tile_starts[tile + 1]):
            if (k - tile_starts[tile]) % CHECK == CHECK - 1:
                unfinished = open_blocks(planes, least)
                if unfinished == 0:
                    break
            i = tile_rows[k]
            a, b, c, opacity = conics[i, 0], conics[i, 1], conics[i, 2], opacities[i]
            x, y = centers[i, 0] - planes.dtype.type(x0), centers[i, 1] - planes.dtype.type(y0)
            blocks = touched_blocks(x, y, reaches[i, 0], reaches[i, 1]) & unfinished
            while blocks != 0:
                block = lowest_bit(blocks)
                blocks &= blocks - 1
                dx, dy = load(planes, X + block * LANES) - x, load(planes, Y + block * LANES) - y
                alpha = alphas_of(dx, dy, a, b, c, opacity, alpha_min, alpha_max)
                store(weights, 0, pass_through(planes, block, alpha, least))
                corner = (y0 + (block & 12)) * width + x0 + (block & 3) * BLOCK
                for lane in range(LANES):
                    if weights[lane] > 0.0:
                        pixel = corner + (lane >> 2) * width + (lane & 3)
                        if fill:
                            columns[starts[pixel]] = i
                            data[starts[pixel]] = weights[lane]
                            starts[pixel] += 1
                        else:
                            starts[pixel + 1] += 1


@jit
def half_way(tiles, tile_starts, tile_rows, centers, conics, opacities, reaches, limits, coverage, rows):
    """The Gaussian with which half of a pixel's coverage is reached, front to back, for the pixels of the tiles named.

    Args:
        coverage: (h, w), the sum of each pixel's weights. rows: (h, w) int32, written where the coverage is not 0.
    """
    height, width = coverage.shape
    across = (width + LANES - 1) // LANES
    alpha_min, alpha_max, least = limits[0], limits[1], limits[2]
    planes, found = np.zeros(PLANES + AREA, centers.dtype), np.zeros(AREA, np.int32)
    above = np.zeros(LANES, centers.dtype)  # transmittance before the Gaussian, over what is left when half is reached
    for tile in tiles:
        x0, y0 = (tile % across) * LANES, (tile // across) * LANES
        start_tile(planes, x0, y0, width, height, 1)
        for y in range(min(LANES, height - y0)):
            for x in range(min(LANES, width - x0)):
                planes[PLANES + place(x, y)] = 1.0 - 0.5 * coverage[y0 + y, x0 + x]
        unfinished = half_open(planes)
        for k in range(tile_starts[tile], tile_starts[tile + 1]):
            if (k - tile_starts[tile]) % CHECK == CHECK - 1:
                unfinished = half_open(planes)
                if unfinished == 0:
                    break
            i = tile_rows[k]
            a, b, c, opacity = conics[i, 0], conics[i, 1], conics[i, 2], opacities[i]
            x, y = centers[i, 0] - planes.dtype.type(x0), centers[i, 1] - planes.dtype.type(y0)
            blocks = touched_blocks(x, y, reaches[i, 0], reaches[i, 1]) & unfinished
            while blocks != 0:
                block = lowest_bit(blocks)
                blocks &= blocks - 1
                dx, dy = load(planes, X + block * LANES) - x, load(planes, Y + block * LANES) - y
                alpha = alphas_of(dx, dy, a, b, c, opacity, alpha_min, alpha_max)
                before = load(planes, T + block * LANES) - load(planes, PLANES + block * LANES)
                store(above, 0, where(pass_through(planes, block, alpha, least) > 0.0, before, 0.0))
                for lane in range(LANES):
                    if above[lane] > 0.0:
                        found[block * LANES + lane] = i
        for y in range(min(LANES, height - y0)):
            for x in range(min(LANES, width - x0)):
                if coverage[y0 + y, x0 + x] > 0.0:
                    rows[y0 + y, x0 + x] = found[place(x, y)]


@inline
def half_open(planes):
    """One bit for each block in which half of a pixel's coverage is still to come."""
    bits = 0
    for block in range(LANES):
        left = load(planes, T + block * LANES) - load(planes, PLANES + block * LANES)
        bits |= int(any_lane(left > 0.0)) << block
    return bits


@jit
def transpose(starts, columns, data, out_starts, out_columns, out_data):
    """The same weights by Gaussian: for each its pixels in rising order."""
    for k in range(columns.shape[0]):
        out_starts[columns[k] + 1] += 1
    for i in range(out_starts.shape[0] - 1):
        out_starts[i + 1] += out_starts[i]
    place = out_starts[:-1].copy()
    for row in range(starts.shape[0] - 1):
        for k in range(starts[row], starts[row + 1]):
            column = columns[k]
            out_columns[place[column]] = row
            out_data[place[column]] = data[k]
            place[column] += 1


@jit
def multiply(begin, end, starts, columns, data, values, width, out):
    """out[row] = sum_k data[k] values[columns[k]] for rows [begin, end).

    Args:
        values: (n * width,) rows of ``width`` numbers one after another: one, or a multiple of LANES. out: the same,
            written.
    """
    zero, nothing = fill(data.dtype.type(0.0)), data.dtype.type(0.0)
    for row in range(begin, end):
        if width == 1:
            alone = nothing
            for k in range(starts[row], starts[row + 1]):
                alone += data[k] * values[columns[k]]
            out[row] = alone
            continue
        at = 0
        while at + 4 * LANES <= width:  # four sums stay in registers
            one, two, three, four = zero, zero, zero, zero
            for k in range(starts[row], starts[row + 1]):
                source, weight = columns[k] * width + at, data[k]
                one = one + load(values, source) * weight
                two = two + load(values, source + LANES) * weight
                three = three + load(values, source + 2 * LANES) * weight
                four = four + load(values, source + 3 * LANES) * weight
            target = row * width + at
            store(out, target, one)
            store(out, target + LANES, two)
            store(out, target + 2 * LANES, three)
            store(out, target + 3 * LANES, four)
            at += 4 * LANES
        if at + 2 * LANES <= width:
            one, two = zero, zero
            for k in range(starts[row], starts[row + 1]):
                source, weight = columns[k] * width + at, data[k]
                one = one + load(values, source) * weight
                two = two + load(values, source + LANES) * weight
            store(out, row * width + at, one)
            store(out, row * width + at + LANES, two)
            at += 2 * LANES
        if at < width:
            one = zero
            for k in range(starts[row], starts[row + 1]):
                one = one + load(values, columns[k] * width + at) * data[k]
            store(out, row * width + at, one)


@jit
def add_lines(lines, factors, starts, places, data, out):
    """Add some lines of a sparse matrix (rows of CSR, columns of CSC), each ``factors`` times, to a dense one."""
    for i in range(len(lines)):
        line, factor = lines[i], factors[i]
        for k in range(starts[line], starts[line + 1]):
            out[places[k]] += factor * data[k]


@jit
def pixel_row(tile_rows, centers, conics, opacities, limits, x, y, rows, weights):
    """Gaussians of one tile's list that are in pixel (x, y), front to back; returns their number."""
    remaining, count = 1.0, 0
    for i in tile_rows:
        dx, dy = x + 0.5 - centers[i, 0], y + 0.5 - centers[i, 1]
        power = 0.5 * (conics[i, 0] * dx * dx + conics[i, 2] * dy * dy) + conics[i, 1] * dx * dy
        alpha = min(limits[1], opacities[i] * np.exp(-power))
        if power < 0.0 or alpha < limits[0]:
            continue
        behind = remaining * (1.0 - alpha)
        if behind <= limits[2]:
            break
        rows[count], weights[count] = i, remaining * alpha
        count += 1
        remaining = behind
    return count
