"""Recovery points: which exist at the failure, by the overlap policy, retention and what survives.

Time is measured from a common midnight, 0; schedules have run for ever. The failure strikes uniformly over
`CYCLE` of the longest period, those of calendar retention among them, so at any day of a week that is kept.
Each copy's history starts at a multiple of `CYCLE` of its own periods, at least `WARM_UP` periods (plus the
age of a corruption) earlier: patterns of skipped or queued runs that repeat after up to twelve periods are
thereby seen at every phase.

Without slots a recursion over due times gives the points; with slots an engine does, from the same draws.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ModelError
from rpo_sim.model.block import BlockDraws, BoolArray, mean_seconds
from rpo_sim.model.plan import CopyPlan, Plan

CYCLE = 12  # a multiple of 2, 3 and 4: deterministic overload patterns repeat within it
WARM_UP = 20  # periods
MOST_DUES = 100_000  # per VM and copy: beyond, the scenario asks for years of minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """All due runs of one copy in a block, before the overlap policy.

    Attributes
    ----------
    due : ndarray, shape (dues, runs, VMs), float seconds
        When each is due; inf where a run's history has not begun yet. For back-to-back only the first
        counts.
    busy : ndarray, same shape, float seconds
        How long it works, failed attempts and retries included.
    cut_delay : ndarray, same shape, float seconds
        From its start to the cut of the attempt that succeeded; inf where none did.
    lag : ndarray, shape (runs, VMs), float seconds
    """

    due: FloatArray
    busy: FloatArray
    cut_delay: FloatArray
    lag: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Recovery points of one copy; shape (dues, runs, VMs), float seconds; inf where there is none."""

    cut_at: FloatArray
    available_at: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """When the failure strikes and from when on the data is bad; shape (runs,), float seconds."""

    failed_at: FloatArray
    onset_at: FloatArray
    corrupt: bool


SlotEngine = Callable[[Plan, "list[tuple[CopyPlan, Attempts]]"], "list[Points]"]


def period(copy: CopyPlan) -> float:
    """Seconds between due runs; for back-to-back the mean duration of a run."""
    if copy.every is not None:
        return copy.every
    nominal = mean_seconds(copy.duration.drawn(None)[0])
    if not 0 < nominal < math.inf:
        raise ModelError(f"copy {copy.name}: back-to-back needs a finite mean duration above 0 s")
    return nominal


def strike(plan: Plan, block: BlockDraws) -> Incident:
    """The failure of each run: uniform over the cycle; a corruption began its age earlier."""
    periods = [period(copy) for copy in plan.copies]
    corrupt = plan.failure.age is not None
    if corrupt:  # which day of a week or month it is decides what calendar retention has kept
        periods += [every for copy in plan.copies for every, _ in copy.calendar]
    failed_at = block.uniforms("phase", "failure", "", 1)[:, 0] * CYCLE * max(periods, default=0.0)
    age = block.single("failure.age", plan.failure.age)
    return Incident(failed_at=failed_at, onset_at=failed_at - age, corrupt=corrupt)


def attempts(copy: CopyPlan, block: BlockDraws, incident: Incident) -> Attempts:
    """Draw every due run of a copy between the start of its history and the failure.

    Draws are counted back from the failure, so that a longer history moves no earlier draw.
    """
    every = period(copy)
    reach = incident.failed_at - incident.onset_at + _calendar_reach(copy, incident)
    last = np.floor((incident.failed_at - copy.offset) / every)
    first = CYCLE * np.floor((last - WARM_UP - np.ceil(reach / every)) / CYCLE)
    dues = int((last - first).max()) + 1
    if dues > MOST_DUES:
        raise ModelError(
            f"copy {copy.name}: {dues} due runs per VM lie between the start of its history and the "
            "failure; lengthen `every` or bound the age of the corruption"
        )
    phase = block.vm_uniforms("stagger", copy.name) * every if copy.stagger else np.zeros((1, 1))
    lag = block.per_vm("lag", copy.name, copy.lag, 0)
    if copy.every is None:
        start = (copy.offset + first * every)[:, None] + phase
        return _back_to_back(copy, block, np.broadcast_to(start, lag.shape), incident, lag)
    index = last - np.arange(dues)[::-1, None]
    due = copy.offset + index[:, :, None] * every + phase
    due = np.where(index[:, :, None] >= first[:, None], due, np.inf)
    runs = [_run(copy, block, j) for j in reversed(range(dues))]
    busy, cut_delay = (np.stack(part) for part in zip(*runs, strict=True))
    return Attempts(due=np.broadcast_to(due, busy.shape), busy=busy, cut_delay=cut_delay, lag=lag)


def _calendar_reach(copy: CopyPlan, incident: Incident) -> float:
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


def _run(copy: CopyPlan, block: BlockDraws, number: int) -> tuple[FloatArray, FloatArray]:
    """One due run: seconds it works, and from its start to the cut that succeeded (inf if none)."""
    tries = copy.retries + 1
    busy = np.zeros((len(block.runs), block.plan.n_vms))
    cut_delay = np.full_like(busy, np.inf)
    trying = np.ones(busy.shape, dtype=np.bool_)
    for attempt in range(number * tries, (number + 1) * tries):
        seconds = block.copy_seconds(copy, attempt)
        ok = trying & (seconds <= copy.timeout) & block.copy_succeeds(copy, attempt)
        cut_delay = np.where(ok, busy, cut_delay)
        busy = busy + np.where(trying, np.minimum(seconds, copy.timeout), 0.0)
        trying = trying & ~ok
        if not trying.any():
            break
    return busy, cut_delay


def without_slots(copy: CopyPlan, runs: Attempts) -> Points:
    """The points of a copy that waits for nobody: a recursion over due times, all VMs at once."""
    start, cancelled = _STARTS["allow" if copy.every is None else copy.overlap](runs)
    end = start + runs.busy
    made = np.isfinite(start) & np.isfinite(runs.cut_delay) & ~cancelled
    first_cut_at = runs.due if copy.cut_before_slot else start
    cut_at = np.where(runs.cut_delay == 0, first_cut_at, start + runs.cut_delay)
    cut_at = np.where(made, cut_at, np.inf)
    return Points(cut_at=cut_at, available_at=np.where(made, end + runs.lag, np.inf))


def _allow(runs: Attempts) -> tuple[FloatArray, BoolArray]:
    return runs.due, np.zeros(runs.due.shape, dtype=np.bool_)


def _replace(runs: Attempts) -> tuple[FloatArray, BoolArray]:
    """A run still working when the next is due is cancelled."""
    following = np.concatenate([runs.due[1:], np.full_like(runs.due[:1], np.inf)])
    return runs.due, runs.due + runs.busy > following


def _one_after_the_other(
    runs: Attempts, begin: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
) -> tuple[FloatArray, BoolArray]:
    """Starts under a policy ``begin(due, start of the last run, end of the last run)``, inf to drop it.

    A run that ends at the instant when the next is due has ended: it does not hold that one up.
    """
    last_start = np.full(runs.due.shape[1:], -np.inf)
    last_end = last_start.copy()
    start = np.full(runs.due.shape, np.inf)
    for j, due in enumerate(runs.due):
        start[j] = np.where(np.isfinite(due), begin(due, last_start, last_end), np.inf)
        started = np.isfinite(start[j])
        last_start = np.where(started, start[j], last_start)
        last_end = np.where(started, start[j] + runs.busy[j], last_end)
    return start, np.zeros(start.shape, dtype=np.bool_)


def _skip(runs: Attempts) -> tuple[FloatArray, BoolArray]:
    return _one_after_the_other(runs, lambda due, _, end: np.where(due >= end, due, np.inf))


def _queue(runs: Attempts) -> tuple[FloatArray, BoolArray]:
    return _one_after_the_other(runs, lambda due, _, end: np.maximum(due, end))


def _coalesce(runs: Attempts) -> tuple[FloatArray, BoolArray]:
    """One run may wait for the end of the running one; while it waits, further due runs are dropped."""
    return _one_after_the_other(
        runs, lambda due, start, end: np.where(due >= start, np.maximum(due, end), np.inf)
    )


_STARTS = {"allow": _allow, "skip": _skip, "queue": _queue, "coalesce": _coalesce, "replace": _replace}


def newest_usable(copy: CopyPlan, points: Points, incident: Incident) -> FloatArray:
    """The cut of the newest point that can be restored, shape (runs, VMs); -inf where none is.

    Usable: available by the failure, cut before the onset of a corruption, not expired, and the copy
    survives the failure.
    """
    failed = incident.failed_at[:, None]
    if not copy.survives:
        return np.full(points.cut_at.shape[1:], -np.inf)
    held = _retained(copy, np.where(points.available_at <= failed, points.cut_at, -np.inf), failed)
    usable = held & (points.cut_at < incident.onset_at[:, None] if incident.corrupt else True)
    newest: FloatArray = np.where(usable, points.cut_at, -np.inf).max(axis=0, initial=-np.inf)
    return newest


def _retained(copy: CopyPlan, cut_at: FloatArray, failed: FloatArray) -> BoolArray:
    """Which of the available points (others are -inf) retention has kept until the failure."""
    here = np.isfinite(cut_at)
    if copy.keep_count is not None:
        # The oldest goes when one more arrives, so what is left are the newest cuts.
        if len(cut_at) <= copy.keep_count:
            return here
        oldest_kept = np.partition(cut_at, -copy.keep_count, axis=0)[-copy.keep_count]
        newest: BoolArray = cut_at >= oldest_kept
        return here & newest
    if copy.keep_seconds is not None:
        young: BoolArray = cut_at + copy.keep_seconds > failed
        return here & young
    kept = np.zeros(cut_at.shape, dtype=np.bool_)
    for every, count in copy.calendar:
        bucket = np.floor(np.where(here, cut_at, 0.0) / every)
        last = here & ~_followed(bucket, here, cut_at)
        kept |= last & (bucket > np.floor(failed / every) - count)
    return kept


def _followed(bucket: FloatArray, here: BoolArray, cut_at: FloatArray) -> BoolArray:
    """Whether a newer point stands in the same calendar bucket: the newest is the one that is kept."""
    order = np.argsort(np.where(here, cut_at, np.inf), axis=0, kind="stable")
    ordered = np.take_along_axis(np.where(here, bucket, np.inf), order, axis=0)
    again = np.zeros(bucket.shape, dtype=np.bool_)
    again[:-1] = ordered[1:] == ordered[:-1]
    followed = np.empty_like(again)
    np.put_along_axis(followed, order, again, axis=0)
    return followed


def recovery_points(plan: Plan, block: BlockDraws, incident: Incident, engine: SlotEngine) -> FloatArray:
    """The newest usable cut of every copy, shape (copies, runs, VMs); -inf where none is usable.

    Copies that share a pool of slots are simulated together by the engine; a pool with a slot for every
    job that could ever ask keeps nobody waiting and needs no simulation.
    """
    newest = np.full((len(plan.copies), len(block.runs), plan.n_vms), -np.inf)
    contended: dict[int, list[int]] = {}
    for c, copy in enumerate(plan.copies):
        if copy.pool is not None:
            contended.setdefault(copy.pool, []).append(c)
            continue
        newest[c] = _newest_without_slots(copy, block, incident)
    for members in contended.values():
        jobs = [(plan.copies[c], attempts(plan.copies[c], block, incident)) for c in members]
        for c, points in zip(members, engine(plan, jobs), strict=True):
            newest[c] = newest_usable(plan.copies[c], points, incident)
    return newest


def _newest_without_slots(copy: CopyPlan, block: BlockDraws, incident: Incident) -> FloatArray:
    """The newest usable cut of a copy that waits for nobody; found once per group where its VMs are alike."""
    fixed = block.is_fixed(copy.duration) and block.is_fixed(copy.lag)
    alike = fixed and copy.success is None and not copy.stagger
    block_ = block.one_per_group() if alike else block
    found = newest_usable(copy, without_slots(copy, attempts(copy, block_, incident)), incident)
    return np.repeat(found, [group.count for group in block.plan.groups], axis=1) if alike else found
