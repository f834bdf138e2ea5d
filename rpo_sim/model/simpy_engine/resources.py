"""What processes compete for, on SimPy's clock: slots, links, token buckets."""

import heapq
import itertools
import math
from collections.abc import Sequence

import simpy

from rpo_sim.model.sharing import SharedLink, Stream
from rpo_sim.model.simpy_engine.moments import last_moment


class Slots:
    """``capacity`` slots, held and given back; waiting by (request time, rank), in a heap."""

    __slots__ = ("_env", "_order", "_waiting", "free")

    def __init__(self, env: simpy.Environment, capacity: int) -> None:
        self._env = env
        self.free = capacity
        self._waiting: list[tuple[float, int, int, simpy.Event]] = []
        self._order = itertools.count()

    def request(self, rank: int) -> simpy.Event | None:
        """None if a slot is taken at once, else an event whose value is the job that gave it back."""
        if self.free:
            self.free -= 1
            return None
        event = self._env.event()
        heapq.heappush(self._waiting, (self._env.now, rank, next(self._order), event))
        return event

    def release(self, by: int) -> None:
        """Give a slot back: straight to the first who waits."""
        if self._waiting:
            heapq.heappop(self._waiting)[3].succeed(by)
        else:
            self.free += 1


class Pipe:
    """A `SharedLink` on SimPy's clock: an event per transfer, woken at the next finish.

    When that is can be told once an instant is over: slots go from one transfer to the next within it.
    """

    def __init__(self, env: simpy.Environment, bytes_per_second: float, totals: Sequence[float] = ()) -> None:
        self._env = env
        self._link = SharedLink(bytes_per_second, totals)
        self._done: dict[Stream, simpy.Event] = {}
        self._alarm: simpy.Event | None = None
        self._changed = False

    def send(self, job: int, bytes_: float, cap: float) -> tuple[Stream, simpy.Event]:
        """Start a transfer; its event comes when it has finished."""
        stream = self._link.add(self._env.now, job, bytes_, cap)
        done = self._done[stream] = self._env.event()
        self._drop_alarm()
        return stream, done

    def give_up(self, stream: Stream) -> None:
        """Stop a transfer that has not finished."""
        del self._done[stream]
        self._link.remove(self._env.now, stream)
        self._drop_alarm()

    def _drop_alarm(self) -> None:
        """Something has begun or ended: the alarm does not count any more, the next is set when all has."""
        self._alarm = None
        if not self._changed:
            self._changed = True
            over = last_moment(self._env)
            assert over.callbacks is not None
            over.callbacks.append(self._set_alarm)

    def _set_alarm(self, _: simpy.Event) -> None:
        at, self._changed = self._link.next_finish(), False
        if at < math.inf:
            self._alarm = self._env.timeout(at - self._env.now)
            assert self._alarm.callbacks is not None
            self._alarm.callbacks.append(self._ring)

    def _ring(self, alarm: simpy.Event) -> None:
        if alarm is not self._alarm:
            return
        for stream in self._link.finished(self._env.now):
            self._done.pop(stream).succeed()
        self._drop_alarm()


class Tokens:
    """A token bucket, first come, first served: a request goes when its tokens have gathered."""

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._level, self._at = rate, burst, burst, 0.0

    def wait_seconds(self, now: float, tokens: float) -> float:
        """Take the tokens, on credit if need be, and say how long they take to gather."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate) - tokens
        self._at = now
        return max(0.0, -self._level / self._rate)
