"""How many unique bytes a VM writes within a window."""

import bisect
import itertools
import math
from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ScenarioError
from rpo_sim.scenario.estate import Group
from rpo_sim.units import parse_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCurve:
    """Unique bytes that one VM writes within a window: what a transfer after that window must move.

    ``windows`` (float, seconds) ascend, ``sizes`` (float, bytes) go with them; ``most`` is what a VM holds.
    """

    windows: tuple[float, ...]
    sizes: tuple[float, ...]
    most: float

    @classmethod
    def of(cls, group: Group) -> "ChangeCurve":
        """The curve that a group states."""
        points = sorted((parse_duration(window), float(size)) for window, size in group.change.items())
        windows, sizes = zip(*points, strict=True)
        return cls(windows=windows, sizes=sizes, most=float(group.used_bytes))

    def within(self, seconds: FloatArray) -> FloatArray:
        """Bytes within windows of these lengths, as `unique_bytes` has them, not rounded.

        >>> curve = ChangeCurve(windows=(60.0, 3600.0), sizes=(600.0, 7200.0), most=1e6)
        >>> curve.within(np.array([0.0, 30.0, 3600.0, 7200.0])).tolist()
        [0.0, 300.0, 7200.0, 14400.0]
        """
        short, long = self.windows[0], self.windows[-1]
        inside = np.clip(seconds, short, long)
        between = np.interp(np.log(inside), np.log(self.windows), self.sizes)
        beyond = np.where(seconds < short, seconds / short, np.maximum(seconds, long) / long)
        return np.minimum(self.most, between * beyond)

    def within_one(self, seconds: float) -> float:
        """The same for one window."""
        windows, sizes = self.windows, self.sizes
        if seconds <= windows[0]:
            return min(self.most, sizes[0] * seconds / windows[0])
        if seconds >= windows[-1]:
            return min(self.most, sizes[-1] * seconds / windows[-1])
        k = bisect.bisect_left(windows, seconds)
        part = math.log(seconds / windows[k - 1]) / math.log(windows[k] / windows[k - 1])
        return min(self.most, sizes[k - 1] + part * (sizes[k] - sizes[k - 1]))


def unique_bytes(group: Group, window_seconds: float) -> int:
    """Unique bytes that one VM of the group writes within a window.

    Interpolated in the logarithm of the window between the stated ones; in proportion below the smallest;
    at the rate of the largest above it, at most the bytes in use (after Keeton and Merchant, DSN 2004).

    Raises
    ------
    ScenarioError
        If the group states no change.

    >>> from rpo_sim.scenario.estate import Disk
    >>> written = {"1h": "2Gi", "24h": "18Gi"}
    >>> db = Group(name="db", tier="gold", disks=(Disk(capacity="100Gi"),), change=written)
    >>> [round(unique_bytes(db, hours * 3600) / 2**30, 2) for hours in (0.5, 1, 24, 48, 2400)]
    [1.0, 2.0, 18.0, 36.0, 100.0]
    """
    points = change_points(group)
    if not points:
        raise ScenarioError(
            f"group {group.name}: a copy moves the bytes that changed, but `change` is not stated; add for "
            "example `change: {24h: 3Gi}`"
        )
    return changed_bytes(points, group.used_bytes, window_seconds)


def change_points(group: Group) -> tuple[tuple[float, int], ...]:
    """The stated windows (seconds) with their bytes, in order."""
    return tuple(sorted((parse_duration(window), size) for window, size in group.change.items()))


def changed_bytes(points: tuple[tuple[float, int], ...], cap: int, window_seconds: float) -> int:
    """Unique bytes written within a window, by stated ``points``; at most the bytes in use, ``cap``."""
    (shortest, least), (longest, most) = points[0], points[-1]
    if window_seconds <= shortest:
        return min(cap, round(least * window_seconds / shortest))
    if window_seconds >= longest:
        return min(cap, round(most * window_seconds / longest))
    for (w0, b0), (w1, b1) in itertools.pairwise(points):
        if window_seconds <= w1:
            part = math.log(window_seconds / w0) / math.log(w1 / w0)
            return min(cap, round(b0 + part * (b1 - b0)))
    raise AssertionError("unreachable: the window lies between two stated ones")
