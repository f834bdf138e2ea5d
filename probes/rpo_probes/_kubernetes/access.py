"""What an account must be allowed to do, read from the roles we ship, and what of it is missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rpo_probes._kubernetes.api import Api, Resource

_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False
)


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One verb on one kind of object.

    >>> str(Permission("snapshot.storage.k8s.io", "volumesnapshots", "create", "apps"))
    'create volumesnapshots.snapshot.storage.k8s.io in apps'
    """

    group: str
    resource: str
    verb: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """As `kubectl auth can-i` would be asked."""
        what = f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")
        return (
            what
            + (f" {self.name}" if self.name else "")
            + (f" in {self.namespace}" if self.namespace else "")
        )


def permissions_of(manifest: str, namespace: str) -> list[Permission]:
    """All that the roles of a manifest grant; a Role counts in `namespace`, a ClusterRole everywhere."""
    import yaml

    found: dict[Permission, None] = {}
    for document in yaml.safe_load_all(manifest):
        kind = (document or {}).get("kind")
        if kind in ("Role", "ClusterRole"):
            place = namespace if kind == "Role" else ""
            found |= dict.fromkeys(_granted(document["rules"], place))
    return list(found)


def _granted(rules: Sequence[dict[str, list[str]]], namespace: str) -> Iterator[Permission]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames") or [""]:
                        yield Permission(group, resource, verb, namespace, name)


def missing_permissions(api: Api, wanted: Sequence[Permission]) -> list[Permission]:
    """Those of the wanted permissions that the account lacks, each asked of the server."""
    return [permission for permission in wanted if not _is_allowed(api, permission)]


def _is_allowed(api: Api, permission: Permission) -> bool:
    attributes = {
        "group": permission.group,
        "resource": permission.resource,
        "verb": permission.verb,
        "namespace": permission.namespace,
        "name": permission.name,
    }
    body = {
        "apiVersion": _REVIEWS.api_version,
        "kind": _REVIEWS.kind,
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    return bool((api.create(_REVIEWS, None, body).get("status") or {}).get("allowed"))
