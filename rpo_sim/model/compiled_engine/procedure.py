"""The procedure of one job, as a machine whose states stand where the SimPy engine's processes yield.

`advance` takes a job from the state in which it was left to the next point where it has to wait. Compare
with `rpo_sim.model.simpy_engine.recovery`, function by function.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine import sharing
from rpo_sim.model.compiled_engine.events import drop_expiry, happen, resume_after, set_expiry
from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.jobs import (
    all_done,
    application_up,
    give_slot,
    gives_its_place_back,
    group_job,
    is_here,
    needs_back,
    needs_ready,
    note,
    note_wait,
    quorum_back,
    quorum_ready,
    report,
    report_to_quorums,
    take_slot,
    takes_its_place,
    token_seconds,
    wave_job,
)
from rpo_sim.model.compiled_engine.layout import (
    APPLICATION,
    DISK,
    DISK_DONE,
    GROUP_OPENS,
    GROUP_TURN,
    GROUPS,
    LAST,
    LEAD,
    NOT_DRAWN,
    REPAIRS,
    VM,
    WAVE_OPENS,
)
from rpo_sim.model.compiled_engine.memory import (
    application_vms,
    bucket_at,
    byte_at,
    group_at,
    int_at,
    job_at,
    link_at,
    list_at,
    long_at,
    program_at,
    real_at,
    set_int,
    stage_at,
    stream_at,
    token_at,
    wave_groups,
)

(
    ENDED,
    DETECT,
    DETECTED,
    DECLARED,
    TURN,  # waits for its wave, its group's turn, its VMs, all applications
    FOR_ALL,
    FOR_ALL_DONE,
    WAVE_SAFE,
    SEQUENCE,
    STAGE,
    POOLS,
    POOL_HAD,
    TOKENS,
    TOKENS_HAD,
    WORK,
    WORKED,
    MOVED,
    TRIED,
    RETRY,
    STAGE_DONE,
    REPAIR,
    REPAIRER_HAD,
    REPAIRING,
    REPAIRED,
    NEEDS,
    NEEDS_MET,
    PATH,
    JOB_SLOT,
    JOB_SLOT_HAD,
    PROGRAM,
    DISKS_DONE,
    ATTEMPT_DONE,
    BACK,
    BACK_MET,
) = range(34)


@inlined
def _spend(run: Any, job: int, seconds: float, then: int) -> None:
    """Let time pass; what lasts for ever never comes back, and `run` tells."""
    job_at(run, job).start, job_at(run, job).state = run.now, then
    if seconds < math.inf:
        resume_after(run, job, seconds)


@part
def is_safe(plan: Any, run: Any, vm: int, ok: int) -> None:
    """Past the barrier, or failed: counted once for who needs its group and for its wave."""
    me = job_at(run, vm)
    if not me.safe:
        me.safe = 1
        report_to_quorums(plan, run, quorum_ready(plan), vm, ok)
        report(run, group_at(plan, me.group).wave, vm, ok)


@part
def _first_choices(plan: Any, run: Any, first: int, count: int) -> int:
    wanted = 0
    for vm in range(first, first + count):
        if int_at(run.options, vm * plan.n_steps + 0) >= 0:
            wanted |= 1 << int(int_at(run.options, vm * plan.n_steps + 0))
    return wanted


@part
def _strike(plan: Any, run: Any, first: int, count: int, steps: int) -> int:
    """Take steps from the paths of VMs; whether any has one left."""
    some = 0
    for vm in range(first, first + count):
        kept = 0
        for i in range(plan.n_steps):
            step = int_at(run.options, vm * plan.n_steps + i)
            if step >= 0 and not (steps >> step) & 1:
                set_int(run.options, vm * plan.n_steps + kept, step)
                kept += 1
        for i in range(kept, plan.n_steps):
            set_int(run.options, vm * plan.n_steps + i, -1)
        some |= kept > 0
    return some


@part
def first_choices_of(plan: Any, run: Any, role: int, place: int) -> int:
    """What the VMs would try first: of all, of a wave, of a group."""
    if role == LEAD:
        return _first_choices(plan, run, 0, plan.n_vms)
    if role == GROUPS:
        return _first_choices(plan, run, group_at(plan, place).first, group_at(plan, place).count)
    wanted, span = 0, wave_groups(plan, place)
    for i in range(span.first, span.first + span.count):
        group = group_at(plan, int_at(plan.group_order, i))
        wanted |= _first_choices(plan, run, group.first, group.count)
    return wanted


@part
def strike_from(plan: Any, run: Any, role: int, place: int, steps: int) -> int:
    """Take steps from the paths of all, of a wave's, of a group's VMs; whether any has one left."""
    if role == LEAD:
        return _strike(plan, run, 0, plan.n_vms, steps)
    if role == GROUPS:
        return _strike(plan, run, group_at(plan, place).first, group_at(plan, place).count, steps)
    some, span = 0, wave_groups(plan, place)
    for i in range(span.first, span.first + span.count):
        group = group_at(plan, int_at(plan.group_order, i))
        some |= _strike(plan, run, group.first, group.count, steps)
    return some


@part
def confirm(plan: Any, run: Any, job: int, application: int) -> None:
    """The VMs of an application that were restored count as recovered now, by this job."""
    span = application_vms(plan, application)
    for i in range(span.first, span.first + span.count):
        vm = int_at(plan.vms_of_applications, i)
        if job_at(run, vm).step >= 0:
            job_at(run, vm).recovered_at, job_at(run, vm).confirmed_by = run.now, job


@part
def confirm_all(plan: Any, run: Any, job: int, at: float) -> None:
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
def start_disks(plan: Any, run: Any, vm: int, stage: int) -> None:
    """A job per disk of a VM; they begin before anything else of this instant."""
    me = job_at(run, vm)
    group = group_at(plan, me.group)
    first = group.first_disk + (vm - group.first) * group.disks
    me.left, me.ok, me.start = group.disks, 1, run.now
    for d in range(group.disks):
        job = run.next_job
        run.next_job += 1
        disk = job_at(run, job)
        disk.role, disk.state, disk.stage = DISK, STAGE, stage
        disk.member, disk.kind = first + d, group.first_kind + d
        disk.parent, disk.rank, disk.group = vm, me.rank, me.group
        disk.segment, disk.by = -1, -1
        set_int(run.urgent, run.n_urgent, job)
        run.n_urgent += 1


@part
def _bytes(plan: Any, run: Any, draws: Any, job: int) -> float:
    """Bytes that the stage moves: known beforehand, or those written since the point restored."""
    me = job_at(run, job)
    since, first = long_at(draws.since, me.stage), stage_at(plan, me.stage).first_bytes
    if since != 0:
        vm = job if me.parent < 0 else me.parent
        step = int_at(run.options, vm * plan.n_steps + job_at(run, vm).tried)
        row = run.row * plan.n_steps + step
        return float(real_at(since, row * stage_at(plan, me.stage).members + me.member))
    return float(real_at(plan.stage_bytes, first + me.kind)) if first >= 0 else 0.0


@part
def _alone(plan: Any, run: Any, draws: Any, job: int, at: int, bytes_: float) -> float:
    """How long the attempt takes when nothing slows it: as drawn, at its size, and with its scan."""
    me = job_at(run, job)
    stage = stage_at(plan, me.stage)
    here = run.row * stage.members + me.member
    seconds, slopes = real_at(long_at(draws.seconds, at), here), long_at(draws.slopes, at)
    if slopes != 0 and seconds < math.inf:
        whole = real_at(plan.stage_bytes, stage.first_bytes + me.kind)
        ratio = bytes_ / (whole if whole != 0 else 1.0)
        seconds = max(seconds + real_at(slopes, here) * (ratio - 1), 0.0)
    return float(seconds + bytes_ * stage.scan)


@part
def _work(plan: Any, run: Any, draws: Any, job: int) -> None:
    """The next attempt at a stage, with its draws: alone, or on a link."""
    me = job_at(run, job)
    stage = stage_at(plan, me.stage)
    number = int_at(run.tries, stage.first_try + me.member)
    at = me.stage * draws.attempts + number
    if number >= draws.attempts or long_at(draws.seconds, at) == 0:
        run.status, run.stage, run.attempt = NOT_DRAWN, me.stage, number
        return
    set_int(run.tries, stage.first_try + me.member, int_at(run.tries, stage.first_try + me.member) + 1)
    here = run.row * stage.members + me.member
    bytes_ = _bytes(plan, run, draws, job)
    seconds = _alone(plan, run, draws, job, at, bytes_)
    succeeds = long_at(draws.succeeds, at)
    me.ok = 1 if succeeds == 0 else byte_at(succeeds, here)
    if stage.link < 0 or seconds == math.inf:
        if seconds > stage.timeout:
            me.ok = 0
        _spend(run, job, min(seconds, stage.timeout), WORKED)
        return
    link = link_at(plan, stage.link)
    bytes_ = seconds if link.paced else bytes_ * stage.link_factor  # paced: jobs only slow each other
    cap = min(link.per_stream, bytes_ / seconds if seconds > 0 else math.inf)
    me.start, me.state = run.now, WORKED
    if bytes_ > 0:
        me.state = MOVED
        stream_at(run, job).turn += 1
        sharing.send(plan, run, stage.link, job, bytes_, cap)
        stream_at(run, job).expires = math.inf
        if stage.timeout < math.inf:
            set_expiry(run, job, me.stage, stage.timeout)
    else:
        me.state = TRIED


@part
def _moved(plan: Any, run: Any, job: int) -> None:
    """A transfer has come to its end, or to its time-out."""
    me, stream = job_at(run, job), stream_at(run, job)
    stream.turn += 1
    drop_expiry(run, job, me.stage)
    if not stream.finished:
        me.ok = 0
        sharing.give_up(plan, run, job)


@part
def _repairing(plan: Any, run: Any, draws: Any, job: int) -> None:
    me = job_at(run, job)
    who = job if me.parent < 0 else me.parent
    number = int_at(run.tries, plan.n_tries + who)
    if number >= draws.attempts or long_at(draws.repairs, number) == 0:
        run.status, run.stage, run.attempt = NOT_DRAWN, REPAIRS, number
        return
    set_int(run.tries, plan.n_tries + who, int_at(run.tries, plan.n_tries + who) + 1)
    _spend(run, job, real_at(long_at(draws.repairs, number), run.row * plan.n_jobs + who), REPAIRED)


@part
def _stage_over(plan: Any, run: Any, job: int) -> int:
    """Where a job goes on when its stage has succeeded or failed for good."""
    me = job_at(run, job)
    if me.role == VM:
        return PROGRAM if me.ok else ATTEMPT_DONE
    if me.role == DISK:
        parent = job_at(run, me.parent)
        parent.by = job
        parent.ok &= me.ok
        happen(run, DISK_DONE, me.parent, 0)
        return ENDED
    if me.role == APPLICATION or me.role == LAST:
        return SEQUENCE
    if not me.ok and strike_from(plan, run, me.role, me.place, stage_at(plan, me.stage).steps):
        me.after = FOR_ALL
        return REPAIR
    return FOR_ALL


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
    return WAVE_SAFE


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
            confirm(plan, run, job, me.place)
        report(run, all_done(plan), job, me.ok)
        return ENDED
    if me.at > 0:
        confirm_all(plan, run, job, run.now if me.ok else math.inf)
    run.ended = 1
    return ENDED


@part
def _next_in_program(plan: Any, run: Any, vm: int) -> int:
    """After a stage of a VM: slots and barriers passed, then the next stage."""
    me = job_at(run, vm)
    program = program_at(plan, int_at(run.options, vm * plan.n_steps + me.tried))
    if me.at > 0:
        index = int_at(plan.program_stages, program.first + me.at - 1)
        if index == program.release_after and me.held:
            give_slot(run, plan.job_pool, vm)
            me.held = 0
        if index == program.safe_after:
            is_safe(plan, run, vm, 1)
    if me.at == program.count:
        me.ok = 1
        return ATTEMPT_DONE
    me.stage = int_at(plan.program_stages, program.first + me.at)
    me.at += 1
    if stage_at(plan, me.stage).disk:
        start_disks(plan, run, vm, me.stage)
        return DISKS_DONE
    return STAGE


@part
def _vm_over(plan: Any, run: Any, vm: int, ok: int) -> None:
    """It has come to the end of its way; it is back when those it needs are, if it got there."""
    me = job_at(run, vm)
    is_safe(plan, run, vm, ok)
    if ok and group_at(plan, me.group).needs > 0:
        me.start, me.state = run.now, BACK
    else:
        _vm_back(plan, run, vm, ok)


@part
def _vm_back(plan: Any, run: Any, vm: int, ok: int) -> None:
    """Recovered, or lost: whoever needs it and its application hear of it."""
    me = job_at(run, vm)
    me.state = ENDED
    if not ok:
        me.step = -1
    report_to_quorums(plan, run, quorum_back(plan), vm, ok)
    report(run, application_up(plan, group_at(plan, me.group).application), vm, ok)


@part
def _attempt_done(plan: Any, run: Any, vm: int) -> int:
    """A step of the path has succeeded, or the next one is tried after a repair."""
    me = job_at(run, vm)
    if me.held:
        give_slot(run, plan.job_pool, vm)
        me.held = 0
    if me.ok:
        job_at(run, vm).step = int_at(run.options, vm * plan.n_steps + me.tried)
        _vm_over(plan, run, vm, 1)
        return int(me.state)
    me.tried += 1
    if me.tried == plan.n_steps or int_at(run.options, vm * plan.n_steps + me.tried) < 0:
        gives_its_place_back(plan, run, vm)
        _vm_over(plan, run, vm, 0)
        return ENDED
    me.after = JOB_SLOT
    return REPAIR


@part
def advance(plan: Any, run: Any, draws: Any, job: int) -> None:
    """From the state in which a job was left to where it has to wait next, or to its end."""
    me = job_at(run, job)
    while True:
        state = me.state
        # A stage with its slots, tokens, work and retries
        if state == STAGE:
            me.retry, me.at_pool, me.state = 0, 0, POOLS
        elif state == POOL_HAD:
            note_wait(run, job)
            me.at_pool += 1
            me.state = POOLS
        elif state == POOLS:
            stage = stage_at(plan, me.stage)
            if me.at_pool == stage.pools:
                me.at_pool, me.state = 0, TOKENS
            elif take_slot(run, int_at(plan.stage_pools, stage.first_pool + me.at_pool), job):
                me.at_pool += 1
            else:
                me.state = POOL_HAD
                return
        elif state == TOKENS:
            stage = stage_at(plan, me.stage)
            if me.at_pool == stage.tokens:
                _work(plan, run, draws, job)
                if me.state != TRIED:
                    return
            else:
                token = token_at(plan, stage.first_token + me.at_pool)
                seconds = token_seconds(plan, run, token.bucket, token.tokens)
                if seconds > 0:
                    _spend(run, job, seconds, TOKENS_HAD)
                    return
                me.at_pool += 1
        elif state == TOKENS_HAD:
            bucket = token_at(plan, stage_at(plan, me.stage).first_token + me.at_pool).bucket
            note(run, job, plan.token_what + bucket, bucket_at(plan, bucket).evidence)
            me.at_pool += 1
            me.state = TOKENS
        elif state in (WORKED, MOVED):
            if state == MOVED:
                _moved(plan, run, job)
            note(run, job, stage_at(plan, me.stage).what, stage_at(plan, me.stage).evidence)
            me.state = TRIED
        elif state == TRIED:
            stage = stage_at(plan, me.stage)
            for i in range(stage.first_pool, stage.first_pool + stage.pools):
                give_slot(run, int_at(plan.stage_pools, i), job)
            if me.ok or me.retry == stage.retries:
                me.state = _stage_over(plan, run, job)
            else:
                me.after, me.state = RETRY, REPAIR
        elif state == RETRY:
            me.retry += 1
            me.at_pool, me.state = 0, POOLS
        # Repairs between a failure and the next try
        elif state == REPAIR:
            if not plan.repair:
                me.state = me.after
            elif plan.repair_pool < 0 or take_slot(run, plan.repair_pool, job):
                me.state = REPAIRING
            else:
                me.state = REPAIRER_HAD
                return
        elif state == REPAIRER_HAD:
            note_wait(run, job)
            me.state = REPAIRING
        elif state == REPAIRING:
            _repairing(plan, run, draws, job)
            return
        elif state == REPAIRED:
            note(run, job, plan.repair_what, plan.repair_evidence)
            if plan.repair_pool >= 0:
                give_slot(run, plan.repair_pool, job)
            me.state = me.after
        # A VM along its path
        elif state == PROGRAM:
            me.state = _next_in_program(plan, run, job)
            if me.state == DISKS_DONE:
                return
        elif state == DISKS_DONE:
            note_wait(run, job)
            me.state = _stage_over(plan, run, job)
        elif state == ATTEMPT_DONE:
            me.state = _attempt_done(plan, run, job)
        elif state == JOB_SLOT:
            me.at = 0
            if plan.job_pool < 0:
                me.state = PROGRAM
            elif take_slot(run, plan.job_pool, job):
                me.held, me.state = 1, PROGRAM
            else:
                me.state = JOB_SLOT_HAD
                return
        elif state == JOB_SLOT_HAD:
            note_wait(run, job)
            me.held, me.state = 1, PROGRAM
        elif state == TURN:
            note_wait(run, job)
            me.start = run.now
            if me.role == VM:
                me.state = NEEDS
            elif me.role == APPLICATION or me.role == LAST:
                me.at, me.done, me.state = 0, 0, SEQUENCE
                if me.role == APPLICATION and me.ok:
                    me.done = used_steps(plan, run, me.place)
            else:
                me.state = FOR_ALL
        elif state == NEEDS:
            if group_at(plan, me.group).needs == 0:
                me.state = PATH
            else:
                me.state = NEEDS_MET
                if not is_here(run, needs_ready(plan, me.group), job):
                    return
        elif state == NEEDS_MET:
            note_wait(run, job)
            me.state = PATH
            if not me.ok:
                _vm_over(plan, run, job, 0)
        elif state == BACK:
            me.state = BACK_MET
            if not is_here(run, needs_back(plan, me.group), job):
                return
        elif state == BACK_MET:
            note_wait(run, job)
            _vm_back(plan, run, job, me.ok)
        elif state == PATH:
            me.tried = 0
            if plan.n_steps == 0 or int_at(run.options, job * plan.n_steps + 0) < 0:
                _vm_over(plan, run, job, 0)
            elif takes_its_place(plan, run, job):
                me.state = JOB_SLOT
            else:
                _vm_over(plan, run, job, 0)
        # What is done once for many
        elif state == FOR_ALL:
            me.state = _next_for_all(plan, run, job)
        elif state == FOR_ALL_DONE:
            me.state = _all_prepared(plan, run, job)
        elif state == SEQUENCE:
            me.state = _next_in_sequence(plan, run, job)
        elif state == DETECT:
            me.state = DETECTED
            if plan.detect_evidence >= 0:
                _spend(run, job, real_at(draws.detect, run.row), DETECTED)
                return
        elif state == DETECTED:
            if plan.detect_evidence >= 0:
                note(run, job, 0, plan.detect_evidence)
            me.state = DECLARED
            if plan.declare_evidence >= 0:
                _spend(run, job, real_at(draws.declare, run.row), DECLARED)
                return
        elif state == DECLARED:
            if plan.declare_evidence >= 0:
                note(run, job, 1, plan.declare_evidence)
            run.declared_at = run.now
            me.state = FOR_ALL
        else:  # WAVE_SAFE waits for its wave; ENDED does nothing more
            return
