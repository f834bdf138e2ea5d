"""One candidate chain, its parameters as a vector, and its distance from the sweeps."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import optimize

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.mechanism import KnownLimit
from rpo_sim.distributions.mechanism_burst import Chain, Pass, durations
from rpo_sim.distributions.mechanism_sweeps import Burst, Sweeps

_MOST_SINGLES = 12  # of a size: their spacing matters, their number does not
_SCALE = 0.05  # relative: beyond it a residual counts less (soft L1)
_LEAST_SECONDS = 1e-6
_COUNTING = 1.05  # counts and estimates may differ by so much
_LEAST_TOKENS, _MOST_TOKENS = 1.0, 60.0  # who takes part asks at least once before the driver and once after
LATENCY, SERVICE, PER_BYTE, LOW_LOAD = range(4)  # the first entries of a vector; then (head, tail) per limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What a chain is held against: a middle burst by size and concurrency, singles as they were spaced."""

    bursts: tuple[Burst, ...]
    singles: tuple[Burst, ...]
    unit_bytes: float

    @classmethod
    def of(cls, sweeps: Sweeps) -> "Targets":
        """Of measured sweeps."""
        keys = sorted({(burst.size_bytes, burst.n) for burst in sweeps.bursts})
        middles = tuple(_middle(sweeps.at(*key)) for key in keys)
        spaced = tuple(_first(single) for single in sweeps.singles)
        largest = max(burst.size_bytes for burst in (*middles, *spaced))
        return cls(bursts=middles, singles=spaced, unit_bytes=max(largest, 1))


def _middle(bursts: Sequence[Burst]) -> Burst:
    """Medians, position by position: one burst that other work disturbed among three pulls nothing."""
    return Burst(
        size_bytes=bursts[0].size_bytes,
        starts=np.median([burst.starts for burst in bursts], axis=0),
        durations=np.median([np.sort(burst.durations) for burst in bursts], axis=0),
    )


def _first(single: Burst) -> Burst:
    few = slice(_MOST_SINGLES)
    return Burst(size_bytes=single.size_bytes, starts=single.starts[few], durations=single.durations[few])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFit:
    """A candidate with its parameters: ``theta`` as in this module's constants, times per `unit_bytes`."""

    limits: tuple[KnownLimit, ...]
    servers: int
    theta: FloatArray = field(default_factory=lambda: np.zeros(0))
    cost: float = np.inf

    def chain(self, n: int | None = None, *, theta: FloatArray | None = None) -> Chain:
        """The chain as each of ``n`` operations at once meets it; under saturation by default."""
        vector = self.theta if theta is None else theta
        factor = 1.0 if n is None else 1 + (vector[LOW_LOAD] - 1) / n**2
        passes = tuple(
            Pass(
                rate=limit.rate, burst=limit.burst, head=factor * _head(limit, head, tail), tail=factor * tail
            )
            for limit, (head, tail) in zip(self.limits, vector[4:].reshape(-1, 2), strict=True)
        )
        return Chain(passes=passes, latency_seconds=float(vector[LATENCY]), servers=self.servers)

    def predicted(self, burst: Burst, unit_bytes: float, theta: FloatArray | None = None) -> FloatArray:
        """The burst's durations by this chain, shortest first."""
        vector = self.theta if theta is None else theta
        service = float(vector[SERVICE] + vector[PER_BYTE] * burst.size_bytes / unit_bytes)
        return np.sort(
            durations(self.chain(burst.n, theta=vector), burst.starts.tolist(), [service] * burst.n)
        )

    def single(self, single: Burst, unit_bytes: float, theta: FloatArray | None = None) -> float:
        """The median of singles with that spacing, by this chain."""
        vector = self.theta if theta is None else theta
        service = float(vector[SERVICE] + vector[PER_BYTE] * single.size_bytes / unit_bytes)
        chain = self.chain(1, theta=vector)
        return float(np.median(durations(chain, single.starts.tolist(), [service] * single.n)))

    def residuals(self, theta: FloatArray, targets: Targets) -> FloatArray:
        """Logarithms of predicted over measured; large bursts, which are carried on, weigh more."""
        unit = targets.unit_bytes
        rows = [
            np.log(self.predicted(burst, unit, theta) / np.sort(burst.durations)) * _weight(burst.n)
            for burst in targets.bursts
        ]
        singles = [
            np.log(self.single(one, unit, theta) / np.median(one.durations)) * _weight(1)
            for one in targets.singles
        ]
        return np.concatenate([*rows, np.array(singles)])

    def error(self, targets: Targets) -> float:
        """Root mean square relative error of p50, p95 and makespan; bursts weigh by their members."""
        rows = [
            figures(self.predicted(burst, targets.unit_bytes)) / figures(burst.durations) - 1
            for burst in targets.bursts
        ]
        squares = np.mean(np.square(rows), axis=1)
        return float(np.sqrt(np.average(squares, weights=[burst.n for burst in targets.bursts])))


def _weight(n: int) -> float:
    """Of one operation among ``n``: the weight of a burst rises from a third for singles towards one."""
    return float(np.sqrt(n / (n + 2) / n))


def _head(limit: KnownLimit, head: float, tail: float) -> float:
    return head if limit.tokens is None else max(limit.tokens - tail, 0.0)


def costs_too_much(fit: ChainFit) -> bool:
    """Whether a limit would need more requests per operation than all clients made."""
    return any(
        limit.most_tokens is not None and passed.head + passed.tail > _COUNTING * limit.most_tokens
        for limit, passed in zip(fit.limits, fit.chain().passes, strict=True)
    )


def figures(seconds: FloatArray) -> FloatArray:
    """p50, p95 and makespan of the durations of one burst."""
    return np.array([*np.quantile(seconds, [0.5, 0.95]), seconds.max()])


def fit_chain(
    limits: Sequence[KnownLimit],
    servers: int,
    targets: Targets,
    *,
    start: FloatArray | None = None,
    evaluations: int = 40,
) -> ChainFit:
    """The parameters that bring a chain closest to its targets: soft-L1 least squares from fixed starts."""
    empty = ChainFit(limits=tuple(limits), servers=servers)
    low, high, free = _bounds(limits, targets)
    starts = [start] if start is not None else _starts(limits, targets)
    best = empty
    for begin in starts:
        inside = np.clip(begin, low, high)
        found = _solve(empty, targets, inside, low, high, free, evaluations)
        if found.cost < best.cost:
            best = found
    return best


def _solve(
    empty: ChainFit,
    targets: Targets,
    begin: FloatArray,
    low: FloatArray,
    high: FloatArray,
    free: FloatArray,
    evaluations: int,
) -> ChainFit:
    use = np.flatnonzero(free)

    def full(part: FloatArray) -> FloatArray:
        whole = begin.copy()
        whole[use] = part
        return whole

    margin = 1e-9 * (high - low)

    def residuals(part: FloatArray) -> FloatArray:
        return empty.residuals(full(part), targets)

    found = optimize.least_squares(
        residuals,
        np.clip(begin, low + margin, high - margin)[use],
        bounds=(low[use], high[use]),
        diff_step=[0.01],
        loss="soft_l1",
        f_scale=_SCALE,
        max_nfev=evaluations,
    )
    return ChainFit(
        limits=empty.limits, servers=empty.servers, theta=full(np.asarray(found.x)), cost=float(found.cost)
    )


def _bounds(limits: Sequence[KnownLimit], targets: Targets) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lowest, highest, and whether it is free: counted tokens are not, nor is a size that never changed."""
    sizes = {burst.size_bytes for burst in (*targets.bursts, *targets.singles)}
    longest = max(float(burst.durations.max()) for burst in (*targets.bursts, *targets.singles))
    low = [0.0, _LEAST_SECONDS, 0.0, 0.5]
    high = [longest, longest, longest, 3.0]
    free = [1.0, 1.0, float(len(sizes) > 1), float(bool(limits))]
    for limit in limits:
        most = limit.tokens or limit.most_tokens or _MOST_TOKENS
        each = max(most - _LEAST_TOKENS, 1.1 * _LEAST_TOKENS)
        low += [_LEAST_TOKENS, _LEAST_TOKENS]
        high += [each, each]
        free += [float(limit.tokens is None), 1.0]
    return np.array(low), np.array(high), np.array(free)


def _starts(limits: Sequence[KnownLimit], targets: Targets) -> list[FloatArray]:
    """Times from the singles; tokens from the slope of the makespan over concurrency, split in three ways."""
    shortest = min(float(np.median(one.durations)) for one in targets.singles)
    longest = max(float(np.median(one.durations)) for one in targets.singles)
    largest = max(targets.bursts, key=lambda burst: burst.n)
    starts = []
    for tail_share, own, low_load in ((0.25, 0.5, 1.0), (0.5, 0.5, 1.0), (0.1, 0.5, 1.0), (0.25, 0.05, 1.5)):
        times = [own * shortest, own * shortest, max(longest - 2 * own * shortest, _LEAST_SECONDS), low_load]
        tokens: list[float] = []
        for limit in limits:
            total = (limit.burst + limit.rate * float(largest.durations.max())) / largest.n
            tokens += [total * (1 - tail_share), total * tail_share]
        starts.append(np.array([*times, *tokens]))
    return starts if limits else starts[:1]
