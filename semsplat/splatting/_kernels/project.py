"""EWA projection and its analytic gradient, one Gaussian at a time in double precision; the definition is ..project."""

import numpy as np

from . import inline, jit

OUTSIDE = -1.0  # level of a Gaussian that is not drawn
HUGE = 1e30  # comparing with it is a test for finite numbers that no compiler optimises away


@inline
def rotation_of(quats, i, rotation):
    """Rotation matrix of row i's quaternion (wxyz) into ``rotation``; returns its inverse length, 0 when unusable."""
    w, x, y, z = float(quats[i, 0]), float(quats[i, 1]), float(quats[i, 2]), float(quats[i, 3])
    inverse = 1.0 / np.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w * inverse, x * inverse, y * inverse, z * inverse
    rotation[0, 0], rotation[0, 1], rotation[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    rotation[1, 0], rotation[1, 1], rotation[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    rotation[2, 0], rotation[2, 1], rotation[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    return inverse


@inline
def flatten(x, y, z, lens, view, rotation, scales, i, jacobian, half):
    """T = J V R S (2 x 3) of row i into ``half``, J V into ``jacobian``; returns x/z and y/z held at the margin."""
    slope_x = min(max(x / z, lens[4]), lens[5])
    slope_y = min(max(y / z, lens[6]), lens[7])
    jx, jy = lens[0] / z, lens[1] / z
    for k in range(3):
        jacobian[0, k] = jx * (view[0, k] - slope_x * view[2, k])
        jacobian[1, k] = jy * (view[1, k] - slope_y * view[2, k])
    for k in range(3):
        scale = np.exp(float(scales[i, k]))
        for j in range(2):
            half[j, k] = scale * (
                jacobian[j, 0] * rotation[0, k] + jacobian[j, 1] * rotation[1, k] + jacobian[j, 2] * rotation[2, k]
            )
    return slope_x, slope_y


@jit
def forward(
    begin, end, means, quats, log_scales, logits, view, lens, limits, centers, conics, depths, opacities, levels,
    covariances,
):  # fmt: skip
    """Footprints of Gaussians [begin, end).

    Args:
        view: (3, 4) float64 world to camera. lens: (8,) float64 fx fy cx cy and the least and largest x/z and y/z.
        limits: (4,) float64 alpha_min, near, dilation, largest variance in pixels^2.
        levels: (n,) squared Mahalanobis distance at which alpha falls to alpha_min, -1 where not drawn.
    """
    rotation, jacobian, half = np.empty((3, 3)), np.empty((2, 3)), np.empty((2, 3))
    for i in range(begin, end):
        levels[i] = OUTSIDE
        centers[i] = 0.0
        conics[i] = 0.0
        covariances[i] = 0.0
        depths[i] = 0.0
        opacities[i] = 0.0
        m0, m1, m2 = float(means[i, 0]), float(means[i, 1]), float(means[i, 2])
        z = view[2, 0] * m0 + view[2, 1] * m1 + view[2, 2] * m2 + view[2, 3]
        opacity = 1.0 / (1.0 + np.exp(-float(logits[i])))
        x = view[0, 0] * m0 + view[0, 1] * m1 + view[0, 2] * m2 + view[0, 3]
        y = view[1, 0] * m0 + view[1, 1] * m1 + view[1, 2] * m2 + view[1, 3]
        sizes = float(log_scales[i, 0]) + float(log_scales[i, 1]) + float(log_scales[i, 2])
        if not (z > limits[1] and opacity > limits[0] and abs(x + y + z + sizes + float(logits[i])) < HUGE):
            continue
        rotation_of(quats, i, rotation)
        flatten(x, y, z, lens, view, rotation, log_scales, i, jacobian, half)
        xx = half[0, 0] ** 2 + half[0, 1] ** 2 + half[0, 2] ** 2 + limits[2]
        xy = half[0, 0] * half[1, 0] + half[0, 1] * half[1, 1] + half[0, 2] * half[1, 2]
        yy = half[1, 0] ** 2 + half[1, 1] ** 2 + half[1, 2] ** 2 + limits[2]
        determinant = xx * yy - xy * xy
        if not (determinant > 0.0 and max(xx, yy) < limits[3] and determinant < HUGE):
            continue
        centers[i, 0], centers[i, 1] = lens[0] * x / z + lens[2], lens[1] * y / z + lens[3]
        conics[i, 0], conics[i, 1], conics[i, 2] = yy / determinant, -xy / determinant, xx / determinant
        covariances[i, 0], covariances[i, 1], covariances[i, 2] = xx, xy, yy
        depths[i] = z
        opacities[i] = opacity
        levels[i] = 2.0 * np.log(opacity / limits[0])


@inline
def conic_backward(covariances, i, ga, gb, gc):
    """Gradient of the covariance (xx, half of xy, yy) from that of its inverse: -M G M."""
    xx, xy, yy = float(covariances[i, 0]), float(covariances[i, 1]), float(covariances[i, 2])
    determinant = xx * yy - xy * xy
    a, b, c = yy / determinant, -xy / determinant, xx / determinant
    half = 0.5 * gb
    p, q, r, s = a * ga + b * half, a * half + b * gc, b * ga + c * half, b * half + c * gc
    return -(p * a + q * b), -(p * b + q * c), -(r * b + s * c)


@inline
def quat_backward(quats, i, inverse, g, gradient):
    """Gradient of an unnormalised quaternion from that of its rotation matrix ``g``."""
    w, x, y, z = quats[i, 0] * inverse, quats[i, 1] * inverse, quats[i, 2] * inverse, quats[i, 3] * inverse
    gw = 2 * (x * (g[2, 1] - g[1, 2]) + y * (g[0, 2] - g[2, 0]) + z * (g[1, 0] - g[0, 1]))
    gx = 2 * (
        -2 * x * (g[1, 1] + g[2, 2]) + y * (g[0, 1] + g[1, 0]) + z * (g[0, 2] + g[2, 0]) + w * (g[2, 1] - g[1, 2])
    )
    gy = 2 * (x * (g[0, 1] + g[1, 0]) - 2 * y * (g[0, 0] + g[2, 2]) + z * (g[1, 2] + g[2, 1]) + w * (g[0, 2] - g[2, 0]))
    gz = 2 * (x * (g[0, 2] + g[2, 0]) + y * (g[1, 2] + g[2, 1]) - 2 * z * (g[0, 0] + g[1, 1]) + w * (g[1, 0] - g[0, 1]))
    along = gw * w + gx * x + gy * y + gz * z
    gradient[i, 0], gradient[i, 1] = (gw - along * w) * inverse, (gx - along * x) * inverse
    gradient[i, 2], gradient[i, 3] = (gy - along * y) * inverse, (gz - along * z) * inverse


@jit
def backward(
    begin, end, means, quats, log_scales, view, lens, levels, covariances, opacities, g_centers, g_conics, g_depths,
    g_opacities, g_means, g_quats, g_scales, g_logits,
):  # fmt: skip
    """Gradients of Gaussians [begin, end) from those of their footprints; the last four arguments are written."""
    rotation, jacobian, half = np.empty((3, 3)), np.empty((2, 3)), np.empty((2, 3))
    g_half, g_jacobian, g_rotation, axes = np.empty((2, 3)), np.empty((2, 3)), np.empty((3, 3)), np.empty((3, 3))
    for i in range(begin, end):
        g_means[i], g_quats[i], g_scales[i], g_logits[i] = 0.0, 0.0, 0.0, 0.0
        if levels[i] <= 0.0:
            continue
        m0, m1, m2 = float(means[i, 0]), float(means[i, 1]), float(means[i, 2])
        x = view[0, 0] * m0 + view[0, 1] * m1 + view[0, 2] * m2 + view[0, 3]
        y = view[1, 0] * m0 + view[1, 1] * m1 + view[1, 2] * m2 + view[1, 3]
        z = view[2, 0] * m0 + view[2, 1] * m1 + view[2, 2] * m2 + view[2, 3]
        inverse = rotation_of(quats, i, rotation)
        slope_x, slope_y = flatten(x, y, z, lens, view, rotation, log_scales, i, jacobian, half)
        gxx, gxy, gyy = conic_backward(
            covariances, i, float(g_conics[i, 0]), float(g_conics[i, 1]), float(g_conics[i, 2])
        )
        for k in range(3):
            g_half[0, k] = 2.0 * (gxx * half[0, k] + gxy * half[1, k])
            g_half[1, k] = 2.0 * (gxy * half[0, k] + gyy * half[1, k])
        for k in range(3):
            scale = np.exp(float(log_scales[i, k]))
            g_scales[i, k] = g_half[0, k] * half[0, k] + g_half[1, k] * half[1, k]
            for j in range(3):
                axes[j, k] = scale * rotation[j, k]
                g_rotation[j, k] = scale * (jacobian[0, j] * g_half[0, k] + jacobian[1, j] * g_half[1, k])
        for j in range(2):
            for k in range(3):
                g_jacobian[j, k] = 0.0
                for m in range(3):
                    g_jacobian[j, k] += g_half[j, m] * axes[k, m]
        quat_backward(quats, i, inverse, g_rotation, g_quats)
        jx, jy = lens[0] / z, lens[1] / z
        g_jx, g_jy, g_sx, g_sy = 0.0, 0.0, 0.0, 0.0
        for k in range(3):
            g_jx += g_jacobian[0, k] * (view[0, k] - slope_x * view[2, k])
            g_jy += g_jacobian[1, k] * (view[1, k] - slope_y * view[2, k])
            g_sx -= g_jacobian[0, k] * jx * view[2, k]
            g_sy -= g_jacobian[1, k] * jy * view[2, k]
        g_sx = g_sx if lens[4] < x / z < lens[5] else 0.0  # held at the margin: no gradient
        g_sy = g_sy if lens[6] < y / z < lens[7] else 0.0
        g_sx += float(g_centers[i, 0]) * lens[0]
        g_sy += float(g_centers[i, 1]) * lens[1]
        gx, gy = g_sx / z, g_sy / z
        gz = float(g_depths[i]) - (g_jx * jx + g_jy * jy + g_sx * x / z + g_sy * y / z) / z
        for k in range(3):
            g_means[i, k] = view[0, k] * gx + view[1, k] * gy + view[2, k] * gz
        g_logits[i] = float(g_opacities[i]) * opacities[i] * (1.0 - opacities[i])
