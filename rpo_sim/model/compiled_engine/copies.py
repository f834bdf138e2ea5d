"""Copies that compete for slots, compiled: every due run of every VM, under the overlap policy.

The same moments, in the same order, as `rpo_sim.model.simpy_engine.protection`, bit for bit; compare with it
function by function. Events of one time come in SimPy's order: ends of runs, then what is due; each as they
were scheduled.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from rpo_sim.model.compiled_engine.jit import compiled, part
from rpo_sim.model.plan import CopyPlan, Plan
from rpo_sim.model.protection.records import Attempts, Points

_POLICIES = ("allow", "queue", "coalesce", "replace", "skip")
_ALLOW, _QUEUE, _COALESCE, _REPLACE = range(4)
_ENDLESS = 10**9


class _Copies(NamedTuple):
    """The copies, one after the other: rows of ``due`` and its like are due runs, from ``first`` on."""

    first: Any  # (copies,)
    policy: Any
    hold: Any
    back_to_back: Any
    cut_before_slot: Any
    rows: Any  # due runs, (copies,); of back-to-back all but the first wait from the beginning
    orders: Any  # where a copy's order begins, (copies + 1,)
    order: Any  # (runs, due runs x VMs): by time, those of one instant by VM
    due: Any  # (rows, runs, VMs)
    busy: Any
    cut_delay: Any
    lag: Any  # (copies, runs, VMs)
    cut_at: Any  # (rows, runs, VMs)
    available_at: Any


class _State(NamedTuple):
    """One run: clock, counters, and two heaps, of runs that will end and of runs that wait for a slot."""

    now: Any  # (1,)
    counts: Any  # free slots, events so far, requests so far, sizes of the heaps
    end_at: Any
    end_sequence: Any
    end_who: Any  # (n, 3): copy, number, VM
    end_from: Any  # (n, 2): asked, granted
    asked_at: Any
    asked_order: Any
    asked_who: Any
    current: Any  # (copies, VMs): the run at work or waiting for a slot; -1
    working: Any
    next_waiting: Any  # those that wait for their VM follow each other
    n_waiting: Any
    position: Any  # (copies,)
    looked: Any  # the time of the due runs looked at last
    alarm_at: Any
    alarm_sequence: Any


_FREE, _EVENTS, _REQUESTS, _ENDS, _ASKED = range(5)


@part
def _ends_sooner(s: Any, a: int, b: int) -> bool:
    if s.end_at[a] != s.end_at[b]:
        return bool(s.end_at[a] < s.end_at[b])
    return bool(s.end_sequence[a] < s.end_sequence[b])


@part
def _swap_ends(s: Any, a: int, b: int) -> None:
    s.end_at[a], s.end_at[b] = s.end_at[b], s.end_at[a]
    s.end_sequence[a], s.end_sequence[b] = s.end_sequence[b], s.end_sequence[a]
    for i in range(3):
        s.end_who[a, i], s.end_who[b, i] = s.end_who[b, i], s.end_who[a, i]
    for i in range(2):
        s.end_from[a, i], s.end_from[b, i] = s.end_from[b, i], s.end_from[a, i]


@part
def _push_end(s: Any, at: float, copy: int, number: int, vm: int, asked_at: float) -> None:
    s.counts[_EVENTS] += 1
    place = s.counts[_ENDS]
    s.counts[_ENDS] += 1
    s.end_at[place], s.end_sequence[place] = at, s.counts[_EVENTS]
    s.end_who[place, 0], s.end_who[place, 1], s.end_who[place, 2] = copy, number, vm
    s.end_from[place, 0], s.end_from[place, 1] = asked_at, s.now[0]
    while place > 0 and _ends_sooner(s, place, (place - 1) >> 1):
        _swap_ends(s, place, (place - 1) >> 1)
        place = (place - 1) >> 1


@part
def _drop_first_end(s: Any) -> int:
    """Take the first off; where its numbers stand now, behind the others."""
    s.counts[_ENDS] -= 1
    size, place = s.counts[_ENDS], 0
    _swap_ends(s, 0, size)
    while 2 * place + 1 < size:
        below = 2 * place + 1
        if below + 1 < size and _ends_sooner(s, below + 1, below):
            below += 1
        if not _ends_sooner(s, below, place):
            break
        _swap_ends(s, below, place)
        place = below
    return int(size)


@part
def _asks_sooner(s: Any, a: int, b: int) -> bool:
    if s.asked_at[a] != s.asked_at[b]:
        return bool(s.asked_at[a] < s.asked_at[b])
    if s.asked_who[a, 2] != s.asked_who[b, 2]:
        return bool(s.asked_who[a, 2] < s.asked_who[b, 2])
    return bool(s.asked_order[a] < s.asked_order[b])


@part
def _swap_asked(s: Any, a: int, b: int) -> None:
    s.asked_at[a], s.asked_at[b] = s.asked_at[b], s.asked_at[a]
    s.asked_order[a], s.asked_order[b] = s.asked_order[b], s.asked_order[a]
    for i in range(3):
        s.asked_who[a, i], s.asked_who[b, i] = s.asked_who[b, i], s.asked_who[a, i]


@part
def _rises(s: Any, place: int) -> None:
    while place > 0 and _asks_sooner(s, place, (place - 1) >> 1):
        _swap_asked(s, place, (place - 1) >> 1)
        place = (place - 1) >> 1


@part
def _drop_asked(s: Any, place: int) -> int:
    """Take a request off; where its numbers stand now, behind the others."""
    s.counts[_ASKED] -= 1
    size = s.counts[_ASKED]
    _swap_asked(s, place, size)
    if place < size:
        _rises(s, place)
    while 2 * place + 1 < size:
        below = 2 * place + 1
        if below + 1 < size and _asks_sooner(s, below + 1, below):
            below += 1
        if not _asks_sooner(s, below, place):
            break
        _swap_asked(s, below, place)
        place = below
    return int(size)


@part
def _granted(c: Any, s: Any, run: int, copy: int, number: int, vm: int, asked_at: float) -> None:
    """Begin a run that has its slot."""
    s.working[copy, vm] = 1
    _push_end(s, s.now[0] + c.busy[c.first[copy] + number, run, vm], copy, number, vm, asked_at)


@part
def _start(c: Any, s: Any, run: int, copy: int, number: int, vm: int) -> None:
    """Ask for a slot: granted now, or when one comes free."""
    s.current[copy, vm], s.working[copy, vm] = number, 0
    if s.counts[_FREE] > 0:
        s.counts[_FREE] -= 1
        _granted(c, s, run, copy, number, vm, s.now[0])
        return
    place = s.counts[_ASKED]
    s.counts[_ASKED] += 1
    s.counts[_REQUESTS] += 1
    s.asked_at[place], s.asked_order[place] = s.now[0], s.counts[_REQUESTS]
    s.asked_who[place, 0], s.asked_who[place, 1], s.asked_who[place, 2] = copy, number, vm
    _rises(s, place)


@part
def _release(c: Any, s: Any, run: int) -> None:
    """Hand a slot to the first who waits."""
    if s.counts[_ASKED] == 0:
        s.counts[_FREE] += 1
        return
    place = _drop_asked(s, 0)
    who = s.asked_who[place]
    _granted(c, s, run, who[0], who[1], who[2], s.asked_at[place])


@part
def _cancel(c: Any, s: Any, run: int, copy: int, vm: int) -> None:
    """Stop the running one: its slot goes if it has one, else its request."""
    s.current[copy, vm] = -1
    if s.working[copy, vm]:
        _release(c, s, run)
        return
    for place in range(s.counts[_ASKED]):
        if s.asked_who[place, 0] == copy and s.asked_who[place, 2] == vm:
            _drop_asked(s, place)
            return


@part
def _is_due(c: Any, s: Any, run: int, copy: int, number: int, vm: int) -> None:
    policy = c.policy[copy]
    if policy == _ALLOW or s.current[copy, vm] < 0:
        _start(c, s, run, copy, number, vm)
    elif policy == _QUEUE or (policy == _COALESCE and s.n_waiting[copy, vm] == 0):
        if s.n_waiting[copy, vm] == 0:
            s.next_waiting[copy, vm] = number
        s.n_waiting[copy, vm] += 1
    elif policy == _REPLACE:
        _cancel(c, s, run, copy, vm)
        _start(c, s, run, copy, number, vm)


@part
def _look(c: Any, s: Any, run: int, copy: int) -> None:
    """Look at due runs whose time has come; an alarm for the next."""
    vms = c.lag.shape[2]
    s.alarm_at[copy] = math.inf
    while s.position[copy] < c.orders[copy + 1] - c.orders[copy]:
        flat = c.order[run, c.orders[copy] + s.position[copy]]
        number, vm = flat // vms, flat % vms
        at = c.due[c.first[copy] + number, run, vm]
        if at == math.inf:
            return
        if at > s.looked[copy]:
            s.looked[copy] = at
            if at > s.now[0]:
                s.counts[_EVENTS] += 1
                s.alarm_at[copy], s.alarm_sequence[copy] = s.now[0] + (at - s.now[0]), s.counts[_EVENTS]
                return
        s.position[copy] += 1
        _is_due(c, s, run, copy, number, vm)


@part
def _made(c: Any, s: Any, run: int, place: int) -> None:
    """Write down the point of a run that has ended, if it has one."""
    copy, number, vm = s.end_who[place, 0], s.end_who[place, 1], s.end_who[place, 2]
    row = c.first[copy] + number
    delay = c.cut_delay[row, run, vm]
    if delay == math.inf:
        return
    due_at = s.end_from[place, 0] if c.back_to_back[copy] else c.due[row, run, vm]
    cut_at = s.end_from[place, 1]
    if c.hold[copy] > 0:
        cut_at = due_at - c.hold[copy]
    elif delay > 0:
        cut_at += delay
    elif c.cut_before_slot[copy]:
        cut_at = due_at
    c.cut_at[row, run, vm], c.available_at[row, run, vm] = cut_at, s.now[0] + c.lag[copy, run, vm]


@part
def _ended(c: Any, s: Any, run: int) -> None:
    """The run that ends first: its slot is given back, and its VM goes on with one that waited."""
    place = _drop_first_end(s)
    copy, number, vm = s.end_who[place, 0], s.end_who[place, 1], s.end_who[place, 2]
    if c.policy[copy] == _REPLACE and s.current[copy, vm] != number:
        return  # cancelled: its slot was given back then
    _made(c, s, run, place)  # before another end takes its place
    _release(c, s, run)
    if c.policy[copy] != _ALLOW:
        s.current[copy, vm] = -1
        if s.n_waiting[copy, vm] > 0:
            following = s.next_waiting[copy, vm]
            s.next_waiting[copy, vm] += 1
            s.n_waiting[copy, vm] -= 1
            _start(c, s, run, copy, following, vm)


@part
def _clear(c: Any, s: Any, run: int, slots: int) -> None:
    s.now[0] = math.inf
    for row in range(c.due.shape[0]):
        for vm in range(c.due.shape[2]):
            s.now[0] = min(s.now[0], c.due[row, run, vm])
    s.counts[:] = 0
    s.counts[_FREE] = slots
    s.current[:], s.working[:], s.next_waiting[:], s.n_waiting[:] = -1, 0, 0, 0
    s.position[:], s.looked[:], s.alarm_at[:], s.alarm_sequence[:] = 0, -math.inf, math.inf, 0
    for copy in range(len(c.first)):
        if c.back_to_back[copy]:
            s.next_waiting[copy], s.n_waiting[copy] = 1, c.rows[copy] - 1


@compiled
def _simulate(c: Any, s: Any, slots: int) -> None:
    """All runs of a block."""
    for run in range(c.due.shape[1]):
        _clear(c, s, run, slots)
        for copy in range(len(c.first)):
            _look(c, s, run, copy)
        while True:
            first = -1
            for copy in range(len(c.first)):
                if s.alarm_at[copy] < math.inf and (
                    first < 0
                    or s.alarm_at[copy] < s.alarm_at[first]
                    or (
                        s.alarm_at[copy] == s.alarm_at[first]
                        and s.alarm_sequence[copy] < s.alarm_sequence[first]
                    )
                ):
                    first = copy
            if s.counts[_ENDS] > 0 and (first < 0 or s.end_at[0] <= s.alarm_at[first]):
                s.now[0] = s.end_at[0]
                _ended(c, s, run)
            elif first >= 0:
                s.now[0] = s.alarm_at[first]
                _look(c, s, run, first)
            else:
                break


def protect(plan: Plan, copies: list[tuple[CopyPlan, Attempts]]) -> list[Points]:
    """The points of copies that compete for slots; see `rpo_sim.model.simpy_engine.protect`."""
    made = _copies(copies)
    pools = {copy.pool for copy, _ in copies}
    assert len(pools) == 1, "without links, what copies have in common is a pool"
    (pool,) = pools
    _simulate(made, _state(made), _ENDLESS if pool is None else plan.pools[pool].capacity)
    parts = [slice(first, first + rows) for first, rows in zip(made.first, made.rows, strict=True)]
    return [Points(cut_at=made.cut_at[rows], available_at=made.available_at[rows]) for rows in parts]


def _copies(copies: list[tuple[CopyPlan, Attempts]]) -> _Copies:
    rows = np.array([len(attempts.busy) for _, attempts in copies])
    orders = []
    for copy, attempts in copies:
        due = attempts.due[: 1 if copy.every is None else None]
        flat = np.moveaxis(due, 1, 0).reshape(due.shape[1], -1)
        orders.append(np.argsort(flat, axis=1, kind="stable"))
    due, busy, cut_delay = (
        np.ascontiguousarray(np.concatenate([getattr(attempts, name) for _, attempts in copies]))
        for name in ("due", "busy", "cut_delay")
    )
    return _Copies(
        first=np.concatenate([[0], np.cumsum(rows)[:-1]]),
        policy=np.array(
            [_POLICIES.index("queue" if copy.every is None else copy.overlap) for copy, _ in copies]
        ),
        hold=np.array([copy.hold for copy, _ in copies]),
        back_to_back=np.array([copy.every is None for copy, _ in copies]),
        cut_before_slot=np.array([copy.cut_before_slot for copy, _ in copies]),
        rows=rows,
        orders=np.concatenate([[0], np.cumsum([order.shape[1] for order in orders])]),
        order=np.concatenate(orders, axis=1),
        due=due,
        busy=busy,
        cut_delay=cut_delay,
        lag=np.stack([attempts.lag for _, attempts in copies]),
        cut_at=np.full(due.shape, np.inf),
        available_at=np.full(due.shape, np.inf),
    )


def _state(made: _Copies) -> _State:
    rows, _, vms = made.due.shape
    copies, most = len(made.first), rows * vms + 1
    of_vms, of_copies = (copies, vms), copies
    return _State(
        now=np.zeros(1),
        counts=np.zeros(5, np.int64),
        end_at=np.zeros(most),
        end_sequence=np.zeros(most, np.int64),
        end_who=np.zeros((most, 3), np.int64),
        end_from=np.zeros((most, 2)),
        asked_at=np.zeros(most),
        asked_order=np.zeros(most, np.int64),
        asked_who=np.zeros((most, 3), np.int64),
        current=np.zeros(of_vms, np.int64),
        working=np.zeros(of_vms, np.int64),
        next_waiting=np.zeros(of_vms, np.int64),
        n_waiting=np.zeros(of_vms, np.int64),
        position=np.zeros(of_copies, np.int64),
        looked=np.zeros(of_copies),
        alarm_at=np.zeros(of_copies),
        alarm_sequence=np.zeros(of_copies, np.int64),
    )
