"""What VMs compete for: slots, links and rate limits."""

from dataclasses import dataclass

from rpo_sim.model.plan.inputs import Input
from rpo_sim.results import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Slots that are held and given back; ``capacity`` at once, first come, first served.

    People come and go: ``shifts`` are (second of the day, capacity from then on), in order, or empty; then
    ``capacity`` is the most of them. Who holds a slot when a shift ends keeps it until he gives it back.
    """

    name: str
    capacity: int
    shifts: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutagePlan:
    """When a link stands still for copies: for `duration`, after ``up_seconds`` on average (exponential)."""

    up_seconds: float
    duration: Input


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlan:
    """A shared pipe in bytes per second, split by processor sharing with a cap per stream.

    Attributes
    ----------
    totals : tuple of float
        Where the throughput depends on the streams in flight: the total of k of them is ``totals[k - 1]``,
        of more than are listed the last; empty where it is ``bytes_per_second`` whatever k is.
    paced : bool
        No pipe but a stage whose jobs slow each other: what it moves are seconds of each job's duration
        when alone, at most one per second; `totals` are then seconds per second.
    measured : Input or None
        A measured curve, whose totals are drawn anew in each block (`totals` hold its best estimate).
    evidence : Evidence
        What the curve rests on.
    """

    name: str
    bytes_per_second: float
    per_stream: float
    totals: tuple[float, ...] = ()
    paced: bool = False
    measured: Input | None = None
    evidence: Evidence = Evidence.ASSUMED
    outages: OutagePlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPlan:
    """A token bucket: ``rate`` tokens per second, at most ``burst``; full at the start.

    Waits for its tokens are booked under ``evidence``: of rate, burst and what an operation costs together.
    ``tokens_spread`` are standard deviations of the logarithm of that cost, below and above it; 0 where it is
    stated.
    """

    name: str
    rate: float
    burst: float
    evidence: Evidence = Evidence.ASSUMED
    tokens_spread: tuple[float, float] = (0.0, 0.0)
