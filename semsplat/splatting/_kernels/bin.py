"""Which Gaussian touches which tile: exact ellipse tests, depth-sorted lists (Radl et al. 2024; Hanson et al. 2025)."""

import numpy as np

from . import LANES, inline, jit

SLACK = 0.02  # pixels around each ellipse, so that rounding never loses a pixel; pixels are tested again when drawn


@inline
def rows_of(center_y, a, determinant, level, top, bottom):
    """First and one past the last pixel row in [top, bottom) whose centres the ellipse reaches."""
    half = np.sqrt(level * a / determinant) + SLACK
    first = max(top, int(np.ceil(center_y - half - 0.5)))
    last = min(bottom, int(np.floor(center_y + half - 0.5)) + 1)
    return first, last


@inline
def columns_of(center_x, center_y, a, b, c, determinant, level, first, last):
    """First and last pixel column that the ellipse reaches in rows [first, last): its chord, widest in the band."""
    low, high = first + 0.5 - center_y - SLACK, last - 0.5 - center_y + SLACK
    tilt = b / c * np.sqrt(level * c / determinant)
    at_left, at_right = min(max(tilt, low), high), min(max(-tilt, low), high)
    left = (-b * at_left - np.sqrt(max(a * level - determinant * at_left * at_left, 0.0))) / a
    right = (-b * at_right + np.sqrt(max(a * level - determinant * at_right * at_right, 0.0))) / a
    return int(np.ceil(center_x + left - SLACK - 0.5)), int(np.floor(center_x + right + SLACK - 0.5))


@jit
def tiles_of(begin, end, fill, centers, conics, levels, width, height, starts, pair_tiles):
    """Tiles of Gaussians [begin, end): their number into ``starts[i + 1]``, or, to ``fill``, the tiles themselves.

    Args:
        levels: (n,) squared Mahalanobis distance at which alpha falls below its limit; negative: not drawn.
        starts: (n + 1,) int64; counts while counting, first pair of each Gaussian while filling.
    """
    across = (width + LANES - 1) // LANES
    for i in range(begin, end):
        count = 0
        if levels[i] > 0.0:
            x, y, level = float(centers[i, 0]), float(centers[i, 1]), float(levels[i])
            a, b, c = float(conics[i, 0]), float(conics[i, 1]), float(conics[i, 2])
            determinant = max(a * c - b * b, 1e-30)
            first, last = rows_of(y, a, determinant, level, 0, height)
            row = first // LANES
            while row * LANES < last:
                top, bottom = max(first, row * LANES), min(last, (row + 1) * LANES)
                left, right = columns_of(x, y, a, b, c, determinant, level, top, bottom)
                left, right = max(left, 0), min(right, width - 1)
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
