"""Snapshots of others are known by their contents: from when until when they were in flight."""

import math
from typing import Any

from rpo_probes._kubernetes import Change
from rpo_probes._snapshot.others import Others


def change(uid: str, at: float, *, driver: str = "d", ready: bool = False, **said: Any) -> Change:
    item = {"metadata": {"uid": uid}, "spec": {"driver": driver}, "status": {"readyToUse": ready}}
    return Change(**{"kind": "seen", "object": item, "version": "", "after": at, "at": at, **said})


def test_they_are_in_flight_from_made_to_ready_or_gone() -> None:
    others = Others("d")
    others.saw(change("a", 1.0, created=True))
    others.saw(change("b", 2.0, created=True))
    others.saw(change("c", 3.0, created=True))
    others.saw(change("a", 4.0, ready=True))
    others.saw(change("a", 9.0, ready=True, kind="gone"))  # long after it was ready
    others.saw(change("b", 5.0, kind="gone"))
    assert others.since(0.0) == {"a": (1.0, 4.0), "b": (2.0, 5.0), "c": (3.0, math.inf)}
    assert others.since(4.5).keys() == {"b", "c"}
    assert others.since(0.0).keys() == {"b", "c"}, "what was over is forgotten"


def test_what_is_not_seen_to_begin_or_on_another_driver_does_not_count() -> None:
    others = Others("d")
    others.saw(change("elsewhere", 1.0, driver="e", created=True))
    others.saw(change("imported", 1.0, ready=True, created=True))
    others.saw(change("never ready, and tried again", 1.0))
    assert others.since(0.0) == {}


def test_those_that_wait_are_counted() -> None:
    others = Others("d")
    others.saw(change("a", 1.0, created=True))
    others.saw(change("b", 50.0, created=True))
    assert others.waiting(now=62.0, longer_than=60.0) == 1
    others.saw(change("a", 63.0, ready=True))
    assert others.waiting(now=64.0, longer_than=60.0) == 0
