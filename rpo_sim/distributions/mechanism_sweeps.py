"""From observations to bursts: which operations started together, and how long each of them took."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import NoDataError
from rpo_sim.records import Observation, Outcome

BURST_LABEL = "burst"  # what shares its value and overlaps in time started together
FEWEST_LEVELS = 2  # concurrencies above 1
FEWEST_BURSTS = 2  # at each of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Operations of one size that started together; ``starts`` from the first, ascending, in seconds."""

    size_bytes: int
    starts: FloatArray
    durations: FloatArray

    @property
    def n(self) -> int:
        """How many there were."""
        return len(self.durations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeps:
    """The bursts, and the singles of each size in the order in which they ran (starts in seconds)."""

    bursts: tuple[Burst, ...]
    singles: tuple[Burst, ...]
    notes: tuple[str, ...] = ()

    @property
    def levels(self) -> tuple[int, ...]:
        """The concurrencies above 1 that were measured."""
        return tuple(sorted({burst.n for burst in self.bursts}))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes that were swept."""
        return tuple(sorted({burst.size_bytes for burst in self.bursts}))

    @property
    def n(self) -> int:
        """Operations in all."""
        return sum(burst.n for burst in (*self.bursts, *self.singles))

    def at(self, size_bytes: int, n: int) -> list[Burst]:
        """The bursts of one size and concurrency."""
        return [burst for burst in self.bursts if (burst.size_bytes, burst.n) == (size_bytes, n)]

    def up_to(self, level: int) -> "Sweeps":
        """Without larger bursts."""
        kept = tuple(burst for burst in self.bursts if burst.n <= level)
        return Sweeps(bursts=kept, singles=self.singles, notes=self.notes)


def read_sweeps(observations: Sequence[Observation]) -> Sweeps:
    """The bursts among observations of one operation on one backend.

    A burst is what shares a value of the label ``burst`` and overlaps in time; what has none, and ran alone,
    is a single. A burst of which one failed or has not ended is left out: the others waited differently.

    Raises
    ------
    NoDataError
        If no mechanism can be read from them; it says what to measure.
    """
    bursts, singles, unlike = list[Burst](), list[Observation](), 0
    for members in _together(observations):
        if len(members) == 1:
            singles += [item for item in members if (item.concurrency or 1) == 1 and _usable(item)]
        elif all(_usable(item) and _undisturbed(item, members) for item in members):
            bursts.append(_burst(members))
        else:
            unlike += 1
    notes = (
        [
            f"{unlike} bursts left out: a member failed, had not ended or was of another size, or others "
            "were at work"
        ]
        if unlike
        else []
    )
    sweeps = Sweeps(bursts=tuple(bursts), singles=_by_size(singles), notes=tuple(notes))
    _require(sweeps)
    return sweeps


def _together(observations: Sequence[Observation]) -> Iterator[list[Observation]]:
    """Those of each burst; what has no label, or no start, comes alone."""
    timed = [item for item in observations if BURST_LABEL in item.labels and item.started_at is not None]
    alone = [item for item in observations if BURST_LABEL not in item.labels or item.started_at is None]
    yield from ([item] for item in alone)
    by_label = sorted(timed, key=lambda item: (item.labels[BURST_LABEL], _started(item)))
    for _, rows in groupby(by_label, key=lambda item: item.labels[BURST_LABEL]):
        members, ends = list[Observation](), -math.inf
        for item in rows:
            if members and _started(item) >= ends:
                yield members
                members, ends = [], -math.inf
            members.append(item)
            ends = max(ends, _started(item) + item.upper_seconds)
        yield members


def _started(item: Observation) -> float:
    return item.started_at.timestamp() if item.started_at is not None else 0.0


def _usable(item: Observation) -> bool:
    finished = item.outcome is Outcome.SUCCEEDED and math.isfinite(item.upper_seconds)
    return finished and item.started_at is not None and item.upper_seconds > 0 and item.count == 1


def _undisturbed(item: Observation, members: Sequence[Observation]) -> bool:
    """Whether it is like the first, and no more were in flight than the burst had members."""
    return _size(item) == _size(members[0]) and (item.concurrency or 1) <= len(members)


def _size(item: Observation) -> int:
    return item.bytes_moved or item.bytes_capacity or 0


def _burst(members: Sequence[Observation]) -> Burst:
    moments = [_started(item) for item in members]
    order = np.argsort(moments, kind="stable")
    starts = np.asarray(moments)[order]
    middle = np.array([(item.lower_seconds + item.upper_seconds) / 2 for item in members])[order]
    return Burst(size_bytes=_size(members[0]), starts=starts - starts[0], durations=middle)


def _by_size(singles: Sequence[Observation]) -> tuple[Burst, ...]:
    ordered = sorted(singles, key=_size)
    return tuple(_burst(list(rows)) for _, rows in groupby(ordered, key=_size))


def _require(sweeps: Sweeps) -> None:
    enough = [
        n for n in sweeps.levels if any(len(sweeps.at(size, n)) >= FEWEST_BURSTS for size in sweeps.sizes)
    ]
    if len(enough) < FEWEST_LEVELS:
        seen = ", ".join(map(str, sweeps.levels)) or "none"
        raise NoDataError(
            f"bursts of {seen} at once; a mechanism needs {FEWEST_LEVELS} concurrencies above 1 with "
            f"{FEWEST_BURSTS} bursts of each (label `{BURST_LABEL}`): sweep 2, 4, 8 and 12 at once, at two "
            "sizes, the smallest among them"
        )
    if not sweeps.singles:
        raise NoDataError(
            "no singles: the driver's time cannot be told from the queue; measure some one at a time"
        )
