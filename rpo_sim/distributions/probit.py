"""The standard normal quantile from a table: as exact as a formula, and two nanoseconds where it is compiled.

Between neighbouring powers of two the probability is cut into `PIECES` equal intervals, down to the smallest
uniform there is, 2⁻⁵³; the upper half mirrors the lower. As the intervals shrink with their distance from 0,
where the quantile is singular, a polynomial of one degree serves the tail as well as the centre. It runs
through the quantiles at Chebyshev nodes. Within 2·10⁻¹⁵ × max(1, |z|), which is tested against scipy.

The compiled engine reads the same table in the same order of operations: the same bits.
"""

import functools
import math

import numpy as np

from rpo_sim.distributions.base import FloatArray

DEGREE = 6  # even, so that a node lies in the middle of each interval
PIECES = 32  # per power of two
SMALLEST = 2.0**-53  # of the uniforms that are drawn; no larger than 1 minus the largest
SHIFT = 52 - PIECES.bit_length() + 1  # bits of a float below those that tell its interval
FIRST = (1023 - 53) * PIECES  # the number of the interval that begins at SMALLEST
WITHIN = (1 << SHIFT) - 1
WIDTH = 2.0 ** (1 - SHIFT)


@functools.cache
def table() -> FloatArray:
    """Coefficients, those of the same power in one row, by interval; a last column of zeros is for 1/2."""
    from statistics import NormalDist  # not before somebody draws

    nodes = np.cos(np.arange(1, 2 * DEGREE + 2, 2) * (math.pi / (2 * DEGREE + 2)))
    nodes[DEGREE // 2] = 0.0
    power, piece = np.divmod(np.arange(52 * PIECES), PIECES)
    points = np.ldexp(1 + (piece + (1 + nodes[:, None]) / 2) / PIECES, power - 53)
    quantile = NormalDist().inv_cdf
    values = np.array([quantile(each) for each in points.ravel().tolist()]).reshape(points.shape)
    middle = values[DEGREE // 2]
    to_powers = np.linalg.inv(np.vander(nodes, increasing=True))
    found = np.zeros((DEGREE + 1, 52 * PIECES + 1))
    # what differs from the middle is small, and so are the errors of its coefficients
    found[:, :-1] = (to_powers[:, :, None] * (values - middle)).sum(axis=1)
    found[0, :-1] += middle
    found.flags.writeable = False
    return found


def probit(u: FloatArray) -> FloatArray:
    """The standard normal quantile at ``u``; -inf at 0, inf at 1, NaN outside."""
    u = np.asarray(u)
    if u.min(initial=0.5) >= SMALLEST and u.max(initial=0.5) <= 1 - SMALLEST:
        return _looked_up(u)
    from scipy import special  # nobody draws these

    return np.asarray(special.ndtri(u))


def _looked_up(u: FloatArray) -> FloatArray:
    coefficients = table()
    lower = np.minimum(u, 1.0 - u)
    bits = np.asarray(lower).view(np.int64)
    interval = (bits >> SHIFT) - FIRST
    t = (bits & WITHIN) * WIDTH - 1.0
    z: FloatArray = coefficients[DEGREE].take(interval)
    for power in range(DEGREE - 1, -1, -1):
        z = z * t + coefficients[power].take(interval)
    return np.where(u > 0.5, -z, z)
