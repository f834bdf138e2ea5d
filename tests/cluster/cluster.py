"""The cluster that tests run on, in a namespace of their own: a lab, or one that a contributor has."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.lab.api import CORE, PATIENCE_SECONDS, RBAC, SNAPSHOTS, Api, Json, wait_for
from tests.cluster.lab.lab import Lab
from tests.cluster.lab.objects import claim, snapshot_of


@dataclass(frozen=True)
class Cluster:
    """A cluster, a namespace in it, and what can be done there.

    Parameters
    ----------
    kubeconfig : of a user who may do what the test needs
    namespace : made for one test, removed after it
    storage_class, snapshot_class : a pair that can be snapshotted
    waiting_class : a storage class that binds at the first consumer, if there is one
    prometheus_url : where metrics of the sidecars are, if that is known
    pods_run : whether pods run, and not only get a node
    running_lab : the lab, unless the cluster is somebody's
    folder : where files of this test may be written
    """

    kubeconfig: Path
    namespace: str
    storage_class: str
    snapshot_class: str
    waiting_class: str | None
    prometheus_url: str | None
    pods_run: bool
    running_lab: Lab | None
    folder: Path

    @property
    def api(self) -> Api:
        """Requests of the cluster's user."""
        return Api(self.kubeconfig)

    @property
    def has_driver_folder(self) -> bool:
        """Whether the data of volumes can be read and written without a pod."""
        return self.running_lab is not None

    @property
    def has_audit_log(self) -> bool:
        """Whether the API server's own record of each write can be read."""
        return self.running_lab is not None

    @property
    def can_stop_components(self) -> bool:
        """Whether a test may stop, pause and start parts of the cluster."""
        return self.running_lab is not None

    @property
    def lab(self) -> Lab:
        """The lab; the test is skipped where there is none."""
        if self.running_lab is None:
            pytest.skip("needs the lab: the cluster is somebody's")
        return self.running_lab

    def path(self, kind: str, name: str = "") -> str:
        """Path of a kind in the test's namespace, or of one object."""
        group = SNAPSHOTS if kind == "volumesnapshots" else CORE
        return f"{group}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def create_claim(
        self, name: str, size: str = "16Mi", snapshot: str = "", *, waiting: bool = False
    ) -> Json:
        """Create a PVC, restored from a snapshot if one is named."""
        wanted = self.waiting_class if waiting else self.storage_class
        return self.api.create(self.path("persistentvolumeclaims"), claim(name, wanted, size, snapshot))

    def create_snapshot(self, name: str, pvc: str) -> Json:
        """Create a VolumeSnapshot of a PVC."""
        return self.api.create(self.path("volumesnapshots"), snapshot_of(name, pvc, self.snapshot_class))

    def wait_bound(self, name: str, seconds: float = PATIENCE_SECONDS) -> Json:
        """Wait until a PVC is bound, and return it."""
        path = self.path("persistentvolumeclaims", name)
        return self._wait(path, lambda found: found["status"].get("phase") == "Bound", seconds)

    def wait_ready(self, name: str, seconds: float = PATIENCE_SECONDS) -> Json:
        """Wait until a VolumeSnapshot is ready to use, and return it."""
        path = self.path("volumesnapshots", name)
        return self._wait(path, lambda found: found.get("status", {}).get("readyToUse"), seconds)

    def volume_folder(self, pvc: str) -> Path:
        """The driver's folder of a bound PVC's volume; lab only."""
        volume = self.wait_bound(pvc)["spec"]["volumeName"]
        found = self.api.get(f"{CORE}/persistentvolumes/{volume}")
        assert found, f"the PV of {pvc} is there"
        return self.lab.layout.data / str(found["spec"]["csi"]["volumeHandle"])

    def service_account(self, name: str, rules: list[Json], *, everywhere: bool = False) -> Path:
        """Make a service account that may do exactly this, and return its kubeconfig.

        Parameters
        ----------
        name : of the account and of its role
        rules : as in a Role
        everywhere : a ClusterRole bound in the whole cluster, named after the namespace, instead of a Role
        """
        self.api.create(self.path("serviceaccounts"), {"metadata": {"name": name}})
        role = f"{self.namespace}-{name}" if everywhere else name
        kind = "ClusterRole" if everywhere else "Role"
        scope = RBAC if everywhere else f"{RBAC}/namespaces/{self.namespace}"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
        self.api.create(f"{scope}/{kind.lower()}s", {"metadata": {"name": role}, "rules": rules})
        binding = {"metadata": {"name": role}, "roleRef": reference, "subjects": [subject]}
        self.api.create(f"{scope}/{kind.lower()}bindings", binding)
        return self.kubeconfig_of(name)

    def kubeconfig_of(self, service_account: str) -> Path:
        """A kubeconfig for a service account that exists, with a new token of an hour."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        token = self.api.create(self.path("serviceaccounts", f"{service_account}/token"), body)["status"][
            "token"
        ]
        file = self.folder / f"{service_account}-{secrets.token_hex(3)}.kubeconfig"
        self.api.write_kubeconfig(file, token, self.namespace)
        return file

    def _wait(self, path: str, check: Any, seconds: float) -> Json:
        def look() -> Json | None:
            found = self.api.get(path)
            return found if found and check(found) else None

        found = wait_for(path, look, seconds)
        assert found is not None
        return found
