"""The clock: what happens next, in exactly SimPy's order.

SimPy orders events by (time, order of scheduling). What is scheduled for a later time goes into a heap, four
below each, by (time, sequence number); what is scheduled for this very instant into a ring, first in, first
out: its sequence number is larger than that of anything which was scheduled for this instant when it still
lay ahead. Where only one at a time counts it is an alarm, which has a place of its own: the next finish on a
link, the next shift of a pool, the next time-out of a stage's transfers, which expire in the order in which
they were set. Jobs that go on before anything else does stand in a list, and are counted by no clock.
"""

import math
from typing import Any

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


@inlined
def _move(run: Any, source: int, target: int) -> None:
    a, b = timed_at(run, source), timed_at(run, target)
    b.time, b.sequence, b.job = a.time, a.sequence, a.job


@part
def resume_after(run: Any, job: int, seconds: float) -> None:
    """Schedule a job to go on."""
    at = run.now + seconds
    if at <= run.now:
        happen(run, RESUME, job, 0)
        return
    run.sequence += 1
    hole = run.n_timed
    run.n_timed += 1
    while hole > 0:  # the newest goes behind its equals: its sequence number is the largest
        above = (hole - 1) >> 2
        if timed_at(run, above).time <= at:
            break
        _move(run, above, hole)
        hole = above
    entry = timed_at(run, hole)
    entry.time, entry.sequence, entry.job = at, run.sequence, job


@inlined
def _comes_before(a: Any, b: Any) -> int:
    """1 or 0: which it is cannot be foretold, so this is to be calculated and not branched on."""
    return int((a.time < b.time) | ((a.time == b.time) & (a.sequence < b.sequence)))


@inlined
def _first_of(run: Any, one: int, other: int) -> int:
    return one + (other - one) * _comes_before(timed_at(run, other), timed_at(run, one))


@part
def next_timed(run: Any) -> int:
    """Take the first job off the heap: the hole goes to the bottom, and the last entry up from there."""
    job: int = timed_at(run, 0).job
    run.n_timed -= 1
    size = run.n_timed
    hole, below = 0, 1
    while below + 3 < size:
        two = _first_of(run, below, below + 1)
        first = _first_of(run, two, _first_of(run, below + 2, below + 3))
        _move(run, first, hole)
        hole, below = first, 4 * first + 1
    if below < size:  # fewer than four
        first = below
        for other in range(below + 1, size):
            first = _first_of(run, first, other)
        _move(run, first, hole)
        hole = first
    last = timed_at(run, size)
    while hole > 0:
        above = (hole - 1) >> 2
        if not _comes_before(last, timed_at(run, above)):
            break
        _move(run, above, hole)
        hole = above
    _move(run, size, hole)
    return job


@inlined
def set_alarm(run: Any, alarm: int, at: float) -> None:
    """Have it ring at a time that lies ahead."""
    run.sequence += 1
    entry = alarm_at(run, alarm)
    entry.time, entry.sequence = at, run.sequence


@part
def next_alarm(plan: Any, run: Any) -> int:
    """The alarm that rings before all others and before the first of the heap; -1 if the heap comes first."""
    time, sequence, found = math.inf, 0, -1
    if run.n_timed > 0:
        time, sequence = timed_at(run, 0).time, timed_at(run, 0).sequence
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
