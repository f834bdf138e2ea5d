"""Where many draws fall among the steps of an empirical distribution, without a search for each."""

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.probit import drawable

_ROUNDS = 4


def reaching(steps: FloatArray, u: FloatArray) -> "npt.NDArray[np.intp]":
    """The index of the first of the rising ``steps`` that is at least ``u``; their number where none is.

    As `numpy.searchsorted`, but from the place that a table has for the probability: it has two cells and
    more for each step, so that few draws have far to go from there. These are searched for.
    """
    cells = 1 << (2 * len(steps)).bit_length()  # a power of 2: which cell a draw is in, is exact
    if np.size(u) < 4 * cells or not drawable(u):
        return np.asarray(np.searchsorted(steps, u))
    place = np.searchsorted(steps, np.arange(cells) / cells).take((u * cells).astype(np.int64))
    ends = np.append(steps, np.inf)
    for _ in range(_ROUNDS):
        behind = ends.take(place) < u
        if not behind.any():
            return place
        place += behind
    behind = ends.take(place) < u
    place[behind] = np.searchsorted(steps, u[behind])
    return place
