"""One snapshot or restore that is being recorded: when it began and ended, as well as that could be seen."""

import math
from dataclasses import dataclass

from rpo_probes._kubernetes import Change, ServerClock
from rpo_probes._snapshot.facts import ClaimFacts, SnapshotFacts
from rpo_probes._snapshot.observations import (
    Stage,
    between_stamps,
    cut_stage,
    since_last_poll,
    still,
)
from rpo_sim.records import Outcome

Moment = tuple[float, float]


@dataclass(slots=True, kw_only=True)
class Track:
    """An operation that began and has not been told yet. Moments are bounds in monotonic seconds.

    Attributes
    ----------
    operation : str
        ``snapshot`` or ``restore``.
    facts : SnapshotFacts or ClaimFacts
        As last seen.
    key : str
        Like operations compete under the same one.
    began : Moment
    first_seen : float, monotonic seconds
        When it was first seen, if it had begun before; else minus infinity.
    cut, ended : Moment or None
    outcome : Outcome
    concurrency : int
    """

    operation: str
    facts: SnapshotFacts | ClaimFacts
    key: str
    began: Moment
    first_seen: float = -math.inf
    cut: Moment | None = None
    ended: Moment | None = None
    ended_status: float | None = None
    outcome: Outcome = Outcome.RUNNING
    concurrency: int = 1

    @property
    def stage(self) -> str:
        """The name of its main part."""
        return "ready" if self.operation == "snapshot" else "bound"

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.ended is not None

    def saw(self, facts: SnapshotFacts | ClaimFacts, change: Change, clock: ServerClock) -> None:
        """Take in a state of the object."""
        self.facts = facts
        if self.done:
            return
        moment = sharpened(change, facts.status_changed, clock)
        if isinstance(facts, SnapshotFacts):
            if facts.cut is not None and self.cut is None:
                self.cut = moment
            finished = facts.ready
        else:
            finished = facts.bound
        if finished:
            self.ended, self.ended_status, self.outcome = moment, facts.status_changed, Outcome.SUCCEEDED

    def saw_gone(self, change: Change) -> None:
        """Deleted while pending: it would have taken longer."""
        if not self.done:
            first = max(change.after, self.began[1]) if not change.live else change.at
            self.ended, self.outcome = (first, change.at), Outcome.CANCELLED

    def entry(self) -> float:
        """How long after its start it was first seen."""
        return max(0.0, self.first_seen - self.began[1])

    def stages(self, cut_ns: int | None, now: float) -> tuple[Stage, ...]:
        """What can be said of its parts."""
        found = []
        if isinstance(self.facts, SnapshotFacts):
            cut = cut_stage(self.facts, cut_ns)
            found += [cut] if cut else []
        if self.ended is None:
            return (*found, still(self.stage, now - self.began[1], Outcome.RUNNING, **self._error()))
        first, last = self.ended
        if self.outcome is not Outcome.SUCCEEDED:
            return (*found, still(self.stage, first - self.began[1], self.outcome, **self._error()))
        labels = self._stamps()
        if self.cut is not None and self.cut[1] < first:  # cut, and not ready: it was polled
            first = max(self.cut[1], min(first, since_last_poll(self.cut[1], last)))
            labels["polled"] = "yes"
        lower, upper = max(0.0, first - self.began[1]), max(0.0, last - self.began[0])
        return (*found, Stage(name=self.stage, lower=lower, upper=upper, labels=labels))

    def _error(self) -> dict[str, str]:
        error = self.facts.error if isinstance(self.facts, SnapshotFacts) else ""
        return {"error": error} if error else {}

    def _stamps(self) -> dict[str, str]:
        if self.ended_status is None:
            return {}
        low, high = between_stamps(self.facts.created, self.ended_status, self.ended_status + 1.0)
        return {"server_stamps": f"{low:g}s..{high:g}s"}


def start_moment(facts: SnapshotFacts | ClaimFacts, change: Change, clock: ServerClock) -> Moment:
    """When an object was created: as it was told live, else the whole second of its stamp."""
    if change.live and change.created:
        return change.at, change.at
    low, high = clock.offset()
    first, last = facts.created - high, min(change.at, facts.created + 1.0 - low)
    return (first, last) if first <= last else (last, last)


def sharpened(change: Change, stamp: float | None, clock: ServerClock) -> Moment:
    """When a change happened: as it was told live, else what connection and stamp leave possible."""
    if change.live:
        return change.at, change.at
    low, high = clock.offset()
    first, last = change.after, change.at
    if stamp is not None:
        first, last = max(first, stamp - high), min(last, stamp + 1.0 - low)
    return (first, last) if first <= last else (change.after, change.at)
