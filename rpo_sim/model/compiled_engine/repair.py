"""Repairs, by somebody if there are few of them, between a failure and the next try."""

from typing import Any

from rpo_sim.model.compiled_engine.jit import part, wide
from rpo_sim.model.compiled_engine.jobs import note, spend
from rpo_sim.model.compiled_engine.layout import NOT_DRAWN, REPAIRS
from rpo_sim.model.compiled_engine.memory import int_at, job_at, long_at, real_at, set_int
from rpo_sim.model.compiled_engine.slots import give_slot, note_slot, take_slot
from rpo_sim.model.compiled_engine.states import REPAIR, REPAIRED, REPAIRER_HAD, RESTS


@part
def _repairing(plan: Any, run: Any, draws: Any, job: int) -> int:
    """The next repair of this VM, with its draw."""
    me = job_at(run, job)
    who = job if me.root < 0 else me.root
    number = int_at(run.tries, plan.n_tries + who)
    if number >= draws.attempts or long_at(draws.repairs, number) == 0:
        run.status, run.stage, run.attempt = NOT_DRAWN, REPAIRS, number
        return RESTS
    set_int(run.tries, plan.n_tries + who, int_at(run.tries, plan.n_tries + who) + 1)
    return spend(run, job, real_at(long_at(draws.repairs, number), run.row * plan.n_jobs + who), REPAIRED)


@part
def in_repair(plan: Any, run: Any, draws: Any, job: int, state: int) -> int:
    """Go on with a repair; what comes after it, or that the job has to wait."""
    me = job_at(run, job)
    if state == REPAIRED:
        note(run, job, plan.repair_what, plan.repair_evidence)
        if plan.repair_pool >= 0:
            give_slot(plan, run, wide(plan.repair_pool), job)
        return int(me.after)
    if state == REPAIR:
        if not plan.repair:
            return int(me.after)
        if plan.repair_pool >= 0 and not take_slot(plan, run, wide(plan.repair_pool), job):
            me.state = REPAIRER_HAD
            return RESTS
    else:
        note_slot(plan, run, job)
    return _repairing(plan, run, draws, job)
