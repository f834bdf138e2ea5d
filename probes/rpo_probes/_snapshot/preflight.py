"""What is there, what is missing, and exactly what would be created."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from rpo_probes._kubernetes import (
    Api,
    Forbidden,
    NamespaceGone,
    NotFound,
    Object,
    Permission,
    Unreachable,
    missing_permissions,
    permissions_of,
)
from rpo_probes._snapshot.facts import claim_facts
from rpo_probes._snapshot.resources import CLAIMS, NAMESPACES, SNAPSHOT_CLASSES, STORAGE_CLASSES
from rpo_probes._snapshot.settings import VolumeSnapshotSettings
from rpo_sim.errors import ProbeDenied, ProbeError, ProbeUnavailable
from rpo_sim.probe import Finding
from rpo_sim.units import format_bytes, format_duration

ALLOW = "rpo-sim.io/allow"
ALLOW_VALUE = "measure"
_DEFAULT_STORAGE = "storageclass.kubernetes.io/is-default-class"
_DEFAULT_SNAPSHOT = "snapshot.storage.kubernetes.io/is-default-class"
_OPENSHIFT_USERS = "openshift.io/sa.scc.uid-range"
_NOBODY = 65534
_NAMESPACED = frozenset({"volumesnapshots", "persistentvolumeclaims", "events", "pods"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where and with which classes is measured.

    Attributes
    ----------
    namespace, driver, storage_class, snapshot_class : str
    waits : bool
        Whether volumes are bound only once a pod wants them.
    pod_user : int or None
    source : Object or None
        The PVC that was named.
    """

    namespace: str
    driver: str
    storage_class: str
    snapshot_class: str
    waits: bool
    pod_user: int | None
    source: Object | None = None


def manifest(mode: str) -> str:
    """The roles that a mode needs, as they are shipped."""
    return (files("rpo_probes") / "rbac" / f"{mode}.yaml").read_text(encoding="utf-8")


def look(settings: VolumeSnapshotSettings, api: Api) -> tuple[list[Finding], Site | None]:
    """All findings; and for `measure` the site, None if something is missing."""
    try:
        return _look(settings, api)
    except ProbeUnavailable as error:
        return [_missing(f"API server {_server(api)}", error, retryable=True)], None
    except ProbeDenied as error:
        return [_missing(f"cluster {api.name or _server(api)}", error)], None


def _server(api: Api) -> str:
    try:
        return api.server
    except ProbeError:
        return "unknown"


def _missing(what: str, error: ProbeError, *, retryable: bool = False) -> Finding:
    missing, _, remedy = str(error).partition(": ")
    return Finding(what=what, ok=False, missing=missing, remedy=remedy or "see above", retryable=retryable)


def _look(settings: VolumeSnapshotSettings, api: Api) -> tuple[list[Finding], Site | None]:
    findings: list[Finding] = []
    if settings.mode == "measure" and settings.namespace is None:
        return [
            Finding(
                what="namespace to create in",
                ok=False,
                missing="measure creates objects and no namespace was named",
                remedy="name one of your own with --namespace",
            )
        ], None
    findings += _permissions(settings, api)
    if any(not finding.ok for finding in findings):
        return findings, None
    findings.append(_snapshots_known(api))
    if settings.mode != "measure" or not findings[-1].ok:
        return findings, None
    assert settings.namespace is not None
    namespace, allowed = _namespace(settings, settings.namespace, api)
    findings.append(allowed)
    if namespace is None:
        return findings, None
    try:
        site, more = _site(settings, api, namespace)
    except ProbeDenied as error:
        return [*findings, _missing("storage", error)], None
    findings += [*more, *_plan(settings, site)]
    return findings, site if all(finding.ok for finding in findings) else None


def _permissions(settings: VolumeSnapshotSettings, api: Api) -> Iterator[Finding]:
    """One finding per permission that is missing, by its name; one for all if none is."""
    wanted = [
        _scoped(permission, settings)
        for permission in permissions_of(_roles(settings), settings.namespace or "")
        if _is_needed(permission.resource, settings)
    ]
    missing = missing_permissions(api, wanted)
    what = f"{len(wanted) - len(missing)} of {len(wanted)} permissions, on {api.name or api.server}"
    if not missing:
        yield Finding(what=what, ok=True)
    scope = f" --namespace {settings.namespace}" if settings.namespace else ""
    for permission in missing:
        yield Finding(
            what=what,
            ok=False,
            missing=f"the account may not {permission}",
            remedy=f"rpo-sim rbac {settings.mode}{scope} | kubectl apply -f - grants it",
        )


def _roles(settings: VolumeSnapshotSettings) -> str:
    return manifest(settings.mode).replace("NAMESPACE", settings.namespace or "NAMESPACE")


def _scoped(permission: Permission, settings: VolumeSnapshotSettings) -> Permission:
    """Who looks at one namespace needs no more than that one."""
    if permission.resource in _NAMESPACED and settings.namespace is not None:
        return replace(permission, namespace=settings.namespace)
    return permission


def _is_needed(resource: str, settings: VolumeSnapshotSettings) -> bool:
    """Pods are made unless that is ruled out; everything else is needed always."""
    return resource != "pods" or settings.pods


def _snapshots_known(api: Api) -> Finding:
    try:
        classes = api.all(SNAPSHOT_CLASSES)
    except NotFound as error:
        return _missing("kinds of snapshot.storage.k8s.io/v1", error)
    drivers = sorted({str(found.get("driver")) for found in classes})
    return Finding(what=f"{len(classes)} snapshot classes, of {', '.join(drivers) or 'no driver'}", ok=True)


def _namespace(settings: VolumeSnapshotSettings, name: str, api: Api) -> tuple[Object | None, Finding]:
    what = f"namespace {name}"
    try:
        found = api.get(NAMESPACES, name)
    except (NotFound, NamespaceGone):
        remedy = f"kubectl create namespace {name}"
        return None, Finding(what=what, ok=False, missing=f"there is no namespace {name}", remedy=remedy)
    if (found.get("status") or {}).get("phase") == "Terminating":
        remedy = "wait until it is gone, or choose another --namespace"
        return None, Finding(what=what, ok=False, missing=f"{name} is being deleted", remedy=remedy)
    notes = found["metadata"].get("annotations") or {}
    if notes.get(ALLOW) == ALLOW_VALUE:
        return found, Finding(what=f"{what}, which allows measuring", ok=True)
    if settings.any_namespace:
        return found, Finding(what=f"{what}, on your word (--any-namespace)", ok=True)
    return None, Finding(
        what=what,
        ok=False,
        missing=f"{name} does not say that objects may be created in it",
        remedy=f"kubectl annotate namespace {name} {ALLOW}={ALLOW_VALUE}, or --any-namespace",
    )


def _site(settings: VolumeSnapshotSettings, api: Api, namespace: Object) -> tuple[Site, list[Finding]]:
    source = None
    wanted = settings.storage_class
    if settings.pvc is not None:
        source = api.get(CLAIMS, settings.pvc, settings.namespace)
        facts = claim_facts(source)
        if not facts.bound:
            raise ProbeDenied(f"PVC {settings.pvc} is not bound: name another with --pvc")
        wanted = wanted or facts.storage_class
    storage = _choose(api.all(STORAGE_CLASSES), wanted, _DEFAULT_STORAGE, "storage class", "--storage-class")
    driver = str(storage["provisioner"])
    usable = [found for found in api.all(SNAPSHOT_CLASSES) if found.get("driver") == driver]
    if not usable:
        raise ProbeDenied(
            f"{driver} serves storage class {storage['metadata']['name']} and has no snapshot class: "
            "choose another --storage-class, or create a VolumeSnapshotClass for it"
        )
    snapshot = _choose(
        usable, settings.snapshot_class, _DEFAULT_SNAPSHOT, "snapshot class", "--snapshot-class"
    )
    notes = namespace["metadata"].get("annotations") or {}
    site = Site(
        namespace=str(namespace["metadata"]["name"]),
        driver=driver,
        storage_class=storage["metadata"]["name"],
        snapshot_class=snapshot["metadata"]["name"],
        waits=storage.get("volumeBindingMode") == "WaitForFirstConsumer",
        pod_user=None if _OPENSHIFT_USERS in notes else _NOBODY,
        source=source,
    )
    return site, list(_classes(site, storage, snapshot))


def _choose(found: Sequence[Object], name: str | None, default: str, what: str, option: str) -> Object:
    """The class of that name, else the default one, else the only one."""
    names = [item["metadata"]["name"] for item in found]
    if name is not None:
        if name not in names:
            raise ProbeDenied(f"no usable {what} {name}: there are {', '.join(names) or 'none'}")
        return found[names.index(name)]
    marked = [item for item in found if (item["metadata"].get("annotations") or {}).get(default) == "true"]
    candidates = marked or list(found)
    if len(candidates) == 1:
        return candidates[0]
    raise ProbeDenied(
        f"no single default {what}: choose with {option}: {', '.join(names) or 'there is none'}"
    )


def _classes(site: Site, storage: Object, snapshot: Object) -> Iterator[Finding]:
    what = f"storage class {site.storage_class} and snapshot class {site.snapshot_class} of {site.driver}"
    if site.waits:
        what += ", bound at the first consumer"
    yield Finding(what=what, ok=True)
    for kept, kind, option in (
        (storage.get("reclaimPolicy", "Delete"), f"storage class {site.storage_class}", "--storage-class"),
        (snapshot.get("deletionPolicy"), f"snapshot class {site.snapshot_class}", "--snapshot-class"),
    ):
        if kept != "Delete":
            yield Finding(
                what=kind,
                ok=False,
                missing=f"{kind} keeps what is deleted ({kept}): every trial would stay on the storage",
                remedy=f"choose one with the policy Delete by {option}",
            )


def _plan(settings: VolumeSnapshotSettings, site: Site) -> Iterator[Finding]:
    if site.waits and settings.data != "pod" and not settings.pods:
        yield Finding(
            what=f"consumers for {site.storage_class}",
            ok=False,
            missing="volumes of this class are bound only once a pod wants them, and --no-pods was said",
            remedy="allow --pods, or choose a class that binds at once",
        )
    if settings.data_folder is not None and not settings.data_folder.is_dir():
        yield Finding(
            what=f"data folder {settings.data_folder}",
            ok=False,
            missing=f"{settings.data_folder} is not a folder",
            remedy="name the folder in which the driver keeps its volumes, or leave --data-folder out",
        )
    peak, allowed = settings.peak_bytes, settings.max_bytes
    if settings.pvc is None and peak > allowed:
        yield Finding(
            what=f"up to {format_bytes(peak)} at once",
            ok=False,
            missing=f"--max-bytes {format_bytes(allowed)} is less than {format_bytes(peak)}, needed at once",
            remedy="measure smaller --volume-size or less --concurrency, or allow more",
        )
    yield Finding(what=plan_in_words(settings, site), ok=True)


def plan_in_words(settings: VolumeSnapshotSettings, site: Site) -> str:
    """Exactly what would be created."""
    most = max(settings.concurrency)
    sources = 0 if settings.pvc is not None else most * len(settings.distinct_sizes)
    made_from = f"PVC {settings.pvc}, which is only read" if settings.pvc else f"{sources} source PVCs"
    pods = ", a pod for each source and restore" if settings.data == "pod" or site.waits else ""
    room, time = format_bytes(settings.peak_bytes), format_duration(settings.max_duration)
    return (
        f"would create in {site.namespace}: {made_from}; then up to {most} VolumeSnapshots and {most} "
        f"restored PVCs at once{pods}; at most {settings.max_objects} objects, {room} at once, no new ones "
        f"after {time}; all labelled and removed again"
    )


def named(error: ProbeError) -> ProbeError:
    """The same error, saying where the roles are if a permission was withdrawn meanwhile."""
    if isinstance(error, Forbidden):
        return Forbidden(f"a permission was withdrawn while measuring: {error}")
    if isinstance(error, Unreachable):
        return Unreachable(f"while measuring, {error}")
    return error
