"""What jobs share: slots, tokens, cohorts that wait for each other, and the journal."""

from typing import Any

from rpo_sim.model.compiled_engine.events import happen
from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.layout import COHORT_DONE, NO_ROOM, RESUME, WAIT
from rpo_sim.model.compiled_engine.memory import bucket_at, cohort_at, job_at, level_at, pool_at, segment_at


@inlined
def note(run: Any, job: int, what: int, evidence: int) -> None:
    """Write down what a job did since its start."""
    doer = job_at(run, job)
    if run.now > doer.start:
        if run.n_segments == run.segments_size:
            run.status = NO_ROOM
            return
        segment = segment_at(run, run.n_segments)
        segment.start, segment.end = doer.start, run.now
        segment.what, segment.evidence, segment.cause = what, evidence, doer.by
        segment.before = doer.segment
        doer.segment = run.n_segments
        run.n_segments += 1


@part
def note_wait(run: Any, job: int) -> None:
    """Write down that a job waited since its start, and for whom."""
    note(run, job, -1, WAIT)


@part
def take_slot(run: Any, pool: int, job: int) -> bool:
    """Take a slot, or wait in line: by time, of one instant by rank, then as they came."""
    slots = pool_at(run, pool)
    if slots.free > 0:
        slots.free -= 1
        return True
    me = job_at(run, job)
    me.asked_at = me.start = run.now
    ahead, behind = slots.last, -1
    while ahead >= 0:
        other = job_at(run, ahead)
        if other.asked_at != run.now or other.rank <= me.rank:
            break
        behind = ahead
        ahead = other.ahead
    me.ahead, me.behind = ahead, behind
    if ahead >= 0:
        job_at(run, ahead).behind = job
    else:
        slots.first = job
    if behind >= 0:
        job_at(run, behind).ahead = job
    else:
        slots.last = job
    return False


@part
def give_slot(run: Any, pool: int, by: int) -> None:
    """Give a slot back: straight to the first who waits."""
    slots = pool_at(run, pool)
    job = slots.first
    if job < 0:
        slots.free += 1
        return
    behind = job_at(run, job).behind
    slots.first = behind
    if behind >= 0:
        job_at(run, behind).ahead = -1
    else:
        slots.last = -1
    job_at(run, job).by = by
    happen(run, RESUME, job, 0)


@part
def token_seconds(plan: Any, run: Any, bucket: int, tokens: float) -> float:
    """Take tokens, on credit if need be; seconds until they have gathered."""
    limits, state, now = bucket_at(plan, bucket), level_at(run, bucket), run.now
    state.level = min(limits.burst, state.level + (now - state.at) * limits.rate) - tokens
    state.at = now
    return float(max(0.0, -state.level / limits.rate))


@part
def report(run: Any, cohort: int, job: int, ok: int) -> None:
    """One member has succeeded or failed; a hasty cohort is done at its first failure."""
    those = cohort_at(run, cohort)
    those.left -= 1
    those.ok &= ok
    those.some |= ok
    if not those.came and (those.left == 0 or (those.hasty and not ok)):
        those.came, those.by = 1, job
        those.good = those.ok if those.hasty else those.some
        happen(run, COHORT_DONE, cohort, 0)


# Where cohorts stand: waves, groups past the barrier, needs of groups, applications, and all of these


@inlined
def group_safe(plan: Any, group: int) -> int:
    """The cohort of a group's VMs past the barrier."""
    return int(plan.n_waves + group)


@inlined
def needs_met(plan: Any, group: int) -> int:
    """The cohort of the groups that a group needs."""
    return int(plan.n_waves + plan.n_groups + group)


@inlined
def application_up(plan: Any, application: int) -> int:
    """The cohort of an application's VMs."""
    return int(plan.n_waves + 2 * plan.n_groups + application)


@inlined
def all_done(plan: Any) -> int:
    """The cohort of all applications."""
    return int(plan.n_waves + 2 * plan.n_groups + plan.n_applications)


# Jobs by what they are for


@inlined
def wave_job(plan: Any, wave: int) -> int:
    """The job of a wave."""
    return int(plan.n_vms + 1 + wave)


@inlined
def group_job(plan: Any, group: int) -> int:
    """The job of a group."""
    return int(plan.n_vms + 1 + plan.n_waves + group)


@inlined
def application_job(plan: Any, application: int) -> int:
    """The job of an application."""
    return int(plan.n_vms + 1 + plan.n_waves + plan.n_groups + application)
