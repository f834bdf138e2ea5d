"""The programs of a lab: their command lines, and where each says that it is ready."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.lab.certificates import CA, CERTIFICATE, KEY, TOKEN_KEY

SYSTEM_NAMESPACE = "rpo-sim-lab"
DRIVER = "host-path.lab.rpo-sim"
SIDECARS = ("csi-provisioner", "csi-snapshotter")
LONGEST_SOCKET_PATH = 100  # Linux allows 107 bytes
CONTROLLERS = (
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
    "resourcequota-controller",
    "replicaset-controller",
    "deployment-controller",
)


@dataclass(frozen=True)
class Backend:
    """A storage backend: how many requests a second each sidecar and the snapshot-controller may make.

    Parameters
    ----------
    name : as in `--backend`
    qps, burst : rate and depth of each client's token bucket, requests/s and requests
    """

    name: str
    qps: int
    burst: int


BACKENDS = {"a": Backend("a", 5, 10), "b": Backend("b", 100, 200)}  # a: what the programs do when not told


@dataclass(frozen=True)
class Layout:
    """Where everything of one lab lies.

    Parameters
    ----------
    folder : the lab's state folder
    programs : the folder of the built programs
    backend : its client limits
    ports : port of each component that listens, by name
    """

    folder: Path
    programs: Path
    backend: Backend
    ports: dict[str, int]

    @property
    def certificates(self) -> Path:
        """The folder of certificates and keys."""
        return self.folder / "certificates"

    @property
    def data(self) -> Path:
        """The driver's folder: the data of a volume is in the folder named after its handle."""
        return self.folder / "csi-data"

    @property
    def socket(self) -> Path:
        """The driver's socket."""
        return self.folder / "csi.sock"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, one JSON event a line."""
        return self.folder / "audit.log"

    def kubeconfig(self, user: str = "admin") -> Path:
        """The kubeconfig of a user."""
        return self.folder / ("kubeconfig" if user == "admin" else f"{user}.kubeconfig")

    def url(self, component: str) -> str:
        """The address of a component."""
        secure = component.startswith("kube-")
        return f"{'https' if secure else 'http'}://127.0.0.1:{self.ports[component]}"


@dataclass(frozen=True)
class Component:
    """One program of the lab.

    Parameters
    ----------
    name : its name, and the program's
    options : its command line for a layout
    ready : path of its HTTP endpoint that answers once it is ready; None for the driver, which has a socket
    """

    name: str
    options: Callable[[Layout], list[str]]
    ready: str | None


def _etcd(at: Layout) -> list[str]:
    peer = f"http://127.0.0.1:{at.ports['etcd-peer']}"
    return [
        f"--data-dir={at.folder / 'etcd'}",
        f"--listen-client-urls={at.url('etcd')}",
        f"--advertise-client-urls={at.url('etcd')}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--log-level=warn",
    ]


def _serving(at: Layout, component: str) -> list[str]:
    return [
        "--bind-address=127.0.0.1",
        f"--secure-port={at.ports[component]}",
        f"--tls-cert-file={at.certificates / CERTIFICATE}",
        f"--tls-private-key-file={at.certificates / KEY}",
    ]


def _api_server(at: Layout) -> list[str]:
    return [
        *_serving(at, "kube-apiserver"),
        f"--etcd-servers={at.url('etcd')}",
        "--endpoint-reconciler-type=none",  # it refuses loopback addresses
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        f"--client-ca-file={at.certificates / CA}",  # else the others look in vain for the settings of logins
        f"--token-auth-file={at.folder / 'tokens.csv'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={at.certificates / TOKEN_KEY}",
        f"--service-account-signing-key-file={at.certificates / TOKEN_KEY}",
        f"--audit-policy-file={at.folder / 'audit-policy.yaml'}",
        f"--audit-log-path={at.audit_log}",
        "--audit-log-maxsize=10000",  # megabytes: one file, so that a reader never misses a rotated one
    ]


def _controlled(at: Layout, component: str) -> list[str]:
    own = at.kubeconfig(component)
    return [
        *_serving(at, component),
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        "--leader-elect=false",
    ]


def _controller_manager(at: Layout) -> list[str]:
    return [
        *_controlled(at, "kube-controller-manager"),
        f"--controllers={','.join(CONTROLLERS)}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={at.certificates / TOKEN_KEY}",
        f"--root-ca-file={at.certificates / CA}",
    ]


def _scheduler(at: Layout) -> list[str]:
    return _controlled(at, "kube-scheduler")


def _driver(at: Layout) -> list[str]:
    return [f"--drivername={DRIVER}", f"--endpoint={at.socket}", f"--statedir={at.data}"]


def _limited(at: Layout, component: str) -> list[str]:
    return [
        f"--kubeconfig={at.kubeconfig(component)}",
        f"--kube-api-qps={at.backend.qps}",
        f"--kube-api-burst={at.backend.burst}",
        f"--http-endpoint=127.0.0.1:{at.ports[component]}",
    ]


def _provisioner(at: Layout) -> list[str]:
    csi = f"--csi-address={at.socket}"
    return [*_limited(at, "csi-provisioner"), csi, "--feature-gates=Topology=false"]


def _snapshotter(at: Layout) -> list[str]:
    return [*_limited(at, "csi-snapshotter"), f"--csi-address={at.socket}"]


def _snapshot_controller(at: Layout) -> list[str]:
    return _limited(at, "snapshot-controller")


def _prometheus(at: Layout) -> list[str]:
    return [
        f"--config.file={at.folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={at.folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{at.ports['prometheus']}",
        "--log.level=warn",
    ]


COMPONENTS = {
    component.name: component
    for component in (
        Component("etcd", _etcd, "/health"),
        Component("prometheus", _prometheus, "/-/ready"),
        Component("csi-driver", _driver, None),
        Component("kube-apiserver", _api_server, "/readyz"),
        Component("kube-controller-manager", _controller_manager, "/healthz"),
        Component("kube-scheduler", _scheduler, "/healthz"),
        Component("snapshot-controller", _snapshot_controller, "/metrics"),
        Component("csi-provisioner", _provisioner, "/metrics"),
        Component("csi-snapshotter", _snapshotter, "/metrics"),
    )
}
