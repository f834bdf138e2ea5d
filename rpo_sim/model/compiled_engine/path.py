"""A VM along its path: what it needs first, its job slot, step by step its program, until it is back.

Compare with `rpo_sim.model.simpy_engine.vms`.
"""

from typing import Any

from rpo_sim.model.compiled_engine.afterwards import vm_is_usable
from rpo_sim.model.compiled_engine.disks import start_disks
from rpo_sim.model.compiled_engine.jit import inlined, part, wide
from rpo_sim.model.compiled_engine.jobs import (
    application_up,
    gives_its_place_back,
    is_here,
    needs_back,
    needs_ready,
    note_wait,
    quorum_back,
    quorum_ready,
    report,
    report_to_quorums,
    takes_its_place,
)
from rpo_sim.model.compiled_engine.layout import RELEASED, SAFE, SCANNED
from rpo_sim.model.compiled_engine.memory import byte_at, group_at, int_at, job_at, op_at
from rpo_sim.model.compiled_engine.slots import give_slot, note_slot, take_slot
from rpo_sim.model.compiled_engine.states import (
    ATTEMPT_DONE,
    BACK,
    BACK_MET,
    DISKS_DONE,
    ENDED,
    JOB_SLOT,
    JOB_SLOT_HAD,
    NEEDS,
    NEEDS_MET,
    PATH,
    PROGRAM,
    REPAIR,
    RESTS,
    STAGE,
    STAGE_DONE,
)


@part
def _is_safe(plan: Any, run: Any, vm: int, ok: int) -> None:
    """Past the barrier, or failed: counted once for who needs its group and for its wave."""
    me = job_at(run, vm)
    if not me.safe:
        me.safe = 1
        report_to_quorums(plan, run, quorum_ready(plan), vm, ok)
        report(run, group_at(plan, me.group).wave, vm, ok)


@inlined
def _of_step(plan: Any, run: Any, vm: int) -> int:
    """Where the step that a VM tries has its numbers in tables of shape (runs, steps, VMs)."""
    step = int_at(run.options, vm * plan.n_steps + job_at(run, vm).tried)
    return int((run.row * plan.n_steps + step) * plan.n_vms + vm)


@part
def _is_tainted(plan: Any, run: Any, draws: Any, vm: int) -> bool:
    """Whether the point that was scanned is one of the bad ones, which are the newest."""
    if draws.tainted == 0:
        return False
    return bool(job_at(run, vm).point < int_at(draws.tainted, _of_step(plan, run, vm)))


@part
def _has_another(plan: Any, run: Any, draws: Any, vm: int) -> bool:
    """Whether the step has a point after those found bad, and may try it."""
    me = job_at(run, vm)
    most = int_at(plan.at_most, int_at(run.options, vm * plan.n_steps + me.tried))
    if most >= 0 and me.point >= most:
        return False
    return _is_tainted(plan, run, draws, vm) or byte_at(draws.clean, _of_step(plan, run, vm)) != 0


@inlined
def _begin_program(plan: Any, run: Any, vm: int) -> None:
    step = int_at(run.options, vm * plan.n_steps + job_at(run, vm).tried)
    job_at(run, vm).at = int_at(plan.programs, step)


@part
def _with_an_older_point(plan: Any, run: Any, draws: Any, vm: int) -> int:
    """All begins anew, if there is another point."""
    me = job_at(run, vm)
    me.point += 1
    if not _has_another(plan, run, draws, vm):
        me.ok = 0
        return ATTEMPT_DONE
    _begin_program(plan, run, vm)
    return PROGRAM


@inlined
def _next_in_program(plan: Any, run: Any, draws: Any, vm: int) -> int:
    """After a stage of a VM: slots and barriers passed, then the next stage."""
    me = job_at(run, vm)
    op = op_at(plan, me.at)
    if op.passed:
        if op.passed & SCANNED and _is_tainted(plan, run, draws, vm):
            return _with_an_older_point(plan, run, draws, vm)
        if op.passed & RELEASED and me.held:
            give_slot(plan, run, wide(plan.job_pool), vm)
            me.held = 0
        if op.passed & SAFE:
            _is_safe(plan, run, vm, 1)
    if op.stage < 0:
        me.ok = 1
        return ATTEMPT_DONE
    me.stage = op.stage
    me.at += 1
    if op.disk:
        start_disks(plan, run, vm, me.stage)
        me.state = DISKS_DONE
        return RESTS
    return STAGE


@part
def _vm_back(plan: Any, run: Any, vm: int, ok: int) -> int:
    """Recovered, or lost: whoever needs it and its application hear of it."""
    if not ok:
        job_at(run, vm).step = -1
    report_to_quorums(plan, run, quorum_back(plan), vm, ok)
    report(run, application_up(plan, group_at(plan, job_at(run, vm).group).application), vm, ok)
    return ENDED


@part
def _vm_over(plan: Any, run: Any, vm: int, ok: int) -> int:
    """It has come to the end of its way; it is back when those it needs are, if it got there."""
    me = job_at(run, vm)
    _is_safe(plan, run, vm, ok)
    vm_is_usable(plan, run, vm)
    if ok and group_at(plan, me.group).needs > 0:
        me.start = run.now
        return BACK
    return _vm_back(plan, run, vm, ok)


@inlined
def _attempt_done(plan: Any, run: Any, vm: int) -> int:
    """A step of the path has succeeded, or the next one is tried after a repair."""
    me = job_at(run, vm)
    if me.held:
        give_slot(plan, run, wide(plan.job_pool), vm)
        me.held = 0
    if me.ok:
        job_at(run, vm).step = int_at(run.options, vm * plan.n_steps + me.tried)
        return _vm_over(plan, run, vm, wide(1))
    me.tried += 1
    if me.tried == plan.n_steps or int_at(run.options, vm * plan.n_steps + me.tried) < 0:
        gives_its_place_back(plan, run, vm)
        return _vm_over(plan, run, vm, wide(0))
    me.after = JOB_SLOT
    return REPAIR


@inlined
def _takes_job_slot(plan: Any, run: Any, vm: int) -> bool:
    """Take a slot of the limit of jobs, if there is such a limit, or wait for one."""
    if plan.job_pool >= 0:
        if not take_slot(plan, run, wide(plan.job_pool), vm):
            return False
        job_at(run, vm).held = 1
    return True


@inlined
def _begin(plan: Any, run: Any, vm: int) -> int:
    """What it needs is ready: try the first of its path, if there is room for it."""
    me = job_at(run, vm)
    me.tried = 0
    if plan.n_steps == 0 or int_at(run.options, vm * plan.n_steps) < 0:
        return _vm_over(plan, run, vm, wide(0))
    return JOB_SLOT if takes_its_place(plan, run, vm) else _vm_over(plan, run, vm, wide(0))


@part
def _wait_for_needs(plan: Any, run: Any, vm: int, state: int) -> int:
    """For what a VM needs: to be ready, or to be back."""
    me = job_at(run, vm)
    if state == NEEDS:
        if group_at(plan, me.group).needs == 0:
            return PATH
        me.state = NEEDS_MET
        return NEEDS_MET if is_here(run, needs_ready(plan, me.group), vm) else RESTS
    if state == BACK:
        me.state = BACK_MET
        return BACK_MET if is_here(run, needs_back(plan, me.group), vm) else RESTS
    note_wait(run, vm)
    if state == BACK_MET:
        return _vm_back(plan, run, vm, wide(me.ok))
    return PATH if me.ok else _vm_over(plan, run, vm, wide(0))


@inlined
def on_path(plan: Any, run: Any, draws: Any, vm: int, state: int) -> int:
    """Go on along the path; the state in which the VM leaves it, or that it has to wait."""
    me = job_at(run, vm)
    if state == JOB_SLOT:
        me.point = 0
        _begin_program(plan, run, vm)
        if not _takes_job_slot(plan, run, vm):
            me.state = JOB_SLOT_HAD
            return RESTS
        state = PROGRAM
    elif state == JOB_SLOT_HAD:
        note_slot(plan, run, vm)
        me.held = 1
        state = PROGRAM
    if state == PROGRAM:
        return _next_in_program(plan, run, draws, vm)
    if state == DISKS_DONE:
        note_wait(run, vm)
        return STAGE_DONE
    if state == ATTEMPT_DONE:
        return _attempt_done(plan, run, vm)
    if state == PATH:
        return _begin(plan, run, vm)
    return _wait_for_needs(plan, run, vm, state)
