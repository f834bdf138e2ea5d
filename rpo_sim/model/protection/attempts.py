"""The due runs of a copy, drawn from the start of its history to the failure."""

import functools
import math
from fractions import Fraction

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ModelError
from rpo_sim.model.block import BlockDraws, BoolArray
from rpo_sim.model.plan import CopyPlan
from rpo_sim.model.protection.incident import CYCLE, Incident, period
from rpo_sim.model.protection.link_clock import LinkClock, outage_reach
from rpo_sim.model.protection.records import Attempts
from rpo_sim.model.protection.transfers import moved_bytes

WARM_UP = 20  # periods
_LONG = 0.999  # quantile of a run that must have ended within the history
_MIDDLE = np.array([0.5])
_HAIR = 1e-9
_IMPOSSIBLE = 1e-9
_LONGEST_PATTERN = 1000  # periods; a longer one is met nearly evenly
MOST_DUES = 100_000  # per VM and copy: beyond, the scenario asks for years of minutes


def attempts(
    copy: CopyPlan, block: BlockDraws, incident: Incident, since: FloatArray | None = None
) -> Attempts:
    """Draw every due run of a copy between the start of its history and the failure.

    Draws are counted back from the failure, so that a longer history moves no earlier draw. Who copies from
    this copy may ask what it held ``since`` some moment (float seconds, one per run) before the failure.
    """
    every = period(copy)
    reach = incident.failed_at - incident.onset_at + calendar_reach(copy, incident)
    if since is not None:
        reach = np.maximum(reach, incident.failed_at - since)
    cycle = copy.cycle.runs if copy.cycle is not None else 1
    fails = copy.success is not None or copy.timeout < np.inf
    fulls = WARM_UP if fails else 1  # so many must lie in the history, or a chain of misses has no begin
    reach = reach + copy.hold + (cycle - 1) * fulls * every + outage_reach(block.plan, copy)
    lag = block.per_vm("lag", copy.name, copy.lag, 0)
    late = lag.max(axis=1, initial=0.0) + 2 * _longest_run(copy, block)  # the one before may still work
    late = late + _misses(copy) * every
    reach = reach + np.maximum(late - WARM_UP / 2 * every, 0.0)
    last = np.floor((incident.failed_at - copy.offset) / every)
    first = CYCLE * np.floor((last - WARM_UP - np.ceil(reach / every)) / CYCLE)
    first -= _earlier(copy, block)
    dues = int((last - first).max()) + 1
    if dues > MOST_DUES:
        raise ModelError(
            f"copy {copy.name}: {dues} due runs per VM lie between the start of its history and the "
            "failure; lengthen `every` or bound the age of the corruption"
        )
    phase = block.vm_uniforms("stagger", copy.name) * every if copy.stagger else np.zeros((1, 1))
    clock = _clock(copy, block, incident, reach + (WARM_UP + 2 * CYCLE) * every)
    if copy.every is None:
        start = np.broadcast_to((copy.offset + first * every)[:, None] + phase, lag.shape)
        if copy.transfer is not None:
            return _sent_on(copy, block, start, incident, lag, clock)
        return _back_to_back(copy, block, start, incident, lag)
    index = last - np.arange(dues)[::-1, None]
    due = copy.offset + index[:, :, None] * every + phase
    due = np.where(index[:, :, None] >= first[:, None], due, np.inf)
    full = None if copy.cycle is None else index % cycle == 0
    if full is None and copy.success is None and block.is_fixed(copy.duration):
        one = _run(copy, block, 0)  # whatever is drawn
        busy, cut_delay = (np.broadcast_to(part, (dues, *part.shape)) for part in one)
    else:
        runs = [_run(copy, block, j, None if full is None else full[-1 - j]) for j in reversed(range(dues))]
        busy, cut_delay = (np.stack(part) for part in zip(*runs, strict=True))
    return Attempts(
        due=np.broadcast_to(due + copy.hold, busy.shape),
        busy=busy,
        cut_delay=cut_delay,
        lag=lag,
        full=full,
        clock=clock,
    )


def _clock(copy: CopyPlan, block: BlockDraws, incident: Incident, reach: FloatArray) -> LinkClock | None:
    """When the link of a copy was up, as far back as its history goes; None where it always was."""
    link = block.plan.links[copy.transfer.link] if copy.transfer is not None else None
    if link is None or link.outages is None:
        return None
    return LinkClock(link, block, incident.failed_at, float(reach.max()))


def _misses(copy: CopyPlan) -> float:
    """How many runs may fail one after the other before that is as good as impossible."""
    fails = 0.0 if copy.success is None else (1 - copy.success.probability) ** (copy.retries + 1)
    return min(math.log(_IMPOSSIBLE) / math.log(fails), _LONGEST_PATTERN) if 0 < fails < 1 else 0.0


def _earlier(copy: CopyPlan, block: BlockDraws) -> FloatArray:
    """By how many periods more each run's history begins, so that the failure finds any phase of a pattern.

    Where every run outlasts its interval, those that start are as far apart as the first of the history
    says: the failure, uniform over `CYCLE` periods, meets a pattern evenly that repeats within it, no other.
    """
    none = np.zeros(len(block.runs))
    if copy.every is None or copy.overlap not in ("skip", "coalesce") or not block.is_fixed(copy.duration):
        return none
    kinds = [_longest_run(copy, block)] if copy.transfer else copy.duration.undrawn
    lasting = {each if isinstance(each, float) else float(each.ppf(_MIDDLE)[0]) for each in kinds}
    pattern = math.lcm(*(_pattern(copy.overlap, seconds / copy.every) for seconds in lasting))
    if CYCLE % pattern == 0:
        return none
    pattern = min(pattern, _LONGEST_PATTERN)
    return np.floor(block.uniforms("history", copy.name, "", 1)[:, 0] * pattern)


def _pattern(overlap: str, ratio: float) -> int:
    """After how many periods it repeats which runs start, where each takes ``ratio`` periods."""
    if ratio <= 1:
        return 1
    if overlap == "skip":
        return math.ceil(ratio * (1 - _HAIR))
    return Fraction(ratio).limit_denominator(100).numerator  # one always waits: they follow each other


def _longest_run(copy: CopyPlan, block: BlockDraws) -> float:
    """About as long as a run ever takes that has all that it needs for itself (seconds)."""
    if copy.transfer is not None:
        plan, transfer = block.plan, copy.transfer
        window = np.full((1, plan.n_vms), period(copy))
        fulls = (None,) if copy.cycle is None else (None, np.array([True]))
        bytes_ = max(float(moved_bytes(plan, transfer, window, full).max(initial=0.0)) for full in fulls)
        link = plan.links[transfer.link]
        return min(bytes_ / min(link.per_stream, link.bytes_per_second), copy.timeout)
    items = [copy.duration, *([copy.cycle.duration] if copy.cycle and copy.cycle.duration else [])]
    ends = [float(kind.ppf(np.array([_LONG]))[0]) for item in items for kind in item.undrawn]
    longest = min(max(ends), copy.timeout) * (copy.retries + 1)
    return longest if math.isfinite(longest) else 0.0


def calendar_reach(copy: CopyPlan, incident: Incident) -> float:
    """How far back calendar retention must see whole buckets; after a loss the newest point is enough."""
    return 2 * max((every for every, _ in copy.calendar), default=0.0) if incident.corrupt else 0.0


def _back_to_back(
    copy: CopyPlan, block: BlockDraws, start: FloatArray, incident: Incident, lag: FloatArray
) -> Attempts:
    """Runs that follow each other, from the start of the history until past the failure."""
    due, runs = [start], [_run(copy, block, 0)]
    while (due[-1] + runs[-1][0] <= incident.failed_at[:, None]).any():
        due.append(due[-1] + runs[-1][0])
        runs.append(_run(copy, block, len(runs)))
        if len(runs) > MOST_DUES:
            raise ModelError(f"copy {copy.name}: back-to-back runs of 0 s never reach the failure")
    busy, cut_delay = (np.stack(part) for part in zip(*runs, strict=True))
    return Attempts(due=np.stack(due), busy=busy, cut_delay=cut_delay, lag=lag)


def _sent_on(
    copy: CopyPlan,
    block: BlockDraws,
    start: FloatArray,
    incident: Incident,
    lag: FloatArray,
    clock: LinkClock | None,
) -> Attempts:
    """Transfers that follow each other: how many there are depends on how long each takes."""
    one = (1, *lag.shape)
    return Attempts(
        due=np.broadcast_to(start + copy.hold, one),
        busy=np.zeros(one),
        cut_delay=np.zeros(one),
        lag=lag,
        until=incident.failed_at,
        more=functools.cache(lambda number: block.copy_succeeds(copy, number)),
        clock=clock,
    )


def _run(
    copy: CopyPlan, block: BlockDraws, number: int, full: BoolArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """One due run: seconds it works, and from its start to the cut that succeeded (inf if none).

    ``full`` says in which runs of the block it is the full of a cycle.
    """

    def attempted(attempt: int) -> FloatArray:
        seconds = block.copy_seconds(copy, attempt)
        if full is None or copy.cycle is None or copy.cycle.duration is None:
            return seconds
        return np.where(full[:, None], block.full_seconds(copy, attempt), seconds)

    tries = copy.retries + 1
    busy = np.zeros((len(block.runs), block.plan.n_vms))
    if copy.success is None and copy.timeout == np.inf:  # the first attempt succeeds
        return attempted(number * tries), busy
    cut_delay = np.full_like(busy, np.inf)
    trying = np.ones(busy.shape, dtype=np.bool_)
    for attempt in range(number * tries, (number + 1) * tries):
        seconds = attempted(attempt)
        ok = trying & (seconds <= copy.timeout) & block.copy_succeeds(copy, attempt)
        cut_delay = np.where(ok, busy, cut_delay)
        busy = busy + np.where(trying, np.minimum(seconds, copy.timeout), 0.0)
        trying = trying & ~ok
        if not trying.any():
            break
    return busy, cut_delay
