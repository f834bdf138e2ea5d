"""Slots, taken and given back; those of people who come and go change their number at times of the day.

Compare with `rpo_sim.model.simpy_engine.resources` and `rpo_sim.model.simpy_engine.shifts`.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.events import happen, set_alarm
from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.jobs import note, note_wait
from rpo_sim.model.compiled_engine.layout import ASSUMED, RESUME, SHIFT, SHIFT_ALARM
from rpo_sim.model.compiled_engine.memory import alarm_at, int_at, job_at, pool_at, real_at, shifts_of

_DAY_SECONDS = 86400.0


@inlined
def _wait_in_line(run: Any, pool: int, job: int) -> None:
    """By time, of one instant by rank, then as they came."""
    slots, me = pool_at(run, pool), job_at(run, job)
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


@inlined
def _serve_first(run: Any, pool: int, by: int) -> None:
    """Hand a slot to the first who waits."""
    slots = pool_at(run, pool)
    job = slots.first
    behind = job_at(run, job).behind
    slots.first = behind
    if behind >= 0:
        job_at(run, behind).ahead = -1
    else:
        slots.last = -1
    job_at(run, job).by = by
    happen(run, RESUME, job, 0)


@part
def take_slot(plan: Any, run: Any, pool: int, job: int) -> bool:
    """Take a slot, or wait in line."""
    slots = pool_at(run, pool)
    has_shifts = shifts_of(plan, pool).count > 0
    if has_shifts:
        _catch_up(plan, run, pool)
    if slots.free > 0:
        slots.free -= 1
        return True
    _wait_in_line(run, pool, job)
    if has_shifts:
        _set_alarm(plan, run, pool)
    return False


@part
def give_slot(plan: Any, run: Any, pool: int, by: int) -> None:
    """Give a slot back: straight to the first who waits, unless a shift has left too many held."""
    slots = pool_at(run, pool)
    if shifts_of(plan, pool).count > 0:
        _catch_up(plan, run, pool)
        slots.free += 1
        _serve(run, pool, by)
    elif slots.first < 0:
        slots.free += 1
    else:
        _serve_first(run, pool, by)


@part
def note_slot(plan: Any, run: Any, job: int) -> None:
    """Write down that a job waited for a slot, and for whom: somebody, or the next shift."""
    if job_at(run, job).by == SHIFT:
        note(run, job, plan.shift_what, ASSUMED)
    else:
        note_wait(run, job)


# People who come and go


@part
def begin_shifts(plan: Any, run: Any, pool: int, alarm: int) -> None:
    """The shift in which the failure strikes."""
    slots, span = pool_at(run, pool), shifts_of(plan, pool)
    slots.turn, slots.alarmed, slots.alarm = -1, 0, alarm
    for i in range(span.count):
        slots.turn += real_at(plan.shift_starts, span.first + i) <= run.time_of_day
    slots.free = _count(plan, pool, slots.turn)


@inlined
def _count(plan: Any, pool: int, turn: int) -> int:
    """How many there are in a turn; before the first of the day, the last of yesterday."""
    span = shifts_of(plan, pool)
    return int(int_at(plan.shift_counts, span.first + (turn + span.count) % span.count))


@inlined
def _change_at(plan: Any, run: Any, pool: int, turn: int) -> float:
    """When a turn begins, in seconds since the failure."""
    span = shifts_of(plan, pool)
    day = turn // span.count
    start = real_at(plan.shift_starts, span.first + turn - day * span.count)
    return float(day * _DAY_SECONDS + start - run.time_of_day)


@part
def _serve(run: Any, pool: int, by: int) -> None:
    slots = pool_at(run, pool)
    while slots.free > 0 and slots.first >= 0:
        slots.free -= 1
        _serve_first(run, pool, by)


@part
def _next_turn(plan: Any, run: Any, pool: int) -> None:
    slots = pool_at(run, pool)
    before = _count(plan, pool, slots.turn)
    slots.turn += 1
    slots.free += _count(plan, pool, slots.turn) - before
    _serve(run, pool, SHIFT)


@part
def _catch_up(plan: Any, run: Any, pool: int) -> None:
    while _change_at(plan, run, pool, pool_at(run, pool).turn + 1) <= run.now:
        _next_turn(plan, run, pool)


@part
def _set_alarm(plan: Any, run: Any, pool: int) -> None:
    """While anybody waits, the next shift is an event."""
    slots = pool_at(run, pool)
    if slots.alarmed:
        return
    slots.alarmed, slots.alarm_turn = 1, slots.turn + 1
    at = run.now + max(_change_at(plan, run, pool, slots.turn + 1) - run.now, 0.0)
    if at <= run.now:
        happen(run, SHIFT_ALARM, pool, 0)
        return
    set_alarm(run, slots.alarm, at)


@part
def ring_shift(plan: Any, run: Any, pool: int) -> None:
    """The next shift begins, by its number: the clock may be a rounding short of it."""
    slots = pool_at(run, pool)
    slots.alarmed, alarm_at(run, slots.alarm).time = 0, math.inf
    while slots.turn < slots.alarm_turn:
        _next_turn(plan, run, pool)
    _catch_up(plan, run, pool)
    if slots.first >= 0:
        _set_alarm(plan, run, pool)
