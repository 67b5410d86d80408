"""Where surfaces are: the depth at which each pixel turns opaque, and what many such pictures say about a volume."""

import numpy as np

from . import jit

FREE, UNKNOWN = np.inf, np.nan  # what a depth picture holds where nothing is, and where it says nothing


@jit
def depths(
    begin, end, starts, columns, data, shapes, levers, middles, spreads, trusted, view, lens, width, limits, out
):
    """Depth along the camera's axis of the Gaussian with which the coverage of pixels [begin, end) reaches a limit.

    It is met a little before it is densest along the pixel's ray, t = d.b / d.A d - deviations / sqrt(d.A d).

    Args:
        starts, columns, data: W by pixel (CSR), front to back.
        shapes: (n, 6) A, the inverse covariance (xx, xy, xz, yy, yz, zz). levers: (n, 3) b = A (mean - eye).
        middles, spreads: (n,) depth of the centre, and how far from it the surface may be met.
        trusted: (n,) uint8, 0 where the camera looks at the back of a surface.
        view: (4, 4) world to camera. lens: (4,) fx, fy, cx, cy; a ray d is of length 1 along the camera's axis.
        limits: coverage below which a pixel is free, at which a surface is met, from which a pixel shows one; standard
            deviations before the densest place.
        out: (pixels,), written: FREE, UNKNOWN or the depth.
    """
    for pixel in range(begin, end):
        covered, front = 0.0, -1
        for k in range(starts[pixel], starts[pixel + 1]):
            covered += data[k]
            if front < 0 and covered >= limits[1]:
                front = columns[k]
        if covered < limits[2] or not trusted[front]:
            out[pixel] = FREE if covered < limits[0] else UNKNOWN
            continue
        u, v = (pixel % width + 0.5 - lens[2]) / lens[0], (pixel // width + 0.5 - lens[3]) / lens[1]
        x = u * view[0, 0] + v * view[1, 0] + view[2, 0]
        y = u * view[0, 1] + v * view[1, 1] + view[2, 1]
        z = u * view[0, 2] + v * view[1, 2] + view[2, 2]
        out[pixel] = meet(x, y, z, shapes[front], levers[front], middles[front], spreads[front], limits[3])


@jit
def meet(x, y, z, shape, lever, middle, spread, before):
    """Depth at which the ray (x, y, z) meets a Gaussian, held within ``spread`` of its centre's."""
    across = x * x * shape[0] + y * y * shape[3] + z * z * shape[5]
    across += 2.0 * (x * y * shape[1] + x * z * shape[2] + y * z * shape[4])
    t = (x * lever[0] + y * lever[1] + z * lever[2]) / across - before / np.sqrt(across)
    return min(max(t, middle - spread), middle + spread)


@jit
def fuse(begin, end, corner, voxel, view, lens, depth, truncation, fall, distances, weights):
    """One depth picture into slices [begin, end) of a truncated signed distance (Curless and Levoy 1996).

    Args:
        corner: (3,) world place of the first voxel's centre. voxel: its size.
        view: (4, 4) world to camera. lens: (4,) fx, fy, cx, cy. depth: (h, w) with FREE and UNKNOWN.
        truncation: world units. fall: behind the surface, at a share d of the truncation, a look counts (1 - d)^fall.
        distances: (z, y, x) mean of the signed distance over the truncation, in [-1, 1].
        weights: (z, y, x) how many pictures said something.
    """
    height, width = depth.shape
    _, rows, columns = distances.shape
    for k in range(begin, end):
        for j in range(rows):
            wy, wz = corner[1] + j * voxel, corner[2] + k * voxel
            for i in range(columns):
                wx = corner[0] + i * voxel
                z = view[2, 0] * wx + view[2, 1] * wy + view[2, 2] * wz + view[2, 3]
                if z <= 0.01:
                    continue
                x = (view[0, 0] * wx + view[0, 1] * wy + view[0, 2] * wz + view[0, 3]) / z * lens[0] + lens[2]
                y = (view[1, 0] * wx + view[1, 1] * wy + view[1, 2] * wz + view[1, 3]) / z * lens[1] + lens[3]
                if not ((x >= 0.0) & (y >= 0.0) & (x < width) & (y < height)):
                    continue
                found = depth[int(y), int(x)]
                if np.isnan(found):
                    continue
                distance = (found - z) / truncation
                if distance <= -1.0:
                    continue
                seen = weights[k, j, i]
                share = 1.0 if distance >= 0.0 else (1.0 + distance) ** fall
                distances[k, j, i] = (distances[k, j, i] * seen + share * min(distance, 1.0)) / (seen + share)
                weights[k, j, i] = seen + share
