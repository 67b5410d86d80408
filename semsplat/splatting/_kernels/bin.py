"""Which Gaussian touches which tile: exact ellipse tests, depth-sorted lists (Radl et al. 2024; Hanson et al. 2025)."""

import numpy as np

from . import LANES, inline, jit

SLACK = 0.02  # pixels around each ellipse, so that rounding never loses a pixel; pixels are tested again when drawn


@inline
def rows_of(center_y, reach, top, bottom):
    """First and one past the last pixel row in [top, bottom) whose centres are within ``reach`` of the ellipse's."""
    first = np.ceil(max(center_y - reach - 0.5, float(top)))
    last = np.floor(min(center_y + reach - 0.5, bottom - 1.0)) + 1.0
    return int(min(first, float(bottom))), int(max(last, float(top)))


@inline
def columns_of(center_x, center_y, xx, xy, yy, level, first, last, width):
    """First and last pixel column in [0, width) that the ellipse reaches in rows [first, last); its chord there."""
    low, high = first + 0.5 - center_y - SLACK, last - 0.5 - center_y + SLACK
    widest = xy * np.sqrt(level / xx)  # dy of the rightmost point of the ellipse
    at_left, at_right = min(max(-widest, low), high), min(max(widest, low), high)
    thin = max(xx - xy * xy / yy, 0.0)
    left = xy / yy * at_left - np.sqrt(thin * max(level - at_left * at_left / yy, 0.0))
    right = xy / yy * at_right + np.sqrt(thin * max(level - at_right * at_right / yy, 0.0))
    left = max(np.ceil(center_x + left - SLACK - 0.5), 0.0)
    right = min(np.floor(center_x + right + SLACK - 0.5), width - 1.0)
    return int(min(left, float(width))), int(max(right, -1.0))


@jit
def tiles_of(begin, end, fill, centers, covariances, levels, reaches, width, height, starts, pair_tiles):
    """Tiles of Gaussians [begin, end): their number into ``starts[i + 1]``, or, to ``fill``, the tiles themselves.

    Args:
        levels: (n,) squared Mahalanobis distance at which alpha falls below its limit; negative: not drawn.
        reaches: (n, 2) half the width and height of that ellipse, pixels.
        starts: (n + 1,) int64; counts while counting, first pair of each Gaussian while filling.
    """
    across = (width + LANES - 1) // LANES
    for i in range(begin, end):
        count = 0
        if levels[i] > 0.0:
            x, y, level = float(centers[i, 0]), float(centers[i, 1]), float(levels[i])
            xx, xy, yy = float(covariances[i, 0]), float(covariances[i, 1]), float(covariances[i, 2])
            first, last = rows_of(y, float(reaches[i, 1]), 0, height)
            row = first // LANES
            while max(first, row * LANES) < last:
                top, bottom = max(first, row * LANES), min(last, (row + 1) * LANES)
                left, right = columns_of(x, y, xx, xy, yy, level, top, bottom, width)
                if left <= right:
                    for column in range(left // LANES, right // LANES + 1):
                        if fill:
                            pair_tiles[starts[i] + count] = row * across + column
                        count += 1
                row += 1
        if not fill:
            starts[i + 1] = count


@jit
def sort_pairs(order, starts, pair_tiles, tile_starts, tile_pairs, tile_rows):
    """Lists of all tiles, front to back: a counting sort that keeps the order in which Gaussians come.

    Args:
        order: rows front to back. tile_starts: (tiles + 1,), tile_pairs, tile_rows: (pairs,), all written.
    """
    for pair in range(pair_tiles.shape[0]):
        tile_starts[pair_tiles[pair] + 1] += 1
    for tile in range(tile_starts.shape[0] - 1):
        tile_starts[tile + 1] += tile_starts[tile]
    position = tile_starts[:-1].copy()
    for k in range(order.shape[0]):
        row = order[k]
        for pair in range(starts[row], starts[row + 1]):
            tile = pair_tiles[pair]
            tile_pairs[position[tile]] = pair
            tile_rows[position[tile]] = row
            position[tile] += 1
