"""People who come and go: slots whose number changes at times of the day."""

import heapq
import itertools
from typing import cast

import simpy

SHIFT = -1  # who ends a wait, where it is no job but the next shift
_DAY_SECONDS = 86400.0


class ShiftSlots:
    """Slots as `Slots` are, with a capacity by time of day.

    Who holds a slot when a shift ends keeps it; it goes when it is given back, if too many are held. Changes
    are noticed when somebody asks or gives back, and by an alarm while anybody waits: with nobody waiting
    the clock has nothing to run for.
    """

    def __init__(
        self, env: simpy.Environment, shifts: tuple[tuple[float, int], ...], time_of_day: float
    ) -> None:
        self._env, self._shifts, self._time_of_day = env, shifts, time_of_day
        self._turn = sum(start <= time_of_day for start, _ in shifts) - 1  # -1: the last of yesterday
        self._free = shifts[self._turn][1]
        self._waiting: list[tuple[float, int, int, simpy.Event]] = []
        self._order = itertools.count()
        self._alarmed = False

    def request(self, rank: int) -> simpy.Event | None:
        """None if a slot is taken at once, else an event whose value is who gave it back, or SHIFT."""
        self._catch_up(self._env.now)
        if self._free > 0:
            self._free -= 1
            return None
        event = self._env.event()
        heapq.heappush(self._waiting, (self._env.now, rank, next(self._order), event))
        self._set_alarm()
        return event

    def release(self, by: int) -> None:
        """Give a slot back: to the first who waits, unless too many are still held."""
        self._catch_up(self._env.now)
        self._free += 1
        self._serve(by)

    def _change_at(self, turn: int) -> float:
        """When a turn begins, in seconds since the failure."""
        day, shift = divmod(turn, len(self._shifts))
        return day * _DAY_SECONDS + self._shifts[shift][0] - self._time_of_day

    def _catch_up(self, now: float) -> None:
        while self._change_at(self._turn + 1) <= now:
            self._next_turn()

    def _next_turn(self) -> None:
        count = len(self._shifts)
        before, after = self._shifts[self._turn % count][1], self._shifts[(self._turn + 1) % count][1]
        self._turn += 1
        self._free += after - before
        self._serve(SHIFT)

    def _serve(self, by: int) -> None:
        while self._free > 0 and self._waiting:
            self._free -= 1
            heapq.heappop(self._waiting)[3].succeed(by)

    def _set_alarm(self) -> None:
        if self._alarmed:
            return
        self._alarmed = True
        turn = self._turn + 1
        alarm = self._env.timeout(max(self._change_at(turn) - self._env.now, 0.0), turn)
        assert alarm.callbacks is not None
        alarm.callbacks.append(self._ring)

    def _ring(self, alarm: simpy.Event) -> None:
        self._alarmed = False
        while self._turn < cast("int", alarm.value):  # by its number: the clock may be a rounding short of it
            self._next_turn()
        self._catch_up(self._env.now)
        if self._waiting:
            self._set_alarm()
