"""How many like operations were in flight while one ran."""

from bisect import bisect_left
from collections.abc import Hashable


class InFlight:
    """Counts operations as they start and end, in the order of time; memory as for those in flight.

    The concurrency of an operation is the most that were in flight at once during it, itself included. The
    count only rises when one starts, so the most since any moment is kept on a falling stack.

    >>> flight = InFlight()
    >>> for name in "abc": flight.start(name)
    >>> [flight.end(name) for name in "ab"]
    [3, 3]
    >>> flight.start("d"); flight.end("d")
    2
    >>> flight.end("c"), flight.end("never seen")
    (3, 1)
    """

    def __init__(self) -> None:
        self._started: dict[Hashable, int] = {}
        self._moments: list[int] = []  # rising
        self._counts: list[int] = []  # falling
        self._moment = 0

    def __len__(self) -> int:
        """How many are in flight."""
        return len(self._started)

    def start(self, key: Hashable) -> None:
        """One begins."""
        if key in self._started:
            return
        self._moment += 1
        self._started[key] = self._moment
        count = len(self._started)
        while self._counts and self._counts[-1] <= count:
            self._counts.pop()
            self._moments.pop()
        self._counts.append(count)
        self._moments.append(self._moment)

    def peak(self, key: Hashable) -> int:
        """The most in flight since this one began; 1 for one that was not seen to begin."""
        moment = self._started.get(key)
        return 1 if moment is None else self._counts[bisect_left(self._moments, moment)]

    def end(self, key: Hashable) -> int:
        """One ends; its concurrency."""
        peak = self.peak(key)
        self._started.pop(key, None)
        return peak


def peaks(spans: dict[str, tuple[float, float]]) -> dict[str, int]:
    """The concurrency of each of these operations, from their starts and ends.

    >>> peaks({"a": (0, 2), "b": (1, 5), "c": (3, 4), "d": (6, 7)})
    {'a': 2, 'c': 2, 'b': 2, 'd': 1}
    """
    flight, found = InFlight(), dict[str, int]()
    moments = [(start, 1, name) for name, (start, _) in spans.items()]
    moments += [(end, 0, name) for name, (start, end) in spans.items() if end > start]
    moments += [(end, 2, name) for name, (start, end) in spans.items() if end <= start]
    for _, kind, name in sorted(moments):
        if kind == 1:
            flight.start(name)
        else:
            found[name] = flight.end(name)
    return found
