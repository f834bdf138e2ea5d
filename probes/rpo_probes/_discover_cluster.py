"""What `rpo-sim discover` tells of a cluster: storage, history, permissions. It only reads."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rpo_probes._kubernetes import (
    Api,
    Forbidden,
    NotFound,
    Object,
    Permission,
    Resource,
    missing_permissions,
    permissions_of,
    stamp_seconds,
)
from rpo_probes._snapshot.facts import claim_facts
from rpo_probes._snapshot.observations import SOURCE, utc
from rpo_probes._snapshot.preflight import manifest
from rpo_probes._snapshot.resources import CLAIMS, SNAPSHOT_CLASSES, SNAPSHOTS, STORAGE_CLASSES
from rpo_probes._snapshot.settings import VolumeSnapshotSettings
from rpo_sim.probe_capabilities import Discovered

_MODES = {
    "list": (10, "what existing snapshots and restores tell"),
    "record": (20, "every snapshot and restore from now on"),
    "measure": (40, "snapshots and restores made for the purpose"),
}
_DEFAULT_STORAGE = "storageclass.kubernetes.io/is-default-class"
_DEFAULT_SNAPSHOT = "snapshot.storage.kubernetes.io/is-default-class"
_NO_DRIVER = "kubernetes.io/no-provisioner"
_ROUTES = Resource("route.openshift.io", "v1", "routes", "Route")
_QUERIER = ("openshift-monitoring", "thanos-querier")
_ALL_DENIED = "the account may not read it"


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    """Objects of the past: how many, how many of them finished, and the oldest (seconds since 1970)."""

    count: int = 0
    finished: int = 0
    oldest: float | None = None


def discover_cluster(settings: VolumeSnapshotSettings, api: Api) -> Iterator[Discovered]:
    """Modes that can measure here, storage classes, existing snapshots and restores, permissions."""
    storage, snapshot = _classes(api, STORAGE_CLASSES), _classes(api, SNAPSHOT_CLASSES)
    history = {kind: _history(api, kind, settings.namespace) for kind in (SNAPSHOTS, CLAIMS)}
    usable = _usable_drivers(storage, snapshot)
    missing = _missing_by_mode(settings, api)
    yield from _modes(settings, usable, history, missing)
    yield from _storage(storage, snapshot)
    yield from _past(history, settings.namespace)
    yield from _permissions(settings, missing)
    yield from _querier(api)


def _classes(api: Api, resource: Resource) -> list[Object] | str:
    """The classes of a kind, or why there are none to see."""
    try:
        return api.all(resource)
    except Forbidden:
        return _ALL_DENIED
    except NotFound:
        return "this cluster does not know the kind"


def _usable_drivers(storage: list[Object] | str, snapshot: list[Object] | str) -> set[str]:
    """Drivers with both a storage class and a snapshot class."""
    if isinstance(storage, str) or isinstance(snapshot, str):
        return set()
    return {item["provisioner"] for item in storage} & {item["driver"] for item in snapshot}


def _history(api: Api, resource: Resource, namespace: str | None) -> _History | str:
    """Snapshots, or claims restored from one; read in pages, and only counted."""
    count = finished = 0
    oldest: float | None = None
    try:
        for page in api.pages(resource, namespace):
            if page.first:
                count, finished, oldest = 0, 0, None
            for item in page.items:
                if resource is CLAIMS and not claim_facts(item).snapshot:
                    continue
                count += 1
                finished += _finished(resource, item)
                created = stamp_seconds(item["metadata"].get("creationTimestamp"))
                oldest = min((at for at in (oldest, created) if at is not None), default=None)
    except Forbidden:
        return _ALL_DENIED
    except NotFound:
        return "this cluster does not know the kind"
    return _History(count=count, finished=finished, oldest=oldest)


def _finished(resource: Resource, item: Object) -> bool:
    if resource is CLAIMS:
        return claim_facts(item).bound
    return (item.get("status") or {}).get("readyToUse") is True


def _missing_by_mode(settings: VolumeSnapshotSettings, api: Api) -> dict[str, list[Permission]]:
    """What the account lacks for each mode; each permission is asked for once."""
    namespace = settings.namespace or "default"
    wanted = {
        mode: permissions_of(manifest(mode).replace("NAMESPACE", namespace), namespace) for mode in _MODES
    }
    every = list(dict.fromkeys(one for permissions in wanted.values() for one in permissions))
    lacking = set(missing_permissions(api, every))
    return {mode: [one for one in permissions if one in lacking] for mode, permissions in wanted.items()}


def _modes(
    settings: VolumeSnapshotSettings,
    usable: set[str],
    history: Mapping[Resource, _History | str],
    missing: Mapping[str, list[Permission]],
) -> Iterator[Discovered]:
    events = sum(found.finished for found in history.values() if isinstance(found, _History))
    for mode, (rank, what) in _MODES.items():
        detail, remedy = "", ""
        if missing[mode]:
            detail, remedy = f"{len(missing[mode])} permissions are missing", "see permissions"
        elif mode == "list" and not events:
            detail, remedy = "there are no finished ones", "record, or measure"
        elif mode != "list" and not usable:
            detail, remedy = "no driver has both a storage class and a snapshot class", "see storage"
        elif mode == "list":
            detail = f"{events} finished; those that were deleted are not among them"
        else:
            detail = f"on {', '.join(sorted(usable))}"
        ok = not remedy
        command = _command(settings, mode) if ok else ""
        yield Discovered(
            topic="measure", what=what, ok=ok, detail=detail, remedy=remedy, command=command, rank=rank
        )


def _command(settings: VolumeSnapshotSettings, mode: str) -> str:
    parts = ["rpo-sim", "measure", SOURCE, "--mode", mode]
    namespace = settings.namespace or ("NAMESPACE" if mode == "measure" else None)
    for option, value in (
        ("--kubeconfig", settings.kubeconfig),
        ("--context", settings.context),
        ("--namespace", namespace),
    ):
        if value:
            parts += [option, str(value)]
    return shlex.join(parts)


def _storage(storage: list[Object] | str, snapshot: list[Object] | str) -> Iterator[Discovered]:
    """Each storage class with the snapshot class of its driver, and what does not fit."""
    if isinstance(storage, str):
        yield Discovered(
            topic="storage", what="storage classes", ok=False, detail=storage, remedy="rpo-sim rbac list"
        )
        return
    if isinstance(snapshot, str):
        remedy = "install the snapshot CRDs and the snapshot-controller, or rpo-sim rbac list"
        yield Discovered(topic="storage", what="snapshot classes", ok=False, detail=snapshot, remedy=remedy)
    by_driver: dict[str, list[Object]] = {}
    for item in snapshot if isinstance(snapshot, list) else []:
        by_driver.setdefault(item["driver"], []).append(item)
    for item in sorted(storage, key=_name):
        yield _storage_class(item, by_driver.get(item["provisioner"], []))
    defaults = [_name(item) for item in storage if _is_default(item, _DEFAULT_STORAGE)]
    if storage and len(defaults) != 1:
        detail = f"there are {len(defaults)}: {', '.join(sorted(defaults))}" if defaults else "there is none"
        remedy = "choose with --storage-class"
        yield Discovered(
            topic="storage", what="default storage class", ok=False, detail=detail, remedy=remedy
        )
    for driver in sorted(by_driver.keys() - {item["provisioner"] for item in storage}):
        names = ", ".join(sorted(map(_name, by_driver[driver])))
        yield Discovered(
            topic="storage",
            what=f"snapshot class {names} ({driver})",
            ok=False,
            detail="its driver has no storage class",
            remedy="create a StorageClass for it, or ignore it",
        )


def _storage_class(item: Object, classes: list[Object]) -> Discovered:
    driver = item["provisioner"]
    traits = ["default"] if _is_default(item, _DEFAULT_STORAGE) else []
    traits += (
        ["bound at the first consumer"] if item.get("volumeBindingMode") == "WaitForFirstConsumer" else []
    )
    what = f"{_name(item)} ({driver})"
    if not classes:
        remedy = (
            "its volumes have no snapshots" if driver == _NO_DRIVER else "create a VolumeSnapshotClass for it"
        )
        detail = ", ".join(["its driver has no snapshot class", *traits])
        return Discovered(topic="storage", what=what, ok=False, detail=detail, remedy=remedy)
    names = sorted(map(_name, classes))
    defaults = [found for found in classes if _is_default(found, _DEFAULT_SNAPSHOT)]
    detail = ", ".join([f"snapshot class {' or '.join(names)}", *traits])
    if len(classes) > 1 and len(defaults) != 1:
        return Discovered(
            topic="storage", what=what, ok=False, detail=f"{detail}; no single default among them",
            remedy="choose with --snapshot-class",
        )  # fmt: skip
    return Discovered(topic="storage", what=what, ok=True, detail=detail)


def _name(item: Object) -> str:
    return str(item["metadata"]["name"])


def _is_default(item: Object, annotation: str) -> bool:
    return (item["metadata"].get("annotations") or {}).get(annotation) == "true"


def _past(history: Mapping[Resource, _History | str], namespace: str | None) -> Iterator[Discovered]:
    names = {SNAPSHOTS: ("VolumeSnapshots", "ready"), CLAIMS: ("PVCs restored from snapshots", "bound")}
    scope = f" in {namespace}" if namespace else ""
    for resource, found in history.items():
        kind, state = names[resource]
        if isinstance(found, str):
            yield Discovered(
                topic="history", what=kind + scope, ok=False, detail=found, remedy="rpo-sim rbac list"
            )
        elif found.oldest is None:
            yield Discovered(topic="history", what=kind + scope, ok=True, detail="none")
        else:
            since = f"{utc(found.oldest):%Y-%m-%d %H:%M} UTC"
            detail = f"{found.count}, of which {found.finished} {state}, back to {since}"
            yield Discovered(topic="history", what=kind + scope, ok=True, detail=detail)


def _permissions(
    settings: VolumeSnapshotSettings, missing: Mapping[str, list[Permission]]
) -> Iterator[Discovered]:
    scope = f" --namespace {settings.namespace}" if settings.namespace else ""
    for mode, lacking in missing.items():
        what = f"{SOURCE} --mode {mode}"
        if not lacking:
            yield Discovered(topic="permissions", what=what, ok=True, detail="all there")
            continue
        yield Discovered(
            topic="permissions",
            what=what,
            ok=False,
            detail="missing: " + ", ".join(map(str, sorted(lacking))),
            remedy=f"rpo-sim rbac {mode}{scope} | kubectl apply -f -",
        )


def _querier(api: Api) -> Iterator[Discovered]:
    """On OpenShift: where its Prometheus answers from outside."""
    namespace, name = _QUERIER
    try:
        host = (api.get(_ROUTES, name, namespace).get("spec") or {}).get("host")
    except (Forbidden, NotFound):
        return
    if host:
        yield Discovered(
            topic="metrics",
            what=f"Prometheus of this cluster: https://{host}",
            ok=True,
            detail="OpenShift's querier; it needs a token, and the cluster role cluster-monitoring-view",
            remedy=f"oc whoami -t > token; rpo-sim discover --url https://{host} --token-file token",
        )
