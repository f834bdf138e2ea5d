"""Gauges that hold the last value: a sample is new only when its stamp changes."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rpo_probes._metrics.readings import Identity, values_at
from rpo_probes._prometheus.answers import RawSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value of a gauge."""

    identity: Identity
    value: float
    stamp: float
    moved: float | None


@dataclass(slots=True, kw_only=True)
class LastValues:
    """The samples of one gauge, followed through time."""

    _known: dict[Identity, float] = field(default_factory=dict)

    def samples(
        self, values: Iterable[RawSeries], stamps: Iterable[RawSeries], moved: Iterable[RawSeries]
    ) -> Iterator[Sample]:
        """Each value whose stamp is another one than before; a stamp of 0 says that there was none yet."""
        stamp_of, moved_of = values_at(stamps), values_at(moved)
        for identity, points in values_at(values).items():
            own_stamps = _belonging(identity, stamp_of)
            own_moved = _belonging(identity, moved_of)
            for at in sorted(points):
                stamp = own_stamps.get(at, math.nan)
                if not stamp > 0 or stamp == self._known.get(identity):
                    continue
                self._known[identity] = stamp
                yield Sample(identity=identity, value=points[at], stamp=stamp, moved=own_moved.get(at))


def _belonging(identity: Identity, others: Mapping[Identity, Mapping[float, float]]) -> Mapping[float, float]:
    """The series with the same labels, or the only one that has them and more."""
    exact = others.get(identity)
    if exact is not None:
        return exact
    wanted = set(identity)
    wider = [points for labels, points in others.items() if wanted <= set(labels)]
    return wider[0] if len(wider) == 1 else {}
