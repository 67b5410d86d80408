"""Adam (Kingma and Ba 2015, algorithm 1) in one pass over memory; the definition is ..optimizer."""

import numpy as np

from . import bits_of, float_of, inline, jit


@jit
def step(begin, end, parameters, gradients, first, second, head, head_rate, rate, beta1, beta2, epsilon, correction):
    """Rows [begin, end) of (n, c) arrays: ``head_rate`` for the first ``head`` columns, ``rate`` for the others.

    Args:
        correction: square root of 1 - beta2^t; the rates are already divided by 1 - beta1^t.
    """
    one = parameters.dtype.type(1.0)
    columns = parameters.shape[1]
    for i in range(begin, end):
        p, g, m, v = parameters[i], gradients[i], first[i], second[i]
        for j in range(columns):
            slope = g[j]
            mean = beta1 * m[j] + (one - beta1) * slope
            square = beta2 * v[j] + (one - beta2) * slope * slope
            m[j], v[j] = mean, square
            p[j] -= (head_rate if j < head else rate) * mean / (np.sqrt(square) / correction + epsilon)


@jit
def flat(begin, end, p, g, m, v, rate, beta1, beta2, epsilon, correction):
    """The same for numbers [begin, end) of one-dimensional arrays with one rate."""
    one = p.dtype.type(1.0)
    for j in range(begin, end):
        slope = g[j]
        mean = beta1 * m[j] + (one - beta1) * slope
        square = beta2 * v[j] + (one - beta2) * slope * slope
        m[j], v[j] = mean, square
        p[j] -= rate * mean / (np.sqrt(square) / correction + epsilon)


@inline
def wide(half):
    """A bf16 number, given as uint16, as float32."""
    return float_of(np.uint32(np.uint32(half) << np.uint32(16)))


@inline
def narrow(number, random):
    """The bf16 number just above or below, by the lower 16 of random bits: right on average."""
    return np.uint16(np.uint32(bits_of(number) + np.uint32(random & np.uint32(0xFFFF))) >> np.uint32(16))


@inline
def mixed(bits):
    """32 bits that look random (lowbias32; Wellons 2018)."""
    bits = np.uint32(np.uint32(bits ^ (bits >> np.uint32(16))) * np.uint32(0x7FEB352D))
    bits = np.uint32(np.uint32(bits ^ (bits >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(bits ^ (bits >> np.uint32(16)))


@jit
def half(begin, end, p, g, m, v, rate, beta1, beta2, epsilon, correction, seed):
    """The same with moments in bf16, rounded at random: small steps would else be lost."""
    one = np.float32(1.0)
    for j in range(begin, end):
        slope = g[j]
        mean = beta1 * wide(m[j]) + (one - beta1) * slope
        square = beta2 * wide(v[j]) + (one - beta2) * slope * slope
        p[j] -= rate * mean / (np.sqrt(square) / correction + epsilon)
        random = mixed(np.uint32(np.uint32(np.uint32(j) * np.uint32(0x9E3779B1)) ^ seed))
        m[j], v[j] = narrow(mean, random), narrow(square, np.uint32(random >> np.uint32(16)))
