"""Tables of durations whose columns stand side by side by distribution: so many of each."""

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.assumed import Fixed
from rpo_sim.distributions.base import Distribution, FloatArray, checked, sample

Counts = npt.NDArray[np.int64]


def are_lognormal(kinds: Sequence[Distribution]) -> bool:
    """Whether standard normals are all that they need."""
    return all(kind.lognormal is not None for kind in kinds)


def from_normals(kinds: Sequence[Distribution], counts: Counts, z: FloatArray) -> FloatArray:
    """Durations in the place of standard normals: to the bit those that `sample` gives for their uniforms.

    Parameters
    ----------
    kinds : sequence of Distribution
        All `are_lognormal`; one for all columns, or one per count.
    counts : ndarray of int
    z : ndarray, shape (rows, sum of counts)
        Overwritten.
    """
    offset, mu, sigma = np.array([kind.lognormal for kind in kinds]).T
    if len(kinds) > 1:
        offset, mu, sigma = (np.repeat(each, counts) for each in (offset, mu, sigma))
    np.multiply(sigma, z, out=z)
    np.add(mu, z, out=z)
    with np.errstate(over="ignore"):  # refused below
        np.exp(z, out=z)
    if offset.any():
        np.add(offset, z, out=z)
    if z.max(initial=0.0) == np.inf:
        for kind, part in _parts(kinds, counts, z):
            checked(kind, part)
    return z


def all_fixed(kinds: Sequence[Distribution]) -> TypeGuard[Sequence[Fixed]]:
    """Whether they are the same whatever is drawn."""
    return all(isinstance(kind, Fixed) for kind in kinds)


def fixed(kinds: Sequence[Fixed], counts: Counts, shape: tuple[int, int]) -> FloatArray:
    """Durations that do not depend on a draw."""
    seconds = [kind.seconds for kind in kinds]
    return np.full(shape, np.repeat(seconds, counts) if len(kinds) > 1 else seconds[0], dtype=np.float64)


def from_uniforms(kinds: Sequence[Distribution], counts: Counts, u: FloatArray) -> FloatArray:
    """What `sample` gives, by columns: one distribution for all, or one per count."""
    drawn = [sample(kind, part) for kind, part in _parts(kinds, counts, u)]
    return drawn[0] if len(drawn) == 1 else np.concatenate(drawn, axis=1)


def _parts(
    kinds: Sequence[Distribution], counts: Counts, table: FloatArray
) -> list[tuple[Distribution, FloatArray]]:
    parts = np.split(table, np.cumsum(counts)[:-1], axis=1) if len(kinds) > 1 else [table]
    return list(zip(kinds, parts, strict=True))
