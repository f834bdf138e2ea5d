"""Copies that compete for slots or share a link: every due run of every VM, under the overlap policy."""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Generator

import numpy as np
import simpy

from rpo_sim.model.plan import CopyPlan, Plan
from rpo_sim.model.protection.records import Attempts, Points, link_clocks
from rpo_sim.model.simpy_engine.copy_link import Sender, Wire
from rpo_sim.model.simpy_engine.moments import last_moment


def protect(plan: Plan, copies: list[tuple[CopyPlan, Attempts]]) -> list[Points]:
    """The points of copies that compete with each other for slots and links.

    Parameters
    ----------
    plan : Plan
    copies : list of (CopyPlan, Attempts)
        Without a ``pool`` there are slots without end.

    Returns
    -------
    list of Points, one per copy
    """
    made: list[list[_Made]] = [[] for _ in copies]
    for run in range(copies[0][1].lag.shape[0]):
        env = simpy.Environment(initial_time=min(float(a.due[:, run].min()) for _, a in copies))
        endless = _Queue(env, 10**9)
        queues = {
            copy.pool: _Queue(env, plan.pools[copy.pool].capacity)
            for copy, _ in copies
            if copy.pool is not None
        }
        wires = _wires(env, plan, copies, run)
        for (copy, attempts), points in zip(copies, made, strict=True):
            queue = endless if copy.pool is None else queues[copy.pool]
            wire = None if copy.transfer is None else wires[copy.transfer.link]
            one = _CopyRun(env, queue, wire, plan, copy, attempts, run)
            env.process(one.due_runs())
            points.append(one.made)
        env.run()
    return [_stacked(attempts, points) for (_, attempts), points in zip(copies, made, strict=True)]


def _wires(
    env: simpy.Environment, plan: Plan, copies: list[tuple[CopyPlan, Attempts]], run: int
) -> dict[int, Wire]:
    """The links that the copies share, each with its outages in this run."""
    return {link: Wire(env, plan.links[link], clock, run) for link, clock in link_clocks(copies).items()}


def _stacked(attempts: Attempts, runs: "list[_Made]") -> Points:
    """Points of all runs as arrays; there are as many rows as due runs, or as any run made."""
    dues = max(len(attempts.busy), *(number + 1 for made in runs for number, *_ in made), 1)
    cut_at = np.full((dues, *attempts.lag.shape), np.inf)
    available_at = cut_at.copy()
    for run, made in enumerate(runs):
        for number, vm, cut, available in made:
            cut_at[number, run, vm], available_at[number, run, vm] = cut, available
    return Points(cut_at=cut_at, available_at=available_at)


_Made = list[tuple[int, int, float, float]]  # number of the due run, VM, cut, availability


class _Queue:
    """Who waits for a slot of the pool: by the time of the request, then by VM.

    A slot that comes free is handed over at once, without an event of its own: there are thousands of
    backups in the history of one run.
    """

    def __init__(self, env: simpy.Environment, capacity: int) -> None:
        self.env, self.free = env, capacity
        self._waiting: list[tuple[float, int, int, _CopyRun, int]] = []
        self._order = itertools.count()

    def request(self, copy: "_CopyRun", number: int, vm: int) -> None:
        """Have the run begin, now or when a slot comes free."""
        if self.free:
            self.free -= 1
            copy.granted(number, vm, self.env.now)
        else:
            heapq.heappush(self._waiting, (self.env.now, vm, next(self._order), copy, number))

    def release(self) -> None:
        """Hand a slot to the first who waits."""
        if self._waiting:
            asked_at, vm, _, copy, number = heapq.heappop(self._waiting)
            copy.granted(number, vm, asked_at)
        else:
            self.free += 1

    def withdraw(self, copy: "_CopyRun", number: int, vm: int) -> None:
        """Take back a request that was not granted yet."""
        self._waiting = [
            entry for entry in self._waiting if (entry[3], entry[4], entry[1]) != (copy, number, vm)
        ]
        heapq.heapify(self._waiting)


class _CopyRun:
    """One copy of all VMs in one run; a due run is known by (its number, its VM)."""

    def __init__(
        self,
        env: simpy.Environment,
        queue: _Queue,
        wire: Wire | None,
        plan: Plan,
        copy: CopyPlan,
        attempts: Attempts,
        run: int,
    ) -> None:
        self.env, self.queue, self.copy = env, queue, copy
        self.made: _Made = []
        self.sender = None if wire is None else Sender(wire, plan, copy, attempts, run)
        self.until = math.inf if attempts.until is None else float(attempts.until[run])
        back_to_back = copy.every is None  # a queue that was due as a whole when the first was
        self.overlap = "queue" if back_to_back else copy.overlap
        self.due = attempts.due[: 1 if back_to_back else None, run]
        self.busy, self.cut_delay = attempts.busy[:, run].tolist(), attempts.cut_delay[:, run].tolist()
        self.lag = attempts.lag[run].tolist()
        vms = self.due.shape[1]
        self.current: list[int | None] = [None] * vms
        self.working = [False] * vms
        later = range(1, len(self.busy)) if back_to_back else ()
        self.waiting: list[deque[int]] = [deque(later) for _ in range(vms)]

    def due_runs(self) -> Generator[simpy.Event, None, None]:
        """Look at each due run when its time has come."""
        flat_due = self.due.ravel()
        order = np.argsort(flat_due, kind="stable")  # of one instant: by VM
        vms, now = self.due.shape[1], -math.inf
        for flat, at in zip(order.tolist(), flat_due[order].tolist(), strict=True):
            if at == math.inf:
                return
            if at > now:
                now = at
                if at > self.env.now:
                    yield last_moment(self.env, at - self.env.now)  # what ends then has ended for it
            self._is_due(*divmod(flat, vms))

    def _is_due(self, number: int, vm: int) -> None:
        overlap, waiting = self.overlap, self.waiting[vm]
        if overlap == "allow" or self.current[vm] is None:
            self._start(number, vm)
        elif overlap == "queue" or (overlap == "coalesce" and not waiting):
            waiting.append(number)
        elif overlap == "replace":
            self._cancel(vm)
            self._start(number, vm)

    def _start(self, number: int, vm: int) -> None:
        self.current[vm], self.working[vm] = number, False
        self.queue.request(self, number, vm)

    def granted(self, number: int, vm: int, asked_at: float) -> None:
        """Begin a run that has its slot."""
        self.working[vm] = True
        if self.sender is not None:
            self._send(self.sender, number, vm, asked_at)
            return
        end = simpy.Timeout(self.env, self.busy[number][vm], (number, vm, asked_at, self.env.now))
        assert end.callbacks is not None
        end.callbacks.append(self._ended)

    def _ended(self, end: simpy.Event) -> None:
        number, vm, asked_at, granted_at = end._value
        if self.overlap == "replace" and self.current[vm] != number:
            return  # cancelled: its slot was given back then
        self.queue.release()
        delay = self.cut_delay[number][vm]
        if delay < math.inf:
            first_cut_at = self._cut(number, vm, asked_at, granted_at)
            cut_at = first_cut_at if delay == 0 or self.copy.hold else granted_at + delay
            self.made.append((number, vm, cut_at, self.env.now + self.lag[vm]))
        self._go_on(vm)

    def _cut(self, number: int, vm: int, asked_at: float, granted_at: float) -> float:
        """When the data of a run's first attempt was frozen."""
        due_at = asked_at if self.copy.every is None else float(self.due[number, vm])
        if self.copy.hold:
            return due_at - self.copy.hold
        return due_at if self.copy.cut_before_slot else granted_at

    def _send(self, sender: Sender, number: int, vm: int, asked_at: float) -> None:
        """Move the run's bytes over the link; back to back the next is sent a hold after it."""
        cut_at = self._cut(number, vm, asked_at, self.env.now)

        def ended(made: bool) -> None:
            self.queue.release()
            if made:
                self.made.append((number, vm, cut_at, self.env.now + self.lag[vm]))
            self._go_on(vm)
            if self.copy.every is None:
                self._send_next(number + 1, vm)

        sender.send(number, vm, cut_at, ended)

    def _send_next(self, number: int, vm: int) -> None:
        """The next of back-to-back transfers, as long as it is sent before the failure."""
        if self.env.now + self.copy.hold > self.until:
            return
        if not self.copy.hold:
            self._start(number, vm)
            return
        held = simpy.Timeout(self.env, self.copy.hold)
        assert held.callbacks is not None
        held.callbacks.append(lambda _: self._start(number, vm))

    def _go_on(self, vm: int) -> None:
        """The VM is free again for a run that waited."""
        if self.overlap != "allow":
            self.current[vm] = None
            if self.waiting[vm]:
                self._start(self.waiting[vm].popleft(), vm)

    def _cancel(self, vm: int) -> None:
        """Stop the running one: its slot goes if it has one, else its request."""
        number, self.current[vm] = self.current[vm], None
        if self.working[vm]:
            self.queue.release()
        elif number is not None:
            self.queue.withdraw(self, number, vm)
