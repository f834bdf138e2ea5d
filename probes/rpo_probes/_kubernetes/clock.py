"""Where the clock of the API server stands against ours, from the Date of its answers."""

import math
import threading

_KEPT_SECONDS = 300.0  # a clock may be slewed by half a millisecond per second: old bounds are let go


class ServerClock:
    """Bounds on (server's seconds since 1970) − (our monotonic seconds).

    An answer with the date D, asked for at s and received at r, was written within [s, r] while the server's
    clock stood within [D, D + 1). Each answer so gives bounds about a second wide; what they have in common
    is soon a few milliseconds wide.

    >>> clock = ServerClock()
    >>> clock.learn(date=1000.0, sent=5.0, received=5.1)
    >>> clock.learn(date=1000.0, sent=5.8, received=5.9)
    >>> [round(bound, 3) for bound in clock.offset()]
    [994.9, 995.2]
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = -math.inf
        self._now = (-math.inf, math.inf)
        self._before = (-math.inf, math.inf)

    def learn(self, *, date: float, sent: float, received: float) -> None:
        """Take in one answer: its date in seconds since 1970, and our monotonic seconds around it."""
        low, high = date - received, date + 1.0 - sent
        with self._lock:
            if received - self._since > _KEPT_SECONDS:
                self._before, self._now = self._now, (-math.inf, math.inf)
                self._since = received
            self._now = _common((low, high), self._now)

    def offset(self) -> tuple[float, float]:
        """The bounds, seconds; infinite before the first answer."""
        with self._lock:
            return _common(self._now, self._before)

    def at(self, monotonic: float) -> tuple[float, float]:
        """Between which two readings the server's clock stood at that moment of ours."""
        low, high = self.offset()
        return monotonic + low, monotonic + high


def _common(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """What two bounds have in common; the first, which is newer, if a clock moved and they contradict."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else one
