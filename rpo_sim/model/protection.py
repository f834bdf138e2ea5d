"""Recovery points: which exist at the failure, by the overlap policy, retention and what survives.

Time is measured from a common midnight, 0; schedules have run for ever. The failure strikes uniformly over
`CYCLE` of the longest period, those of calendar retention among them, so at any day of a week that is kept.
Each copy's history starts at a multiple of `CYCLE` of its own periods, at least `WARM_UP` periods (plus the
age of a corruption) earlier: patterns of skipped or queued runs that repeat after up to twelve periods are
thereby seen at every phase.

Without slots a recursion over due times gives the points; with slots an engine does, from the same draws.
Copies of copies, fulls with incrementals and VMs cut together then are a matter of `levels`.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ModelError
from rpo_sim.model.block import BlockDraws, BoolArray, mean_seconds
from rpo_sim.model.chains import chain_bytes
from rpo_sim.model.levels import asked_since, chained, cut_together, inherited
from rpo_sim.model.overlap import BEGIN, STARTS
from rpo_sim.model.plan import CopyPlan, Plan
from rpo_sim.model.replication import LinkClock, outage_reach, transferred
from rpo_sim.model.retention import retained
from rpo_sim.model.time_of_day import DAY_SECONDS, at_its_time_of_day, knows_the_time

CYCLE = 12  # a multiple of 2, 3 and 4: deterministic overload patterns repeat within it
WARM_UP = 20  # periods
MOST_DUES = 100_000  # per VM and copy: beyond, the scenario asks for years of minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """All due runs of one copy in a block, before the overlap policy.

    Attributes
    ----------
    due : ndarray, shape (dues, runs, VMs), float seconds
        When each is due, after its hold; inf where a run's history has not begun yet. For back-to-back
        only the first counts.
    busy : ndarray, same shape, float seconds
        How long it works, failed attempts and retries included.
    cut_delay : ndarray, same shape, float seconds
        From its start to the cut of the attempt that succeeded; inf where none did.
    lag : ndarray, shape (runs, VMs), float seconds
        How much later than its end each point is usable: drawn once per VM and incident, not once per
        point, so that a slow path stays slow and no point overtakes an older one.
    full : ndarray of bool, shape (dues, runs), or None
        Which are fulls of a cycle.
    until : ndarray, shape (runs,), float seconds, or None
        The failure: back-to-back transfers go on until then.
    more : callable or None
        Whether each VM's run of a number succeeds, where there is no telling how many there will be.
    clock : LinkClock or None
        When the link of its transfers was up, if not always.
    """

    due: FloatArray
    busy: FloatArray
    cut_delay: FloatArray
    lag: FloatArray
    full: BoolArray | None = None
    until: FloatArray | None = None
    more: Callable[[int], BoolArray] | None = None
    clock: LinkClock | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Recovery points of one copy; shape (dues, runs, VMs), float seconds; inf where there is none.

    ``root_at`` is the cut of the full that a point needs, ``chain_bytes`` what must be read to reach it; None
    where each stands alone, and where no stage asks.
    """

    cut_at: FloatArray
    available_at: FloatArray
    root_at: FloatArray | None = None
    chain_bytes: FloatArray | None = None


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
    if copy.transfer is not None:
        return copy.transfer.settled_seconds
    nominal = mean_seconds(copy.duration.drawn(None)[0])
    if not 0 < nominal < math.inf:
        raise ModelError(f"copy {copy.name}: back-to-back needs a finite mean duration above 0 s")
    return nominal


def strike(plan: Plan, block: BlockDraws) -> Incident:
    """The failure of each run: uniform over the cycle; a corruption began its age earlier."""
    scheduled = [copy for copy in plan.copies if not copy.synchronous]
    periods = [period(copy) * (copy.cycle.runs if copy.cycle else 1) for copy in scheduled]
    corrupt = plan.failure.age is not None
    if corrupt:  # which day of a week or month it is decides what calendar retention has kept
        periods += [every for copy in plan.copies for every, _ in copy.calendar]
    if knows_the_time(plan):
        periods.append(DAY_SECONDS)
    failed_at = block.uniforms("phase", "failure", "", 1)[:, 0] * CYCLE * max(periods, default=0.0)
    failed_at = at_its_time_of_day(plan, block, failed_at)
    age = block.single("failure.age", plan.failure.age)
    return Incident(failed_at=failed_at, onset_at=failed_at - age, corrupt=corrupt)


def attempts(
    copy: CopyPlan, block: BlockDraws, incident: Incident, since: FloatArray | None = None
) -> Attempts:
    """Draw every due run of a copy between the start of its history and the failure.

    Draws are counted back from the failure, so that a longer history moves no earlier draw. Who copies from
    this copy may ask what it held ``since`` some moment (float seconds, one per run) before the failure.
    """
    every = period(copy)
    reach = incident.failed_at - incident.onset_at + _calendar_reach(copy, incident)
    if since is not None:
        reach = np.maximum(reach, incident.failed_at - since)
    cycle = copy.cycle.runs if copy.cycle is not None else 1
    fails = copy.success is not None or copy.timeout < np.inf
    fulls = WARM_UP if fails else 1  # so many must lie in the history, or a chain of misses has no begin
    reach = reach + copy.hold + (cycle - 1) * fulls * every + outage_reach(block.plan, copy)
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
    clock = _clock(copy, block, incident, float((reach + (WARM_UP + 2 * CYCLE) * every).max()))
    if copy.every is None:
        start = np.broadcast_to((copy.offset + first * every)[:, None] + phase, lag.shape)
        if copy.transfer is not None:
            return _sent_on(copy, block, start, incident, lag, clock)
        return _back_to_back(copy, block, start, incident, lag)
    index = last - np.arange(dues)[::-1, None]
    due = copy.offset + index[:, :, None] * every + phase
    due = np.where(index[:, :, None] >= first[:, None], due, np.inf)
    full = None if copy.cycle is None else index % cycle == 0
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


def _clock(copy: CopyPlan, block: BlockDraws, incident: Incident, reach: float) -> LinkClock | None:
    """When the link of a copy was up, as far back as its history goes; None where it always was."""
    link = block.plan.links[copy.transfer.link] if copy.transfer is not None else None
    return LinkClock(link, block, incident.failed_at, reach) if link and link.outages else None


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
    tries = copy.retries + 1
    busy = np.zeros((len(block.runs), block.plan.n_vms))
    cut_delay = np.full_like(busy, np.inf)
    trying = np.ones(busy.shape, dtype=np.bool_)
    for attempt in range(number * tries, (number + 1) * tries):
        seconds = block.copy_seconds(copy, attempt)
        if full is not None and copy.cycle is not None and copy.cycle.duration is not None:
            seconds = np.where(full[:, None], block.full_seconds(copy, attempt), seconds)
        ok = trying & (seconds <= copy.timeout) & block.copy_succeeds(copy, attempt)
        cut_delay = np.where(ok, busy, cut_delay)
        busy = busy + np.where(trying, np.minimum(seconds, copy.timeout), 0.0)
        trying = trying & ~ok
        if not trying.any():
            break
    return busy, cut_delay


def without_slots(copy: CopyPlan, runs: Attempts) -> Points:
    """The points of a copy that waits for nobody: a recursion over due times, all VMs at once.

    For a copy of a copy the cut is when it took what its source held.
    """
    start, cancelled = STARTS["allow" if copy.every is None else copy.overlap](runs)
    end = start + runs.busy
    made = np.isfinite(start) & np.isfinite(runs.cut_delay) & ~cancelled
    first_cut_at = runs.due if copy.cut_before_slot else start
    cut_at = np.where(runs.cut_delay == 0, first_cut_at, start + runs.cut_delay)
    if copy.hold:  # cut when due; what is sent again is what was held
        cut_at = runs.due - copy.hold
    cut_at = np.where(made, cut_at, np.inf)
    return Points(cut_at=cut_at, available_at=np.where(made, end + runs.lag, np.inf))


def newest_usable(copy: CopyPlan, points: Points, incident: Incident) -> FloatArray:
    """The cut of the newest point that can be restored, shape (runs, VMs); -inf where none is.

    Usable: available by the failure, cut before the onset of a corruption, not expired, and the copy
    survives the failure.
    """
    newest: FloatArray = _usable_cuts(copy, points, incident).max(axis=0, initial=-np.inf)
    return newest


def newest_chain(copy: CopyPlan, points: Points, incident: Incident) -> FloatArray:
    """What must be read to reach the newest usable point, bytes, shape (runs, VMs); 0 where none is."""
    assert points.chain_bytes is not None, "asked where a stage asks"
    cuts = _usable_cuts(copy, points, incident)
    which = cuts.argmax(axis=0)[None]
    found = np.take_along_axis(points.chain_bytes, which, axis=0)[0]
    return np.where(np.isfinite(cuts.max(axis=0)), found, 0.0)


def _usable_cuts(copy: CopyPlan, points: Points, incident: Incident) -> FloatArray:
    """Cuts of the points that can be restored, -inf for the others, shape (dues, runs, VMs)."""
    usable = held(copy, points, incident)
    if incident.corrupt:
        usable = usable & (points.cut_at < incident.onset_at[:, None])
    return np.where(usable, points.cut_at, -np.inf)


def held(copy: CopyPlan, points: Points, incident: Incident) -> BoolArray:
    """Which points are there after the failure, clean or not: available, not expired, and surviving."""
    failed = incident.failed_at[:, None]
    if not copy.survives:
        return np.zeros(points.cut_at.shape, dtype=np.bool_)
    there = retained(copy, np.where(points.available_at <= failed, points.cut_at, -np.inf), failed)
    if copy.locked_seconds is not None:  # what is deleted takes with it what needs it
        needs = points.cut_at if points.root_at is None else points.root_at
        there = there & (needs + copy.locked_seconds > failed)
    return there


def recovery_points(
    plan: Plan,
    block: BlockDraws,
    incident: Incident,
    engine: SlotEngine,
    look: Callable[[int, Points], None] | None = None,
) -> FloatArray:
    """The newest usable cut of every copy, shape (copies, runs, VMs); -inf where none is usable.

    Copies that share a pool of slots or a link are simulated together by the engine; a pool with a slot
    for every job that could ever ask keeps nobody waiting and needs no simulation. ``look`` is shown all
    points of each copy; one that is synchronous has none.
    """
    newest = np.full((len(plan.copies), len(block.runs), plan.n_vms), -np.inf)
    histories = _Histories(plan, block, incident, engine)
    for c, copy in enumerate(plan.copies):
        if copy.synchronous:
            if copy.survives and not incident.corrupt:  # it has every write, the bad ones too
                newest[c] = incident.failed_at[:, None]
        elif look is None and plan.stands_alone(c) and _alike(copy, block):
            one = block.one_per_group()
            found = newest_usable(copy, without_slots(copy, attempts(copy, one, incident)), incident)
            newest[c] = np.repeat(found, [group.count for group in plan.groups], axis=1)
        else:
            points = histories.points(c)
            newest[c] = newest_usable(copy, points, incident)
            if look is not None:
                look(c, points)
    return newest


def _alike(copy: CopyPlan, block: BlockDraws) -> bool:
    """Whether all VMs of a group have the same points."""
    fixed = block.is_fixed(copy.duration) and block.is_fixed(copy.lag)
    return fixed and copy.success is None and not copy.stagger


class _Histories:
    """The points of every copy, made when first asked for; who copies from a copy goes before it."""

    def __init__(self, plan: Plan, block: BlockDraws, incident: Incident, engine: SlotEngine) -> None:
        self.plan, self.block, self.incident, self.engine = plan, block, incident, engine
        self._attempts: dict[int, Attempts] = {}
        self._taken: dict[int, Points] = {}
        self._points: dict[int, Points] = {}

    def points(self, c: int) -> Points:
        """The points of a copy, with the cuts that they carry."""
        if c not in self._points:
            self._points[c] = self._finished(c, self._run(c))
        return self._points[c]

    def _finished(self, c: int, taken: Points) -> Points:
        copy, runs = self.plan.copies[c], self._attempts[c]
        cut_at, available_at = taken.cut_at, taken.available_at
        if copy.source is not None:
            source, since = self.points(copy.source), self._since(copy.source)
            kept = self.plan.copies[copy.source].keep_seconds
            assert since is not None, "it has this copy to ask it"
            cut_at, available_at = inherited(
                cut_at, available_at, (source.cut_at, source.available_at), kept_seconds=kept, since=since
            )
        root_at = read = None
        if runs.full is not None:
            if self.plan.asks_chain:
                read = chain_bytes(copy, self.plan.groups, cut_at, runs.full)
            cut_at, available_at, root_at = chained((cut_at, available_at), runs.full)
        if copy.together:
            cut_at, available_at = cut_together((cut_at, available_at), self.plan.groups)
        return Points(cut_at=cut_at, available_at=available_at, root_at=root_at, chain_bytes=read)

    def _run(self, c: int) -> Points:
        """When each run of a copy took what it copies, and was usable."""
        if c in self._taken:
            return self._taken[c]
        copy = self.plan.copies[c]
        if copy.competes_for:
            members = self.plan.contending(c)
            jobs = [(self.plan.copies[m], self._attempts_of(m)) for m in members]
            self._taken |= dict(zip(members, self.engine(self.plan, jobs), strict=True))
        elif copy.transfer is not None:
            begin = BEGIN["queue" if copy.every is None else copy.overlap]
            cut_at, available_at = transferred(self.plan, copy, self._attempts_of(c), begin)
            self._taken[c] = Points(cut_at=cut_at, available_at=available_at)
        else:
            self._taken[c] = without_slots(copy, self._attempts_of(c))
        return self._taken[c]

    def _attempts_of(self, c: int) -> Attempts:
        if c not in self._attempts:
            copy = self.plan.copies[c]
            self._attempts[c] = attempts(copy, self.block, self.incident, self._since(c))
        return self._attempts[c]

    def _since(self, c: int) -> FloatArray | None:
        """From when on others ask what a copy held, shape (runs,); None where nobody copies from it."""
        since = [self._asked_by(child) for child, copy in enumerate(self.plan.copies) if copy.source == c]
        return np.min(since, axis=0) if since else None

    def _asked_by(self, c: int) -> FloatArray:
        """From when on it matters to a copy what its source held.

        What is simulated by an engine, or needs others of its application, may need all of its history.
        """
        copy, incident = self.plan.copies[c], self.incident
        if copy.competes_for or copy.together:
            due = self._attempts_of(c).due
            first: FloatArray = due.min(axis=(0, 2)) - copy.hold
            return first
        taken, own = self._run(c), self._since(c)
        by = incident.onset_at - _calendar_reach(copy, incident)
        by = by if own is None else np.minimum(by, own)
        cycle = copy.cycle.runs if copy.cycle is not None else 1
        margin = (cycle + 2) * period(copy)  # the full that a point needs, and a run that found nothing
        taken_at, available_at = taken.cut_at, taken.available_at
        full = self._attempts_of(c).full
        if full is not None:  # an incremental hides nothing before it: its full may be old, others failed
            taken_at = np.where(full[:, :, None], taken_at, np.inf)
            available_at = np.where(full[:, :, None], available_at, np.inf)
        return asked_since(taken_at, available_at, by - margin)
