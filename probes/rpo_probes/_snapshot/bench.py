"""Create snapshots and restores in a burst, watch them, remove them again."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rpo_probes._kubernetes import Api, Change, Follower, Object, Position, Resource, Watch
from rpo_probes._snapshot.cleanup import WAIT_SECONDS, Place, remove, why_stuck
from rpo_probes._snapshot.facts import (
    VolumeFacts,
    claim_facts,
    content_facts,
    snapshot_facts,
    volume_facts,
)
from rpo_probes._snapshot.flight import Flight
from rpo_probes._snapshot.journal import Journal, Run
from rpo_probes._snapshot.others import Others
from rpo_probes._snapshot.resources import CLAIMS, CONTENTS, PODS, SNAPSHOTS, VOLUMES
from rpo_sim.errors import ProbeError, ProbeUnavailable
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Outcome

_TICK_SECONDS = 0.1
_LEAST_REMOVAL_SECONDS = 10.0
_REMOVAL_PATIENCE_SECONDS = 90.0  # for an API server that is away, also after Ctrl-C
_SETTLE_SECONDS = 1.0  # for stamps that come just after the end of an operation


class Stopped(Exception):
    """The user asked for an end."""


class Bench:
    """Our objects in one namespace, and what is seen of them.

    Parameters
    ----------
    api : Api
    run : Run
    journal : Journal
    context : ProbeContext
    timeout : float, seconds
        Of one operation.
    driver : str
        On which others may be at work too.
    """

    def __init__(
        self, api: Api, run: Run, journal: Journal, context: ProbeContext, timeout: float, driver: str
    ) -> None:
        self._api, self._run, self._journal, self._context = api, run, journal, context
        self._timeout = timeout
        self.others = Others(driver)
        self._names: set[str] = set()  # of all that was ever in flight
        self.removal_seconds = max(_LEAST_REMOVAL_SECONDS, min(WAIT_SECONDS, timeout))
        self._flights: dict[str, Flight] = {}  # by kind and name
        self._pods: dict[str, tuple[Object, float]] = {}
        self._volumes: dict[str, VolumeFacts] = {}  # by the uid of their claim
        self._ours: set[str] = set()  # uids of our claims
        self.created = 0
        self._warm = 0
        self._arrivals: queue.Queue[tuple[Any, Change | ProbeError]] = queue.Queue()
        self.place = Place(
            api=api.patient(_REMOVAL_PATIENCE_SECONDS), namespace=run.namespace, selector=run.selector
        )
        self._followers: list[Follower] = []

    def watch(self, *, pods: bool) -> None:
        """Begin to watch: our own objects, and from now on all contents and volumes (they bear no labels)."""
        kinds = [SNAPSHOTS, CLAIMS, *([PODS] if pods else [])]
        watches = [
            (kind, Watch(self._api, kind, self._run.namespace, labels=self._run.selector)) for kind in kinds
        ]
        for kind in (CONTENTS, VOLUMES):
            now = time.monotonic()
            page = next(self._api.pages(kind, limit=1))
            start = Position(resource_version=page.resource_version, at=now)
            watches.append((kind, Watch(self._api, kind, start=start)))
        for kind, watch in watches:
            self._followers.append(Follower(watch, kind, self._arrivals))
            self._followers[-1].start()
        synced = 0
        while synced < len(kinds):
            synced += self._take(_TICK_SECONDS) == "synced"
            self._stop_if_asked()

    def close(self) -> None:
        """End the watches."""
        for follower in self._followers:
            follower.watch.stop()
        for follower in self._followers:
            follower.stop()

    def burst(
        self,
        resource: Resource,
        flights: Sequence[Flight],
        bodies: Sequence[Object],
        consumers: Sequence[Object] = (),
    ) -> None:
        """Create these at the same time, and wait until each is ready or bound, has failed or is given up.

        Consumers are pods without which they are not bound.
        """
        self._journal.about_to_create(resource, [flight.name for flight in flights])
        for flight in flights:
            self._flights[f"{resource.plural}/{flight.name}"] = flight
            self._names.add(flight.name)
        barrier = threading.Barrier(len(flights))

        cold, self._warm = len(flights) > self._warm, max(self._warm, len(flights))

        def create(flight: Flight, body: Object) -> None:
            barrier.wait()
            if cold:  # one connection for each, so that none of them is timed while it is set up
                self._api.touch()
                barrier.wait()
            try:
                made = self._api.create(
                    resource, self._run.namespace, body, on_send=flight.leaves(self._context)
                )
                flight.uid = made["metadata"]["uid"]
            except ProbeError as error:
                flight.refused = error
            flight.returned = self._context.monotonic()

        self.created += len(flights)
        with ThreadPoolExecutor(len(flights)) as pool:
            list(pool.map(create, flights, bodies))
        self._ours |= {flight.uid for flight in flights if resource is CLAIMS and flight.uid}
        self._wait_for(flights, consumers)

    def _wait_for(self, flights: Sequence[Flight], consumers: Sequence[Object]) -> None:
        try:
            self.create_all(PODS, consumers)
            self.wait(lambda: all(flight.over for flight in flights) or self._give_up_late(flights))
            self._settle(flights)
        except (Stopped, ProbeError):
            for flight in flights:
                if not flight.over:
                    flight.give_up(Outcome.CANCELLED, self._context.monotonic())
            raise

    def _give_up_late(self, flights: Sequence[Flight]) -> bool:
        now = self._context.monotonic()
        for flight in flights:
            if not flight.over and now - flight.sent > self._timeout:
                flight.give_up(Outcome.FAILED, now)
        return all(flight.over for flight in flights)

    def _settle(self, flights: Sequence[Flight]) -> None:
        """Contents and volumes tell their stamps on watches of their own, which may be a moment behind."""

        def complete() -> bool:
            for flight in flights:
                if flight.outcome is Outcome.SUCCEEDED and flight.operation != "snapshot":
                    flight.volume = self._volumes.get(flight.uid)
            ended = [flight for flight in flights if flight.outcome is Outcome.SUCCEEDED]
            return all(flight.content or flight.volume for flight in ended)

        self.wait(complete, seconds=_SETTLE_SECONDS)

    def create_all(self, resource: Resource, bodies: Sequence[Object]) -> None:
        """Create objects that are not timed.

        Raises
        ------
        ProbeError
            The first refusal; what was created until then is removed with the rest.
        """
        if bodies:
            self._journal.about_to_create(resource, [body["metadata"]["name"] for body in bodies])
        for body in bodies:
            self._stop_if_asked()
            self.created += 1
            made = self._api.create(resource, self._run.namespace, body)
            if resource is CLAIMS:
                self._ours.add(made["metadata"]["uid"])

    def track(self, flight: Flight) -> None:
        """Let what is seen of a claim that is not timed go into this."""
        self._flights[f"{CLAIMS.plural}/{flight.name}"] = flight

    def pod(self, name: str) -> tuple[Object, float] | None:
        """A pod of ours that has ended, and when that was seen; else None."""
        found = self._pods.get(name)
        phase = (found[0].get("status") or {}).get("phase") if found else None
        return found if phase in ("Succeeded", "Failed") else None

    def volume_of(self, claim_uid: str) -> VolumeFacts | None:
        """The volume that is bound to a claim of ours."""
        return self._volumes.get(claim_uid)

    def wait(self, done: Callable[[], bool], *, seconds: float | None = None) -> bool:
        """Take in what arrives until `done`, or so many seconds; whether it is done.

        Raises
        ------
        Stopped
            If the user asks for an end.
        ProbeError
            If a watch cannot go on.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while not done():
            self._stop_if_asked()
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._take(_TICK_SECONDS)
        return True

    def _stop_if_asked(self) -> None:
        if self._context.cancelled():
            raise Stopped

    def _take(self, seconds: float) -> str:
        """Take in one arrival; its kind, empty if there was none."""
        try:
            resource, change = self._arrivals.get(timeout=seconds)
        except queue.Empty:
            return ""
        if isinstance(change, ProbeError):
            raise change
        if change.kind in ("seen", "gone"):
            self._note(resource, change)
        return change.kind

    def _note(self, resource: Resource, change: Change) -> None:
        if resource is CONTENTS:
            self._note_content(change)
        elif resource is VOLUMES:
            self._note_volume(change)
        elif resource is PODS:
            self._pods[change.object["metadata"]["name"]] = (change.object, change.at)
        else:
            self._note_flight(resource, change)

    def _note_flight(self, resource: Resource, change: Change) -> None:
        flight = self._flights.get(f"{resource.plural}/{change.object['metadata']['name']}")
        if flight is None:
            return
        if change.kind == "gone":
            flight.saw_gone(change)
        elif resource is SNAPSHOTS:
            flight.saw_snapshot(snapshot_facts(change.object), change)
        else:
            flight.saw_claim(claim_facts(change.object), change)

    def _note_content(self, change: Change) -> None:
        facts = content_facts(change.object)
        made_for = change.object["spec"].get("volumeSnapshotRef") or {}
        name = made_for.get("name", "")
        if name not in self._names or made_for.get("namespace") != self._run.namespace:
            self.others.saw(change)
            return
        flight = self._flights.get(f"{SNAPSHOTS.plural}/{name}")
        if flight is not None and facts.cut_ns is not None and facts.snapshot_uid in (flight.uid, ""):
            flight.content = facts

    def _note_volume(self, change: Change) -> None:
        facts = volume_facts(change.object)
        if change.kind == "gone":
            self._volumes.pop(facts.claim_uid, None)
        elif facts.claim_uid in self._ours or self._claim_is_ours(change.object):
            self._volumes[facts.claim_uid] = facts

    def _claim_is_ours(self, volume: Object) -> bool:
        """By name, for a volume that is faster than the answer to our request."""
        claim = volume["spec"].get("claimRef") or {}
        flight = self._flights.get(f"{CLAIMS.plural}/{claim.get('name', '')}")
        return flight is not None and claim.get("namespace") == self._run.namespace

    def remove(self, resource: Resource, part: str = "") -> None:
        """Remove a part of our objects, with their volumes, and wait until they are gone.

        Raises
        ------
        ProbeUnavailable
            If something holds them.
        """
        found, stuck = remove(self.place, resource, part, wait_seconds=self.removal_seconds)
        for item in found:
            self._flights.pop(f"{resource.plural}/{item['metadata']['name']}", None)
        if stuck:
            names = ", ".join(item["metadata"]["name"] for item in stuck)
            raise ProbeUnavailable(f"{resource.plural} {names} cannot be removed: {why_stuck(stuck[0])}")
        if resource is CLAIMS:
            gone = {item["metadata"]["uid"] for item in found}
            if not self.wait(lambda: not gone & self._volumes.keys(), seconds=self.removal_seconds):
                raise ProbeUnavailable(
                    f"{len(gone & self._volumes.keys())} volumes of removed PVCs are still there after "
                    f"{self.removal_seconds:g} s: is the driver running?"
                )
            self._ours -= gone
