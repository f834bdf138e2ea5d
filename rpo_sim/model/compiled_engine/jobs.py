"""What jobs share: tokens, room, cohorts that wait for each other, and the journal."""

import math
from typing import Any

from rpo_sim.model.compiled_engine.events import happen, resume_after
from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.layout import ALL, COHORT_DONE, NO_ROOM, WAIT
from rpo_sim.model.compiled_engine.memory import (
    bucket_at,
    cohort_at,
    group_quorums,
    job_at,
    level_at,
    real_at,
    segment_at,
    set_real,
)
from rpo_sim.model.compiled_engine.states import RESTS


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


@inlined
def spend(run: Any, job: int, seconds: float, then: int) -> int:
    """Let time pass; what lasts for ever never comes back, and `run` tells."""
    job_at(run, job).start, job_at(run, job).state = run.now, then
    if seconds < math.inf:
        resume_after(run, job, seconds)
    return RESTS


@part
def token_seconds(plan: Any, run: Any, bucket: int, tokens: float) -> float:
    """Take tokens, on credit if need be; seconds until they have gathered."""
    limits, state, now = bucket_at(plan, bucket), level_at(run, bucket), run.now
    state.level = min(limits.burst, state.level + (now - state.at) * limits.rate) - tokens
    state.at = now
    return float(max(0.0, -state.level / limits.rate))


@part
def report(run: Any, cohort: int, job: int, ok: int) -> None:
    """One member has succeeded or failed; with `least` the cohort is done once so many have, or cannot."""
    those = cohort_at(run, cohort)
    those.left -= 1
    those.good += ok
    if those.came:
        return
    done, those.ok = those.left == 0, those.good > 0
    if those.least != ALL:
        done = those.good >= those.least or those.good + those.left < those.least
        those.ok = those.good >= those.least
    if done:
        those.came, those.by = 1, job
        happen(run, COHORT_DONE, cohort, 0)


@part
def report_to_quorums(plan: Any, run: Any, first: int, vm: int, ok: int) -> None:
    """Tell those who need so many of a VM's group; ``first`` says of being ready, or of being back."""
    span = group_quorums(plan, job_at(run, vm).group)
    for quorum in range(span.first, span.first + span.count):
        report(run, first + quorum, vm, ok)


@part
def is_here(run: Any, cohort: int, job: int) -> bool:
    """Whether a cohort has come and was heard of; else the job waits for it, behind those who do."""
    me, those = job_at(run, job), cohort_at(run, cohort)
    if those.seen:
        me.by, me.ok = those.by, those.ok
        return True
    me.behind = -1
    if those.last >= 0:
        job_at(run, those.last).behind = job
    else:
        those.first = job
    those.last = job
    return False


@part
def takes_its_place(plan: Any, run: Any, vm: int) -> bool:
    """Take what a VM demands of the target, or nothing where any of it is short: first come."""
    demands = job_at(run, vm).group * plan.n_resources
    for i in range(plan.n_resources):
        if real_at(run.free, i) - real_at(plan.demands, demands + i) < 0:
            job_at(run, vm).short = 1
            return False
    for i in range(plan.n_resources):
        set_real(run.free, i, real_at(run.free, i) - real_at(plan.demands, demands + i))
    return True


@part
def gives_its_place_back(plan: Any, run: Any, vm: int) -> None:
    """A VM that could not be recovered leaves room for others."""
    demands = job_at(run, vm).group * plan.n_resources
    for i in range(plan.n_resources):
        set_real(run.free, i, real_at(run.free, i) + real_at(plan.demands, demands + i))


# Where cohorts stand: waves; quorums of groups that are ready, and that are back; groups whose needs are
# ready, and are back; applications; all of these; applications whose VMs are through with what follows; all


@inlined
def quorum_ready(plan: Any) -> int:
    """The first cohort of so many of a group past the barrier."""
    return int(plan.n_waves)


@inlined
def quorum_back(plan: Any) -> int:
    """The first cohort of so many of a group at the end of their way."""
    return int(plan.n_waves + plan.n_quorums)


@inlined
def needs_ready(plan: Any, group: int) -> int:
    """The cohort of the quorums that let a group's VMs begin."""
    return int(plan.n_waves + 2 * plan.n_quorums + group)


@inlined
def needs_back(plan: Any, group: int) -> int:
    """The cohort of the quorums that let a group's VMs be back."""
    return int(plan.n_waves + 2 * plan.n_quorums + plan.n_groups + group)


@inlined
def application_up(plan: Any, application: int) -> int:
    """The cohort of an application's VMs."""
    return int(plan.n_waves + 2 * plan.n_quorums + 2 * plan.n_groups + application)


@inlined
def all_done(plan: Any) -> int:
    """The cohort of all applications."""
    return application_up(plan, plan.n_applications)


@inlined
def after_vms(plan: Any, application: int) -> int:
    """The cohort of an application's VMs that are through with what follows for them."""
    return int(all_done(plan) + 1 + application)


@inlined
def after_applications(plan: Any) -> int:
    """The cohort of all applications that are through with what follows for them."""
    return after_vms(plan, plan.n_applications)


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
