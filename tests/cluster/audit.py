"""What the API server's audit log says of snapshots and claims: each request, to the microsecond."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import Json

CREATED = ("persistentvolumeclaims", "volumesnapshots", "pods")
CONTROLLER = ":snapshot-controller"
CONTENT = "snapcontent-"  # then the uid of its snapshot


def truths(cluster: Cluster) -> dict[str, float]:
    """By uid, seconds from the create until the write that made it ready or bound."""
    begun: dict[str, float] = {}
    ended: dict[str, float] = {}
    for event in _events(cluster):
        answer = event.get("responseObject") or {}
        uid, status = (answer.get("metadata") or {}).get("uid"), answer.get("status") or {}
        if uid is None or not _succeeded(event):
            continue
        if event["verb"] == "create" and event["objectRef"]["resource"] in CREATED:
            begun[uid] = _received(event)
        elif status.get("readyToUse") is True or status.get("phase") == "Bound":
            ended.setdefault(uid, _seconds(event["stageTimestamp"]))
    return {uid: ended[uid] - begun[uid] for uid in begun.keys() & ended.keys()}


@dataclass(frozen=True)
class Within:
    """An interval that contains a duration, in seconds."""

    low: float
    high: float


@dataclass
class _Story:
    """Requests of the snapshot-controller about one snapshot, by when they reached the API server."""

    finalizer: float | None = None
    content: float | None = None
    reads: list[float] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)


def controller_durations(cluster: Cluster, stage: Literal["cut", "ready"]) -> dict[str, Within]:
    """By uid of a snapshot, what the snapshot-controller's own metric can have counted for it.

    Its clock starts between its first successful write to the snapshot (the finalizer) and its create of the
    content. It ends between the read before, and the request of, the first status that says so
    (snapshot_controller.go: syncSnapshot, syncUnreadySnapshot, updateSnapshotStatus). It is not the client's
    clock: the way to the controller is before it, and the wait for the right to write the status after it.
    """
    stories: dict[str, _Story] = defaultdict(_Story)
    uids: dict[str, str] = {}
    for event in sorted(_events(cluster), key=_received):
        if event["user"]["username"].endswith(CONTROLLER):
            _tell(stories, event)
        elif event["verb"] == "create" and event["objectRef"]["resource"] == "volumesnapshots":
            made = event.get("responseObject", {}).get("metadata", {})
            uids[made.get("uid", "")] = made.get("name", "")
    found = {}
    for uid, name in uids.items():
        story, content = stories[name], stories[f"{CONTENT}{uid}"].content
        if story.finalizer is None or content is None or stage not in story.told:
            continue
        end = story.told[stage]
        read = max(at for at in story.reads if at < end)
        found[uid] = Within(read - content, end - story.finalizer)
    return found


def _tell(stories: dict[str, _Story], event: Json) -> None:
    about, at = event["objectRef"], _received(event)
    kind, story = f"{about['resource']}/{about.get('subresource', '')}", stories[about.get("name", "")]
    match event["verb"], kind:
        case "get", "volumesnapshots/":
            story.reads.append(at)
        case "create", "volumesnapshotcontents/":
            story.content = story.content or at
        case "update" | "patch", "volumesnapshots/" if _succeeded(event):
            story.finalizer = story.finalizer or at
        case "update", "volumesnapshots/status":
            status = (event.get("requestObject") or {}).get("status") or {}
            if status.get("creationTime"):
                story.told.setdefault("cut", at)
            if status.get("readyToUse") is True:
                story.told.setdefault("ready", at)


def _events(cluster: Cluster) -> Iterator[Json]:
    """Those of the test's namespace; contents name it as that of their snapshot."""
    with cluster.lab.layout.audit_log.open(encoding="utf-8") as log:
        yield from (json.loads(line) for line in log if cluster.namespace in line)


def _succeeded(event: Json) -> bool:
    return 200 <= int(event["responseStatus"].get("code", 0)) < 300


def _received(event: Json) -> float:
    return _seconds(event["requestReceivedTimestamp"])


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
