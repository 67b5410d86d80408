"""L1 and SSIM (Wang et al. 2004) with their gradient to the first picture; the definition is ..losses."""

import numpy as np

from . import LANES, inline, jit, load, store

TAPS = 11  # of the window
PAD = TAPS // 2
C1, C2 = 0.01**2, 0.03**2
MX, MY, XX, YY, XY, DX, DS, DP, X, Y = (k * LANES for k in range(10))  # rows of scratch worked on at once
HEAD = 10 * LANES


def window() -> np.ndarray:
    """The 11 taps of a normalised Gaussian with a standard deviation of 1.5 pixels."""
    taps = np.exp(-((np.arange(TAPS) - PAD) ** 2) / (2 * 1.5**2))
    return taps / taps.sum()


def padded(width: int) -> int:
    """Numbers in a row of the maps: the next multiple of LANES."""
    return -(-width // LANES) * LANES


@inline
def correlate(array, start, step, taps, first):
    """sum_k array[start + k step : ...] * taps[first + k], a vector."""
    result = load(array, start) * taps[first]
    for k in range(1, TAPS):
        result = result + load(array, start + k * step) * taps[first + k]
    return result


@inline
def blur_across(x, y, r, step, taps, scratch, size, ring):
    """Row r of x, y, xx, yy and xy, blurred along the row, into row r of the ring; zeros outside the picture."""
    height, width = x.shape
    blurred = size - 2 * LANES * step
    start = ring + (r % TAPS) * 5 * blurred
    if r < 0 or r >= height:
        for j in range(start, start + 5 * blurred):
            scratch[j] = 0.0
        return
    pad = PAD * step
    for j in range(width):
        scratch[HEAD + pad + j], scratch[HEAD + size + pad + j] = x[r, j], y[r, j]
    for j in range(HEAD, HEAD + size, LANES):
        a, b = load(scratch, j), load(scratch, j + size)
        store(scratch, j + 2 * size, a * a)
        store(scratch, j + 3 * size, b * b)
        store(scratch, j + 4 * size, a * b)
    for k in range(5):
        for j in range(0, blurred, LANES):
            store(scratch, start + k * blurred + j, correlate(scratch, HEAD + k * size + j, step, taps, 0))


@inline
def derive(scratch):
    """SSIM of LANES windows into X and its derivatives to E[x], E[x^2], E[xy] into DX, DS, DP."""
    dtype = scratch.dtype.type
    c1, c2, one, two = dtype(C1), dtype(C2), dtype(1.0), dtype(2.0)
    for lane in range(LANES):
        mx, my = scratch[MX + lane], scratch[MY + lane]
        a1, a2 = two * mx * my + c1, two * (scratch[XY + lane] - mx * my) + c2
        b1 = mx * mx + my * my + c1
        b2 = scratch[XX + lane] - mx * mx + scratch[YY + lane] - my * my + c2
        inverse = one / (b1 * b2)
        s = a1 * a2 * inverse
        square, product = -s * b1 * inverse, two * a1 * inverse
        scratch[DX + lane] = two * my * a2 * inverse - two * mx * s * b2 * inverse - two * mx * square - my * product
        scratch[DS + lane] = square
        scratch[DP + lane] = product
        scratch[X + lane] = s


@jit
def maps(begin, end, x, y, step, taps, derivatives, sums):
    """Rows [begin, end): derivatives of SSIM to E[x], E[x^2] and E[xy] of every window, and sums of |x - y| and SSIM.

    Args:
        x, y: (h, w * step) pictures, ``step`` channels interleaved. taps: (22,) the window twice.
        derivatives: (3, h + 10, padded(w * step)), written from row 5 on. sums: (h, 2), one row each, written.
    """
    width = x.shape[1]
    blurred = derivatives.shape[2]
    size = blurred + 2 * LANES * step
    ring = HEAD + 5 * size
    scratch = np.zeros(ring + TAPS * 5 * blurred, x.dtype)
    for last in range(begin - PAD, end + PAD):
        blur_across(x, y, last, step, taps, scratch, size, ring)  # written once: it is the most that is compiled
        r = last - PAD
        if r < begin:
            continue
        first = TAPS - (r - PAD) % TAPS
        similarity = 0.0
        for j in range(0, blurred, LANES):
            for k in range(5):
                store(scratch, MX + k * LANES, correlate(scratch, ring + k * blurred + j, 5 * blurred, taps, first))
            derive(scratch)
            valid = min(LANES, width - j)
            for lane in range(valid):
                similarity += scratch[X + lane]
            for k in range(3):
                row = derivatives[k, r + PAD]
                for lane in range(valid):
                    row[j + lane] = scratch[DX + k * LANES + lane]
        difference = 0.0
        for j in range(width):
            difference += abs(x[r, j] - y[r, j])
        sums[r, 0], sums[r, 1] = difference, similarity


@jit
def gradient(begin, end, x, y, step, taps, derivatives, l1_weight, ssim_weight, out):
    """Rows [begin, end) of l1_weight * sign(x - y) + ssim_weight * d(sum of SSIM)/dx into ``out`` (h, w * step)."""
    width = x.shape[1]
    stride = derivatives.shape[2]
    plane = derivatives.shape[1] * stride
    flat = derivatives.reshape(-1)
    pad, size = PAD * step, stride + 2 * LANES * step
    scratch = np.zeros(HEAD + 3 * size, x.dtype)
    zero, two = x.dtype.type(0.0), x.dtype.type(2.0)
    for r in range(begin, end):
        for k in range(3):
            for j in range(0, stride, LANES):
                store(scratch, HEAD + k * size + pad + j, correlate(flat, k * plane + r * stride + j, stride, taps, 0))
        for j in range(0, stride, LANES):
            valid = min(LANES, width - j)
            for k in range(3):
                store(scratch, DX + k * LANES, correlate(scratch, HEAD + k * size + j, step, taps, 0))
            for lane in range(valid):
                scratch[X + lane], scratch[Y + lane] = x[r, j + lane], y[r, j + lane]
            for lane in range(LANES):
                a, b = scratch[X + lane], scratch[Y + lane]
                slope = scratch[DX + lane] + two * a * scratch[DS + lane] + b * scratch[DP + lane]
                sign = l1_weight if a > b else (-l1_weight if a < b else zero)
                scratch[MX + lane] = sign + ssim_weight * slope
            for lane in range(valid):
                out[r, j + lane] = scratch[MX + lane]
