"""The procedure of one job, as a machine whose states stand where the SimPy engine's processes yield.

`advance` takes a job from the state in which it was left to the next point where it has to wait. What it
does there stands in `stage`, `path`, `repair` and `once`.
"""

from typing import Any

from rpo_sim.model.compiled_engine.afterwards import afterwards, stage_followed
from rpo_sim.model.compiled_engine.events import happen
from rpo_sim.model.compiled_engine.jit import inlined, part, wide
from rpo_sim.model.compiled_engine.jobs import note_wait
from rpo_sim.model.compiled_engine.layout import AFTER_VM, APPLICATION, DISK, DISK_DONE, LAST, VM
from rpo_sim.model.compiled_engine.memory import job_at, stage_at
from rpo_sim.model.compiled_engine.once import once, used_steps
from rpo_sim.model.compiled_engine.path import on_path
from rpo_sim.model.compiled_engine.repair import in_repair
from rpo_sim.model.compiled_engine.stage import in_stage
from rpo_sim.model.compiled_engine.states import (
    AFTER,
    AFTER_TURN,
    ATTEMPT_DONE,
    ENDED,
    FOR_ALL,
    LAST_IN_STAGE,
    LAST_OF_REPAIR,
    LAST_ON_PATH,
    NEEDS,
    PROGRAM,
    REPAIR,
    RESTS,
    SEQUENCE,
    STAGE_DONE,
    TURN,
    WAVE_SAFE,
)
from rpo_sim.model.compiled_engine.struck import strike_from


@inlined
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
    if me.role >= AFTER_VM:
        return stage_followed(plan, run, job)
    if not me.ok and strike_from(plan, run, me.role, me.place, stage_at(plan, me.stage).steps):
        me.after = FOR_ALL
        return REPAIR
    return FOR_ALL


@inlined
def _turn_comes(plan: Any, run: Any, job: int) -> int:
    """What a job waited for at first has come."""
    me = job_at(run, job)
    note_wait(run, job)
    me.start = run.now
    if me.role == VM:
        return NEEDS
    if me.role == APPLICATION or me.role == LAST:
        me.at, me.done = 0, 0
        if me.role == APPLICATION and me.ok:
            me.done = used_steps(plan, run, me.place)
        return SEQUENCE
    return FOR_ALL


@part
def advance(plan: Any, run: Any, draws: Any, job: int) -> None:
    """From the state in which a job was left to where it has to wait next, or to its end."""
    state = wide(job_at(run, job).state)
    while state != RESTS:
        if state <= LAST_IN_STAGE:
            state = in_stage(plan, run, draws, job, state)
        elif state == STAGE_DONE:
            state = _stage_over(plan, run, job)
        elif state <= LAST_ON_PATH:
            state = on_path(plan, run, draws, job, state)
        elif state <= LAST_OF_REPAIR:
            state = in_repair(plan, run, draws, job, state)
        elif AFTER_TURN <= state <= AFTER:
            state = afterwards(plan, run, job, state)
        elif state == TURN:
            state = _turn_comes(plan, run, job)
        elif state in (WAVE_SAFE, ENDED):
            job_at(run, job).state = state
            state = RESTS
        else:
            state = once(plan, run, draws, job, state)
