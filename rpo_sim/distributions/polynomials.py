"""Polynomials of one degree on many intervals, side by side: what tables of quantiles are made of.

On its interval each has a coordinate from -1 to 1. They run through given values at Chebyshev nodes, which
keeps the error between the nodes as small as that at the ends.
"""

import math

import numpy as np

from rpo_sim.distributions.base import FloatArray


def nodes(degree: int) -> FloatArray:
    """Where each polynomial is told its value; as the degree is even, one is in the middle."""
    assert degree % 2 == 0, "else there is no middle"
    found: FloatArray = np.cos(np.arange(1, 2 * degree + 2, 2) * (math.pi / (2 * degree + 2)))
    found[degree // 2] = 0.0
    return found


def through(values: FloatArray) -> FloatArray:
    """Coefficients, shape (degree + 1, intervals), from values at the nodes, of the same shape."""
    at = nodes(len(values) - 1)
    middle = values[len(at) // 2]
    to_powers = np.linalg.inv(np.vander(at, increasing=True))
    # what differs from the middle is small, and so are the errors of its coefficients
    found: FloatArray = (to_powers[:, :, None] * (values - middle)).sum(axis=1)
    found[0] += middle
    return found


def evaluated(coefficients: FloatArray, interval: "np.typing.NDArray[np.int64]", t: FloatArray) -> FloatArray:
    """Values at coordinates ``t`` of intervals."""
    found: FloatArray = coefficients[-1].take(interval)
    for row in coefficients[-2::-1]:
        found = found * t + row.take(interval)
    return found
