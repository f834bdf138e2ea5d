"""Durations against bytes and concurrency: log T = log((a + b·S)·(1 + c·(k − 1))) + ε, by soft-L1.

An ordinary log-log regression is structurally wrong when there is a fixed overhead; this form is not, and
the soft-L1 loss keeps a few stragglers from bending the line (they stay in the residual spread).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.sized import SizeScaled
from rpo_sim.errors import FitError

_SIGNIFICANT = 6.635  # χ² with one degree of freedom at 99 %: what a further term must gain
_TERMS = ((), ("size",), ("concurrency",), ("size", "concurrency"))
_IMPUTATIONS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfers:
    """Durations with the size and concurrency of each: equally long arrays, seconds and bytes."""

    lower: FloatArray
    upper: FloatArray
    size_bytes: FloatArray
    concurrency: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    terms: tuple[str, ...]
    theta: FloatArray  # overhead, seconds per largest size, contention
    variance: float
    jacobian: FloatArray

    def gain(self, n: int) -> float:
        return n * math.log(self.variance) + _SIGNIFICANT * len(self.terms)


def fit_transfers(transfers: Transfers, *, allowed: Sequence[str]) -> SizeScaled | None:
    """The line through the transfers with the terms that are significant; None when none is.

    Parameters
    ----------
    transfers : Transfers
    allowed : sequence of {"size", "concurrency"}
        Terms that the data can tell: those measured over a range.

    Raises
    ------
    FitError
        If there are too few transfers for a line.
    """
    n = len(transfers.lower)
    if n < 8:
        raise FitError(f"{n} transfers; a line through sizes needs at least 8")
    candidates = [_fit_line(transfers, terms) for terms in _TERMS if set(terms) <= set(allowed)]
    best = min(candidates, key=lambda line: line.gain(n))
    return _as_distribution(best, transfers) if best.terms else None


def line_residuals(distribution: SizeScaled, transfers: Transfers) -> tuple[FloatArray, FloatArray]:
    """Bounds divided by the median of the line: what is left is lognormal with median 1."""
    level = (distribution.overhead_seconds + distribution.seconds_per_byte * transfers.size_bytes) * (
        1 + distribution.contention * (transfers.concurrency - 1)
    )
    return transfers.lower / level, transfers.upper / level


def _fit_line(transfers: Transfers, terms: tuple[str, ...]) -> _Line:
    size = transfers.size_bytes / max(transfers.size_bytes.max(), 1.0) * ("size" in terms)
    others = (transfers.concurrency - 1) * ("concurrency" in terms)
    active = np.array([True, "size" in terms, "concurrency" in terms])
    with np.errstate(divide="ignore"):
        low, high = np.log(transfers.lower), np.log(transfers.upper)
    known = low == high
    centre = np.where(np.isfinite(low), low, high - 1.0)
    logs = np.where(known | ~np.isfinite(high), centre, (centre + np.where(np.isfinite(high), high, 0.0)) / 2)
    extra = np.zeros(len(logs))
    theta, sigma = _start(np.exp(logs), size, active), 0.3
    for _ in range(1 if known.all() else _IMPUTATIONS):
        theta = _solve(theta, logs, size, others, active, sigma)
        theta = _solve(theta, logs, size, others, active, _spread(theta, logs, size, others, extra))
        before, sigma = sigma, _spread(theta, logs, size, others, extra)
        level = np.log(_level(theta, size, others))
        imputed, extra = _between(level, sigma, low, high)
        logs, extra = np.where(known, logs, imputed), np.where(known, 0.0, extra)
        if abs(before - sigma) < 1e-6:
            break
    residual = np.log(_level(theta, size, others)) - logs
    degrees = len(logs) - int(active.sum())
    variance = max(float((residual**2 + extra).sum()) / degrees, 1e-12)
    return _Line(terms=terms, theta=theta, variance=variance, jacobian=_jacobian(theta, size, others))


def _start(durations: FloatArray, size: FloatArray, active: FloatArray) -> FloatArray:
    least, middle = float(durations.min()), float(np.median(durations))
    if not active[1]:
        return np.array([middle, 0.0, 0.1 * active[2]])
    return np.array([least / 2, middle / max(float(np.median(size)), 1e-3), 0.1 * active[2]])


def _level(theta: FloatArray, size: FloatArray, others: FloatArray) -> FloatArray:
    return np.asarray((theta[0] + theta[1] * size) * (1 + theta[2] * others), dtype=float)


def _jacobian(theta: FloatArray, size: FloatArray, others: FloatArray) -> FloatArray:
    transfer = theta[0] + theta[1] * size
    columns = [1 / transfer, size / transfer, others / (1 + theta[2] * others)]
    return np.column_stack(columns)


def _solve(
    theta: FloatArray,
    logs: FloatArray,
    size: FloatArray,
    others: FloatArray,
    active: FloatArray,
    sigma: float,
) -> FloatArray:
    use = active.astype(bool)
    floor = np.array([math.exp(float(logs.min())) * 1e-6, 0.0, 0.0])

    def full(part: FloatArray) -> FloatArray:
        whole = theta.copy()
        whole[use] = part
        return whole

    def residual(part: FloatArray) -> FloatArray:
        return np.log(_level(full(part), size, others)) - logs

    def slope(part: FloatArray) -> FloatArray:
        return _jacobian(full(part), size, others)[:, use]

    found = optimize.least_squares(
        residual,
        np.maximum(theta, floor * 2)[use],
        jac=slope,
        bounds=(floor[use], np.inf),
        loss="soft_l1",
        f_scale=max(1.5 * sigma, 1e-6),
        x_scale="jac",
    )
    return full(np.asarray(found.x, dtype=float))


def _spread(
    theta: FloatArray, logs: FloatArray, size: FloatArray, others: FloatArray, extra: FloatArray
) -> float:
    residual = np.log(_level(theta, size, others)) - logs
    return max(math.sqrt(float((residual**2 + extra).mean())), 1e-6)


def _between(
    level: FloatArray, sigma: float, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of a normal around ``level``, given that it lies between the bounds."""
    a, b = (low - level) / sigma, (high - level) / sigma
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mass = np.maximum(
            np.where(a > 0, special.ndtr(-a) - special.ndtr(-b), special.ndtr(b) - special.ndtr(a)), 1e-300
        )
        at_a, at_b = np.exp(-(a**2) / 2), np.exp(-(b**2) / 2)
        root = math.sqrt(2 * math.pi)
        shift = (at_a - at_b) / (root * mass)
        edges = np.where(np.isfinite(a), a * at_a, 0.0) - np.where(np.isfinite(b), b * at_b, 0.0)
        variance = 1 + edges / (root * mass) - shift**2
    mean = np.clip(level + sigma * shift, low, high)  # far in a tail the formula loses its digits
    return mean, sigma**2 * np.clip(variance, 0.0, 1.0)


def _as_distribution(line: _Line, transfers: Transfers) -> SizeScaled:
    largest = max(float(transfers.size_bytes.max()), 1.0)
    active = [True, "size" in line.terms, "concurrency" in line.terms]
    use = np.flatnonzero(active)
    covariance = np.zeros((3, 3))
    part = line.jacobian[:, use]
    covariance[np.ix_(use, use)] = np.linalg.pinv(part.T @ part, hermitian=True) * line.variance
    unit = np.array([1.0, 1 / largest, 1.0])
    covariance *= np.outer(unit, unit)
    theta = line.theta * unit
    return SizeScaled(
        overhead_seconds=float(theta[0]),
        seconds_per_byte=float(theta[1]),
        contention=float(theta[2]),
        sigma=math.sqrt(line.variance),
        degrees=len(transfers.lower) - len(use),
        covariance=tuple(tuple(map(float, row)) for row in covariance.tolist()),  # type: ignore[misc]
    )
