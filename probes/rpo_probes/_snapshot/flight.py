"""One snapshot or restore while it is in flight: what was seen of it, and when."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from rpo_probes._kubernetes import Change, ServerClock
from rpo_probes._snapshot.facts import ClaimFacts, ContentFacts, SnapshotFacts, VolumeFacts
from rpo_probes._snapshot.observations import Stage, between_stamps, cut_stage, since_last_poll, still
from rpo_sim.errors import ProbeError
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Outcome

Moment = tuple[float, float]
"""Something happened later than the first and no later than the second; equal if seen live."""


def moment_of(change: Change) -> Moment:
    """When a change happened, in monotonic seconds."""
    return (change.at, change.at) if change.live else (change.after, change.at)


@dataclass(slots=True, kw_only=True)
class Flight:
    """An operation of ours.

    Attributes
    ----------
    operation, name, source : str
        ``snapshot`` or ``restore``; of the object; the PVC or snapshot that it is made from.
    size_bytes, capacity_bytes : int, bytes
    sent, returned : float, monotonic seconds
        Around the request that created it.
    uid : str
        Empty if it was never created.
    refused : ProbeError or None
        Why it was not created.
    cut, ended, verified_at : Moment or None
        First seen cut; first seen ready or bound; read back and compared.
    outcome : Outcome
    """

    operation: str
    name: str
    source: str
    size_bytes: int
    capacity_bytes: int
    sent: float = 0.0
    returned: float = 0.0
    started_at: datetime | None = None
    uid: str = ""
    refused: ProbeError | None = None
    cut: Moment | None = None
    ended: Moment | None = None
    ended_status: float | None = None
    verified_at: float | None = None
    verified: bool | None = None
    outcome: Outcome = Outcome.RUNNING
    gave_up: float | None = None
    snapshot: SnapshotFacts | None = None
    content: ContentFacts | None = None
    claim: ClaimFacts | None = None
    volume: VolumeFacts | None = None
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing more is waited for, verification aside."""
        return self.outcome is not Outcome.RUNNING or self.refused is not None

    def leaves(self, context: ProbeContext) -> Callable[[], None]:
        """To be called when its request leaves; a repeated request does not begin it anew."""

        def stamp() -> None:
            if self.started_at is None:
                self.started_at, self.sent = context.now(), context.monotonic()

        return stamp

    def saw_snapshot(self, facts: SnapshotFacts, change: Change) -> None:
        """Take in a state of the VolumeSnapshot."""
        self.snapshot = facts
        if self.over:
            return
        if facts.cut is not None and self.cut is None:
            self.cut = moment_of(change)
        if facts.ready:
            self._end(change, facts.status_changed)

    def saw_claim(self, facts: ClaimFacts, change: Change) -> None:
        """Take in a state of the PersistentVolumeClaim."""
        self.claim = facts
        if self.over:
            return
        if facts.bound:
            self._end(change, facts.status_changed)

    def saw_gone(self, change: Change) -> None:
        """It was deleted, by someone else if it had not ended."""
        if not self.over:
            self.give_up(Outcome.CANCELLED, change.at)

    def give_up(self, outcome: Outcome, at: float) -> None:
        """It did not end, and is waited for no longer."""
        self.outcome, self.gave_up = outcome, at

    def _end(self, change: Change, status_changed: float | None) -> None:
        self.ended, self.ended_status = moment_of(change), status_changed
        self.outcome = Outcome.SUCCEEDED

    def span(self) -> tuple[float, float]:
        """In flight from, until; in monotonic seconds."""
        if self.ended is not None:
            return self.sent, self.ended[1]
        return self.sent, self.gave_up if self.gave_up is not None else math.inf

    def stages(self, clock: ServerClock) -> tuple[Stage, ...]:
        """What can be said of its parts."""
        if self.operation == "snapshot":
            return tuple(stage for stage in (self._cut_stage(clock), self._end_stage("ready")) if stage)
        found = [self._end_stage("bound")]
        if self.verified_at is not None and self.ended is not None:
            outcome = Outcome.SUCCEEDED if self.verified else Outcome.FAILED
            for name, since in (("verify", self.ended[1]), ("ready", self.sent)):
                seconds = max(0.0, self.verified_at - since)
                found.append(Stage(name=name, lower=seconds, upper=seconds, outcome=outcome))
        return tuple(found)

    def _cut_stage(self, clock: ServerClock) -> Stage | None:
        """The storage's stamp against the creation, which lies between request and answer too."""
        if self.snapshot is None:
            return None
        created = self.snapshot.created
        low = max(created, clock.at(self.sent)[0])
        high = min(created + 1.0, clock.at(self.returned)[1])
        bounds = (low, high) if low <= high else None
        return cut_stage(self.snapshot, self.content.cut_ns if self.content else None, bounds)

    def _end_stage(self, name: str) -> Stage:
        labels = {} if self._error() == "" else {"error": self._error()}
        if self.ended is None:
            gave_up = self.gave_up if self.gave_up is not None else self.sent
            return still(name, gave_up - self.sent, self.outcome, **labels)
        first, last = self.ended
        if self.cut is not None and self.cut[1] < first:  # cut, and not ready: it was polled
            first = max(self.cut[1], min(first, since_last_poll(self.cut[1], last)))
            labels["polled"] = "yes"
        outcome = Outcome.FAILED if self.verified is False and name == "bound" else Outcome.SUCCEEDED
        labels |= self._server_label()
        lower, upper = max(0.0, first - self.sent), last - self.sent
        return Stage(name=name, lower=lower, upper=upper, outcome=outcome, labels=labels)

    def _server_label(self) -> dict[str, str]:
        """What the server's own stamps say of the same duration."""
        facts = self.snapshot or self.claim
        if facts is None or self.ended_status is None:
            return {}
        low, high = between_stamps(facts.created, self.ended_status, self.ended_status + 1.0)
        return {"server_stamps": f"{low:g}s..{high:g}s"}

    def _error(self) -> str:
        return self.snapshot.error if self.snapshot is not None and self.ended is None else ""
