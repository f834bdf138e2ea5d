"""The points of a copy that waits for nobody, and which of them are usable."""

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BoolArray
from rpo_sim.model.plan import CopyPlan
from rpo_sim.model.protection.incident import Incident
from rpo_sim.model.protection.overlap import STARTS
from rpo_sim.model.protection.records import Attempts, Points
from rpo_sim.model.protection.retention import retained


def without_slots(copy: CopyPlan, runs: Attempts) -> Points:
    """The points of a copy that waits for nobody: a recursion over due times, all VMs at once.

    For a copy of a copy the cut is when it took what its source held.
    """
    start, cancelled = STARTS["allow" if copy.every is None else copy.overlap](runs)
    end = start + runs.busy
    made = np.isfinite(start) & np.isfinite(runs.cut_delay)
    if cancelled is not None:
        made &= ~cancelled
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
