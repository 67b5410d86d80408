"""Front-to-back compositing of tiles, forward and backward, for any number of channels (Kerbl et al. 2023, eq. 3).

A tile is LANES blocks of BLOCK x BLOCK pixels, and a block is one vector: Gaussians touch fewer blocks than rows of
LANES pixels, for they are round rather than long. What a tile needs lies in one array, plane after plane.
"""

import numpy as np

from . import (
    LANES,
    any_lane,
    at_most,
    exp_negative,
    fill,
    inline,
    jit,
    load,
    lowest_bit,
    magnitude,
    store,
    total,
    where,
)  # fmt: skip

BLOCK = 4  # pixels; BLOCK * BLOCK = LANES
AREA = LANES * LANES  # numbers in a plane, block by block
X, Y = 0, AREA  # pixel centres, from the tile's corner
T = 2 * AREA  # transmittance
REST = 3 * AREA  # what is still to come behind, times the gradient (backward)
PLANES = 4 * AREA  # then one plane for each channel
GEOMETRY = 8  # gradients of a pair before those of its values: x y, a b c, opacity, |x| |y|
POWER_MAX = 40.0
CHECK = 8  # Gaussians between two looks at which blocks are finished


@inline
def place(x, y):
    """Where pixel (x, y) of a tile is in its planes."""
    return ((y & 12) | (x >> 2)) * LANES + ((y & 3) * BLOCK | (x & 3))


@inline
def start_tile(planes, x0, y0, width, height, channels):
    """Transmittance 1 inside the picture and 0 outside; empty planes for the channels."""
    for y in range(LANES):
        for x in range(LANES):
            k = place(x, y)
            planes[X + k], planes[Y + k] = x + 0.5, y + 0.5
            planes[T + k] = 1.0 if (x0 + x < width) & (y0 + y < height) else 0.0
    for k in range(PLANES, PLANES + channels * AREA):
        planes[k] = 0.0


@inline
def open_blocks(planes, least):
    """One bit for each block in which a pixel is not finished."""
    bits = 0
    for block in range(LANES):
        bits |= int(any_lane(load(planes, T + block * LANES) > least)) << block
    return bits


@inline
def touched_blocks(x, y, reach_x, reach_y):
    """One bit for each block of a tile that a box reaches; its centre counts from the tile's corner, in pixels."""
    last = LANES - 1.0
    left, right = np.ceil(max(x - reach_x - 0.5, 0.0)), np.floor(min(x + reach_x - 0.5, last))
    top, bottom = np.ceil(max(y - reach_y - 0.5, 0.0)), np.floor(min(y + reach_y - 0.5, last))
    if not (left <= right and top <= bottom):
        return 0
    columns = (2 << (int(right) >> 2)) - (1 << (int(left) >> 2))
    rows = (1 << ((int(bottom) & 12) + BLOCK)) - (1 << (int(top) & 12))
    return (columns * 0x1111) & rows


@inline
def alphas_of(dx, dy, a, b, c, opacity, alpha_min, alpha_max):
    """Alphas of a block, (dx, dy) away from the centre of a Gaussian."""
    power = (0.5 * a * dx + b * dy) * dx + 0.5 * c * dy * dy
    alpha = at_most(opacity * exp_negative(at_most(power, POWER_MAX)), alpha_max)
    return where((alpha >= alpha_min) & (power >= 0.0), alpha, 0.0)


@inline
def pass_through(planes, block, alpha, least):
    """Weights of a Gaussian in a block where it has these alphas; moves the transmittance on."""
    before = load(planes, T + block * LANES)
    own = before * alpha
    behind = before - own
    store(planes, T + block * LANES, behind)
    return where(behind > least, own, 0.0)


@jit
def forward(tiles, tile_starts, tile_rows, centers, conics, opacities, reaches, values, limits, image):
    """image = W @ values for the tiles named.

    Args:
        tiles: (k,) tiles to draw. reaches: (n, 2) half the width and height of each ellipse, pixels. values: (n, c).
        limits: (3,) alpha_min, alpha_max, transmittance_min. image: (h, w, c), written.
    """
    height, width, channels = image.shape
    across = (width + LANES - 1) // LANES
    alpha_min, alpha_max, least = limits[0], limits[1], limits[2]
    planes = np.zeros(PLANES + channels * AREA, centers.dtype)
    for tile in tiles:
        x0, y0 = (tile % across) * LANES, (tile // across) * LANES
        start_tile(planes, x0, y0, width, height, channels)
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
                weight = pass_through(planes, block, alphas_of(dx, dy, a, b, c, opacity, alpha_min, alpha_max), least)
                for channel in range(channels):
                    at = PLANES + channel * AREA + block * LANES
                    store(planes, at, load(planes, at) + weight * values[i, channel])
        for y in range(min(LANES, height - y0)):
            for x in range(min(LANES, width - x0)):
                for channel in range(channels):
                    image[y0 + y, x0 + x, channel] = planes[PLANES + channel * AREA + place(x, y)]


@inline
def load_tile(planes, x0, y0, gradient, image):
    """Channel planes of the gradient, and <gradient, image> of each pixel as what is still to come."""
    height, width, channels = gradient.shape
    for y in range(min(LANES, height - y0)):
        for x in range(min(LANES, width - x0)):
            rest = planes.dtype.type(0.0)
            for channel in range(channels):
                slope = gradient[y0 + y, x0 + x, channel]
                planes[PLANES + channel * AREA + place(x, y)] = slope
                rest += slope * image[y0 + y, x0 + x, channel]
            planes[REST + place(x, y)] = rest


@inline
def slopes_of(planes, block, weight, alpha, dot, alpha_max):
    """Minus the gradient to the powers of a block; ``dot`` is <value, gradient>. Moves the rest on.

    With R what is still to come behind, dL/dalpha = T dot - R / (1 - alpha), and -dL/dpower is alpha times that
    (Kerbl et al. 2023, appendix; R is the remainder of the whole sum, so that one pass front to back does).
    """
    own = weight * dot
    rest = load(planes, REST + block * LANES) - own
    store(planes, REST + block * LANES, rest)
    return where((weight > 0.0) & (alpha < alpha_max), own - alpha / (1.0 - alpha) * rest, 0.0)


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
    sums = PLANES + channels * AREA  # a vector for each channel: weight times gradient
    planes = np.zeros(sums + channels * LANES, centers.dtype)
    zero = fill(planes.dtype.type(0.0))
    for tile in tiles:
        x0, y0 = (tile % across) * LANES, (tile // across) * LANES
        start_tile(planes, x0, y0, width, height, channels)
        load_tile(planes, x0, y0, gradient, image)
        unfinished = open_blocks(planes, least)
        for k in range(tile_starts[tile], tile_starts[tile + 1]):
            if (k - tile_starts[tile]) % CHECK == CHECK - 1:
                unfinished = open_blocks(planes, least)
            i = tile_rows[k]
            a, b, c, opacity = conics[i, 0], conics[i, 1], conics[i, 2], opacities[i]
            x, y = centers[i, 0] - planes.dtype.type(x0), centers[i, 1] - planes.dtype.type(y0)
            blocks = touched_blocks(x, y, reaches[i, 0], reaches[i, 1]) & unfinished
            s, s_x, s_y, s_xx, s_xy, s_yy, far_x, far_y = zero, zero, zero, zero, zero, zero, zero, zero
            for channel in range(channels):
                store(planes, sums + channel * LANES, zero)
            while blocks != 0:
                block = lowest_bit(blocks)
                blocks &= blocks - 1
                dx, dy = load(planes, X + block * LANES) - x, load(planes, Y + block * LANES) - y
                alpha = alphas_of(dx, dy, a, b, c, opacity, alpha_min, alpha_max)
                weight, dot = pass_through(planes, block, alpha, least), zero
                for channel in range(channels):
                    at, plane = sums + channel * LANES, load(planes, PLANES + channel * AREA + block * LANES)
                    store(planes, at, load(planes, at) + weight * plane)
                    dot = dot + plane * values[i, channel]
                if geometry:
                    slope = slopes_of(planes, block, weight, alpha, dot, alpha_max)
                    along_x, along_y = slope * dx, slope * dy
                    s, s_x, s_y = s + slope, s_x + along_x, s_y + along_y
                    s_xx, s_xy, s_yy = s_xx + along_x * dx, s_xy + along_x * dy, s_yy + along_y * dy
                    far_x = far_x + magnitude(a * along_x + b * along_y)
                    far_y = far_y + magnitude(b * along_x + c * along_y)
            out = pair_gradients[tile_pairs[k]]
            if geometry:
                x_sum, y_sum = total(s_x), total(s_y)
                out[0], out[1] = a * x_sum + b * y_sum, b * x_sum + c * y_sum
                out[2], out[3], out[4] = -0.5 * total(s_xx), -total(s_xy), -0.5 * total(s_yy)
                out[5], out[6], out[7] = total(s) / opacity, total(far_x), total(far_y)
            for channel in range(channels):
                out[GEOMETRY + channel] = total(load(planes, sums + channel * LANES))


@jit
def gather(begin, end, starts, pair_gradients, gradients):
    """Sum the pairs of Gaussians [begin, end), always in the same order: the result does not depend on threads."""
    columns = pair_gradients.shape[1]
    for i in range(begin, end):
        for column in range(columns):
            gradients[i, column] = 0.0
        for pair in range(starts[i], starts[i + 1]):
            for column in range(columns):
                gradients[i, column] += pair_gradients[pair, column]
