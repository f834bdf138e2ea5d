"""Tokens per operation by concurrency: they fall under load, as wake-ups of a controller merge."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import optimize

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.mechanism_burst import Chain, durations
from rpo_sim.distributions.mechanism_chain import LOW_LOAD, PER_BYTE, SERVICE, ChainFit, Targets, figures
from rpo_sim.distributions.mechanism_sweeps import Burst

_TOLD = 1.2  # times the loss: what other tokens for singles must cost to count as known
_RISES = 1.3  # times the tokens at the level before: wake-ups merge under load, so that none should
_BINDS = 0.1  # a limit is seen at a level if without it the makespan would be shorter by this share


def all_seen(fit: ChainFit, targets: Targets) -> bool:
    """Whether each limit of the chain binds in some sweep."""
    return all(any(_seen(fit, targets, burst, i) for burst in targets.bursts) for i in range(len(fit.limits)))


def costs_rise(fit: ChainFit, targets: Targets) -> bool:
    """Whether operations would cost more of a limit the more there are: then it is another that binds."""
    for index in range(len(fit.limits)):
        tokens = [tokens for _, tokens in tokens_by_level(fit, targets, index)]
        if any(after > _RISES * before for before, after in pairwise(tokens)):
            return True
    return False


def low_load_tokens(fit: ChainFit, targets: Targets, index: int) -> tuple[tuple[int, float], ...]:
    """Tokens of a single, where the singles show them: spaced so closely that the bucket was not full."""
    if fit.limits[index].tokens is not None:
        return ()
    same = fit.theta.copy()
    same[LOW_LOAD] = 1.0
    losses = [float(np.sum(fit.residuals(theta, targets) ** 2)) for theta in (fit.theta, same)]
    if losses[1] < _TOLD * losses[0]:
        return ()
    here = fit.chain(1).passes[index]
    return ((1, float(here.head + here.tail)),)


def tokens_by_level(fit: ChainFit, targets: Targets, index: int) -> tuple[tuple[int, float], ...]:
    """(concurrency, tokens per operation) at each concurrency at which limit ``index`` is seen.

    What came after the driver stays; the tokens before it are fitted to p95 and makespan of that level alone.
    """
    known = fit.limits[index]
    levels = sorted({burst.n for burst in targets.bursts})
    if known.tokens is not None:
        return ()
    found = []
    for level in levels:
        seen = [burst for burst in targets.bursts if burst.n == level and _seen(fit, targets, burst, index)]
        if seen:
            found.append((level, _tokens(fit, targets, seen, index)))
    return tuple(found)


def _seen(fit: ChainFit, targets: Targets, burst: Burst, index: int) -> bool:
    chain = fit.chain()
    rest = chain.passes[:index] + chain.passes[index + 1 :]
    with_it = _run(fit, targets, burst, chain).max()
    return bool(_run(fit, targets, burst, replace(chain, passes=rest)).max() < (1 - _BINDS) * with_it)


def _tokens(fit: ChainFit, targets: Targets, bursts: list[Burst], index: int) -> float:
    chain = fit.chain()
    here = chain.passes[index]

    def distance(tokens: float) -> float:
        head = max(tokens - here.tail, 0.0)
        passes = (*chain.passes[:index], replace(here, head=head), *chain.passes[index + 1 :])
        off = [
            np.log(
                figures(_run(fit, targets, burst, replace(chain, passes=passes))) / figures(burst.durations)
            )
            for burst in bursts
        ]
        return float(np.mean(np.square(off)[:, 1:]))

    total = here.head + here.tail
    bounds = (max(here.tail, total / 2), 2 * total)
    found = optimize.minimize_scalar(distance, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return float(found.x)


def _run(fit: ChainFit, targets: Targets, burst: Burst, chain: Chain) -> FloatArray:
    service = float(fit.theta[SERVICE] + fit.theta[PER_BYTE] * burst.size_bytes / targets.unit_bytes)
    return durations(chain, burst.starts.tolist(), [service] * burst.n)
