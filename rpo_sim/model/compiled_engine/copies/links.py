"""Copies that share a link, compiled: streams, outages, and what each run has to move.

Compare with `rpo_sim.model.simpy_engine.copy_link`, `rpo_sim.model.protection.link_clock` and
`rpo_sim.model.change`, function by function. The stream of a copy and a VM has a number of its own: over a
link, one run of them is sent at a time.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.copies.heaps import push
from rpo_sim.model.compiled_engine.copies.layout import LATE
from rpo_sim.model.compiled_engine.copies.tables import (
    amount_at,
    change_at,
    copy_at,
    heap_at,
    send_at,
    turn_at,
    wire_at,
)
from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.memory import byte_at, int_at, real_at, set_int
from rpo_sim.model.compiled_engine.sharing import add, clear, finished, next_finish, remove


@part
def _how_many(table: int, first: int, count: int, value: float, equal: bool) -> int:
    """How many of some ascending numbers lie below a value, or at it if ``equal``."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        number = real_at(table, first + middle)
        if number < value or (equal and number == value):
            low = middle + 1
        else:
            high = middle
    return low


@part
def _up(c: Any, link: int) -> float:
    """Now, on the link's clock: seconds of up time, counted from the failure."""
    wire = wire_at(c, link)
    if wire.changes == 0:
        return float(c.now)
    first = c.row * wire.changes
    at = first + _how_many(wire.times, first, wire.changes, c.now, True) - 1
    up = real_at(wire.ups, at)
    return float(up + (c.now - real_at(wire.times, at)) if real_at(wire.ups, at + 1) > up else up)


@part
def _when(c: Any, link: int, up: float) -> float:
    """The first moment at which the link has been up so long."""
    wire = wire_at(c, link)
    first = c.row * wire.changes
    at = first + _how_many(wire.ups, first, wire.changes, up, False) - 1
    return float(real_at(wire.times, at) + (up - real_at(wire.ups, at)))


@part
def _changed(c: Any, amount: Any, seconds: float) -> float:
    """Unique bytes that a VM writes within a window."""
    least, most = change_at(c, amount.first), change_at(c, amount.first + amount.count - 1)
    if seconds <= least.window:
        return float(min(amount.most, least.bytes_ * seconds / least.window))
    if seconds >= most.window:
        return float(min(amount.most, most.bytes_ * seconds / most.window))
    k = amount.first
    while change_at(c, k).window < seconds:
        k += 1
    before, behind = change_at(c, k - 1), change_at(c, k)
    share = math.log(seconds / before.window) / behind.log
    return float(min(amount.most, before.bytes_ + share * (behind.bytes_ - before.bytes_)))


@part
def _bytes(c: Any, copy: int, number: int, vm: int, cut_at: float) -> float:
    """What a run moves: all, or what changed since the last cut that was sent."""
    me, amount = copy_at(c, copy), amount_at(c, copy * c.n_groups + int_at(c.groups, vm))
    if me.cycles and byte_at(me.full, number * c.n_runs + c.row):
        return float(amount.full_bytes * me.factor)
    if amount.count == 0:
        return float(amount.bytes_ * me.factor)
    last = turn_at(c, copy * c.n_vms + vm).last_cut
    return _changed(c, amount, me.settled if math.isnan(last) else cut_at - last) * float(me.factor)


@part
def _set_alarm(c: Any, flows: Any, link: int, sequence: int) -> None:
    """Wake the link when its next stream finishes; an alarm set before does not count any more."""
    wire = wire_at(c, link)
    wire.due, wire.alarm, wire.sequence = next_finish(flows.plan, flows.run, link), math.inf, sequence
    if wire.due == math.inf:
        return
    at = wire.due
    if wire.changes:
        at = _when(c, link, wire.due) if wire.due > _up(c, link) else c.now
    wire.alarm = c.now + max(at - c.now, 0.0)


@inlined
def ask_to_send(c: Any, copy: int, number: int, vm: int, cut_at: float) -> None:
    """Have the bytes of a run moved, before anything else happens.

    Not at once, so that much of the kernel need not be compiled with all of a link in it. The alarm and the
    time-out have the places among the events that they would have.
    """
    turn = turn_at(c, copy * c.n_vms + vm)
    turn.cut_at, turn.arrived = cut_at, 1  # unless it times out
    asked = send_at(c, c.n_sends)
    asked.copy, asked.number, asked.vm, asked.first = copy, number, vm, c.events + 1
    c.n_sends += 1
    c.events += 2


@part
def send(c: Any, flows: Any) -> None:
    """Start to move the bytes of the runs that asked for it."""
    for i in range(c.n_sends):
        asked = send_at(c, i)
        copy, number, vm, sequence = asked.copy, asked.number, asked.vm, asked.first
        me, turn = copy_at(c, copy), turn_at(c, copy * c.n_vms + vm)
        bytes_ = _bytes(c, copy, number, vm, turn.cut_at)
        flows.run.now = _up(c, me.link)
        add(flows.run, me.link, copy * c.n_vms + vm, bytes_, wire_at(c, me.link).cap)
        _set_alarm(c, flows, me.link, sequence)
        if me.timeout < math.inf:
            push(heap_at(c, LATE), c.now + me.timeout, sequence + 1, 0, copy, number, vm)
    c.n_sends = 0


@part
def give_up(c: Any, flows: Any, copy: int, vm: int) -> None:
    """Stop a transfer that has not finished; it is the one that is told of next."""
    link, stream = copy_at(c, copy).link, copy * c.n_vms + vm
    flows.run.now = _up(c, link)
    remove(flows.run, link, stream)
    c.events += 1
    _set_alarm(c, flows, link, c.events)
    turn_at(c, stream).arrived = 0
    set_int(flows.run.finished, 0, stream)
    c.told, c.n_sent = 0, 1


@inlined
def _rings_before(a: Any, b: Any) -> bool:
    return bool(a.alarm < b.alarm or (a.alarm == b.alarm and a.sequence < b.sequence))


@inlined
def next_alarm(c: Any) -> int:
    """The link that rings first; -1 if none does."""
    found = -1
    for link in range(c.n_links):
        wire = wire_at(c, link)
        if wire.alarm < math.inf and (found < 0 or _rings_before(wire, wire_at(c, found))):
            found = link
    return found


@part
def ring(c: Any, flows: Any) -> None:
    """The first alarm of a link: take off what has arrived, to be told of one by one before anything else."""
    link = next_alarm(c)
    c.now = wire_at(c, link).alarm
    flows.run.now = max(_up(c, link), wire_at(c, link).due)
    c.told, c.n_sent = 0, finished(flows.run, link)
    c.events += 1
    _set_alarm(c, flows, link, c.events)


@part
def clear_links(c: Any, flows: Any) -> None:
    """Links on which nothing was ever sent."""
    flows.run.n_blocks, flows.run.free_block = 0, -1
    for link in range(c.n_links):
        clear(flows.run, link, wire_at(c, link).bandwidth)
        wire_at(c, link).alarm = math.inf
