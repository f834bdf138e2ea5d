"""Processor sharing on a link: each stream gets min(its cap, the common level).

The level is water-filled: what capped streams leave over is split equally among the others. The streams
stand in the order of their caps, so those that their caps hold back are the first so many: a stream slower
than one of them is held back too. Work per arrival or departure is O(log n), a place in a sorted list, and
one step for each stream that the level passes: an uncapped stream is tracked in virtual time (bytes that the
level has served), a capped one by its finishing time.

Shares are given when the next finish is asked for: once for all that arrives and departs at an instant.
Where streams contend, the bandwidth itself depends on how many there are, capped ones included: it is read
from a table.
"""

import heapq
import itertools
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

FINISHED = 1e-9  # a stream has finished when no more than this share of its bytes remains
TICK = 2.0**-52  # of a time, relative: added to it, the clock has moved
HAIR = 1e-12  # relative: a cap this close to the level is not above it, or rounding would move it for ever


@dataclass(slots=True, eq=False)
class Stream:
    """One transfer in progress; ``finish`` is a time while capped, else a virtual byte count."""

    job: int
    bytes_: float
    cap: float
    order: int
    capped: bool = False
    finish: float = 0.0
    version: int = 0


_Entry = tuple[float, float, int, int, Stream]


class SharedLink:
    """The streams on one link; time in seconds, rates in bytes per second.

    ``totals``, if given, are the bandwidths with 1, 2, … streams; the last holds for more.
    """

    def __init__(self, bytes_per_second: float, totals: Sequence[float] = ()) -> None:
        self._bandwidth = totals[0] if totals else bytes_per_second
        self._totals = totals
        self._now = 0.0
        self._served = 0.0
        self._streams: list[Stream] = []  # by cap, of equals as they came
        self._places: list[tuple[float, int]] = []  # of each its cap and its order
        self._capped = 0  # the first so many
        self._capped_rate = 0.0
        self._order = itertools.count()
        self._by_time: list[_Entry] = []
        self._by_served: list[_Entry] = []

    @property
    def level(self) -> float:
        """The common rate of the streams that their caps do not hold back."""
        return self._left_over / self._uncapped if self._uncapped else math.inf

    @property
    def _uncapped(self) -> int:
        return len(self._streams) - self._capped

    @property
    def _left_over(self) -> float:
        """What capped streams leave to the others."""
        return self._bandwidth - self._capped_rate

    def add(self, now: float, job: int, bytes_: float, cap: float) -> Stream:
        """Start a transfer of ``bytes_`` at no more than ``cap`` bytes per second."""
        self._advance(now)
        stream = Stream(job=job, bytes_=bytes_, cap=cap, order=next(self._order))
        place = bisect_left(self._places, (cap, stream.order))
        self._places.insert(place, (cap, stream.order))
        self._streams.insert(place, stream)
        if place < self._capped:
            self._cap(stream, bytes_)
        else:
            self._uncap(stream, bytes_)
        return stream

    def remove(self, now: float, stream: Stream) -> None:
        """Give up a transfer."""
        self._advance(now)
        self._forget(stream)

    def finished(self, now: float) -> list[Stream]:
        """Take off the streams that have finished by ``now``, in the order in which they started."""
        self._advance(now)
        done = []
        for heap in (self._by_time, self._by_served):
            while (stream := self._next(heap)) and self._left(stream) <= FINISHED * stream.bytes_:
                self._forget(stream)
                done.append(stream)
        return sorted(done, key=lambda stream: stream.order)

    def next_finish(self) -> float:
        """When the next stream finishes if nothing changes; inf on an idle link.

        To be asked before the clock moves on: each stream is given its share of the time that comes.
        """
        self._rebalance()
        at = math.inf
        if (stream := self._next(self._by_time)) is not None:
            at = stream.finish
        if (stream := self._next(self._by_served)) is not None:
            at = min(at, self._now + self._seconds_left(stream))
        return max(at, self._now)

    def _seconds_left(self, stream: Stream) -> float:
        """Of an uncapped stream; no less than moves the clock, or what is left would be so for ever."""
        left = self._left(stream)
        return max(left / self.level, abs(self._now) * TICK) if left > 0 else 0.0

    def _advance(self, now: float) -> None:
        if self._uncapped:
            self._served += self.level * (now - self._now)
        self._now = now

    def _left(self, stream: Stream) -> float:
        if stream.capped:
            return (stream.finish - self._now) * stream.cap
        return stream.finish - self._served

    def _cap(self, stream: Stream, left: float) -> None:
        stream.capped, stream.finish = True, self._now + left / stream.cap
        stream.version += 1
        self._capped += 1
        self._capped_rate += stream.cap
        self._push(self._by_time, stream, stream.cap, stream.order)

    def _uncap(self, stream: Stream, left: float) -> None:
        stream.capped, stream.finish = False, self._served + left
        stream.version += 1
        self._push(self._by_served, stream, -stream.cap, -stream.order)

    def _hold_back_no_more(self, stream: Stream) -> None:
        self._capped -= 1
        self._capped_rate = self._capped_rate - stream.cap if self._capped else 0.0

    def _forget(self, stream: Stream) -> None:
        place = bisect_left(self._places, (stream.cap, stream.order))
        del self._places[place], self._streams[place]
        stream.version += 1
        if stream.capped:
            self._hold_back_no_more(stream)

    def _rebalance(self) -> None:
        count = len(self._streams)
        if self._totals and count:
            self._bandwidth = self._totals[min(count, len(self._totals)) - 1]
        while self._capped and self._is_too_fast(self._streams[self._capped - 1]):
            stream = self._streams[self._capped - 1]
            left = self._left(stream)
            self._hold_back_no_more(stream)
            self._uncap(stream, left)
        while self._capped < count and self._needs_no_more(self._streams[self._capped]):
            stream = self._streams[self._capped]
            self._cap(stream, self._left(stream))

    def _is_too_fast(self, stream: Stream) -> bool:
        """Whether a capped stream would get more than its share; without others, all of them together."""
        if not self._uncapped:
            return self._capped_rate > self._bandwidth * (1 + HAIR)
        return stream.cap * self._uncapped > self._left_over * (1 + HAIR)

    def _needs_no_more(self, stream: Stream) -> bool:
        """Whether an uncapped stream's cap is no more than its share."""
        return stream.cap * self._uncapped <= self._left_over

    def _push(self, heap: list[_Entry], stream: Stream, cap: float, order: int) -> None:
        heapq.heappush(heap, (stream.finish, cap, order, stream.version, stream))

    @staticmethod
    def _next(heap: list[_Entry]) -> Stream | None:
        """The first valid entry; stale ones are dropped on the way."""
        while heap:
            _, _, _, version, stream = heap[0]
            if version == stream.version:
                return stream
            heapq.heappop(heap)
        return None
