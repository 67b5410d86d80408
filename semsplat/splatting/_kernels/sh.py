"""Colours from spherical harmonics and their gradient; the definition is ..sh."""

import numpy as np

from ..sh import C0, C1, C2, C3
from . import inline, jit

C20, C21, C22, C23, C24 = C2
C30, C31, C32, C33, C34, C35, C36 = C3


@inline
def basis(x, y, z, count, out):
    """Y_k of a unit direction, k < count, into ``out``."""
    out[0] = C0
    if count > 1:
        out[1], out[2], out[3] = -C1 * y, C1 * z, -C1 * x
    if count > 4:
        xx, yy, zz = x * x, y * y, z * z
        out[4], out[5], out[6] = C20 * x * y, C21 * y * z, C22 * (2 * zz - xx - yy)
        out[7], out[8] = C23 * x * z, C24 * (xx - yy)
        if count > 9:
            out[9], out[10], out[11] = C30 * y * (3 * xx - yy), C31 * x * y * z, C32 * y * (4 * zz - xx - yy)
            out[12] = C33 * z * (2 * zz - 3 * xx - 3 * yy)
            out[13], out[14], out[15] = C34 * x * (4 * zz - xx - yy), C35 * z * (xx - yy), C36 * x * (xx - 3 * yy)


@inline
def slope(x, y, z, count, g):
    """Gradient to the direction (x, y, z) of sum_k g_k Y_k."""
    gx, gy, gz = 0.0, 0.0, 0.0
    if count > 1:
        gx, gy, gz = -C1 * g[3], -C1 * g[1], C1 * g[2]
    if count > 4:
        gx += C20 * y * g[4] - 2 * C22 * x * g[6] + C23 * z * g[7] + 2 * C24 * x * g[8]
        gy += C20 * x * g[4] + C21 * z * g[5] - 2 * C22 * y * g[6] - 2 * C24 * y * g[8]
        gz += C21 * y * g[5] + 4 * C22 * z * g[6] + C23 * x * g[7]
    if count > 9:
        xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
        gx += C30 * 6 * xy * g[9] + C31 * yz * g[10] - C32 * 2 * xy * g[11] - C33 * 6 * xz * g[12]
        gx += C34 * (4 * zz - 3 * xx - yy) * g[13] + C35 * 2 * xz * g[14] + C36 * 3 * (xx - yy) * g[15]
        gy += C30 * 3 * (xx - yy) * g[9] + C31 * xz * g[10] + C32 * (4 * zz - xx - 3 * yy) * g[11]
        gy += -C33 * 6 * yz * g[12] - C34 * 2 * xy * g[13] - C35 * 2 * yz * g[14] - C36 * 6 * xy * g[15]
        gz += C31 * xy * g[10] + C32 * 8 * yz * g[11] + C33 * (6 * zz - 3 * xx - 3 * yy) * g[12]
        gz += C34 * 8 * xz * g[13] + C35 * (xx - yy) * g[14]
    return gx, gy, gz


@jit
def forward(begin, end, means, sh, count, eye, colors):
    """Colours of Gaussians [begin, end) seen from ``eye`` (3,), with the first ``count`` coefficients, cut off at 0."""
    y = np.empty(16)
    for i in range(begin, end):
        dx, dy, dz = means[i, 0] - eye[0], means[i, 1] - eye[1], means[i, 2] - eye[2]
        inverse = 1.0 / max(np.sqrt(dx * dx + dy * dy + dz * dz), 1e-12)
        basis(dx * inverse, dy * inverse, dz * inverse, count, y)
        for channel in range(3):
            total = 0.5
            for k in range(count):
                total += y[k] * sh[i, k, channel]
            colors[i, channel] = total if 0.0 < total < np.inf else 0.0  # not a number: black


@jit
def backward(begin, end, means, sh, count, eye, colors, g_colors, g_means, g_sh):
    """Gradients of Gaussians [begin, end) to ``g_means`` and ``g_sh`` (both written)."""
    y, g = np.empty(16), np.empty(16)
    for i in range(begin, end):
        dx, dy, dz = means[i, 0] - eye[0], means[i, 1] - eye[1], means[i, 2] - eye[2]
        inverse = 1.0 / max(np.sqrt(dx * dx + dy * dy + dz * dz), 1e-12)
        dx, dy, dz = dx * inverse, dy * inverse, dz * inverse
        basis(dx, dy, dz, count, y)
        g0 = g_colors[i, 0] if colors[i, 0] > 0.0 else 0.0
        g1 = g_colors[i, 1] if colors[i, 1] > 0.0 else 0.0
        g2 = g_colors[i, 2] if colors[i, 2] > 0.0 else 0.0
        for k in range(count):
            g_sh[i, k, 0], g_sh[i, k, 1], g_sh[i, k, 2] = y[k] * g0, y[k] * g1, y[k] * g2
            g[k] = sh[i, k, 0] * g0 + sh[i, k, 1] * g1 + sh[i, k, 2] * g2
        for k in range(count, sh.shape[1]):
            g_sh[i, k] = 0.0
        gx, gy, gz = slope(dx, dy, dz, count, g)
        along = gx * dx + gy * dy + gz * dz
        g_means[i, 0], g_means[i, 1] = (gx - along * dx) * inverse, (gy - along * dy) * inverse
        g_means[i, 2] = (gz - along * dz) * inverse
