"""Copies that compete for slots and links, compiled: every due run of every VM, under the overlap policy.

The same moments, in the same order, as `rpo_sim.model.simpy_engine.protection`, bit for bit; compare with it
function by function. Events of one time come in SimPy's order: ends of runs and alarms of links, then what is
due and what times out; each as they were scheduled.
"""

import heapq
import math
from typing import Any

from rpo_sim.model.compiled_engine.copy_links import (
    ask_to_send,
    clear_links,
    give_up,
    next_alarm,
    ring,
    send,
)
from rpo_sim.model.compiled_engine.copy_tables import Ahead, copy_at, slots_at, turn_at, wire_at
from rpo_sim.model.compiled_engine.jit import compiled, inlined, part
from rpo_sim.model.compiled_engine.memory import int_at, long_at, real_at, set_real

POLICIES = ("allow", "queue", "coalesce", "replace", "skip")
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
def _end_after(c: Any, h: Any, seconds: float, copy: int, number: int, vm: int, asked_at: float) -> None:
    c.events += 1
    heapq.heappush(h.ends, (c.now + seconds, c.events, copy, number, vm, asked_at, c.now))


@part
def _granted(c: Any, h: Any, copy: int, number: int, vm: int, asked_at: float) -> None:
    """Begin a run that has its slot."""
    me = copy_at(c, copy)
    turn_at(c, copy * c.n_vms + vm).working = 1
    if me.link >= 0:
        ask_to_send(c, h, copy, number, vm, _cut(c, copy, number, vm, asked_at, c.now))
    else:
        _end_after(c, h, real_at(me.busy, _place(c, number, vm)), copy, number, vm, asked_at)


@part
def _start(c: Any, h: Any, copy: int, number: int, vm: int) -> None:
    """Ask for a slot: granted now, or when one comes free."""
    turn, slots = turn_at(c, copy * c.n_vms + vm), slots_at(c, copy_at(c, copy).pool)
    turn.current, turn.working = number, 0
    if slots.free > 0:
        slots.free -= 1
        _granted(c, h, copy, number, vm, c.now)
        return
    c.requests += 1
    heapq.heappush(h.asked[copy_at(c, copy).pool], (c.now, vm, c.requests, copy, number))


@part
def _release(c: Any, h: Any, pool: int) -> None:
    """Hand a slot to the first who waits; a run that was replaced meanwhile does not."""
    while len(h.asked[pool]) > 0:
        asked_at, vm, _, copy, number = heapq.heappop(h.asked[pool])
        if copy_at(c, copy).policy != _REPLACE or turn_at(c, copy * c.n_vms + vm).current == number:
            _granted(c, h, copy, number, vm, asked_at)
            return
    slots_at(c, pool).free += 1


@part
def _is_due(c: Any, h: Any, copy: int, number: int, vm: int) -> None:
    me, turn = copy_at(c, copy), turn_at(c, copy * c.n_vms + vm)
    if me.policy == _ALLOW or turn.current < 0:
        _start(c, h, copy, number, vm)
    elif me.policy == _QUEUE or (me.policy == _COALESCE and turn.n_waiting == 0):
        if turn.n_waiting == 0:
            turn.next_waiting = number
        turn.n_waiting += 1
    elif me.policy == _REPLACE:
        turn.current = -1
        if turn.working:
            _release(c, h, me.pool)
        _start(c, h, copy, number, vm)


@part
def _look(c: Any, h: Any, copy: int) -> None:
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
                heapq.heappush(h.late, (c.now + (at - c.now), c.events, copy, -1, -1))
                return
        me.position += 1
        _is_due(c, h, copy, number, vm)


@part
def _write_down(c: Any, copy: int, number: int, vm: int, cut_at: float) -> None:
    """The point of a run that has just ended."""
    me, place = copy_at(c, copy), _place(c, number, vm)
    set_real(me.cut_at, place, cut_at)
    set_real(me.available_at, place, c.now + real_at(me.lag, c.row * c.n_vms + vm))


@part
def _give_back(c: Any, h: Any, copy: int, vm: int) -> None:
    """Give a slot back; the VM is free again for a run that waited."""
    me, turn = copy_at(c, copy), turn_at(c, copy * c.n_vms + vm)
    _release(c, h, me.pool)
    if me.policy == _ALLOW:
        return
    turn.current = -1
    if turn.n_waiting > 0:
        turn.next_waiting += 1
        turn.n_waiting -= 1
        _start(c, h, copy, turn.next_waiting - 1, vm)


@part
def _ended(c: Any, h: Any) -> None:
    """What ends first: a run, or the hold of one that is then sent."""
    c.now, _, copy, number, vm, asked_at, granted_at = heapq.heappop(h.ends)
    me = copy_at(c, copy)
    if me.link >= 0:
        _start(c, h, copy, number, vm)
        return
    if me.policy == _REPLACE and turn_at(c, copy * c.n_vms + vm).current != number:
        return  # cancelled: its slot was given back then
    delay = real_at(me.cut_delay, _place(c, number, vm))
    if delay < math.inf:
        at_once = delay == 0 or me.hold > 0
        cut_at = _cut(c, copy, number, vm, asked_at, granted_at) if at_once else granted_at + delay
        _write_down(c, copy, number, vm, cut_at)
    _give_back(c, h, copy, vm)


@part
def _sent(c: Any, h: Any) -> None:
    """A transfer has arrived, or has timed out; back to back the next is sent, if before the failure."""
    stream = int_at(h.run.finished, c.told)
    c.told += 1
    copy, vm = stream // c.n_vms, stream % c.n_vms
    me, turn = copy_at(c, copy), turn_at(c, stream)
    number = turn.current
    if turn.arrived and real_at(me.cut_delay, _place(c, number, vm)) < math.inf:
        turn.last_cut = turn.cut_at
        _write_down(c, copy, number, vm, turn.cut_at)
    _give_back(c, h, copy, vm)
    if not me.back_to_back or c.now + me.hold > real_at(me.until, c.row):
        return
    if number + 1 == me.rows:
        c.short = 1
    elif me.hold > 0:
        _end_after(c, h, me.hold, copy, number + 1, vm, 0.0)
    else:
        _start(c, h, copy, number + 1, vm)


@part
def _last_of_all(c: Any, h: Any) -> None:
    """What comes after all else of its instant: due runs, or the time-out of a transfer."""
    c.now, _, copy, number, vm = heapq.heappop(h.late)
    if number < 0:
        _look(c, h, copy)
    elif turn_at(c, copy * c.n_vms + vm).current == number:  # else it has arrived
        give_up(c, h, copy, vm)


@part
def _clear(c: Any, h: Any, row: int) -> None:
    c.row, c.now, c.events, c.requests = row, real_at(c.begins, row), 0, 0
    c.n_sent, c.told, c.short = 0, 0, 0
    for pool in range(c.n_pools):
        slots_at(c, pool).free = slots_at(c, pool).capacity
        h.asked[pool].clear()
    for copy in range(c.n_copies):
        me = copy_at(c, copy)
        me.position, me.looked = 0, -math.inf
        later = me.rows - 1 if me.back_to_back and me.link < 0 else 0
        for vm in range(c.n_vms):
            turn = turn_at(c, copy * c.n_vms + vm)
            turn.current, turn.working, turn.next_waiting, turn.n_waiting = -1, 0, 1, later
            turn.last_cut = math.nan
    clear_links(c, h)


@part
def _what_comes(c: Any, h: Any) -> int:
    """Which comes next; none at the end."""
    if len(h.sends) > 0:
        return _SEND
    if c.told < c.n_sent:
        return _SENT
    link, what, time, sequence = next_alarm(c), _NONE, math.inf, 0
    if link >= 0:
        what, time, sequence = _ALARM, wire_at(c, link).alarm, wire_at(c, link).sequence
    if len(h.ends) > 0 and (what == _NONE or (h.ends[0][0], h.ends[0][1]) < (time, sequence)):
        what, time = _END, h.ends[0][0]
    if len(h.late) > 0 and (what == _NONE or h.late[0][0] < time):
        what = _LAST
    return what


@compiled
def simulate(copies: Any, plan: Any, run: Any, first: int) -> int:
    """Runs from ``first`` to the end of the block; the number of one that needs more rows, to go on from."""
    c = copies[0]
    for row in range(first, c.n_runs):
        h = Ahead(  # whose lists tell their types
            [(0.0, 0, 0, 0, 0, 0.0, 0.0)],
            [(0.0, 0, 0, 0, 0)],
            [[(0.0, 0, 0, 0, 0)] for _ in range(c.n_pools)],
            [(0, 0, 0, 0)],
            plan[0],
            run[0],
        )
        h.ends.clear()
        h.late.clear()
        h.sends.clear()
        _clear(c, h, row)
        for copy in range(c.n_copies):
            _look(c, h, copy)
        what = _what_comes(c, h)
        while what != _NONE and not c.short:
            if what == _SEND:
                send(c, h)
            elif what == _SENT:
                _sent(c, h)
            elif what == _END:
                _ended(c, h)
            elif what == _ALARM:
                ring(c, h)
            else:
                _last_of_all(c, h)
            what = _what_comes(c, h)
        if c.short:
            return row
    return int(c.n_runs)
