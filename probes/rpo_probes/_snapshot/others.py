"""Snapshots of other people on the same driver, as far as their contents show them."""

import math

from rpo_probes._kubernetes import Change
from rpo_probes._snapshot.facts import content_facts


class Others:
    """Those that began since we watch; monotonic seconds.

    A content is made when a controller turns to a snapshot and is ready when the driver is through with it.
    Restores leave nothing that can be seen cluster-wide until they are over, and are not counted.
    """

    def __init__(self, driver: str) -> None:
        self._driver = driver
        self._spans: dict[str, tuple[float, float]] = {}  # by the uid of the content

    def saw(self, change: Change) -> None:
        """Take in a content that is not ours."""
        facts, uid = content_facts(change.object), change.object["metadata"]["uid"]
        if facts.driver == self._driver and change.created and not facts.ready:
            self._spans[uid] = (change.at, math.inf)
        elif uid in self._spans and (facts.ready or change.kind == "gone"):
            begun, ended = self._spans[uid]
            self._spans[uid] = (begun, min(ended, change.at))

    def since(self, moment: float) -> dict[str, tuple[float, float]]:
        """From when until when each was in flight; those that were over before are forgotten."""
        self._spans = {uid: span for uid, span in self._spans.items() if span[1] >= moment}
        return dict(self._spans)

    def waiting(self, now: float, longer_than: float) -> int:
        """How many have been in flight for longer than so many seconds."""
        return sum(end == math.inf and now - begun > longer_than for begun, end in self._spans.values())
