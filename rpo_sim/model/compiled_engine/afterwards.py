"""What follows the recovery: for each VM, for an application, for the incident; never part of an RTA.

Compare with `rpo_sim.model.simpy_engine.after`.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.disks import start_disks
from rpo_sim.model.compiled_engine.events import at_once
from rpo_sim.model.compiled_engine.jit import part
from rpo_sim.model.compiled_engine.jobs import after_applications, after_vms, is_here, note_wait, report
from rpo_sim.model.compiled_engine.layout import AFTER_APPLICATION, AFTER_INCIDENT, AFTER_VM, NO_ROOM
from rpo_sim.model.compiled_engine.memory import (
    application_vms,
    group_at,
    int_at,
    job_at,
    list_at,
    real_at,
    set_int,
    set_real,
    stage_at,
)
from rpo_sim.model.compiled_engine.states import (
    AFTER,
    AFTER_TURN,
    AFTER_TURN_HAD,
    DISKS_DONE,
    ENDED,
    RESTS,
    STAGE,
)


@part
def _start(run: Any, parent: int, role: int, state: int) -> None:
    """A job of its own, which begins before anything else of this instant."""
    if run.next_job == run.jobs_size:
        run.status = NO_ROOM
        return
    job, before = run.next_job, job_at(run, parent)
    run.next_job += 1
    me = job_at(run, job)
    me.role, me.state, me.start, me.at, me.ok = role, state, run.now, 0, 1
    me.place, me.member, me.kind = before.place, before.member, before.kind
    me.parent, me.root, me.rank, me.group = parent, parent, before.rank, before.group
    me.segment, me.by = -1, -1
    at_once(run, job)


@part
def vm_is_usable(plan: Any, run: Any, vm: int) -> None:
    """A VM has come to the end of its way, recovered or not."""
    if plan.n_kinds > 0:
        if job_at(run, vm).step < 0:
            report(run, after_vms(plan, group_at(plan, job_at(run, vm).group).application), vm, 0)
        else:
            _start(run, vm, AFTER_VM, AFTER)


@part
def application_is_back(plan: Any, run: Any, job: int) -> None:
    """An application is back, or was given up: what follows for it, once its VMs are through."""
    if plan.n_kinds > 0:
        _start(run, job, AFTER_APPLICATION, AFTER_TURN)


@part
def incident_is_over(plan: Any, run: Any, job: int) -> None:
    """All applications are back or given up: what follows once, when they are through with theirs."""
    if plan.n_kinds > 0:
        _start(run, job, AFTER_INCIDENT, AFTER_TURN)


@part
def _asks(plan: Any, run: Any, role: int, vm: int, stage: int) -> bool:
    """Whether a VM, recovered and through so far, asks for a stage."""
    if int_at(run.given_up, vm):
        return False
    steps, me = stage_at(plan, stage).steps, job_at(run, vm)
    if role == AFTER_VM:
        return bool((steps >> int_at(run.options, vm * plan.n_steps + me.tried)) & 1)
    return me.recovered_at < math.inf and bool((steps >> int(me.step)) & 1)


@part
def _asking(plan: Any, run: Any, job: int, stage: int) -> int:
    """How many of the VMs that a job works for ask for a stage."""
    me = job_at(run, job)
    asking = 0
    if me.role == AFTER_VM:
        asking += _asks(plan, run, me.role, me.root, stage)
    elif me.role == AFTER_INCIDENT:
        for vm in range(plan.n_vms):
            asking += _asks(plan, run, me.role, vm, stage)
    else:
        span = application_vms(plan, me.place)
        for i in range(span.first, span.first + span.count):
            asking += _asks(plan, run, me.role, int_at(plan.vms_of_applications, i), stage)
    return asking


@part
def _note_vm(plan: Any, run: Any, role: int, vm: int, stage: int, ok: int) -> None:
    """It has ended for a VM; after a failure nothing that follows is done for it."""
    if not _asks(plan, run, role, vm, stage):
        return
    kind = stage_at(plan, stage).after
    if ok:
        set_real(run.ends, kind * plan.n_vms + vm, run.now)
        return
    set_int(run.given_up, vm, 1)
    for later in range(kind, plan.n_kinds):
        set_real(run.ends, later * plan.n_vms + vm, math.inf)


@part
def stage_followed(plan: Any, run: Any, job: int) -> int:
    """A stage that follows the recovery has ended, for all who asked for it."""
    me = job_at(run, job)
    if me.role == AFTER_VM:
        _note_vm(plan, run, me.role, me.root, me.stage, me.ok)
    elif me.role == AFTER_INCIDENT:
        for vm in range(plan.n_vms):
            _note_vm(plan, run, me.role, vm, me.stage, me.ok)
    else:
        span = application_vms(plan, me.place)
        for i in range(span.first, span.first + span.count):
            _note_vm(plan, run, me.role, int_at(plan.vms_of_applications, i), me.stage, me.ok)
    return AFTER


@part
def _through(plan: Any, run: Any, job: int) -> int:
    """Whoever waits for this job hears of it."""
    me = job_at(run, job)
    if me.role == AFTER_VM:
        whole = not int_at(run.given_up, me.root)
        report(run, after_vms(plan, group_at(plan, me.group).application), job, whole)
    elif me.role == AFTER_APPLICATION:
        report(run, after_applications(plan), job, 1)
    return ENDED


@part
def afterwards(plan: Any, run: Any, job: int, state: int) -> int:
    """Go on with what follows the recovery; the next state, or that the job has to wait."""
    me = job_at(run, job)
    if state == AFTER_TURN:
        me.state = AFTER_TURN_HAD
        is_last = me.role == AFTER_INCIDENT
        cohort = after_applications(plan) if is_last else after_vms(plan, me.place)
        return AFTER_TURN_HAD if is_here(run, cohort, job) else RESTS
    if state == AFTER_TURN_HAD:
        note_wait(run, job)
    span = list_at(plan, me.role)
    while me.at < span.count:
        me.stage = int_at(plan.list_stages, span.first + me.at)
        me.at += 1
        if _asking(plan, run, job, me.stage) > 0:
            if stage_at(plan, me.stage).disk:
                start_disks(plan, run, job, me.stage)
                me.state = DISKS_DONE
                return RESTS
            return STAGE
    return _through(plan, run, job)


@part
def clear_afterwards(plan: Any, run: Any) -> None:
    """Nothing has followed yet."""
    for i in range(plan.n_kinds * plan.n_vms):
        set_real(run.ends, i, 0.0)
    for vm in range(plan.n_vms):
        set_int(run.given_up, vm, 0)


@part
def tell_afterwards(plan: Any, run: Any, out: Any) -> None:
    """When each tier's last VM was through with each kind of stage, and no sooner than it had recovered."""
    for g in range(plan.n_groups):
        group = group_at(plan, g)
        at = (run.row * plan.n_tiers + group.tier) * plan.n_figures + plan.first_kind
        for kind in range(plan.n_kinds):
            for vm in range(group.first, group.first + group.count):
                end = max(real_at(run.ends, kind * plan.n_vms + vm), job_at(run, vm).recovered_at)
                set_real(out.also, at + kind, max(real_at(out.also, at + kind), end))
