"""The fitted families: exponential, lognormal, Weibull, gamma and log-logistic.

Each has two coordinate systems: the named parameters, and *free* ones (unbounded) in which the likelihood
is maximised and posteriors are drawn.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import numpy as np
from scipy import special

from rpo_sim.distributions import gamma_quantile
from rpo_sim.distributions.base import Distribution, FloatArray
from rpo_sim.distributions.posterior import LARGEST_SPREAD, Posterior, posterior_from_dict
from rpo_sim.distributions.probit import probit
from rpo_sim.distributions.registry import register, require
from rpo_sim.errors import ModelError

_Z95 = 1.6448536269514722  # the standard normal quantile at 0.95


class Parametric(Distribution):
    """What the families share: free coordinates, a likelihood, and a posterior once fitted."""

    __slots__ = ()
    posterior: Posterior | None
    scale_index: ClassVar[int]  # the free coordinate that is the logarithm of a scale

    @abstractmethod
    def free(self) -> FloatArray:
        """The parameters in free coordinates."""

    @classmethod
    @abstractmethod
    def from_free(cls, free: FloatArray) -> Self:
        """The inverse of `free`."""

    @abstractmethod
    def sf(self, x: FloatArray) -> FloatArray:
        """P(duration > x), without the cancellation of 1 − cdf."""

    @abstractmethod
    def logpdf(self, x: FloatArray) -> FloatArray:
        """Logarithm of the density at ``x`` > 0 seconds."""

    def parameters(self) -> dict[str, object]:
        """The numbers that define it, and its posterior if it was fitted."""
        names = [field.name for field in fields(self) if field.name != "posterior"]  # type: ignore[arg-type]
        numbers: dict[str, object] = {name: getattr(self, name) for name in names}
        return numbers | ({"posterior": self.posterior.as_dict()} if self.posterior else {})

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, object]) -> Self:
        """The inverse of `parameters`."""
        posterior = posterior_from_dict(parameters.get("posterior"))
        return cls(**{**parameters, "posterior": posterior})

    def scaled(self, factor: float) -> Self:
        """The distribution of ``factor`` × the duration, posterior included."""
        require(self.kind, factor=factor)
        free, amount = self.free(), math.log(factor)
        free[self.scale_index] += amount
        moved = self.posterior.moved(self.scale_index, amount) if self.posterior else None
        return self.from_free(free).with_posterior(moved)

    def with_posterior(self, posterior: Posterior | None) -> Self:
        """The same distribution, carrying what its fit still does not know."""
        return replace(self, posterior=posterior)  # type: ignore[type-var]

    def posterior_draw(self, generator: np.random.Generator) -> Self:
        """Parameters drawn once from the posterior; itself when assumed."""
        return self if self.posterior is None else self.from_free(self.posterior.draw(generator))


def _log(x: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(x, 0.0))


def _exp(x: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):  # the guard of `sample` refuses the infinity
        return np.exp(x)


def _log_ratio(kind: str, p50: float, p95: float) -> float:
    require(kind, p50=p50, p95=p95)
    if p95 <= p50:
        raise ModelError(f"{kind}: p95 is {p95} s and p50 is {p50} s; p95 must be the longer")
    return math.log(p95 / p50)


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential(Parametric):
    """Memoryless durations.

    Attributes
    ----------
    mean : float, seconds

    >>> round(float(Exponential(mean=10.0).cdf(np.array(10.0))), 4)
    0.6321
    """

    kind: ClassVar[str] = "exponential"
    scale_index: ClassVar[int] = 0
    mean: float
    posterior: Posterior | None = None

    def __post_init__(self) -> None:
        """Refuse a mean that is not positive."""
        require(self.kind, mean=self.mean)

    def ppf(self, u: FloatArray) -> FloatArray:
        """−mean·log(1 − u)."""
        return -self.mean * np.log1p(-u)

    def cdf(self, x: FloatArray) -> FloatArray:
        """1 − exp(−x / mean)."""
        return -np.expm1(-np.maximum(x, 0.0) / self.mean)

    def sf(self, x: FloatArray) -> FloatArray:
        """exp(−x / mean)."""
        return np.exp(-np.maximum(x, 0.0) / self.mean)

    def logpdf(self, x: FloatArray) -> FloatArray:
        """−x / mean − log mean."""
        return -x / self.mean - math.log(self.mean)

    def free(self) -> FloatArray:
        """(log mean,)."""
        return np.array([math.log(self.mean)])

    @classmethod
    def from_free(cls, free: FloatArray) -> Self:
        """The inverse of `free`."""
        return cls(mean=math.exp(free[0]))


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal(Parametric):
    """Durations whose logarithm is normal: the family of choice for small samples.

    Attributes
    ----------
    mu, sigma : float
        Mean and standard deviation of the logarithm of the seconds.

    >>> five_minutes = LogNormal.from_quantiles(p50=300.0, p95=1200.0)
    >>> five_minutes.ppf(np.array([0.5, 0.95])).round(6).tolist()
    [300.0, 1200.0]
    """

    kind: ClassVar[str] = "lognormal"
    scale_index: ClassVar[int] = 0
    mu: float
    sigma: float
    posterior: Posterior | None = None

    def __post_init__(self) -> None:
        """Refuse a spread that is not positive."""
        require(self.kind, minimum=-math.inf, mu=self.mu)
        require(self.kind, sigma=self.sigma)

    @classmethod
    def from_quantiles(cls, *, p50: float, p95: float) -> Self:
        """The lognormal with this median and 95th percentile (float, seconds)."""
        ratio = _log_ratio(cls.kind, p50, p95)
        return cls(mu=math.log(p50), sigma=ratio / _Z95)

    def _z(self, x: FloatArray) -> FloatArray:
        return (_log(x) - self.mu) / self.sigma

    def ppf(self, u: FloatArray) -> FloatArray:
        """exp(mu + sigma·Φ⁻¹(u))."""
        return _exp(self.mu + self.sigma * probit(u))

    @property
    def lognormal(self) -> tuple[float, float, float]:
        """No offset."""
        return 0.0, self.mu, self.sigma

    def cdf(self, x: FloatArray) -> FloatArray:
        """Φ((log x − mu) / sigma)."""
        return np.asarray(special.ndtr(self._z(x)))

    def sf(self, x: FloatArray) -> FloatArray:
        """Φ((mu − log x) / sigma)."""
        return np.asarray(special.ndtr(-self._z(x)))

    def logpdf(self, x: FloatArray) -> FloatArray:
        """The normal log-density of log x, less log x."""
        return -0.5 * self._z(x) ** 2 - _log(x) - math.log(self.sigma * math.sqrt(2 * math.pi))

    def free(self) -> FloatArray:
        """(mu, log sigma)."""
        return np.array([self.mu, math.log(self.sigma)])

    @classmethod
    def from_free(cls, free: FloatArray) -> Self:
        """The inverse of `free`."""
        return cls(mu=float(free[0]), sigma=min(math.exp(free[1]), LARGEST_SPREAD))


class _ShapeScale(Parametric):
    """Families of a shape and a scale, free in their logarithms."""

    __slots__ = ()
    shape: float
    scale: float
    scale_index: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Refuse a shape or scale that is not positive."""
        require(self.kind, shape=self.shape, scale=self.scale)

    def free(self) -> FloatArray:
        """(log shape, log scale)."""
        return np.log([self.shape, self.scale])

    @classmethod
    def from_free(cls, free: FloatArray) -> Self:
        """The inverse of `free`."""
        return cls(shape=max(math.exp(free[0]), 1 / LARGEST_SPREAD), scale=math.exp(free[1]))  # type: ignore[call-arg]


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Weibull(_ShapeScale):
    """Weibull durations: P(> x) = exp(−(x / scale)^shape).

    Attributes
    ----------
    shape : float
    scale : float, seconds
    """

    kind: ClassVar[str] = "weibull"
    shape: float
    scale: float
    posterior: Posterior | None = None

    @classmethod
    def from_quantiles(cls, *, p50: float, p95: float) -> Self:
        """The Weibull with this median and 95th percentile (float, seconds)."""
        shape = math.log(math.log(20) / math.log(2)) / _log_ratio(cls.kind, p50, p95)
        return cls(shape=shape, scale=math.exp(math.log(p50) - math.log(math.log(2)) / shape))

    def _hazard(self, x: FloatArray) -> FloatArray:
        return _exp(self.shape * (_log(x) - math.log(self.scale)))

    def ppf(self, u: FloatArray) -> FloatArray:
        """scale·(−log(1 − u))^(1 / shape)."""
        return _exp(math.log(self.scale) + _log(-np.log1p(-u)) / self.shape)

    def cdf(self, x: FloatArray) -> FloatArray:
        """1 − exp(−(x / scale)^shape)."""
        return -np.expm1(-self._hazard(x))

    def sf(self, x: FloatArray) -> FloatArray:
        """exp(−(x / scale)^shape)."""
        return np.exp(-self._hazard(x))

    def logpdf(self, x: FloatArray) -> FloatArray:
        """Log-density of the Weibull."""
        z = _log(x) - math.log(self.scale)
        return math.log(self.shape / self.scale) + (self.shape - 1) * z - self._hazard(x)


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class Gamma(_ShapeScale):
    """Gamma durations.

    Attributes
    ----------
    shape : float
    scale : float, seconds
    """

    kind: ClassVar[str] = "gamma"
    shape: float
    scale: float
    posterior: Posterior | None = None

    @classmethod
    def from_quantiles(cls, *, p50: float, p95: float) -> Self:
        """The gamma with this median and 95th percentile (float, seconds)."""
        from scipy import optimize  # slow to import, and nobody else here needs it

        target = _log_ratio(cls.kind, p50, p95)

        def miss(log_shape: float) -> float:
            low, high = special.gammaincinv(math.exp(log_shape), [0.5, 0.95])
            return math.log(high / low) - target

        low, high = math.log(2e-3), math.log(1e10)
        if miss(low) < 0 or miss(high) > 0:
            raise ModelError(f"gamma: no shape has p95 / p50 = {p95 / p50:g}; choose lognormal")
        shape = math.exp(optimize.brentq(miss, low, high, xtol=1e-14))
        return cls(shape=shape, scale=p50 / float(special.gammaincinv(shape, 0.5)))

    def ppf(self, u: FloatArray) -> FloatArray:
        """scale × the inverse regularised incomplete gamma function."""
        return np.asarray(self.scale * gamma_quantile.quantile(self.shape, u))

    def cdf(self, x: FloatArray) -> FloatArray:
        """The regularised lower incomplete gamma function."""
        return np.asarray(special.gammainc(self.shape, np.maximum(x, 0.0) / self.scale))

    def sf(self, x: FloatArray) -> FloatArray:
        """The regularised upper incomplete gamma function."""
        return np.asarray(special.gammaincc(self.shape, np.maximum(x, 0.0) / self.scale))

    def logpdf(self, x: FloatArray) -> FloatArray:
        """Log-density of the gamma."""
        t = x / self.scale
        constant = float(special.gammaln(self.shape)) + math.log(self.scale)
        return (self.shape - 1) * _log(t) - t - constant


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class LogLogistic(_ShapeScale):
    """Log-logistic durations: the logarithm is logistic, the tail a power law.

    Attributes
    ----------
    shape : float
    scale : float, seconds
        The median.
    """

    kind: ClassVar[str] = "loglogistic"
    shape: float
    scale: float
    posterior: Posterior | None = None

    @classmethod
    def from_quantiles(cls, *, p50: float, p95: float) -> Self:
        """The log-logistic with this median and 95th percentile (float, seconds)."""
        return cls(shape=math.log(19) / _log_ratio(cls.kind, p50, p95), scale=p50)

    def _z(self, x: FloatArray) -> FloatArray:
        return self.shape * (_log(x) - math.log(self.scale))

    def ppf(self, u: FloatArray) -> FloatArray:
        """scale·(u / (1 − u))^(1 / shape)."""
        return _exp(math.log(self.scale) + special.logit(u) / self.shape)

    def cdf(self, x: FloatArray) -> FloatArray:
        """The logistic function of shape·log(x / scale)."""
        return np.asarray(special.expit(self._z(x)))

    def sf(self, x: FloatArray) -> FloatArray:
        """The logistic function of −shape·log(x / scale)."""
        return np.asarray(special.expit(-self._z(x)))

    def logpdf(self, x: FloatArray) -> FloatArray:
        """Log-density of the log-logistic."""
        z = self._z(x)
        return math.log(self.shape) - _log(x) + special.log_expit(z) + special.log_expit(-z)
