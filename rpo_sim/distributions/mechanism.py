"""What decides a burst of operations on one backend: client limits in series and the driver's queue.

A controller asks the API server no faster than its client limit, a token bucket. An operation costs it some
requests (tokens) before the driver works and some after. A driver serves so many at once, each for
``service + bytes × seconds per byte``. From these few numbers a burst of any size follows; a curve through
durations by concurrency knows nothing of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.mechanism_burst import Chain, Pass, burst
from rpo_sim.distributions.sized import SizeScaled

_NORMAL_975 = 1.959964  # the normal quantile whose two sides enclose 95 %
DRIVER, LATENCY = "driver", "latency"
Source = Literal["published default", "given"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLimit:
    """A client limit that may be in the way.

    Attributes
    ----------
    name : str
    rate : float, tokens per second
    burst : float, tokens
    source : {"published default", "given"}
        A published default is an assumption about this cluster until someone has looked.
    tokens : float or None
        Requests per operation, where its own were counted; else estimated.
    most_tokens : float or None
        Requests per operation by all clients together, where only those were counted: it costs no more.
    backend, operation : str or None
        Where it applies; None: everywhere.
    """

    name: str
    rate: float
    burst: float
    source: Source = "published default"
    tokens: float | None = None
    most_tokens: float | None = None
    backend: str | None = None
    operation: str | None = None


# Upstream defaults of --kube-api-qps and --kube-api-burst: snapshot-controller, external-snapshotter and
# external-provisioner 5 and 10 (cmd/*/main.go); kube-controller-manager 20 and 30
# (its volume binder binds restores).
PUBLISHED_LIMITS = (
    KnownLimit(name="snapshot-controller", rate=5.0, burst=10.0, operation="snapshot"),
    KnownLimit(name="csi-snapshotter", rate=5.0, burst=10.0, operation="snapshot"),
    KnownLimit(name="csi-provisioner", rate=5.0, burst=10.0, operation="restore"),
    KnownLimit(name="kube-controller-manager", rate=20.0, burst=30.0, operation="restore"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A parameter with its 95 % bootstrap interval over bursts."""

    value: float
    low: float
    high: float

    @property
    def log_deviations(self) -> tuple[float, float]:
        """Standard deviations of its logarithm below and above the value; 0 of what may be nothing."""
        if self.low <= 0:
            return 0.0, 0.0
        below, above = math.log(self.value / self.low), math.log(self.high / self.value)
        return below / _NORMAL_975, above / _NORMAL_975


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A client limit as operations meet it.

    Attributes
    ----------
    name, rate, burst, source
        As of `KnownLimit`.
    counted : bool
        Whether the tokens were counted as requests; else they were estimated from the sweeps.
    tokens : Estimate
        Per operation under saturation: of the largest sweep in which it binds.
    tail : Estimate
        How many of them come after the driver.
    tokens_at : tuple of (int, float)
        Tokens per operation by operations at once, where the limit binds. They fall under load, as wake-ups
        merge. Between levels by straight lines over log(concurrency), beyond them constant.
    """

    name: str
    rate: float
    burst: float
    source: Source
    counted: bool
    tokens: Estimate
    tail: Estimate
    tokens_at: tuple[tuple[int, float], ...] = ()

    @property
    def is_measured(self) -> bool:
        """Whether rate and burst were looked up, and its tokens counted or seen in a sweep."""
        return self.source == "given" and (self.counted or bool(self.tokens_at))

    def tokens_for(self, concurrency: int) -> float:
        """Tokens that each of so many operations at once costs."""
        if not self.tokens_at:
            return self.tokens.value
        levels, tokens = zip(*self.tokens_at, strict=True)
        return float(np.interp(math.log(concurrency), np.log(levels), tokens))

    def passed(self, concurrency: int) -> Pass:
        """As each of so many operations meets it."""
        tokens = self.tokens_for(concurrency)
        tail = min(self.tail.value, tokens)
        return Pass(rate=self.rate, burst=self.burst, head=tokens - tail, tail=tail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a measured sweep waited for: removing it would have cut ``share`` of its makespan."""

    size_bytes: int
    concurrency: int
    what: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A chain that was tried.

    ``error`` is the root mean square relative error of p50, p95 and makespan over all sweeps, by operations;
    ``held_out_error`` the same at the largest concurrency when that was left out of the fit; None where
    fewer than three concurrencies were measured, or a limit is not seen in the smaller.
    """

    limits: tuple[str, ...]
    servers: int
    error: float
    held_out_error: float | None
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """The chain that explains the sweeps of one operation on one backend.

    Attributes
    ----------
    limits : tuple of Limit
        In the order in which an operation meets them; empty where the driver alone decides.
    servers : int
        Operations that the driver works on at once.
    latency_seconds, service_seconds : Estimate, seconds
        Outside and inside the driver's queue, whatever the size.
    seconds_per_byte : Estimate, seconds per byte
    covariance : tuple of tuple of float
        Of (service_seconds, seconds_per_byte) over the bootstrap.
    sigma : float
        Standard deviation of the logarithm of a single's duration around the chain.
    n, bursts : int
        Operations and bursts behind it; singles count as bursts of one.
    largest : int
        Most operations at once that were measured.
    sizes_bytes : tuple of int
        Sizes that were swept.
    binding : tuple of Binding
    candidates : tuple of Candidate
    warnings : tuple of str
        What the sweeps could not show, and what to measure next.
    """

    limits: tuple[Limit, ...]
    servers: int
    latency_seconds: Estimate
    service_seconds: Estimate
    seconds_per_byte: Estimate
    covariance: tuple[tuple[float, float], tuple[float, float]]
    sigma: float
    n: int
    bursts: int
    largest: int
    sizes_bytes: tuple[int, ...]
    binding: tuple[Binding, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    warnings: tuple[str, ...] = ()

    def chain(self, concurrency: int) -> Chain:
        """As each of so many operations at once meets it."""
        return Chain(
            passes=tuple(limit.passed(concurrency) for limit in self.limits),
            latency_seconds=self.latency_seconds.value,
            servers=self.servers,
        )

    def service(self, size_bytes: int) -> float:
        """What the driver needs for one operation of that size (float, seconds)."""
        return self.service_seconds.value + self.seconds_per_byte.value * size_bytes

    def burst(self, concurrency: int, size_bytes: int) -> FloatArray:
        """Durations of so many operations that start together, shortest first, without noise."""
        return burst(self.chain(concurrency), concurrency, self.service(size_bytes))

    def driver(self) -> SizeScaled:
        """The driver's service time, for a simulation; its posterior is the bootstrap's covariance."""
        (aa, ab), (_, bb) = self.covariance
        return SizeScaled(
            overhead_seconds=self.service_seconds.value,
            seconds_per_byte=self.seconds_per_byte.value,
            sigma=max(self.sigma, 1e-6),
            degrees=max(self.bursts - 2, 1),
            covariance=((aa, ab, 0.0), (ab, bb, 0.0), (0.0, 0.0, 0.0)),
        )


def what_binds(
    chain: Chain, names: Sequence[str], concurrency: int, service_seconds: float
) -> tuple[str, float]:
    """The part of a chain whose removal shortens a burst most, and by which share of its makespan."""
    whole = float(burst(chain, concurrency, service_seconds)[-1])
    without: dict[str, float] = {LATENCY: whole - chain.latency_seconds}
    for i, name in enumerate(names):
        rest = chain.passes[:i] + chain.passes[i + 1 :]
        freed = Chain(passes=rest, latency_seconds=chain.latency_seconds, servers=chain.servers)
        without[name] = float(burst(freed, concurrency, service_seconds)[-1])
    without[DRIVER] = float(burst(chain, concurrency, 0.0)[-1])
    what = min(without, key=lambda name: without[name])
    return what, (whole - without[what]) / whole if whole > 0 else 0.0
