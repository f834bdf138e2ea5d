"""The kernel: runs of a block, one after the other, event by event."""

import math
from typing import Any

from rpo_sim.model.compiled_engine.afterwards import clear_afterwards, tell_afterwards
from rpo_sim.model.compiled_engine.ahead import next_ahead
from rpo_sim.model.compiled_engine.critical import book
from rpo_sim.model.compiled_engine.events import at_once, drop_expiry, happen, next_alarm
from rpo_sim.model.compiled_engine.jit import inlined, part, wide
from rpo_sim.model.compiled_engine.jobs import (
    after_applications,
    after_vms,
    all_done,
    application_job,
    application_up,
    group_job,
    needs_back,
    needs_ready,
    quorum_back,
    quorum_ready,
    report,
    wave_job,
)
from rpo_sim.model.compiled_engine.layout import (
    ALL,
    COHORT_DONE,
    DISK_DONE,
    DONE,
    ENDLESS,
    EXPIRY,
    GROUP_OPENS,
    GROUP_TURN,
    JOB_WORDS,
    RESUME,
    SHIFT_ALARM,
    STREAM_DONE,
    WAVE_OPENS,
)
from rpo_sim.model.compiled_engine.memory import (
    alarm_at,
    application_vms,
    bucket_at,
    cohort_at,
    draws_at,
    expiries_at,
    group_at,
    group_quorums,
    instant_at,
    int_at,
    job_at,
    level_at,
    link_at,
    long_at,
    needed_by,
    outcome_at,
    plan_at,
    pool_at,
    real_at,
    run_at,
    set_int,
    set_long,
    set_real,
    stage_at,
    stream_at,
)
from rpo_sim.model.compiled_engine.procedure import advance
from rpo_sim.model.compiled_engine.sharing import clear as clear_link
from rpo_sim.model.compiled_engine.sharing import ring, set_link_alarm
from rpo_sim.model.compiled_engine.slots import begin_shifts, ring_shift
from rpo_sim.model.compiled_engine.states import ENDED


@part
def _begin_jobs(plan: Any, run: Any) -> None:
    """All jobs but those that a run starts, as they are at the failure."""
    source, target = plan.first_jobs, run.jobs
    for i in range(plan.n_jobs * JOB_WORDS):
        set_long(target, i, long_at(source, i))


@part
def _gather(run: Any, cohort: int, size: int, least: int) -> None:
    those = cohort_at(run, cohort)
    those.left, those.least, those.good, those.came, those.seen = size, least, 0, 0, 0
    those.by, those.ok, those.first, those.last = -1, 0, -1, -1


@part
def _gather_quorums(plan: Any, run: Any, group: int) -> None:
    """Of those who need a group, and of what it needs: to be ready, and to be back."""
    needs, span = group_at(plan, group).needs, group_quorums(plan, group)
    _gather(run, needs_ready(plan, group), needs, needs)
    _gather(run, needs_back(plan, group), needs, needs)
    for quorum in range(span.first, span.first + span.count):
        least = int_at(plan.quorum_least, quorum)
        _gather(run, quorum_ready(plan) + quorum, group_at(plan, group).count, least)
        _gather(run, quorum_back(plan) + quorum, group_at(plan, group).count, least)


@part
def _clear(plan: Any, run: Any, draws: Any, row: int) -> None:
    """All as it is at the failure."""
    run.now, run.sequence, run.instant, run.n_instants = 0.0, 0, 0, 0
    run.n_timed, run.first_timed, run.is_heap = 0, 0, 0
    run.ring_turn, run.over = 0, 0
    run.urgent_at, run.n_urgent, run.n_segments, run.next_job = 0, 0, 0, plan.n_jobs
    run.status, run.row, run.ended, run.declared_at = DONE, row, 0, 0.0
    _begin_jobs(plan, run)
    for w in range(plan.n_waves):
        _gather(run, w, 0, ALL)
    for g in range(plan.n_groups):
        _gather_quorums(plan, run, g)
        cohort_at(run, group_at(plan, g).wave).left += group_at(plan, g).count
    for a in range(plan.n_applications):
        _gather(run, application_up(plan, a), application_vms(plan, a).count, ALL)
    _gather(run, all_done(plan), plan.n_applications, ALL)
    if plan.n_kinds > 0:
        clear_afterwards(plan, run)
        _gather(run, after_applications(plan), plan.n_applications, ALL)
        for a in range(plan.n_applications):
            _gather(run, after_vms(plan, a), application_vms(plan, a).count, ALL)
    for i in range(plan.n_tries + plan.n_jobs):
        set_int(run.tries, i, 0)
    size = plan.n_vms * plan.n_steps
    for i in range(size):
        set_int(run.options, i, int_at(draws.options, row * size + i))
    _clear_shared(plan, run, draws)


@part
def _clear_shared(plan: Any, run: Any, draws: Any) -> None:
    for pool in range(plan.n_pools):
        slots = pool_at(run, pool)
        slots.free, slots.first, slots.last = int_at(plan.capacities, pool), -1, -1
    run.time_of_day = real_at(draws.time_of_day, run.row)
    for i in range(plan.n_alarms):
        alarm_at(run, i).time = math.inf
    for i in range(plan.n_shift_pools):
        begin_shifts(plan, run, int_at(plan.shift_pools, i), plan.n_links + i)
    for i in range(plan.n_resources):
        set_real(run.free, i, real_at(plan.target, i))
    run.totals, run.n_blocks, run.free_block, run.n_changed = draws.totals, 0, -1, 0
    for link in range(plan.n_links):
        limits = link_at(plan, link)
        alone = real_at(run.totals, limits.first_total) if limits.totals > 0 else limits.bandwidth
        clear_link(run, link, alone)
    for bucket in range(plan.n_buckets):
        level_at(run, bucket).level, level_at(run, bucket).at = bucket_at(plan, bucket).burst, 0.0
    for stage in range(plan.n_stages):
        expiries_at(run, stage).first, expiries_at(run, stage).last = -1, -1


@part
def _settle(run: Any, job: int) -> None:
    """A transfer with a time-out is resumed by whichever comes first, an instant's turn later."""
    stream_at(run, job).settled = 1
    happen(run, RESUME, job, 0)


@inlined
def _resume(run: Any, job: int, by: int, ok: int) -> None:
    """Have a job go on before anything else happens, behind those who were told before."""
    me = job_at(run, job)
    me.by, me.ok = by, ok
    at_once(run, job)


@part
def _quorum_done(plan: Any, run: Any, cohort: int, quorum: int, needs: int) -> None:
    """Tell the groups that need so many; ``needs`` is where their cohorts begin."""
    those, span = cohort_at(run, cohort), needed_by(plan, quorum)
    for i in range(span.first, span.first + span.count):
        report(run, needs + int_at(plan.needers, i), those.by, those.ok)


@part
def _cohort_met(run: Any, cohort: int) -> None:
    """Those who wait for a cohort go on, as they came."""
    those = cohort_at(run, cohort)
    job = those.first
    while job >= 0:
        behind = job_at(run, job).behind
        _resume(run, job, those.by, those.ok)
        job = behind


@part
def _cohort_done(plan: Any, run: Any, cohort: int) -> None:
    """Tell those who wait for a cohort."""
    those = cohort_at(run, cohort)
    those.seen = 1
    if cohort < plan.n_waves:
        job_at(run, wave_job(plan, cohort)).state = ENDED
        if cohort + 1 < plan.n_waves:
            job_at(run, wave_job(plan, cohort + 1)).by = those.by
            happen(run, WAVE_OPENS, cohort + 1, 0)
    elif cohort < quorum_back(plan):
        _quorum_done(plan, run, cohort, cohort - quorum_ready(plan), needs_ready(plan, 0))
    elif cohort < needs_ready(plan, 0):
        _quorum_done(plan, run, cohort, cohort - quorum_back(plan), needs_back(plan, 0))
    elif cohort < application_up(plan, 0):
        _cohort_met(run, cohort)
    elif cohort < all_done(plan):
        _resume(run, application_job(plan, cohort - application_up(plan, 0)), those.by, those.ok)
    elif cohort == all_done(plan):
        _resume(run, plan.n_jobs - 1, those.by, those.ok)
    else:
        _cohort_met(run, cohort)


@part
def _disk_done(run: Any, vm: int) -> None:
    me = job_at(run, vm)
    me.left -= 1
    if me.left == 0:
        happen(run, RESUME, vm, 0)


@part
def _happens(plan: Any, run: Any, what: int, who: int, turn: int) -> None:
    """What waited in the ring and is no job that goes on."""
    if what == EXPIRY:
        if stream_at(run, who).turn == turn and not stream_at(run, who).settled:
            _settle(run, who)
    elif what == SHIFT_ALARM:
        ring_shift(plan, run, who)
    elif what == DISK_DONE:
        _disk_done(run, who)
    elif what == COHORT_DONE:
        _cohort_done(plan, run, who)
    elif what == WAVE_OPENS:
        at_once(run, wave_job(plan, who))
    elif what == GROUP_TURN:
        at_once(run, group_job(plan, who))
    elif what == GROUP_OPENS:
        group = group_at(plan, who)
        for vm in range(group.first, group.first + group.count):
            _resume(run, vm, group_job(plan, who), 1)


@inlined
def _has_moved(plan: Any, run: Any, job: int, turn: int) -> bool:
    """Whether a job whose transfer has finished goes on; with a time-out it does an instant's turn later."""
    stream = stream_at(run, job)
    if stream.turn != turn or stream.settled:
        return False
    stage = wide(job_at(run, job).stage)
    if stage_at(plan, stage).timeout == math.inf:
        return True
    drop_expiry(plan, run, job, stage)
    if run.n_instants == 0:  # that turn is its own
        stream.settled = 1
        return True
    _settle(run, job)
    return False


@inlined
def _at_this_instant(plan: Any, run: Any) -> int:
    """The first of what waits in the ring; the job that goes on, -1 if none does."""
    entry = instant_at(run, run.instant)
    what, who, turn = entry.what, wide(entry.who), entry.turn
    run.instant = (run.instant + 1) & (run.instants_size - 1)
    run.n_instants -= 1
    if what == RESUME:
        return int(who)
    if what == STREAM_DONE:
        return int(who) if _has_moved(plan, run, who, turn) else -1
    _happens(plan, run, what, who, turn)
    return -1


@part
def _alarm_rings(plan: Any, run: Any, alarm: int) -> None:
    """Of a link, of a pool with shifts, or of a transfer that times out; whoever answers sets the next."""
    pool = alarm - plan.n_links
    if pool < 0:
        ring(run, alarm)
    elif pool < plan.n_shift_pools:
        ring_shift(plan, run, wide(int_at(plan.shift_pools, pool)))
    else:
        stage = int_at(plan.limited, pool - plan.n_shift_pools)
        job = wide(expiries_at(run, stage).first)
        drop_expiry(plan, run, job, stage)
        _settle(run, job)


@inlined
def _set_link_alarms(plan: Any, run: Any, first: int) -> int:
    """Links that have changed set their alarms, until one rings at once; the alarm that comes first."""
    done = 0
    while done < run.n_changed and run.next_time > run.now:
        link = int_at(run.changed, done)
        set_link_alarm(plan, run, link)
        if alarm_at(run, link).time < run.next_time:
            run.next_time, first = alarm_at(run, link).time, link
        done += 1
    run.n_changed -= done
    for i in range(run.n_changed):
        set_int(run.changed, i, int_at(run.changed, done + i))
    return first


@inlined
def _happens_next(plan: Any, run: Any) -> int:
    """The next event; the job that goes on, -1 if none does.

    What is scheduled for this instant is scheduled in the ring: once its turn has come, it is emptied.
    """
    if run.n_instants > 0 and run.ring_turn:
        return _at_this_instant(plan, run)
    alarm = next_alarm(plan, run)
    run.ring_turn = run.n_instants > 0 and run.next_time > run.now
    if run.ring_turn:
        return _at_this_instant(plan, run)
    if run.n_changed > 0:
        alarm = _set_link_alarms(plan, run, alarm)
    if run.next_time == math.inf:
        run.over = 1
        return -1
    run.now = run.next_time
    if alarm < 0:
        return next_ahead(run)
    _alarm_rings(plan, run, alarm)
    return -1


@part
def _run(plan: Any, run: Any, draws: Any) -> None:
    """Until nothing happens any more."""
    job = wide(plan.n_vms)
    while run.status == DONE and not run.over:
        if job >= 0:
            advance(plan, run, draws, job)
        if run.urgent_at < run.n_urgent:
            job = int_at(run.urgent, run.urgent_at)
            run.urgent_at += 1
        else:
            run.urgent_at, run.n_urgent = 0, 0
            job = _happens_next(plan, run)


@part
def _count_short(plan: Any, run: Any, out: Any) -> None:
    """How many VMs of each tier found no room at the target."""
    for g in range(plan.n_groups):
        group = group_at(plan, g)
        at = (run.row * plan.n_tiers + group.tier) * plan.n_figures
        for vm in range(group.first, group.first + group.count):
            set_real(out.also, at, real_at(out.also, at) + job_at(run, vm).short)


@part
def _write_down(plan: Any, run: Any, out: Any) -> None:
    """What came of a run, in its row."""
    first = run.row * plan.n_vms
    for vm in range(plan.n_vms):
        me = job_at(run, vm)
        set_real(out.recovered_at, first + vm, me.recovered_at)
        set_int(out.step, first + vm, me.step)
        set_int(out.confirmed_by, first + vm, me.confirmed_by)
    set_real(out.declared_at, run.row, run.declared_at)
    if plan.n_resources > 0:
        _count_short(plan, run, out)
    if plan.n_kinds > 0:
        tell_afterwards(plan, run, out)
    book(plan, run, out)


def run_block(plan_: int, run_: int, draws_: int, first: int, out_: int) -> int:
    """Runs from ``first`` to the end of the block; the number of the one that could not be finished.

    All but ``first`` are addresses of records. Why a run could not be finished is in the state's status; it
    may be started again from there.
    """
    plan, run, draws, out = plan_at(plan_), run_at(run_), draws_at(draws_), outcome_at(out_)
    for row in range(first, draws.runs):
        _clear(plan, run, draws, row)
        _run(plan, run, draws)
        if run.status == DONE and not run.ended:
            run.status = ENDLESS
        if run.status != DONE:
            return row
        _write_down(plan, run, out)
    return int(draws.runs)
