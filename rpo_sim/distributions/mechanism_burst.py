"""What happens to operations that start together: token buckets, then a driver's queue, then buckets again.

The arithmetic is that of the engine (`model.simpy_engine`): a bucket is charged when it is asked and says
how long its tokens take to gather, servers are taken first come, first served. A test holds them together.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One limit as one operation meets it: tokens before the driver (head) and after it (tail)."""

    rate: float
    burst: float
    head: float
    tail: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Heads of all limits, the latency, the driver with its servers, tails of all limits in reverse."""

    passes: tuple[Pass, ...]
    latency_seconds: float
    servers: int


def durations(chain: Chain, starts: Sequence[float], service_seconds: Sequence[float]) -> FloatArray:
    """How long each operation takes, in the order of ``starts``.

    Parameters
    ----------
    chain : Chain
    starts : sequence of float, seconds
        Ascending. Buckets are full at the first.
    service_seconds : sequence of float, seconds
        What the driver needs for each.

    >>> five = Pass(rate=5.0, burst=10.0, head=6.0, tail=3.0)
    >>> chain = Chain(passes=(five,), latency_seconds=0.1, servers=1)
    >>> durations(chain, [0.0, 0.0], [0.4, 0.4]).round(2).tolist()  # 18 tokens, 10 of them at once
    [1.0, 1.6]
    """
    run = _Run(chain, starts, service_seconds)
    return np.asarray(run.ends() - np.asarray(starts), dtype=float)


def burst(chain: Chain, n: int, service_seconds: float) -> FloatArray:
    """How long each of ``n`` operations takes that start together, shortest first."""
    return np.sort(durations(chain, [0.0] * n, [service_seconds] * n))


class _Run:
    """Events by (time, order of scheduling), as in the engine."""

    def __init__(self, chain: Chain, starts: Sequence[float], service_seconds: Sequence[float]) -> None:
        self._chain, self._service = chain, service_seconds
        self._level = [limit.burst for limit in chain.passes]
        self._asked = [0.0] * len(chain.passes)
        self._free, self._queue = chain.servers, deque[int]()
        heads = [(i, limit.head) for i, limit in enumerate(chain.passes)]
        tails = [(i, limit.tail) for i, limit in enumerate(chain.passes)][::-1]
        self._tokens, self._driver = [*heads, *tails], len(heads)
        self._stage = [0] * len(starts)
        self._end = np.zeros(len(starts))
        self._events = [(start, i, i) for i, start in enumerate(starts)]
        self._order = len(starts)

    def ends(self) -> FloatArray:
        events = self._events
        heapq.heapify(events)
        while events:
            now, _, job = heapq.heappop(events)
            self._go_on(now, job)
        return self._end

    def _go_on(self, now: float, job: int) -> None:
        """From bucket to bucket until it has to wait; stage `driver` is its latency, the next its service."""
        while (stage := self._stage[job]) < len(self._tokens) + 3:
            self._stage[job] += 1
            if stage == self._driver:
                self._at(now + self._chain.latency_seconds, job)
                return
            if stage == self._driver + 1:
                self._serve(now, job)
                return
            if stage == self._driver + 2:
                self._leave(now)
                continue
            wait = self._wait(now, *self._tokens[stage if stage < self._driver else stage - 3])
            if wait > 0:
                self._at(now + wait, job)
                return
        self._end[job] = now

    def _wait(self, now: float, bucket: int, tokens: float) -> float:
        if tokens == 0:
            return 0.0
        limit = self._chain.passes[bucket]
        gathered = self._level[bucket] + (now - self._asked[bucket]) * limit.rate
        self._level[bucket] = min(limit.burst, gathered) - tokens
        self._asked[bucket] = now
        return -self._level[bucket] / limit.rate

    def _serve(self, now: float, job: int) -> None:
        if self._free:
            self._free -= 1
            self._at(now + self._service[job], job)
        else:
            self._queue.append(job)

    def _leave(self, now: float) -> None:
        if self._queue:
            job = self._queue.popleft()
            self._at(now + self._service[job], job)
        else:
            self._free += 1

    def _at(self, time: float, job: int) -> None:
        heapq.heappush(self._events, (time, self._order, job))
        self._order += 1
