"""What is done once for many VMs: before them, by wave or group, and after them.

Compare with `rpo_sim.model.simpy_engine.recovery`.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.afterwards import application_is_back, incident_is_over
from rpo_sim.model.compiled_engine.events import happen
from rpo_sim.model.compiled_engine.jit import part
from rpo_sim.model.compiled_engine.jobs import all_done, group_job, note, report, spend, wave_job
from rpo_sim.model.compiled_engine.layout import (
    APPLICATION,
    GROUP_OPENS,
    GROUP_TURN,
    GROUPS,
    LAST,
    LEAD,
    WAVE_OPENS,
)
from rpo_sim.model.compiled_engine.memory import (
    application_vms,
    int_at,
    job_at,
    list_at,
    real_at,
    stage_at,
    wave_groups,
)
from rpo_sim.model.compiled_engine.states import (
    DECLARED,
    DETECT,
    DETECTED,
    ENDED,
    FOR_ALL,
    FOR_ALL_DONE,
    RESTS,
    SEQUENCE,
    STAGE,
    WAVE_SAFE,
)
from rpo_sim.model.compiled_engine.struck import first_choices_of


@part
def _confirm(plan: Any, run: Any, job: int, application: int) -> None:
    """The VMs of an application that were restored count as recovered now, by this job."""
    span = application_vms(plan, application)
    for i in range(span.first, span.first + span.count):
        vm = int_at(plan.vms_of_applications, i)
        if job_at(run, vm).step >= 0:
            job_at(run, vm).recovered_at, job_at(run, vm).confirmed_by = run.now, job


@part
def _confirm_all(plan: Any, run: Any, job: int, at: float) -> None:
    """All VMs that had recovered count from now on; or not at all, at infinity."""
    for vm in range(plan.n_vms):
        if job_at(run, vm).recovered_at < math.inf:
            job_at(run, vm).recovered_at, job_at(run, vm).confirmed_by = at, job


@part
def used_steps(plan: Any, run: Any, application: int) -> int:
    """The steps of the path by which an application's VMs were restored."""
    used, span = 0, application_vms(plan, application)
    for i in range(span.first, span.first + span.count):
        step = job_at(run, int_at(plan.vms_of_applications, i)).step
        if step >= 0:
            used |= 1 << int(step)
    return used


@part
def _next_for_all(plan: Any, run: Any, job: int) -> int:
    """The first stage not yet done that the first choice of any VM asks for."""
    me = job_at(run, job)
    span = list_at(plan, me.role)
    if span.count == 0:
        return FOR_ALL_DONE
    wanted = first_choices_of(plan, run, me.role, me.place)
    for i in range(span.count):
        index = int_at(plan.list_stages, span.first + i)
        if not (me.done >> i) & 1 and wanted & stage_at(plan, index).steps:
            me.done |= 1 << i
            me.stage = index
            return STAGE
    return FOR_ALL_DONE


@part
def _all_prepared(plan: Any, run: Any, job: int) -> int:
    """What was done once for many is done: let them begin."""
    me = job_at(run, job)
    if me.role == LEAD:
        job_at(run, wave_job(plan, 0)).by = job
        happen(run, WAVE_OPENS, 0, 0)
        return ENDED
    if me.role == GROUPS:
        happen(run, GROUP_OPENS, me.place, 0)
        return ENDED
    span = wave_groups(plan, me.place)
    for i in range(span.first, span.first + span.count):
        group = int_at(plan.group_order, i)
        job_at(run, group_job(plan, group)).by = job
        happen(run, GROUP_TURN, group, 0)
    job_at(run, job).state = WAVE_SAFE
    return RESTS


@part
def _next_in_sequence(plan: Any, run: Any, job: int) -> int:
    """The stages of an application, or the last of all; one that fails ends it."""
    me = job_at(run, job)
    span = list_at(plan, me.role)
    if me.ok:
        while me.at < span.count:
            index = int_at(plan.list_stages, span.first + me.at)
            me.at += 1
            if me.role == LAST or stage_at(plan, index).steps & me.done:
                me.stage = index
                return STAGE
    if me.role == APPLICATION:
        if me.ok:
            _confirm(plan, run, job, me.place)
        report(run, all_done(plan), job, me.ok)
        application_is_back(plan, run, job)
        return ENDED
    if me.at > 0:
        _confirm_all(plan, run, job, run.now if me.ok else math.inf)
    incident_is_over(plan, run, job)
    run.ended = 1
    return ENDED


@part
def _declare(plan: Any, run: Any, draws: Any, job: int, state: int) -> int:
    """The incident is detected, then declared; each takes its time if anybody said so."""
    if state == DETECT:
        if plan.detect_evidence >= 0:
            return spend(run, job, real_at(draws.detect, run.row), DETECTED)
        return DETECTED
    if state == DETECTED:
        if plan.detect_evidence >= 0:
            note(run, job, 0, plan.detect_evidence)
        if plan.declare_evidence >= 0:
            return spend(run, job, real_at(draws.declare, run.row), DECLARED)
        return DECLARED
    if plan.declare_evidence >= 0:
        note(run, job, 1, plan.declare_evidence)
    run.declared_at = run.now
    return FOR_ALL


@part
def once(plan: Any, run: Any, draws: Any, job: int, state: int) -> int:
    """Go on with what is done once for many; the next state, or that the job has to wait."""
    if state == FOR_ALL:
        return _next_for_all(plan, run, job)
    if state == FOR_ALL_DONE:
        return _all_prepared(plan, run, job)
    if state == SEQUENCE:
        return _next_in_sequence(plan, run, job)
    return _declare(plan, run, draws, job, state)
