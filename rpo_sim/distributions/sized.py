"""A measured duration that depends on the bytes of the transfer and on how many run at once."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np

from rpo_sim.distributions.base import Distribution, FloatArray
from rpo_sim.distributions.parametric import LogNormal
from rpo_sim.distributions.registry import register, require, require_count
from rpo_sim.errors import ModelError


@register
@dataclass(frozen=True, slots=True, kw_only=True)
class SizeScaled(Distribution):
    """Median (overhead + bytes × seconds per byte) × (1 + contention × (k − 1)), with lognormal residuals.

    It has no durations before it knows the transfer: ask it ``at(size_bytes=…, concurrency=…)`` first.

    Attributes
    ----------
    overhead_seconds : float, seconds
        What an empty transfer takes.
    seconds_per_byte : float, seconds per byte
        Inverse of the throughput; 0 when the size made no difference.
    contention : float
        How much one more transfer at once slows each of them, relative; 0 when it made no difference.
    sigma : float
        Standard deviation of the logarithm of the residual.
    degrees : int or None
        Degrees of freedom of the fit; None for an assumption, which has no posterior.
    covariance : tuple of tuple of float
        Of (overhead_seconds, seconds_per_byte, contention) at that sigma; empty for an assumption.

    >>> disk = SizeScaled(overhead_seconds=2.0, seconds_per_byte=1e-8, contention=0.5, sigma=0.1)
    >>> float(disk.at(size_bytes=10**9, concurrency=3).ppf(np.array(0.5)).round(6))
    24.0
    """

    kind: ClassVar[str] = "size_scaled"
    overhead_seconds: float
    seconds_per_byte: float = 0.0
    contention: float = 0.0
    sigma: float
    degrees: int | None = None
    covariance: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuse negative numbers and a covariance of the wrong shape."""
        require(
            self.kind,
            strict=False,
            overhead_seconds=self.overhead_seconds,
            seconds_per_byte=self.seconds_per_byte,
            contention=self.contention,
        )
        require(self.kind, sigma=self.sigma)
        require(self.kind, overhead_and_rate=self.overhead_seconds + self.seconds_per_byte)
        object.__setattr__(self, "covariance", tuple(tuple(row) for row in self.covariance))
        if self.degrees is None:
            return
        require_count(self.kind, degrees=self.degrees)
        if len(self.covariance) != 3 or any(len(row) != 3 for row in self.covariance):
            raise ModelError(f"{self.kind}: the covariance of a fit is 3 × 3")
        for row in self.covariance:
            for value in row:
                require(self.kind, minimum=-math.inf, covariance=value)

    @property
    def needs_bytes(self) -> bool:
        """Whether larger transfers take longer."""
        return self.seconds_per_byte > 0

    def at(self, *, size_bytes: int | None, concurrency: int) -> LogNormal:
        """The lognormal duration of one transfer of ``size_bytes`` among ``concurrency``.

        Raises
        ------
        ModelError
            If the size matters and is not known.
        """
        require(self.kind, minimum=1, strict=False, concurrency=concurrency)
        if size_bytes is None and self.seconds_per_byte:
            raise ModelError(f"a {self.kind} distribution needs the bytes of this transfer")
        require(self.kind, strict=False, size_bytes=size_bytes or 0)
        level = self.overhead_seconds + self.seconds_per_byte * (size_bytes or 0)
        level *= 1 + self.contention * (concurrency - 1)
        if level <= 0:
            raise ModelError(f"{self.kind}: a transfer of {size_bytes} bytes would take no time")
        return LogNormal(mu=math.log(level), sigma=self.sigma)

    def _unsized(self) -> ModelError:
        return ModelError(f"a {self.kind} distribution has no durations without a size and a concurrency")

    def ppf(self, u: FloatArray) -> FloatArray:
        """Refused: the transfer is not known."""
        del u
        raise self._unsized()

    def cdf(self, x: FloatArray) -> FloatArray:
        """Refused: the transfer is not known."""
        del x
        raise self._unsized()

    def scaled(self, factor: float) -> "SizeScaled":
        """Durations × ``factor``, posterior included."""
        require(self.kind, factor=factor)
        stretch = np.array([factor, factor, 1.0])
        covariance = np.asarray(self.covariance) * np.outer(stretch, stretch) if self.covariance else ()
        return SizeScaled(
            overhead_seconds=self.overhead_seconds * factor,
            seconds_per_byte=self.seconds_per_byte * factor,
            contention=self.contention,
            sigma=self.sigma,
            degrees=self.degrees,
            covariance=tuple(tuple(map(float, row)) for row in covariance),  # type: ignore[misc]
        )

    def parameters(self) -> dict[str, object]:
        """The fields; an assumption has neither degrees nor covariance."""
        row: dict[str, object] = asdict(self)
        if self.degrees is None:
            del row["degrees"], row["covariance"]
        else:
            row["covariance"] = [list(line) for line in self.covariance]
        return row

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, object]) -> Self:
        """The inverse of `parameters`."""
        return cls(**parameters)  # type: ignore[arg-type]

    def posterior_draw(self, generator: np.random.Generator) -> "SizeScaled":
        """Draw (overhead, seconds per byte, contention, sigma) once; itself for an assumption.

        As for a normal regression with the Jeffreys prior: σ² = degrees·s²/χ², then the parameters from a
        normal with that variance. A parameter cannot be negative, so a draw below 0 becomes 0.
        """
        if self.degrees is None:
            return self
        stretch = math.sqrt(self.degrees / generator.chisquare(self.degrees))
        values, vectors = np.linalg.eigh(_scaled_covariance(self.covariance))
        noise = vectors @ (np.sqrt(np.maximum(values, 0.0)) * generator.standard_normal(3))
        spread = np.sqrt(np.diagonal(np.asarray(self.covariance)))
        mean = np.array([self.overhead_seconds, self.seconds_per_byte, self.contention])
        drawn = np.maximum(mean + stretch * spread * noise, 0.0)
        if drawn[0] + drawn[1] <= 0:
            drawn[:2] = mean[:2]
        return SizeScaled(
            overhead_seconds=float(drawn[0]),
            seconds_per_byte=float(drawn[1]),
            contention=float(drawn[2]),
            sigma=min(self.sigma * stretch, 50.0),
        )


def _scaled_covariance(covariance: tuple[tuple[float, float, float], ...]) -> FloatArray:
    """The correlation matrix: seconds per byte are 10⁻⁹ beside seconds, too far apart to factorise."""
    matrix = np.asarray(covariance, dtype=float)
    spread = np.sqrt(np.diagonal(matrix))
    safe = np.where(spread > 0, spread, 1.0)
    return np.asarray(matrix / np.outer(safe, safe), dtype=float)
