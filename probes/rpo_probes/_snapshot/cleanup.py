"""Remove what runs left in a cluster: theirs only, in the order in which it can go."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rpo_probes._kubernetes import (
    Api,
    NamespaceGone,
    NotFound,
    Object,
    Resource,
    Target,
    connect,
    stamp_seconds,
)
from rpo_probes._snapshot.journal import (
    HOST,
    MANAGED_BY,
    PART,
    RUN,
    TOOL,
    UNTIL,
    Run,
    abandoned_runs,
    living_runs,
)
from rpo_probes._snapshot.resources import CLAIMS, PODS, SNAPSHOTS, VOLUMES
from rpo_sim.errors import ProbeDenied, ProbeError
from rpo_sim.probe_capabilities import Leftover

WAIT_SECONDS = 180.0  # after an outage, watches of controllers wait up to a minute before they look again
_POLL_SECONDS = (0.1, 2.0)

# A restored PVC goes before its snapshot: the other way round, the delete of the snapshot waits out a
# back-off. Sources go last: a snapshot in the making holds its source.
ORDER = ((PODS, ""), (CLAIMS, "restore"), (SNAPSHOTS, ""), (CLAIMS, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A namespace of a cluster, with the objects there that a selector names."""

    api: Api
    namespace: str
    selector: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.api.server}, namespace {self.namespace}"

    def find(self, resource: Resource, part: str = "") -> list[Object]:
        """The objects, none if namespace or kind are gone."""
        labels = self.selector + (f",{PART}={part}" if part else "")
        try:
            return self.api.all(resource, self.namespace, labels=labels)
        except (NotFound, NamespaceGone):
            return []


def remove(
    place: Place, resource: Resource, part: str = "", *, wait_seconds: float = WAIT_SECONDS
) -> tuple[list[Object], list[Object]]:
    """Delete objects and wait until they are gone; those that were there, and those that still are."""
    found = place.find(resource, part)
    for item in found:
        meta = item["metadata"]
        if not meta.get("deletionTimestamp"):
            place.api.delete(resource, place.namespace, meta["name"], meta["uid"])
    return found, _wait_gone(lambda: place.find(resource, part), wait_seconds) if found else []


def _wait_gone(find: Callable[[], list[Object]], seconds: float) -> list[Object]:
    pause, most = _POLL_SECONDS
    deadline = time.monotonic() + seconds
    while remaining := find():
        if time.monotonic() >= deadline:
            return remaining
        time.sleep(pause)
        pause = min(most, 1.5 * pause)
    return []


def remove_all(place: Place, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[Leftover]:
    """All objects of a selector, each told when it is gone, or why it is not; then their volumes."""
    volumes = set[str]()
    for resource, part in ORDER:
        if resource is CLAIMS:
            volumes |= {
                item["spec"]["volumeName"]
                for item in place.find(CLAIMS, part)
                if item["spec"].get("volumeName")
            }
        found, remaining = remove(place, resource, part, wait_seconds=wait_seconds)
        stuck = {item["metadata"]["uid"]: item for item in remaining}
        for item in found:
            yield _leftover(place, resource, item, stuck.get(item["metadata"]["uid"]))
    yield from _volumes_left(place, volumes, wait_seconds)


def _leftover(place: Place, resource: Resource, item: Object, stuck: Object | None) -> Leftover:
    what = f"{resource.kind} {item['metadata']['name']}"
    if stuck is None:
        return Leftover(what=what, where=str(place), state="removed")
    return Leftover(what=what, where=str(place), state="kept", reason=why_stuck(stuck))


def why_stuck(item: Object) -> str:
    """What keeps an object that was deleted."""
    names = ", ".join(item["metadata"].get("finalizers") or ()) or "none"
    return (
        f"deleted and still there; finalizers: {names}. The controller behind them must remove them: is the "
        "driver running?"
    )


def _volumes_left(place: Place, names: set[str], wait_seconds: float) -> Iterator[Leftover]:
    if not names:
        return

    def find() -> list[Object]:
        return [item for item in place.api.all(VOLUMES) if item["metadata"]["name"] in names]

    for item in _wait_gone(find, wait_seconds):
        what = f"PersistentVolume {item['metadata']['name']}"
        yield Leftover(what=what, where=place.api.server, state="kept", reason=why_stuck(item))


def sweep_journals(state_folder: Path, *, dry_run: bool) -> Iterator[Leftover]:
    """What dead runs of this host left, on any cluster; a journal goes when nothing is left of its run."""
    with abandoned_runs(state_folder) as abandoned:
        for path, run in abandoned.items():
            complete = False
            try:
                api = connect(run.target).patient(5.0)
                place = Place(api=api, namespace=run.namespace, selector=run.selector)
                told = list(_dealt_with(place, f"run {run.run_id}", dry_run=dry_run))
                complete = not dry_run and all(one.state == "removed" for one in told)
                yield from told
            except ProbeError as error:
                yield _unreadable(run, error)
            if complete:
                path.unlink(missing_ok=True)


def _unreadable(run: Run, error: ProbeError) -> Leftover:
    where = f"{run.kubeconfig or 'default kubeconfig'}, namespace {run.namespace}"
    return Leftover(what=f"objects of run {run.run_id}", where=where, state="kept", reason=str(error))


def _dealt_with(place: Place, reason: str, *, dry_run: bool) -> Iterator[Leftover]:
    if not dry_run:
        yield from remove_all(place)
        return
    seen = set[str]()
    for resource, part in ORDER:
        for item in place.find(resource, part):
            if item["metadata"]["uid"] not in seen:
                seen.add(item["metadata"]["uid"])
                what = f"{resource.kind} {item['metadata']['name']}"
                yield Leftover(what=what, where=str(place), state="found", reason=reason)


def sweep_namespace(
    target: Target, namespace: str, state_folder: Path, *, dry_run: bool
) -> Iterator[Leftover]:
    """What any host's runs left in a namespace, once their time is over."""
    api = connect(target).patient(5.0)
    everything = Place(api=api, namespace=namespace, selector=f"{MANAGED_BY}={TOOL}")
    runs: dict[str, Object] = {}
    for resource in (PODS, CLAIMS, SNAPSHOTS):
        for item in everything.find(resource):
            runs.setdefault(item["metadata"]["labels"].get(RUN, ""), item)
    living = living_runs(state_folder)
    for run_id, item in sorted(runs.items()):
        notes = item["metadata"].get("annotations") or {}
        place = Place(api=api, namespace=namespace, selector=f"{MANAGED_BY}={TOOL},{RUN}={run_id}")
        alive = _may_live(run_id, notes.get(UNTIL), living)
        if not alive:
            yield from _dealt_with(
                place, f"run {run_id} of {notes.get(HOST, 'an unknown host')}", dry_run=dry_run
            )
            continue
        reason = f"its run on {notes.get(HOST, 'an unknown host')} {alive}"
        yield Leftover(what=f"objects of run {run_id}", where=str(place), state="kept", reason=reason)


def _may_live(run_id: str, until: str | None, living: set[str]) -> str:
    """In words, why a run may be going on; empty if it cannot be."""
    if not run_id:
        return "is not named: remove by hand what is yours"
    if run_id in living:
        return "is going on"
    end = None
    with contextlib.suppress(ValueError):
        end = stamp_seconds(until)
    if end is not None and end < datetime.now(UTC).timestamp():
        return ""
    return f"may go on until {until or 'an unknown time'}"


def tell(leftovers: Sequence[Leftover]) -> str:
    """In words, what is left; empty if nothing is."""
    return "; ".join(f"{one.what} ({one.reason})" for one in leftovers if one.state == "kept")


def refuse_if_left(leftovers: Sequence[Leftover], namespace: str) -> None:
    """Do nothing if all is gone.

    Raises
    ------
    ProbeDenied
        If something of an earlier run cannot be removed.
    """
    left = tell(leftovers)
    if left:
        raise ProbeDenied(
            f"an earlier run left objects that cannot be removed: {left}. "
            f"See to them, then rpo-sim cleanup volume_snapshot --set namespace={namespace}"
        )
