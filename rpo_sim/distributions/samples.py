"""From observations to the numbers a fit needs: what ended, what was cut short, what failed."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rpo_sim.distributions.likelihood import Durations, durations
from rpo_sim.distributions.size_fit import Transfers
from rpo_sim.errors import FitError
from rpo_sim.records import Observation, Outcome

_LARGEST_EXPANSION = 200_000  # rows: beyond it a histogram is not taken apart for a line through sizes


@dataclass(slots=True, kw_only=True)
class Sample:
    """What one group of observations says.

    Attributes
    ----------
    used : list of (Observation, lower, upper)
        The rows of the likelihood, bounds in seconds.
    n_succeeded, n_failed : int
    warnings : list of str
    """

    used: list[tuple[Observation, float, float]] = field(default_factory=list)
    n_succeeded: int = 0
    n_failed: int = 0
    warnings: list[str] = field(default_factory=list)

    def durations(self) -> Durations:
        """The rows, for the likelihood."""
        return durations(
            [(lower, upper) for _, lower, upper in self.used],
            count=[item.count for item, _, _ in self.used],
            entry=[item.entry_seconds for item, _, _ in self.used],
        )

    @property
    def n_censored(self) -> int:
        """Durations that had not ended."""
        return sum(item.count for item, _, upper in self.used if math.isinf(upper))

    @property
    def size_basis(self) -> str | None:
        """The size that every row carries: bytes moved if possible, else capacity; never a mixture."""
        for name in ("bytes_moved", "bytes_capacity"):
            if self.used and all(getattr(item, name) is not None for item, _, _ in self.used):
                return name
        return None

    def range_of(self, name: str | None) -> tuple[int, int] | None:
        """Smallest and largest of a field that every row carries."""
        values = [getattr(item, name) for item, _, _ in self.used] if name else []
        return (min(values), max(values)) if values and None not in values else None

    def transfers(self) -> Transfers | None:
        """The rows with size and concurrency, one per duration; None for a large histogram."""
        count = np.array([item.count for item, _, _ in self.used])
        if count.sum() > _LARGEST_EXPANSION:
            return None
        basis = self.size_basis
        columns = [
            (lower, upper, getattr(item, basis) if basis else 0, item.concurrency or 1)
            for item, lower, upper in self.used
        ]
        table = np.repeat(np.array(columns, dtype=float), count, axis=0)
        return Transfers(
            lower=table[:, 0], upper=table[:, 1], size_bytes=table[:, 2], concurrency=table[:, 3]
        )


def read_sample(observations: Sequence[Observation]) -> Sample:
    """Sort the observations of one group.

    Succeeded: its interval. Running, cancelled, timed out: right-censored at what it had lasted. Failed or
    partially failed: a failure, and its duration is not that of a success. Data that was read back wrong is a
    failure, whatever the operation reported.
    """
    sample = Sample()
    negative = wrong = 0
    for item in observations:
        corrupt = item.verified is False and item.outcome is Outcome.SUCCEEDED
        wrong += item.count if corrupt else 0
        failed = corrupt or item.outcome in (Outcome.FAILED, Outcome.PARTIALLY_FAILED)
        if item.upper_seconds < 0:
            negative += item.count
            continue
        sample.n_failed += item.count if failed else 0
        sample.n_succeeded += item.count if item.outcome is Outcome.SUCCEEDED and not corrupt else 0
        if failed and math.isfinite(item.upper_seconds):
            continue
        ended = item.outcome is Outcome.SUCCEEDED and not corrupt
        lower = max(item.lower_seconds, 0.0)
        upper = item.upper_seconds if ended else math.inf
        if lower > 0 or math.isfinite(upper):  # "longer than 0 s" says nothing
            sample.used.append((item, lower, upper))
    if negative:
        sample.warnings.append(
            f"{negative} negative durations left out: the clock stepped, or two clocks were used"
        )
    if wrong:
        sample.warnings.append(f"{wrong} restores gave wrong data: counted as failures")
    _widen_zeros(sample)
    return sample


def _widen_zeros(sample: Sample) -> None:
    """A duration of exactly 0 lies below the resolution of its clock: between 0 and the smallest one seen."""
    positive = [upper for _, _, upper in sample.used if 0 < upper < math.inf]
    zeros = sum(item.count for item, _, upper in sample.used if upper == 0)
    if not zeros:
        return
    if not positive:
        raise FitError(f"all {zeros} finished durations are 0 s: the clock is too coarse for this stage")
    least = min(positive)
    sample.used = [(item, lower, upper or least) for item, lower, upper in sample.used]
    sample.warnings.append(f"{zeros} durations of 0 s read as up to {least:g} s: the clock is too coarse")


def resolution(used: Iterable[tuple[Observation, float, float]]) -> float:
    """Median width of the finite intervals, in seconds."""
    widths = [upper - lower for _, lower, upper in used if math.isfinite(upper)]
    return float(np.median(widths)) if widths else 0.0
