"""A job in a stage: its slots, its tokens, its work, and its next tries.

Compare with `rpo_sim.model.simpy_engine.work`.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine import sharing
from rpo_sim.model.compiled_engine.events import drop_expiry, set_expiry
from rpo_sim.model.compiled_engine.jit import inlined, part, wide
from rpo_sim.model.compiled_engine.jobs import note, spend, token_seconds
from rpo_sim.model.compiled_engine.layout import NOT_DRAWN
from rpo_sim.model.compiled_engine.memory import (
    bucket_at,
    byte_at,
    int_at,
    job_at,
    link_at,
    long_at,
    real_at,
    set_int,
    stage_at,
    stream_at,
    token_at,
)
from rpo_sim.model.compiled_engine.slots import give_slot, note_slot, take_slot
from rpo_sim.model.compiled_engine.states import (
    MOVED,
    POOL_HAD,
    REPAIR,
    RESTS,
    RETRY,
    STAGE,
    STAGE_DONE,
    TOKENS_HAD,
    WORKED,
)


@part
def _point(plan: Any, run: Any, draws: Any, vm: int) -> int:
    """Where the point that a VM tries has its numbers in tables of shape (runs, steps, points, …)."""
    me = job_at(run, vm)
    of_step = run.row * plan.n_steps + int_at(run.options, vm * plan.n_steps + me.tried)
    point = draws.points - 1
    if draws.tainted != 0 and me.point < int_at(draws.tainted, of_step * plan.n_vms + vm):
        point = me.point
    return int(of_step * draws.points + point)


@inlined
def _bytes(plan: Any, run: Any, draws: Any, job: int) -> float:
    """Bytes that the stage moves: known beforehand, or decided by the point restored."""
    me = job_at(run, job)
    since, first = long_at(draws.since, me.stage), stage_at(plan, me.stage).first_bytes
    if since != 0:
        row = _point(plan, run, draws, wide(job if me.root < 0 else me.root))
        return float(real_at(since, row * stage_at(plan, me.stage).members + me.member))
    return float(real_at(plan.stage_bytes, first + me.kind)) if first >= 0 else 0.0


@inlined
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


@inlined
def _work_alone(run: Any, job: int, stage: Any, seconds: float) -> int:
    """Nobody else makes it longer."""
    if seconds > stage.timeout:
        job_at(run, job).ok = 0
    return spend(run, job, min(seconds, stage.timeout), WORKED)


@inlined
def _work(plan: Any, run: Any, draws: Any, job: int) -> int:
    """The next attempt at a stage, with its draws: alone, or on a link."""
    me = job_at(run, job)
    stage = stage_at(plan, me.stage)
    number = int_at(run.tries, stage.first_try + me.member)
    at = me.stage * draws.attempts + number
    if number >= draws.attempts or long_at(draws.seconds, at) == 0:
        run.status, run.stage, run.attempt = NOT_DRAWN, me.stage, number
        return RESTS
    set_int(run.tries, stage.first_try + me.member, int_at(run.tries, stage.first_try + me.member) + 1)
    here = run.row * stage.members + me.member
    bytes_ = _bytes(plan, run, draws, job)
    seconds = _alone(plan, run, draws, job, at, bytes_)
    succeeds = long_at(draws.succeeds, at)
    me.ok = 1 if succeeds == 0 else byte_at(succeeds, here)
    if stage.link < 0 or seconds == math.inf:
        return _work_alone(run, job, stage, seconds)
    link = link_at(plan, stage.link)
    bytes_ = seconds if link.paced else bytes_ * stage.link_factor  # paced: jobs only slow each other
    if bytes_ <= 0:
        return _work_alone(run, job, stage, seconds)
    cap = min(link.per_stream, bytes_ / seconds if seconds > 0 else math.inf)
    me.start, me.state = run.now, MOVED
    stream_at(run, job).turn += 1
    sharing.send(run, wide(stage.link), job, bytes_, cap)
    stream_at(run, job).expires = math.inf
    if stage.timeout < math.inf:
        set_expiry(plan, run, job, wide(me.stage), stage.timeout)
    return RESTS


@part
def _moved(plan: Any, run: Any, job: int) -> None:
    """A transfer has come to its end, or to its time-out."""
    me, stream = job_at(run, job), stream_at(run, job)
    stream.turn += 1
    drop_expiry(plan, run, job, wide(me.stage))
    if not stream.finished:
        me.ok = 0
        sharing.give_up(run, job)


@inlined
def _takes_slots(plan: Any, run: Any, job: int) -> bool:
    """Take the slots that are still missing, one after the other, or wait for one."""
    me = job_at(run, job)
    stage = stage_at(plan, me.stage)
    while me.at_pool < stage.pools:
        if not take_slot(plan, run, int_at(plan.stage_pools, stage.first_pool + me.at_pool), job):
            return False
        me.at_pool += 1
    return True


@inlined
def _takes_tokens(plan: Any, run: Any, job: int) -> bool:
    """Take the tokens that are still missing, or wait until they have gathered."""
    me = job_at(run, job)
    stage = stage_at(plan, me.stage)
    while me.at_token < stage.tokens:
        token = token_at(plan, stage.first_token + me.at_token)
        seconds = token_seconds(plan, run, token.bucket, token.tokens)
        if seconds > 0:
            spend(run, job, seconds, TOKENS_HAD)
            return False
        me.at_token += 1
    return True


@inlined
def _tried(plan: Any, run: Any, job: int) -> int:
    """An attempt is over: slots are given back, and it is done or tried again."""
    me = job_at(run, job)
    stage = stage_at(plan, me.stage)
    for i in range(stage.first_pool, stage.first_pool + stage.pools):
        give_slot(plan, run, int_at(plan.stage_pools, i), job)
    if me.ok or me.retry == stage.retries:
        return STAGE_DONE
    me.after = RETRY
    return REPAIR


@inlined
def in_stage(plan: Any, run: Any, draws: Any, job: int, state: int) -> int:
    """Go on in a stage; the state in which the job leaves it, or that it has to wait."""
    me = job_at(run, job)
    if state <= MOVED:
        if state == MOVED:
            _moved(plan, run, job)
        note(run, job, stage_at(plan, me.stage).what, stage_at(plan, me.stage).evidence)
        return _tried(plan, run, job)
    if state == STAGE:
        me.retry, me.at_pool, me.at_token = 0, 0, 0
    elif state == RETRY:
        me.retry += 1
        me.at_pool, me.at_token = 0, 0
    elif state == POOL_HAD:
        note_slot(plan, run, job)
        me.at_pool += 1
    else:
        bucket = token_at(plan, stage_at(plan, me.stage).first_token + me.at_token).bucket
        note(run, job, plan.token_what + bucket, bucket_at(plan, bucket).evidence)
        me.at_token += 1
    if not _takes_slots(plan, run, job):
        me.state = POOL_HAD
        return RESTS
    if not _takes_tokens(plan, run, job):
        return RESTS
    return _work(plan, run, draws, job)
