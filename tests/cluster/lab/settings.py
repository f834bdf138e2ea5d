"""The files that the programs of a lab read: users, kubeconfigs, audit policy, what Prometheus scrapes."""

import json
import secrets

from tests.cluster.lab.certificates import CA
from tests.cluster.lab.components import SIDECARS, SYSTEM_NAMESPACE, Layout
from tests.cluster.lab.kubeconfig import write_kubeconfig

LIMITED = (*SIDECARS, "snapshot-controller")
SECURE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# Scrapes of the large ones would take a noticeable part of two cores at one a second.
SCRAPE_SECONDS = {"kube-apiserver": 5, "kube-controller-manager": 5, "kube-scheduler": 30}
# Whole objects at writes: a status that turned ready or bound shows in the event, with its microsecond.
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  - level: RequestResponse
    verbs: [create, update, patch, delete]
    resources:
      - {group: "", resources: [persistentvolumeclaims, persistentvolumeclaims/status]}
      - {group: "", resources: [persistentvolumes, persistentvolumes/status]}
      - group: snapshot.storage.k8s.io
        resources:
          - volumesnapshots
          - volumesnapshots/status
          - volumesnapshotcontents
          - volumesnapshotcontents/status
  - level: Metadata
    resources:
      - {group: "", resources: [persistentvolumeclaims, persistentvolumes]}
      - {group: snapshot.storage.k8s.io}
  - level: None
"""


def write_settings(at: Layout) -> None:
    """Write all of them; tokens are new for each lab."""
    (at.folder / "audit-policy.yaml").write_text(AUDIT_POLICY, encoding="utf-8")
    (at.folder / "tokens.csv").touch(mode=0o600)
    server, lines = at.url("kube-apiserver"), []
    for number, (user, (name, groups)) in enumerate(_users().items()):
        token = secrets.token_urlsafe(32)
        lines.append(f'{token},{name},{number},"{",".join(groups)}"\n')
        write_kubeconfig(at.kubeconfig(user), server, at.certificates / CA, token, "default")
        if user == "prometheus":
            _write_prometheus(at, token)
    (at.folder / "tokens.csv").write_text("".join(lines), encoding="utf-8")


def _users() -> dict[str, tuple[str, list[str]]]:
    """Name and groups by user; sidecars are service accounts, whose requests get other priorities."""
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM_NAMESPACE}"]
    return {
        "admin": ("lab-admin", ["system:masters"]),
        "prometheus": ("lab-prometheus", []),
        "kube-controller-manager": ("system:kube-controller-manager", []),
        "kube-scheduler": ("system:kube-scheduler", []),
        **{name: (f"system:serviceaccount:{SYSTEM_NAMESPACE}:{name}", groups) for name in LIMITED},
    }


def _write_prometheus(at: Layout, token: str) -> None:
    (at.folder / "prometheus.token").touch(mode=0o600)
    (at.folder / "prometheus.token").write_text(token, encoding="utf-8")
    jobs = [_job(at, name) for name in (*SECURE, *LIMITED, "prometheus")]
    text = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (at.folder / "prometheus.yaml").write_text(json.dumps(text, indent=1), encoding="utf-8")  # JSON is YAML


def _job(at: Layout, name: str) -> dict[str, object]:
    target = {"targets": [f"127.0.0.1:{at.ports[name]}"], "labels": {"namespace": SYSTEM_NAMESPACE}}
    job: dict[str, object] = {"job_name": name, "static_configs": [target]}
    if name in SCRAPE_SECONDS:
        job |= {"scrape_interval": f"{SCRAPE_SECONDS[name]}s", "scrape_timeout": "5s"}
    if name in SECURE:
        job |= {
            "scheme": "https",
            "tls_config": {"ca_file": str(at.certificates / CA)},
            "authorization": {"credentials_file": str(at.folder / "prometheus.token")},
        }
    return job
