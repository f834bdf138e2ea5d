"""When a link was up: during an outage nothing moves, and what has gathered goes afterwards."""

import bisect
import math

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.base import Distribution, FloatArray, sample
from rpo_sim.errors import ModelError
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.plan import CopyPlan, LinkPlan, OutagePlan, Plan

_LONG = 0.999  # quantile of an outage within whose reach the warm-up must lie
_EVER = 1e12  # seconds: before and after what was drawn, the link is up
_GRID = (np.arange(4096) + 0.5) / 4096


class LinkClock:
    """The time that a link has been up: a transfer needs so many seconds of it.

    Outages are drawn back from the failure of each run: an alternating renewal process in its steady state,
    up times exponential. The state at the failure and the age of an outage then in progress are those seen
    at a random moment (long outages weigh more). As it looks the same in reverse, a longer history moves
    no earlier draw.
    """

    def __init__(self, link: LinkPlan, block: BlockDraws, failed_at: FloatArray, reach: float) -> None:
        assert link.outages is not None, "made for links with outages only"
        duration = block.distribution(link.outages.duration)
        n = 64
        while True:
            u = block.uniforms("outage", link.name, "", n)
            rows = [_outages(link.outages, duration, row) for row in u]
            if all(ages[-1] > reach for ages, _ in rows):
                break
            n *= 2
        width = max(len(ages) for ages, _ in rows)
        self._times = np.full((len(rows), width + 2), np.inf)  # when the state changed, ascending
        self._ups = self._times.copy()  # the up time then, 0 at the failure
        for row, (at, (ages, down)) in enumerate(zip(failed_at.tolist(), rows, strict=True)):
            ups = np.concatenate([[0.0], np.cumsum(np.where(down, 0.0, np.diff(ages)))])
            self._times[row, : len(ages) + 2] = [at - ages[-1] - _EVER, *(at - ages[::-1]), at + _EVER]
            self._ups[row, : len(ages) + 2] = [-ups[-1] - _EVER, *-ups[::-1], _EVER]

    def known_since(self) -> float:
        """From when on outages were drawn, in every run (seconds)."""
        return float(self._times[:, 1].max())

    def up_at(self, now: FloatArray) -> FloatArray:
        """Seconds of up time, counted from the failure; shapes (runs, n)."""
        at = (self._times[:, None] <= now[:, :, None]).sum(axis=2) - 1
        since, up, next_up = (_of_rows(table, at) for table in (self._times, self._ups, self._ups[:, 1:]))
        stands: FloatArray = np.where(next_up > up, up + (now - since), up)
        return stands

    def when(self, up: FloatArray) -> FloatArray:
        """The first moment at which the link has been up so long; shapes (runs, n)."""
        at = (self._ups[:, None] < up[:, :, None]).sum(axis=2) - 1
        return _of_rows(self._times, at) + (up - _of_rows(self._ups, at))

    def of_run(self, row: int) -> "RunClock":
        """The same for one run of the block alone."""
        return RunClock(self._times[row].tolist(), self._ups[row].tolist())

    def tables(self) -> tuple[FloatArray, FloatArray]:
        """When the state changed, ascending, and the up time then, for a kernel; shapes (runs, changes)."""
        return self._times, self._ups

    def finish(self, start: FloatArray, seconds: FloatArray) -> FloatArray:
        """When transfers end that need so many seconds of the link; shapes (runs, VMs)."""
        moves = np.isfinite(start) & (seconds > 0)
        end = self.when(self.up_at(np.where(moves, start, 0.0)) + seconds)
        return np.where(moves, end, start)


class RunClock:
    """`LinkClock` of one run, one moment at a time, for an engine of events."""

    def __init__(self, times: list[float], ups: list[float]) -> None:
        self._times, self._ups = times, ups

    def up_at(self, now: float) -> float:
        """Seconds of up time, counted from the failure."""
        at = bisect.bisect_right(self._times, now) - 1
        up = self._ups[at]
        return up + (now - self._times[at]) if self._ups[at + 1] > up else up

    def when(self, up: float) -> float:
        """The first moment at which the link has been up so long."""
        at = bisect.bisect_left(self._ups, up) - 1
        return self._times[at] + (up - self._ups[at])


def _of_rows(table: FloatArray, at: npt.NDArray[np.intp]) -> FloatArray:
    return np.take_along_axis(table, at, axis=1)


def _outages(plan: OutagePlan, duration: Distribution, u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ages at which the state of the link changed, from 0 on.

    ``down[k]`` says whether it was down between ``ages[k]`` and ``ages[k + 1]``.
    """
    lengths = duration.ppf(_GRID)
    mean = float(lengths.mean())
    is_down = u[0] < mean / (mean + plan.up_seconds)
    weights = np.cumsum(lengths)
    seen = lengths[min(int(np.searchsorted(weights, u[1] * weights[-1])), len(lengths) - 1)]
    ups = -plan.up_seconds * np.log(u[3::2])
    downs = sample(duration, u[4::2])
    stretches = np.empty(len(ups) + len(downs))
    stretches[0::2], stretches[1::2] = ups, downs
    first = [seen * u[2]] if is_down else []
    stretches = np.concatenate([first, stretches])
    down = (np.arange(len(stretches)) % 2 == 0) == is_down
    ages = np.concatenate([[0.0], np.cumsum(stretches)])
    return ages, down


def outage_reach(plan: Plan, copy: CopyPlan) -> float:
    """How much longer a history must be for its copy to have caught up with earlier outages (seconds)."""
    link = plan.links[copy.transfer.link] if copy.transfer is not None else None
    if link is None or link.outages is None:
        return 0.0
    longest = float(link.outages.duration.drawn(None)[0].ppf(np.array([_LONG]))[0])
    if not math.isfinite(longest):
        raise ModelError(
            f"link {link.name}: some of its outages were never seen to end; state an `assumed` duration"
        )
    return 1.5 * longest
