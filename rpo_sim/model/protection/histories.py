"""The points of all copies: who copies from a copy goes before it, who competes goes with it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.columns import all_fixed
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.plan import CopyPlan, Plan
from rpo_sim.model.protection.attempts import attempts, calendar_reach
from rpo_sim.model.protection.chains import chain_bytes
from rpo_sim.model.protection.incident import Incident, period
from rpo_sim.model.protection.levels import asked_since, chained, cut_together, inherited
from rpo_sim.model.protection.overlap import BEGIN
from rpo_sim.model.protection.points import newest_usable, without_slots
from rpo_sim.model.protection.records import Attempts, Points, SlotEngine
from rpo_sim.model.protection.transfers import transferred


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
    newest = np.empty((len(plan.copies), len(block.runs), plan.n_vms))
    histories = _Histories(plan, block, incident, engine)
    for c, copy in enumerate(plan.copies):
        if copy.synchronous:
            holds = copy.survives and not incident.corrupt  # it has every write, the bad ones too
            newest[c] = incident.failed_at[:, None] if holds else -np.inf
        elif look is None and plan.stands_alone(c) and alike(copy):
            runs = _solid(attempts(copy, block.one_per_group(), incident))
            found = newest_usable(copy, without_slots(copy, runs), incident)
            newest[c] = np.repeat(found, [group.count for group in plan.groups], axis=1)
        else:
            points = histories.points(c)
            newest[c] = newest_usable(copy, points, incident)
            if look is not None:
                look(c, points)
    return newest


def alike(copy: CopyPlan) -> bool:
    """Whether all VMs of a group have the same points."""
    fixed = all_fixed(copy.duration.undrawn) and all_fixed(copy.lag.undrawn)
    return fixed and copy.success is None and not copy.stagger


def _solid(runs: Attempts) -> Attempts:
    """In tables of their own: of rows as short as groups are few, numpy is slow to go through views."""
    due, busy, cut_delay = map(np.ascontiguousarray, (runs.due, runs.busy, runs.cut_delay))
    return replace(runs, due=due, busy=busy, cut_delay=cut_delay)


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
        by = incident.onset_at - calendar_reach(copy, incident)
        by = by if own is None else np.minimum(by, own)
        cycle = copy.cycle.runs if copy.cycle is not None else 1
        margin = (cycle + 2) * period(copy)  # the full that a point needs, and a run that found nothing
        taken_at, available_at = taken.cut_at, taken.available_at
        full = self._attempts_of(c).full
        if full is not None:  # an incremental hides nothing before it: its full may be old, others failed
            taken_at = np.where(full[:, :, None], taken_at, np.inf)
            available_at = np.where(full[:, :, None], available_at, np.inf)
        return asked_since(taken_at, available_at, by - margin)
