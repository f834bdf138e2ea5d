"""The critical path of each tier's last VM, as `rpo_sim.model.journal.critical_path` follows it."""

import math
from typing import Any

from rpo_sim.model.compiled_engine.jit import part
from rpo_sim.model.compiled_engine.layout import WAIT
from rpo_sim.model.compiled_engine.memory import (
    group_at,
    int_at,
    job_at,
    real_at,
    segment_at,
    set_int,
    set_real,
    share_at,
)


@part
def _covering(run: Any, job: int, at: float) -> int:
    """The segment of a job with start < at ≤ end; -1 if there is none."""
    index = job_at(run, job).segment
    while index >= 0:
        segment = segment_at(run, index)
        if segment.start < at and at <= segment.end:
            return int(index)
        index = segment.before
    return -1


@part
def _last_vms(plan: Any, run: Any) -> None:
    """Per tier the first of its VMs that were recovered last."""
    for tier in range(plan.n_tiers):
        set_int(run.last_vms, tier, -1)
    for g in range(plan.n_groups):
        group = group_at(plan, g)
        for vm in range(group.first, group.first + group.count):
            best = int_at(run.last_vms, group.tier)
            if best < 0 or job_at(run, vm).recovered_at > job_at(run, best).recovered_at:
                set_int(run.last_vms, group.tier, vm)


@part
def _follow(run: Any, vm: int) -> int:
    """The shares of a VM's RTA, from its end back to the failure; how many there are."""
    now, job, shares = job_at(run, vm).recovered_at, job_at(run, vm).confirmed_by, 0
    while now > 0 and job >= 0:
        index = _covering(run, job, now)
        if index < 0:
            job = job_at(run, job).parent
        elif segment_at(run, index).evidence == WAIT:
            job = segment_at(run, index).cause
        else:
            start = segment_at(run, index).start
            share_at(run, shares).segment, share_at(run, shares).seconds = index, now - start
            now = start
            shares += 1
    return shares


@part
def book(plan: Any, run: Any, out: Any) -> None:
    """Seconds by evidence and by activity, added up from the failure on; zeros where a VM is lost."""
    _last_vms(plan, run)
    for tier in range(plan.n_tiers):
        evidence = (run.row * plan.n_tiers + tier) * 3
        activities = (run.row * plan.n_tiers + tier) * plan.n_activities
        for i in range(3):
            set_real(out.evidence, evidence + i, 0.0)
        for i in range(plan.n_activities):
            set_real(out.activities, activities + i, 0.0)
        last = int_at(run.last_vms, tier)
        if job_at(run, last).recovered_at == math.inf:
            continue
        for i in range(_follow(run, last) - 1, -1, -1):
            segment, seconds = segment_at(run, share_at(run, i).segment), share_at(run, i).seconds
            at = evidence + segment.evidence
            set_real(out.evidence, at, real_at(out.evidence, at) + seconds)
            at = activities + segment.what
            set_real(out.activities, at, real_at(out.activities, at) + seconds)
