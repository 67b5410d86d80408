"""Front-to-back compositing of tiles, forward and backward, for any number of channels (Kerbl et al. 2023, eq. 3).

A tile's row of LANES pixels is worked on at once in straight code without branches, which the compiler turns into one
vector instruction per operation. All scratch lies in one array at fixed distances, so that it can.
"""

import numpy as np

from . import LANES, add_product_row, add_row, exp_negative, inline, jit, max_row, sum_row
from .bin import rows_of

AREA = LANES * LANES
W, A, DOT, S0, S1, S2, AX, AY = (k * LANES for k in range(8))  # one row each
T = 8 * LANES  # transmittance of the tile
REST = T + AREA  # what is still to come behind, times the gradient (backward)
PLANES = REST + AREA  # then channel planes of the tile
GEOMETRY = 8  # gradients of a pair before those of its values: x y, a b c, opacity, |x| |y|
POWER_MAX = 40.0
CHECK = 8  # Gaussians between two looks at whether a tile's rows are finished


@inline
def weigh(scratch, r, dx0, dy, a, b, c, opacity, alpha_min, alpha_max, least):
    """Alphas and weights of one row into A and W; moves the transmittance on."""
    zero, one, half = scratch.dtype.type(0.0), scratch.dtype.type(1.0), scratch.dtype.type(0.5)
    farthest = scratch.dtype.type(POWER_MAX)
    for lane in range(LANES):
        dx = dx0 + scratch.dtype.type(lane)
        power = half * (a * dx * dx + c * dy * dy) + b * dx * dy
        alpha = min(alpha_max, opacity * exp_negative(max(zero, min(power, farthest))))
        alpha = alpha if (alpha >= alpha_min) & (power >= zero) else zero
        before = scratch[T + r * LANES + lane]
        behind = before * (one - alpha)
        scratch[T + r * LANES + lane] = behind
        scratch[A + lane] = alpha
        scratch[W + lane] = before * alpha if behind > least else zero


@inline
def start_tile(scratch, x0, y0, width, height, last_plane):
    """Transmittance 1 inside the picture and 0 outside; empty channel planes."""
    for r in range(LANES):
        for lane in range(LANES):
            inside = (x0 + lane < width) & (y0 + r < height)
            scratch[T + r * LANES + lane] = 1.0 if inside else 0.0
    for k in range(PLANES, PLANES + last_plane * AREA):
        scratch[k] = 0.0


@inline
def open_rows(scratch, first, last, least):
    """Rows [first, last) of a tile without the finished ones at either end."""
    while first < last and max_row(scratch, T + first * LANES) <= least:
        first += 1
    while first < last and max_row(scratch, T + (last - 1) * LANES) <= least:
        last -= 1
    return first, last


@jit
def forward(tiles, tile_starts, tile_rows, centers, conics, opacities, reaches, values, limits, image):
    """image = W @ values for the tiles named.

    Args:
        tiles: (k,) tiles to draw. values: (n, c). limits: (3,) alpha_min, alpha_max, transmittance_min.
        image: (h, w, c), written.
    """
    height, width, channels = image.shape
    across = (width + LANES - 1) // LANES
    alpha_min, alpha_max, least = limits[0], limits[1], limits[2]
    scratch = np.zeros(PLANES + max(channels, 1) * AREA, centers.dtype)
    for tile in tiles:
        x0, y0 = (tile % across) * LANES, (tile // across) * LANES
        start_tile(scratch, x0, y0, width, height, channels)
        open_first, open_last = 0, min(LANES, height - y0)
        for k in range(tile_starts[tile], tile_starts[tile + 1]):
            if (k - tile_starts[tile]) % CHECK == CHECK - 1:
                open_first, open_last = open_rows(scratch, open_first, open_last, least)
                if open_first == open_last:
                    break
            i = tile_rows[k]
            a, b, c, opacity = conics[i, 0], conics[i, 1], conics[i, 2], opacities[i]
            first, last = rows_of(centers[i, 1], reaches[i], y0 + open_first, y0 + open_last)
            dx0 = scratch.dtype.type(x0 + 0.5) - centers[i, 0]
            for y in range(first, last):
                r = (y - y0) & (LANES - 1)  # the compiler sees that it is not negative
                weigh(
                    scratch,
                    r,
                    dx0,
                    scratch.dtype.type(y + 0.5) - centers[i, 1],
                    a,
                    b,
                    c,
                    opacity,
                    alpha_min,
                    alpha_max,
                    least,
                )
                for channel in range(channels):
                    add_row(scratch, PLANES + channel * AREA + r * LANES, W, values[i, channel])
        for r in range(min(LANES, height - y0)):
            for lane in range(min(LANES, width - x0)):
                for channel in range(channels):
                    image[y0 + r, x0 + lane, channel] = scratch[PLANES + channel * AREA + r * LANES + lane]


@inline
def push_back(scratch, r, dx0, dy, a, b, c, alpha_max):
    """Gradients to the alphas of one row, summed into S0, S1, S2, AX, AY.

    With d = <value, gradient> and R = what is behind, dL/dalpha = T d - R / (1 - alpha); times alpha it is
    -dL/dpower (Kerbl et al. 2023, appendix; R is the remainder of the whole sum, so one pass front to back does).
    """
    zero, one = scratch.dtype.type(0.0), scratch.dtype.type(1.0)
    for lane in range(LANES):
        dx = dx0 + scratch.dtype.type(lane)
        weight, alpha = scratch[W + lane], scratch[A + lane]
        own = weight * scratch[DOT + lane]
        rest = scratch[REST + r * LANES + lane] - own
        scratch[REST + r * LANES + lane] = rest
        s = own - alpha / (one - alpha) * rest
        s = s if (weight > zero) & (alpha < alpha_max) else zero
        scratch[S0 + lane] += s
        scratch[S1 + lane] += s * dy
        scratch[S2 + lane] += s * dy * dy
        scratch[AX + lane] += abs(s * (a * dx + b * dy))
        scratch[AY + lane] += abs(s * (b * dx + c * dy))


@inline
def settle(scratch, dx0, a, b, c, opacity, out):
    """Gradients of a pair to centre, conic and opacity from the row sums, into ``out[:8]``."""
    half = scratch.dtype.type(0.5)
    out[5] = sum_row(scratch, S0) / opacity
    s_y, s_yy = sum_row(scratch, S1), sum_row(scratch, S2)
    for lane in range(LANES):
        dx = dx0 + scratch.dtype.type(lane)
        scratch[S1 + lane] *= dx
        scratch[S0 + lane] *= dx
    s_x, s_xy = sum_row(scratch, S0), sum_row(scratch, S1)
    for lane in range(LANES):
        scratch[S0 + lane] *= dx0 + scratch.dtype.type(lane)
    out[0] = a * s_x + b * s_y
    out[1] = b * s_x + c * s_y
    out[2] = -half * sum_row(scratch, S0)
    out[3] = -s_xy
    out[4] = -half * s_yy
    out[6] = sum_row(scratch, AX)
    out[7] = sum_row(scratch, AY)


@inline
def load_tile(scratch, x0, y0, gradient, image):
    """Channel planes of the gradient, and <gradient, image> of each pixel as what is still to come."""
    height, width, channels = gradient.shape
    for r in range(min(LANES, height - y0)):
        for lane in range(min(LANES, width - x0)):
            total = scratch.dtype.type(0.0)
            for channel in range(channels):
                g = gradient[y0 + r, x0 + lane, channel]
                scratch[PLANES + channel * AREA + r * LANES + lane] = g
                total += g * image[y0 + r, x0 + lane, channel]
            scratch[REST + r * LANES + lane] = total


@jit
def backward(
    tiles, tile_starts, tile_rows, tile_pairs, centers, conics, opacities, reaches, values, limits, image, gradient,
    geometry, pair_gradients,
):  # fmt: skip
    """Gradients of the pairs of the tiles named, from the gradient of the image.

    Args:
        image, gradient: (h, w, c), what forward gave, and dL/dimage. geometry: False leaves the first 8 columns alone.
        pair_gradients: (pairs, 8 + c), written: x y (pixels), a b c (conic), opacity, |x| |y|, values.
    """
    height, width, channels = gradient.shape
    across = (width + LANES - 1) // LANES
    alpha_min, alpha_max, least = limits[0], limits[1], limits[2]
    sums = PLANES + max(channels, 1) * AREA  # one row for each channel: weight times gradient
    scratch = np.zeros(sums + max(channels, 1) * LANES, centers.dtype)
    for tile in tiles:
        x0, y0 = (tile % across) * LANES, (tile // across) * LANES
        start_tile(scratch, x0, y0, width, height, channels)
        load_tile(scratch, x0, y0, gradient, image)
        open_first, open_last = 0, min(LANES, height - y0)
        for k in range(tile_starts[tile], tile_starts[tile + 1]):
            if (k - tile_starts[tile]) % CHECK == CHECK - 1:
                open_first, open_last = open_rows(scratch, open_first, open_last, least)
            i = tile_rows[k]
            a, b, c, opacity = conics[i, 0], conics[i, 1], conics[i, 2], opacities[i]
            first, last = rows_of(centers[i, 1], reaches[i], y0 + open_first, y0 + open_last)
            dx0 = scratch.dtype.type(x0 + 0.5) - centers[i, 0]
            for lane in range(5 * LANES):
                scratch[S0 + lane] = 0.0
            for lane in range(channels * LANES):
                scratch[sums + lane] = 0.0
            for y in range(first, last):
                r = (y - y0) & (LANES - 1)  # the compiler sees that it is not negative
                dy = scratch.dtype.type(y + 0.5) - centers[i, 1]
                weigh(scratch, r, dx0, dy, a, b, c, opacity, alpha_min, alpha_max, least)
                if max_row(scratch, W) <= 0.0:
                    continue
                for channel in range(channels):
                    add_product_row(scratch, sums + channel * LANES, W, PLANES + channel * AREA + r * LANES)
                if geometry:
                    for lane in range(LANES):
                        scratch[DOT + lane] = 0.0
                    for channel in range(channels):
                        add_row(scratch, DOT, PLANES + channel * AREA + r * LANES, values[i, channel])
                    push_back(scratch, r, dx0, dy, a, b, c, alpha_max)
            out = pair_gradients[tile_pairs[k]]
            if geometry:
                settle(scratch, dx0, a, b, c, opacity, out)
            for channel in range(channels):
                out[GEOMETRY + channel] = sum_row(scratch, sums + channel * LANES)


@jit
def gather(begin, end, starts, pair_gradients, gradients):
    """Sum the pairs of Gaussians [begin, end), always in the same order: the result does not depend on threads."""
    columns = pair_gradients.shape[1]
    for i in range(begin, end):
        for column in range(columns):
            total = gradients.dtype.type(0.0)
            for pair in range(starts[i], starts[i + 1]):
                total += pair_gradients[pair, column]
            gradients[i, column] = total
