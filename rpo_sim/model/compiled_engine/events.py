"""The clock: what happens next, in exactly SimPy's order.

SimPy orders events by (time, order of scheduling). What is scheduled for a later time stands in that order
(see `ahead`); what is scheduled for this very instant in a ring, first in, first out: its sequence number is
larger than that of anything which was scheduled for this instant when it still lay ahead. Where only one at a
time counts it is an alarm, which has a place of its own: the next finish on a link, the next shift of a pool,
the next time-out of a stage's transfers, which expire in the order in which they were set. Jobs that go on
before anything else does stand in a list, and are counted by no clock.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.ahead import put_ahead
from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.layout import EXPIRY, NO_ROOM, RESUME
from rpo_sim.model.compiled_engine.memory import (
    alarm_at,
    expiries_at,
    instant_at,
    set_int,
    stage_at,
    stream_at,
    timed_at,
)


@inlined
def happen(run: Any, what: int, who: int, turn: int) -> None:
    """Schedule for this instant."""
    size = run.instants_size
    if run.n_instants == size:
        run.status = NO_ROOM
        return
    entry = instant_at(run, (run.instant + run.n_instants) & (size - 1))
    entry.what, entry.who, entry.turn = what, who, turn
    run.n_instants += 1


@inlined
def at_once(run: Any, job: int) -> None:
    """Have a job go on before anything else of this instant."""
    set_int(run.urgent, run.n_urgent, job)
    run.n_urgent += 1


@part
def resume_after(run: Any, job: int, seconds: float) -> None:
    """Schedule a job to go on."""
    at = run.now + seconds
    if at <= run.now:
        happen(run, RESUME, job, 0)
        return
    run.sequence += 1
    put_ahead(run, at, run.sequence, job)


@inlined
def set_alarm(run: Any, alarm: int, at: float) -> None:
    """Have it ring at a time that lies ahead."""
    run.sequence += 1
    entry = alarm_at(run, alarm)
    entry.time, entry.sequence = at, run.sequence


@part
def next_alarm(plan: Any, run: Any) -> int:
    """The alarm that rings before all others and before the first job ahead; -1 if that comes first."""
    time, sequence, found = math.inf, 0, -1
    if run.n_timed > 0:
        time, sequence = timed_at(run, run.first_timed).time, timed_at(run, run.first_timed).sequence
    for i in range(plan.n_alarms):
        alarm = alarm_at(run, i)
        if alarm.time < time or (alarm.time == time and alarm.sequence < sequence):
            time, sequence, found = alarm.time, alarm.sequence, i
    run.next_time = time
    return found


@inlined
def _set_first(run: Any, queue: Any, job: int, alarm: int) -> None:
    """The first of a stage's transfers is the one that its alarm is for."""
    queue.first = job
    entry = alarm_at(run, alarm)
    entry.time = math.inf
    if job >= 0:
        entry.time, entry.sequence = stream_at(run, job).expires, stream_at(run, job).expiry


@part
def set_expiry(plan: Any, run: Any, job: int, stage: int, seconds: float) -> None:
    """Have a transfer time out. Per stage these come in order, as each lasts as long as the others."""
    stream = stream_at(run, job)
    at = run.now + seconds
    stream.expires = math.inf
    if at <= run.now:
        happen(run, EXPIRY, job, stream.turn)
        return
    run.sequence += 1
    stream.expires, stream.expiry, stream.later = at, run.sequence, -1
    queue = expiries_at(run, stage)
    stream.sooner = queue.last
    if queue.last >= 0:
        stream_at(run, queue.last).later = job
    else:
        _set_first(run, queue, job, stage_at(plan, stage).alarm)
    queue.last = job


@part
def drop_expiry(plan: Any, run: Any, job: int, stage: int) -> None:
    """Forget a time-out that has come or is not needed any more."""
    stream, queue = stream_at(run, job), expiries_at(run, stage)
    if stream.expires == math.inf:
        return
    stream.expires = math.inf
    if stream.sooner >= 0:
        stream_at(run, stream.sooner).later = stream.later
    else:
        _set_first(run, queue, stream.later, stage_at(plan, stage).alarm)
    if stream.later >= 0:
        stream_at(run, stream.later).sooner = stream.sooner
    else:
        queue.last = stream.sooner
