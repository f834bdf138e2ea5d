"""Which chain explains the sweeps, its parameters with intervals, and what it could not show."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.mechanism import (
    PUBLISHED_LIMITS,
    Binding,
    Candidate,
    Estimate,
    KnownLimit,
    Limit,
    Mechanism,
    what_binds,
)
from rpo_sim.distributions.mechanism_chain import (
    LATENCY,
    PER_BYTE,
    SERVICE,
    ChainFit,
    Targets,
    costs_too_much,
    fit_chain,
)
from rpo_sim.distributions.mechanism_levels import all_seen, costs_rise, low_load_tokens, tokens_by_level
from rpo_sim.distributions.mechanism_sweeps import Burst, Sweeps, read_sweeps
from rpo_sim.distributions.mechanism_words import warnings_of
from rpo_sim.records import Observation

MORE_SERVERS = (2, 4, 8)
MOST_LIMITS = 2  # in one chain: three are not told apart by sweeps
DRAWS = 40
_GOOD = 0.03  # relative error of a chain with one server, below which no other number is tried
_CLEARLY = 0.7  # times the loss
_NOISE = 0.01  # relative: errors below it say nothing
_PRICE = 1.5  # times the squared error that one more limit must save


def fit_mechanism(
    observations: Sequence[Observation],
    *,
    limits: Sequence[KnownLimit] = PUBLISHED_LIMITS,
    seed: int = 0,
) -> Mechanism:
    """The mechanism behind singles and bursts of one operation on one backend.

    Each chain of up to two of the known limits before a driver is fitted to all order statistics of the
    bursts by the arithmetic of the engine. The one with the least error is kept, over all sweeps and over the
    largest when held out; one more limit must save a third of it.

    Parameters
    ----------
    observations : sequence of Observation
        Of one operation, stage and backend; bursts share a value of the label ``burst``.
    limits : sequence of KnownLimit
        What may be in the way. Where they name a backend or an operation, others are not tried with them.
    seed : int
        Of the bootstrap.

    Raises
    ------
    NoDataError
        If the observations show no bursts at two concurrencies, or no singles.
    """
    sweeps = read_sweeps(observations)
    known = [limit for limit in limits if _applies(limit, observations[0])]
    targets = Targets.of(sweeps)
    fits = [_best_servers(chain, targets) for chain in _chains(known)]
    candidates = [_candidate(fit, sweeps, targets) for fit in fits]
    shown = [
        i
        for i, fit in enumerate(fits)
        if all_seen(fit, targets) and not costs_too_much(fit) and not costs_rise(fit, targets)
    ]  # others explain nothing
    chosen = min(shown, key=lambda i: _loss(candidates[i]))
    candidates[chosen] = replace(candidates[chosen], chosen=True)
    best = fits[chosen]
    levels = [
        (*low_load_tokens(best, targets, i), *tokens_by_level(best, targets, i))
        for i in range(len(best.limits))
    ]
    again = _bootstrap(best, sweeps, seed)
    mechanism = replace(_mechanism(best, sweeps, targets, levels, again), candidates=tuple(candidates))
    return replace(mechanism, warnings=warnings_of(mechanism, sweeps, known))


def _applies(limit: KnownLimit, item: Observation) -> bool:
    return limit.backend in (None, item.backend) and limit.operation in (None, item.operation)


def _chains(known: Sequence[KnownLimit]) -> Iterator[tuple[KnownLimit, ...]]:
    """No limit, each alone, each pair. Two that are alike give the same chain alone: one of them is tried."""
    yield ()
    seen = set[tuple[tuple[float, float, float | None], ...]]()
    for size in range(1, MOST_LIMITS + 1):
        for chain in combinations(known, size):
            alike = tuple((limit.rate, limit.burst, limit.tokens) for limit in chain)
            if alike not in seen:
                seen.add(alike)
                yield chain


def _best_servers(chain: Sequence[KnownLimit], targets: Targets) -> ChainFit:
    """One server, unless more of them explain clearly more."""
    best = one = fit_chain(chain, 1, targets)
    if one.error(targets) < _GOOD:
        return one
    for servers in MORE_SERVERS:
        start = one.theta.copy()
        start[[SERVICE, PER_BYTE]] *= servers
        other = fit_chain(chain, servers, targets, start=start)
        best = other if other.cost < _CLEARLY * best.cost else best
    return best


def _candidate(fit: ChainFit, sweeps: Sweeps, targets: Targets) -> Candidate:
    """With its error at the largest concurrency when that was held out."""
    held_out = None
    if len(sweeps.levels) > 2:
        before = Targets.of(sweeps.up_to(sweeps.levels[-2]))
        fewer = fit_chain(fit.limits, fit.servers, before)
        largest = tuple(burst for burst in targets.bursts if burst.n == sweeps.levels[-1])
        if all_seen(fewer, before):  # else its tokens are any number, and so is the prediction
            # the vector counts bytes in units of the targets that it was fitted to
            held_out = fewer.error(Targets(bursts=largest, singles=(), unit_bytes=before.unit_bytes))
    names = tuple(limit.name for limit in fit.limits)
    return Candidate(limits=names, servers=fit.servers, error=fit.error(targets), held_out_error=held_out)


def _loss(candidate: Candidate) -> float:
    """Squared error, in the sweeps and held out; each limit must earn its place."""
    held_out = candidate.error if candidate.held_out_error is None else candidate.held_out_error
    errors = [_NOISE, candidate.error, held_out]
    return float(np.sum(np.square(errors))) * _PRICE ** len(candidate.limits)


def _bootstrap(best: ChainFit, sweeps: Sweeps, seed: int) -> list[tuple[ChainFit, Targets]]:
    """The chain refitted to resampled bursts, each from a start of its own, so that what is flat shows."""
    generator = np.random.default_rng(seed)
    again = []
    for _ in range(DRAWS):
        start = best.theta * np.exp(generator.uniform(-0.4, 0.4, len(best.theta)))
        targets = Targets.of(_resampled(sweeps, generator))
        again.append((fit_chain(best.limits, best.servers, targets, start=start, evaluations=15), targets))
    return again


def _saturated(fit: ChainFit, targets: Targets, index: int) -> float:
    """Tokens of the largest sweep in which the limit is seen; those of all sweeps where it is in none."""
    known = fit.limits[index].tokens
    if known is not None:
        return known
    levels = tokens_by_level(fit, targets, index)
    joint = fit.chain().passes[index]
    return levels[-1][1] if levels else joint.head + joint.tail


def _resampled(sweeps: Sweeps, generator: np.random.Generator) -> Sweeps:
    bursts = list[Burst]()
    for size in sweeps.sizes:
        for level in sweeps.levels:
            same = sweeps.at(size, level)
            bursts += [same[i] for i in generator.integers(0, len(same), len(same))] if same else []
    singles = []
    for one in sweeps.singles:  # in their order and spacing, a window of them
        first = int(generator.integers(0, max(one.n // 2, 1)))
        rest = slice(first, None)
        starts = one.starts[rest] - one.starts[first]
        singles.append(Burst(size_bytes=one.size_bytes, starts=starts, durations=one.durations[rest]))
    return Sweeps(bursts=tuple(bursts), singles=tuple(singles))


def _estimate(value: float, draws: FloatArray) -> Estimate:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(value=float(value), low=float(min(low, value)), high=float(max(high, value)))


def _mechanism(
    best: ChainFit,
    sweeps: Sweeps,
    targets: Targets,
    levels: Sequence[tuple[tuple[int, float], ...]],
    again: Sequence[tuple[ChainFit, Targets]],
) -> Mechanism:
    theta, unit = best.theta, targets.unit_bytes
    draws = np.array([fit.theta for fit, _ in again])
    scale = np.array([1.0, 1 / unit])
    spread = np.cov(draws[:, [SERVICE, PER_BYTE]].T) * np.outer(scale, scale)
    return Mechanism(
        limits=tuple(_limit(best, i, targets, levels[i], again) for i in range(len(best.limits))),
        servers=best.servers,
        latency_seconds=_estimate(theta[LATENCY], draws[:, LATENCY]),
        service_seconds=_estimate(theta[SERVICE], draws[:, SERVICE]),
        seconds_per_byte=_estimate(theta[PER_BYTE] / unit, draws[:, PER_BYTE] / unit),
        covariance=tuple(tuple(map(float, row)) for row in spread),  # type: ignore[arg-type]
        sigma=_sigma(targets),
        n=sweeps.n,
        bursts=len(sweeps.bursts),
        largest=sweeps.levels[-1],
        sizes_bytes=sweeps.sizes,
        binding=tuple(_binding(best, burst, unit) for burst in targets.bursts),
    )


def _limit(
    best: ChainFit,
    i: int,
    targets: Targets,
    levels: tuple[tuple[int, float], ...],
    again: Sequence[tuple[ChainFit, Targets]],
) -> Limit:
    known, tail = best.limits[i], best.chain().passes[i].tail
    return Limit(
        name=known.name,
        rate=known.rate,
        burst=known.burst,
        source=known.source,
        counted=known.tokens is not None,
        tokens=_estimate(
            _saturated(best, targets, i), np.array([_saturated(fit, other, i) for fit, other in again])
        ),
        tail=_estimate(tail, np.array([fit.chain().passes[i].tail for fit, _ in again])),
        tokens_at=levels,
    )


def _sigma(targets: Targets) -> float:
    """Of singles around the middle of their size: a burst averages it out."""
    logs = [np.log(one.durations / np.median(one.durations)) for one in targets.singles]
    return float(np.median([np.std(row) for row in logs]))


def _binding(best: ChainFit, burst: Burst, unit: float) -> Binding:
    service = float(best.theta[SERVICE] + best.theta[PER_BYTE] * burst.size_bytes / unit)
    what, share = what_binds(best.chain(), [limit.name for limit in best.limits], burst.n, service)
    return Binding(size_bytes=burst.size_bytes, concurrency=burst.n, what=what, share=share)
