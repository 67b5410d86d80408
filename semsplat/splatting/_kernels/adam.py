"""Adam (Kingma and Ba 2015, algorithm 1) in one pass over memory; the definition is ..optimizer."""

import numpy as np

from . import jit


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
