"""Copies that compete for slots and links, compiled: every due run of every VM, under the overlap policy.

The same moments, in the same order, as `rpo_sim.model.simpy_engine.protection`, bit for bit; compare with it
function by function. Events of one time come in SimPy's order: ends of runs and alarms of links, then what is
due and what times out; each as they were scheduled.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.copies.heaps import pop, push
from rpo_sim.model.compiled_engine.copies.layout import ASKED, ENDS, LATE
from rpo_sim.model.compiled_engine.copies.links import (
    ask_to_send,
    clear_links,
    give_up,
    next_alarm,
    ring,
    send,
)
from rpo_sim.model.compiled_engine.copies.tables import (
    Flows,
    ahead_at,
    copies_at,
    copy_at,
    heap_at,
    slots_at,
    turn_at,
    wire_at,
)
from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.memory import int_at, long_at, plan_at, real_at, run_at, set_real

_ALLOW, _QUEUE, _COALESCE, _REPLACE = range(4)
_NONE, _SEND, _SENT, _END, _ALARM, _LAST = range(6)


@inlined
def _place(c: Any, number: int, vm: int) -> int:
    """Where a due run stands in the tables of its copy."""
    return int((number * c.n_runs + c.row) * c.n_vms + vm)


@part
def _cut(c: Any, copy: int, number: int, vm: int, asked_at: float, granted_at: float) -> float:
    """When the data of a run's first attempt was frozen."""
    me = copy_at(c, copy)
    due_at = asked_at if me.back_to_back else real_at(me.due, _place(c, number, vm))
    if me.hold > 0:
        return float(due_at - me.hold)
    return due_at if me.cut_before_slot else granted_at


@part
def _end_after(c: Any, seconds: float, copy: int, number: int, vm: int, asked_at: float) -> None:
    c.events += 1
    ends = heap_at(c, ENDS)
    new = ahead_at(ends, 0)
    new.asked_at, new.granted_at = asked_at, c.now
    push(ends, c.now + seconds, c.events, 0, copy, number, vm)


@part
def _granted(c: Any, copy: int, number: int, vm: int, asked_at: float) -> None:
    """Begin a run that has its slot."""
    me = copy_at(c, copy)
    turn_at(c, copy * c.n_vms + vm).working = 1
    if me.link >= 0:
        ask_to_send(c, copy, number, vm, _cut(c, copy, number, vm, asked_at, c.now))
    else:
        _end_after(c, real_at(me.busy, _place(c, number, vm)), copy, number, vm, asked_at)


@part
def _start(c: Any, copy: int, number: int, vm: int) -> None:
    """Ask for a slot: granted now, or when one comes free."""
    turn, slots = turn_at(c, copy * c.n_vms + vm), slots_at(c, copy_at(c, copy).pool)
    turn.current, turn.working = number, 0
    if slots.free > 0:
        slots.free -= 1
        _granted(c, copy, number, vm, c.now)
        return
    c.requests += 1
    push(heap_at(c, ASKED + copy_at(c, copy).pool), c.now, vm, c.requests, copy, number, vm)


@part
def _release(c: Any, pool: int) -> None:
    """Hand a slot to the first who waits; a run that was replaced meanwhile does not."""
    asked = heap_at(c, ASKED + pool)
    while asked.count > 0:
        pop(asked)
        first = ahead_at(asked, 0)
        asked_at, vm, copy, number = first.time, first.vm, first.copy, first.number
        if copy_at(c, copy).policy != _REPLACE or turn_at(c, copy * c.n_vms + vm).current == number:
            _granted(c, copy, number, vm, asked_at)
            return
    slots_at(c, pool).free += 1


@part
def _is_due(c: Any, copy: int, number: int, vm: int) -> None:
    me, turn = copy_at(c, copy), turn_at(c, copy * c.n_vms + vm)
    if me.policy == _ALLOW or turn.current < 0:
        _start(c, copy, number, vm)
    elif me.policy == _QUEUE or (me.policy == _COALESCE and turn.n_waiting == 0):
        if turn.n_waiting == 0:
            turn.next_waiting = number
        turn.n_waiting += 1
    elif me.policy == _REPLACE:
        turn.current = -1
        if turn.working:
            _release(c, me.pool)
        _start(c, copy, number, vm)


@part
def _look(c: Any, copy: int) -> None:
    """Look at due runs whose time has come, and again when that of the next has."""
    me = copy_at(c, copy)
    size = me.due_rows * c.n_vms
    while me.position < size:
        flat = long_at(me.order, c.row * size + me.position)
        number, vm = flat // c.n_vms, flat % c.n_vms
        at = real_at(me.due, _place(c, number, vm))
        if at == math.inf:
            return
        if at > me.looked:
            me.looked = at
            if at > c.now:
                c.events += 1
                push(heap_at(c, LATE), c.now + (at - c.now), c.events, 0, copy, -1, -1)
                return
        me.position += 1
        _is_due(c, copy, number, vm)


@part
def _write_down(c: Any, copy: int, number: int, vm: int, cut_at: float) -> None:
    """The point of a run that has just ended."""
    me, place = copy_at(c, copy), _place(c, number, vm)
    set_real(me.cut_at, place, cut_at)
    set_real(me.available_at, place, c.now + real_at(me.lag, c.row * c.n_vms + vm))


@part
def _give_back(c: Any, copy: int, vm: int) -> None:
    """Give a slot back; the VM is free again for a run that waited."""
    me, turn = copy_at(c, copy), turn_at(c, copy * c.n_vms + vm)
    _release(c, me.pool)
    if me.policy == _ALLOW:
        return
    turn.current = -1
    if turn.n_waiting > 0:
        turn.next_waiting += 1
        turn.n_waiting -= 1
        _start(c, copy, turn.next_waiting - 1, vm)


@part
def _ended(c: Any) -> None:
    """What ends first: a run, or the hold of one that is then sent."""
    ends = heap_at(c, ENDS)
    pop(ends)
    first = ahead_at(ends, 0)
    copy, number, vm, asked_at, granted_at = (
        first.copy,
        first.number,
        first.vm,
        first.asked_at,
        first.granted_at,
    )
    c.now = first.time
    me = copy_at(c, copy)
    if me.link >= 0:
        _start(c, copy, number, vm)
        return
    if me.policy == _REPLACE and turn_at(c, copy * c.n_vms + vm).current != number:
        return  # cancelled: its slot was given back then
    delay = real_at(me.cut_delay, _place(c, number, vm))
    if delay < math.inf:
        at_once = delay == 0 or me.hold > 0
        cut_at = _cut(c, copy, number, vm, asked_at, granted_at) if at_once else granted_at + delay
        _write_down(c, copy, number, vm, cut_at)
    _give_back(c, copy, vm)


@part
def _sent(c: Any, flows: Any) -> None:
    """A transfer has arrived, or has timed out; back to back the next is sent, if before the failure."""
    stream = int_at(flows.run.finished, c.told)
    c.told += 1
    copy, vm = stream // c.n_vms, stream % c.n_vms
    me, turn = copy_at(c, copy), turn_at(c, stream)
    number = turn.current
    if turn.arrived and real_at(me.cut_delay, _place(c, number, vm)) < math.inf:
        turn.last_cut = turn.cut_at
        _write_down(c, copy, number, vm, turn.cut_at)
    _give_back(c, copy, vm)
    if not me.back_to_back or c.now + me.hold > real_at(me.until, c.row):
        return
    if number + 1 == me.rows:
        c.short = 1
    elif me.hold > 0:
        _end_after(c, me.hold, copy, number + 1, vm, 0.0)
    else:
        _start(c, copy, number + 1, vm)


@part
def _last_of_all(c: Any, flows: Any) -> None:
    """What comes after all else of its instant: due runs, or the time-out of a transfer."""
    late = heap_at(c, LATE)
    pop(late)
    first = ahead_at(late, 0)
    copy, number, vm = first.copy, first.number, first.vm
    c.now = first.time
    if number < 0:
        _look(c, copy)
    elif turn_at(c, copy * c.n_vms + vm).current == number:  # else it has arrived
        give_up(c, flows, copy, vm)


@part
def _clear(c: Any, flows: Any, row: int) -> None:
    c.row, c.now, c.events, c.requests = row, real_at(c.begins, row), 0, 0
    c.n_sends, c.n_sent, c.told, c.short = 0, 0, 0, 0
    for heap in range(ASKED + c.n_pools):
        heap_at(c, heap).count = 0
    for pool in range(c.n_pools):
        slots_at(c, pool).free = slots_at(c, pool).capacity
    for copy in range(c.n_copies):
        me = copy_at(c, copy)
        me.position, me.looked = 0, -math.inf
        later = me.rows - 1 if me.back_to_back and me.link < 0 else 0
        for vm in range(c.n_vms):
            turn = turn_at(c, copy * c.n_vms + vm)
            turn.current, turn.working, turn.next_waiting, turn.n_waiting = -1, 0, 1, later
            turn.last_cut = math.nan
    clear_links(c, flows)


@part
def _what_comes(c: Any) -> int:
    """Which comes next; none at the end."""
    if c.n_sends > 0:
        return _SEND
    if c.told < c.n_sent:
        return _SENT
    link, what, time, sequence = next_alarm(c), _NONE, math.inf, 0
    ends, late = heap_at(c, ENDS), heap_at(c, LATE)
    if link >= 0:
        what, time, sequence = _ALARM, wire_at(c, link).alarm, wire_at(c, link).sequence
    if ends.count > 0:
        end = ahead_at(ends, 1)
        if what == _NONE or end.time < time or (end.time == time and end.first < sequence):
            what, time = _END, end.time
    if late.count > 0 and (what == _NONE or ahead_at(late, 1).time < time):
        what = _LAST
    return what


def simulate(copies: int, plan: int, run: int, first: int) -> int:
    """Runs from ``first`` to the end of the block; the number of one that needs more rows, to go on from.

    All but ``first`` are addresses of records.
    """
    c, flows = copies_at(copies), Flows(plan_at(plan), run_at(run))
    for row in range(first, c.n_runs):
        _clear(c, flows, row)
        for copy in range(c.n_copies):
            _look(c, copy)
        what = _what_comes(c)
        while what != _NONE and not c.short:
            if what == _SEND:
                send(c, flows)
            elif what == _SENT:
                _sent(c, flows)
            elif what == _END:
                _ended(c)
            elif what == _ALARM:
                ring(c, flows)
            else:
                _last_of_all(c, flows)
            what = _what_comes(c)
        if c.short:
            return row
    return int(c.n_runs)
