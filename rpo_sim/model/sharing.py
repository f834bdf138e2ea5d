"""Processor sharing on a link: each stream gets min(its cap, the common level).

The level is water-filled: what capped streams leave over is split equally among the others. Work per
arrival or departure is O(log n) plus one move for each stream that the level passes: an uncapped stream is
tracked in virtual time (bytes that the level has served), a capped one by its finishing time.

Where streams contend, the bandwidth itself depends on how many there are, capped ones included: it is read
from a table at each arrival and departure.
"""

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

FINISHED = 1e-9  # a stream has finished when no more than this share of its bytes remains
_HAIR = 1e-12  # relative: a cap this close to the level is not above it, or rounding would move it for ever


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


_Entry = tuple[float, int, int, Stream]


class SharedLink:
    """The streams on one link; time in seconds, rates in bytes per second.

    ``totals``, if given, are the bandwidths with 1, 2, … streams; the last holds for more.
    """

    def __init__(self, bytes_per_second: float, totals: Sequence[float] = ()) -> None:
        self._bandwidth = totals[0] if totals else bytes_per_second
        self._totals = totals
        self._now = 0.0
        self._served = 0.0
        self._capped_rate = 0.0
        self._capped = self._uncapped = 0
        self._order = itertools.count()
        self._by_time: list[_Entry] = []
        self._by_served: list[_Entry] = []
        self._lowest_cap: list[_Entry] = []
        self._highest_cap: list[_Entry] = []

    @property
    def level(self) -> float:
        """The common rate of the streams that their caps do not hold back."""
        if self._uncapped == 0:
            return math.inf
        return (self._bandwidth - self._capped_rate) / self._uncapped

    def add(self, now: float, job: int, bytes_: float, cap: float) -> Stream:
        """Start a transfer of ``bytes_`` at no more than ``cap`` bytes per second."""
        self._advance(now)
        stream = Stream(job=job, bytes_=bytes_, cap=cap, order=next(self._order))
        self._uncap(stream, bytes_)
        self._rebalance()
        return stream

    def remove(self, now: float, stream: Stream) -> None:
        """Give up a transfer."""
        self._advance(now)
        self._forget(stream)
        self._rebalance()

    def finished(self, now: float) -> list[Stream]:
        """Take off the streams that have finished by ``now``, in the order in which they started."""
        self._advance(now)
        done = []
        while (stream := self._next(self._by_time)) and self._left(stream) <= FINISHED * stream.bytes_:
            self._forget(stream)
            done.append(stream)
        while (stream := self._next(self._by_served)) and self._left(stream) <= FINISHED * stream.bytes_:
            self._forget(stream)
            done.append(stream)
        self._rebalance()
        return sorted(done, key=lambda stream: stream.order)

    def next_finish(self) -> float:
        """When the next stream finishes if nothing changes; inf on an idle link."""
        at = math.inf
        if (stream := self._next(self._by_time)) is not None:
            at = stream.finish
        if (stream := self._next(self._by_served)) is not None:
            at = min(at, self._now + max(stream.finish - self._served, 0.0) / self.level)
        return max(at, self._now)

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
        self._capped += 1
        self._capped_rate += stream.cap
        self._push(self._by_time, stream.finish, stream)
        self._push(self._highest_cap, -stream.cap, stream)

    def _uncap(self, stream: Stream, left: float) -> None:
        stream.capped, stream.finish = False, self._served + left
        self._uncapped += 1
        self._push(self._by_served, stream.finish, stream)
        self._push(self._lowest_cap, stream.cap, stream)

    def _forget(self, stream: Stream) -> None:
        stream.version += 1
        if not stream.capped:
            self._uncapped -= 1
            return
        self._capped -= 1
        self._capped_rate = self._capped_rate - stream.cap if self._capped else 0.0

    def _rebalance(self) -> None:
        count = self._capped + self._uncapped
        if self._totals and count:
            self._bandwidth = self._totals[min(count, len(self._totals)) - 1]
            self._make_room()
        while True:
            high, low = self._next(self._highest_cap), self._next(self._lowest_cap)
            if high is not None and high.cap > self.level * (1 + _HAIR):
                left = self._left(high)
                self._forget(high)
                self._uncap(high, left)
            elif low is not None and low.cap <= self.level:
                left = self._left(low)
                self._forget(low)
                self._cap(low, left)
            else:
                return

    def _make_room(self) -> None:
        """Fewer streams may have less in all: then not even the capped ones get what they may have."""
        high = self._next(self._highest_cap)
        if not self._uncapped and high is not None and self._capped_rate > self._bandwidth * (1 + _HAIR):
            left = self._left(high)
            self._forget(high)
            self._uncap(high, left)

    def _push(self, heap: list[_Entry], key: float, stream: Stream) -> None:
        heapq.heappush(heap, (key, stream.order, stream.version, stream))

    @staticmethod
    def _next(heap: list[_Entry]) -> Stream | None:
        """The first valid entry; stale ones are dropped on the way."""
        while heap:
            _, _, version, stream = heap[0]
            if version == stream.version:
                return stream
            heapq.heappop(heap)
        return None
