"""Copies that compete for slots, compiled: every due run of every VM, under the overlap policy.

The same moments, in the same order, as `rpo_sim.model.simpy_engine.protection`, bit for bit; compare with it
function by function. Events of one time come in SimPy's order: ends of runs, then what is due; each as they
were scheduled.
"""

import heapq
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
    """One run: its clock, its counters, and how far each VM and copy has come."""

    now: Any  # (1,)
    counts: Any  # free slots, events so far, requests so far
    current: Any  # (copies, VMs): the run at work or waiting for a slot; -1
    working: Any
    next_waiting: Any  # those that wait for their VM follow each other
    n_waiting: Any
    position: Any  # (copies,)
    looked: Any  # the time of the due runs looked at last
    alarm_at: Any
    alarm_sequence: Any


_FREE, _EVENTS, _REQUESTS = range(3)


class _Heaps(NamedTuple):
    """What comes first."""

    ends: Any  # (time, order of events, copy, number, VM, asked at, granted at)
    asked: Any  # who waits for a slot: (time, VM, order of requests, copy, number)


@part
def _granted(c: Any, s: Any, h: Any, run: int, copy: int, number: int, vm: int, asked_at: float) -> None:
    """Begin a run that has its slot."""
    s.working[copy, vm] = 1
    s.counts[_EVENTS] += 1
    now = s.now[0]
    at = now + c.busy[c.first[copy] + number, run, vm]
    heapq.heappush(h.ends, (at, s.counts[_EVENTS], copy, number, vm, asked_at, now))


@part
def _start(c: Any, s: Any, h: Any, run: int, copy: int, number: int, vm: int) -> None:
    """Ask for a slot: granted now, or when one comes free."""
    s.current[copy, vm], s.working[copy, vm] = number, 0
    if s.counts[_FREE] > 0:
        s.counts[_FREE] -= 1
        _granted(c, s, h, run, copy, number, vm, s.now[0])
        return
    s.counts[_REQUESTS] += 1
    heapq.heappush(h.asked, (s.now[0], vm, s.counts[_REQUESTS], copy, number))


@part
def _release(c: Any, s: Any, h: Any, run: int) -> None:
    """Hand a slot to the first who waits."""
    if len(h.asked) == 0:
        s.counts[_FREE] += 1
        return
    asked_at, vm, _, copy, number = heapq.heappop(h.asked)
    _granted(c, s, h, run, copy, number, vm, asked_at)


@part
def _cancel(c: Any, s: Any, h: Any, run: int, copy: int, vm: int) -> None:
    """Stop the running one: its slot goes if it has one, else its request."""
    s.current[copy, vm] = -1
    if s.working[copy, vm]:
        _release(c, s, h, run)
        return
    for i in range(len(h.asked)):
        if h.asked[i][3] == copy and h.asked[i][1] == vm:
            h.asked[i] = h.asked[-1]
            h.asked.pop()
            heapq.heapify(h.asked)
            return


@part
def _is_due(c: Any, s: Any, h: Any, run: int, copy: int, number: int, vm: int) -> None:
    policy = c.policy[copy]
    if policy == _ALLOW or s.current[copy, vm] < 0:
        _start(c, s, h, run, copy, number, vm)
    elif policy == _QUEUE or (policy == _COALESCE and s.n_waiting[copy, vm] == 0):
        if s.n_waiting[copy, vm] == 0:
            s.next_waiting[copy, vm] = number
        s.n_waiting[copy, vm] += 1
    elif policy == _REPLACE:
        _cancel(c, s, h, run, copy, vm)
        _start(c, s, h, run, copy, number, vm)


@part
def _look(c: Any, s: Any, h: Any, run: int, copy: int) -> None:
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
        _is_due(c, s, h, run, copy, number, vm)


@part
def _made(
    c: Any, s: Any, run: int, copy: int, number: int, vm: int, asked_at: float, granted_at: float
) -> None:
    """Write down the point of a run that has ended, if it has one."""
    row = c.first[copy] + number
    delay = c.cut_delay[row, run, vm]
    if delay == math.inf:
        return
    due_at = asked_at if c.back_to_back[copy] else c.due[row, run, vm]
    cut_at = granted_at
    if c.hold[copy] > 0:
        cut_at = due_at - c.hold[copy]
    elif delay > 0:
        cut_at += delay
    elif c.cut_before_slot[copy]:
        cut_at = due_at
    c.cut_at[row, run, vm], c.available_at[row, run, vm] = cut_at, s.now[0] + c.lag[copy, run, vm]


@part
def _ended(c: Any, s: Any, h: Any, run: int) -> None:
    """The run that ends first: its slot is given back, and its VM goes on with one that waited."""
    s.now[0], _, copy, number, vm, asked_at, granted_at = heapq.heappop(h.ends)
    if c.policy[copy] == _REPLACE and s.current[copy, vm] != number:
        return  # cancelled: its slot was given back then
    _made(c, s, run, copy, number, vm, asked_at, granted_at)
    _release(c, s, h, run)
    if c.policy[copy] != _ALLOW:
        s.current[copy, vm] = -1
        if s.n_waiting[copy, vm] > 0:
            following = s.next_waiting[copy, vm]
            s.next_waiting[copy, vm] += 1
            s.n_waiting[copy, vm] -= 1
            _start(c, s, h, run, copy, following, vm)


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
        h = _Heaps([(0.0, 0, 0, 0, 0, 0.0, 0.0)], [(0.0, 0, 0, 0, 0)])  # which tells their types
        h.ends.clear()
        h.asked.clear()
        for copy in range(len(c.first)):
            _look(c, s, h, run, copy)
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
            if len(h.ends) > 0 and (first < 0 or h.ends[0][0] <= s.alarm_at[first]):
                _ended(c, s, h, run)
            elif first >= 0:
                s.now[0] = s.alarm_at[first]
                _look(c, s, h, run, first)
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
    of_copies = len(made.first)
    of_vms = (of_copies, made.due.shape[2])
    return _State(
        now=np.zeros(1),
        counts=np.zeros(3, np.int64),
        current=np.zeros(of_vms, np.int64),
        working=np.zeros(of_vms, np.int64),
        next_waiting=np.zeros(of_vms, np.int64),
        n_waiting=np.zeros(of_vms, np.int64),
        position=np.zeros(of_copies, np.int64),
        looked=np.zeros(of_copies),
        alarm_at=np.zeros(of_copies),
        alarm_sequence=np.zeros(of_copies, np.int64),
    )
