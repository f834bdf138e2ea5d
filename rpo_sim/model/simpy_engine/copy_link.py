"""Copies that share a link, on SimPy's clock: streams, outages, and what each run has to move."""

import math
from collections.abc import Callable

import simpy

from rpo_sim.model.plan import CopyPlan, LinkPlan, Plan
from rpo_sim.model.protection.link_clock import LinkClock
from rpo_sim.model.protection.records import Attempts
from rpo_sim.model.sharing import SharedLink, Stream
from rpo_sim.model.simpy_engine.moments import last_moment

Done = Callable[[], None]


class Wire:
    """A `SharedLink` whose own clock stands still during outages."""

    def __init__(self, env: simpy.Environment, plan: LinkPlan, clock: LinkClock | None, run: int) -> None:
        self.env, self.cap = env, min(plan.per_stream, plan.bytes_per_second)
        self._clock = None if clock is None else clock.of_run(run)
        self._link = SharedLink(plan.bytes_per_second)
        self._done: dict[Stream, Done] = {}
        self._alarm: simpy.Event | None = None
        self._due = math.inf  # on the link's clock, for which the alarm is set

    def send(self, vm: int, bytes_: float, done: Done) -> Stream:
        """Start a transfer; ``done`` is called when it has finished."""
        stream = self._link.add(self._up(), vm, bytes_, self.cap)
        self._done[stream] = done
        self._set_alarm()
        return stream

    def give_up(self, stream: Stream) -> bool:
        """Stop a transfer; False if it has finished."""
        if self._done.pop(stream, None) is None:
            return False
        self._link.remove(self._up(), stream)
        self._set_alarm()
        return True

    def _up(self) -> float:
        """Now, on the link's clock."""
        if self._clock is None:
            return self.env.now
        return self._clock.up_at(self.env.now)

    def _set_alarm(self) -> None:
        self._due, self._alarm = self._link.next_finish(), None
        if self._due == math.inf:
            return
        if self._clock is None:
            at = self._due
        elif self._due > self._up():
            at = self._clock.when(self._due)
        else:
            at = self.env.now
        self._alarm = simpy.Timeout(self.env, max(at - self.env.now, 0.0))
        assert self._alarm.callbacks is not None
        self._alarm.callbacks.append(self._ring)

    def _ring(self, alarm: simpy.Event) -> None:
        if alarm is not self._alarm:
            return  # a later arrival or departure has set another
        done = [self._done.pop(stream) for stream in self._link.finished(max(self._up(), self._due))]
        self._set_alarm()
        for each in done:
            each()


class Sender:
    """The runs of one copy over a link: what each moves depends on what was sent before."""

    def __init__(self, wire: Wire, plan: Plan, copy: CopyPlan, attempts: Attempts, run: int) -> None:
        assert copy.transfer is not None, "made for copies that a link times"
        self.wire, self.copy, self.transfer = wire, copy, copy.transfer
        self.attempts, self.run = attempts, run
        self.group = [g for g, group in enumerate(plan.groups) for _ in group.vms]
        self.last_cut: list[float | None] = [None] * plan.n_vms

    def send(self, number: int, vm: int, cut_at: float, ended: Callable[[bool], None]) -> None:
        """Move the bytes of a run; ``ended`` is told whether it made a point."""

        def arrived() -> None:
            made = self._succeeds(number, vm)
            if made:
                self.last_cut[vm] = cut_at
            ended(made)

        def timed_out(_: simpy.Event) -> None:
            if self.wire.give_up(stream):
                ended(False)

        stream = self.wire.send(vm, self._bytes(number, vm, cut_at), arrived)
        if math.isfinite(self.copy.timeout):
            late = last_moment(self.wire.env, self.copy.timeout)
            assert late.callbacks is not None
            late.callbacks.append(timed_out)

    def _bytes(self, number: int, vm: int, cut_at: float) -> float:
        group, full = self.group[vm], self.attempts.full
        if full is not None and full[number, self.run]:
            return self.transfer.full_bytes[group] * self.transfer.factor
        rule, last = self.transfer.moved[group], self.last_cut[vm]
        if isinstance(rule, float):
            return rule * self.transfer.factor
        window = self.transfer.settled_seconds if last is None else cut_at - last
        return rule.within_one(window) * self.transfer.factor

    def _succeeds(self, number: int, vm: int) -> bool:
        if self.attempts.more is not None:
            return bool(self.attempts.more(number)[self.run, vm])
        return self.attempts.cut_delay.item(number, self.run, vm) < math.inf
