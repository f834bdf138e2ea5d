"""One running lab: started and ended as a whole, and broken on purpose part by part."""

import json
import random
import shutil
import signal
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tests.cluster.lab import objects, processes
from tests.cluster.lab.api import CORE, Api, wait_for
from tests.cluster.lab.build import build, find_program, missing
from tests.cluster.lab.certificates import CA, make_certificates
from tests.cluster.lab.components import (
    BACKENDS,
    COMPONENTS,
    LONGEST_SOCKET_PATH,
    SIDECARS,
    SYSTEM_NAMESPACE,
    Layout,
)
from tests.cluster.lab.errors import LabError
from tests.cluster.lab.settings import write_settings

RECORD = "lab.json"
START_SECONDS = 120.0
_LAST = ("kube-controller-manager", "kube-scheduler", "snapshot-controller", "csi-driver")


class Lab:
    """A lab whose record is in a folder.

    Parameters
    ----------
    layout : where everything lies
    running : the process of each component that was started and not ended
    dies_with_us : whether its processes die with the thread that starts them
    """

    def __init__(self, layout: Layout, running: dict[str, processes.Identity], *, dies_with_us: bool) -> None:
        self.layout = layout
        self._running = running
        self._dies_with_us = dies_with_us

    @classmethod
    def up(cls, folder: Path, backend: str = "b", *, dies_with_us: bool = False) -> "Lab":
        """Start a lab and return when a PVC can be bound; if that fails nothing is left of it.

        Raises
        ------
        LabError
            It cannot run here, one runs in that folder, or a program of it did not start.
        """
        folder = folder.resolve()
        if len(str(folder / "csi.sock")) > LONGEST_SOCKET_PATH:
            raise LabError(f"the state folder {folder} has too long a path for a socket: name a shorter one")
        if lacks := missing():
            raise LabError("the lab cannot run here: " + "; ".join(lacks))
        programs = build()
        _make_room(folder)
        ports = dict(zip((*COMPONENTS, "etcd-peer"), _free_ports(len(COMPONENTS) + 1), strict=True))
        lab = cls(Layout(folder, programs, BACKENDS[backend], ports), {}, dies_with_us=dies_with_us)
        try:
            lab._start_all()
        except BaseException as error:
            lab.down()
            if isinstance(error, TimeoutError):
                raise LabError(f"the lab did not start: {error}") from error
            raise
        return lab

    @classmethod
    def find(cls, folder: Path) -> "Lab":
        """The lab that was started in a folder, whether it still runs or not."""
        folder = folder.resolve()
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise LabError(
                f"no lab in {folder}: start one with `up`, or name its folder with --state"
            ) from None
        layout = Layout(folder, Path(record["programs"]), BACKENDS[record["backend"]], record["ports"])
        running = {name: processes.Identity(**known) for name, known in record["running"].items()}
        return cls(layout, running, dies_with_us=False)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig()

    @property
    def prometheus_url(self) -> str:
        """Where Prometheus answers."""
        return self.layout.url("prometheus")

    @property
    def api(self) -> Api:
        """Requests as administrator."""
        return Api(self.kubeconfig)

    def status(self) -> dict[str, str]:
        """State of each component: running, ended (by itself) or stopped (by us)."""
        known = {name: "running" if who.alive else "ended" for name, who in self._running.items()}
        return {name: known.get(name, "stopped") for name in COMPONENTS}

    def pid(self, component: str) -> int:
        """Process id of a component."""
        return self._running[component].pid

    def log(self, component: str) -> Path:
        """What a component wrote."""
        return self.layout.folder / "logs" / f"{component}.log"

    def stop(self, *components: str, how: int = signal.SIGTERM) -> None:
        """End components, or kill them: `how=signal.SIGKILL`; with the driver go its sidecars."""
        for name in _with_sidecars(components):
            if name in self._running:
                processes.end(self._running[name], how)
                del self._running[name]
        self._save()

    def start(self, *components: str) -> None:
        """Start components with the same ports and data as before, and wait until they are ready."""
        for name in _with_sidecars(components):
            if name in self._running and self._running[name].alive:
                continue
            program = find_program(name) if name == "prometheus" else str(self.layout.programs / name)
            command = [program or name, *COMPONENTS[name].options(self.layout)]
            self._running[name] = processes.start(
                command, self.layout.folder, self.log(name), dies_with_us=self._dies_with_us
            )
            self._save()
        for name in _with_sidecars(components):
            wait_for(f"{name} to be ready", partial(self._is_ready, name), START_SECONDS)

    def pause(self, *components: str) -> None:
        """Halt components where they are: they hold their connections and answer nothing."""
        for name in components:
            processes.send(self._running[name], signal.SIGSTOP)

    def resume(self, *components: str) -> None:
        """Let paused components go on."""
        for name in components:
            processes.send(self._running[name], signal.SIGCONT)

    def repair(self) -> None:
        """Resume and start whatever a test that failed left paused, stopped or dead."""
        self.resume(*self._running)
        self.start(*(name for name, state in self.status().items() if state != "running"))

    def compact_etcd(self) -> int:
        """Forget all history up to now, as etcd does every few minutes; watches that lag get 410 Gone."""
        revision = int(self._etcd("range", {"key": "AA=="})["header"]["revision"])
        self._etcd("compaction", {"revision": revision, "physical": True})
        return revision

    def down(self) -> None:
        """End all of it and remove the folder."""
        for name in reversed(COMPONENTS):
            self.stop(name)
        shutil.rmtree(self.layout.folder, ignore_errors=True)

    def _start_all(self) -> None:
        make_certificates(self.layout.certificates)
        write_settings(self.layout)
        self.start("etcd", "prometheus")
        self.start("kube-apiserver")
        api = self.api
        objects.create_crds(api, self.layout.programs / "crds")
        objects.create_objects(api)
        self.start(*_LAST)
        _bind_one(api)

    def _is_ready(self, name: str) -> bool:
        if not self._running[name].alive:
            lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
            raise LabError("\n".join([f"{name} ended while starting; its last lines:", *lines[-8:]]))
        path = COMPONENTS[name].ready
        if path is None:
            return _listens(self.layout.socket)
        try:
            return bool(self._request(self.layout.url(name) + path))
        except (urllib.error.URLError, OSError):
            return False

    def _request(self, url: str, body: bytes | None = None) -> bytes:
        trusted = ssl.create_default_context(cafile=self.layout.certificates / CA)
        with urllib.request.urlopen(url, data=body, timeout=5, context=trusted) as answer:
            return bytes(answer.read())

    def _etcd(self, call: str, body: dict[str, Any]) -> Any:
        return json.loads(self._request(f"{self.layout.url('etcd')}/v3/kv/{call}", json.dumps(body).encode()))

    def _save(self) -> None:
        """After each change, so that whoever comes next ends what we started, should we be killed."""
        record = {
            "programs": str(self.layout.programs),
            "backend": self.layout.backend.name,
            "ports": self.layout.ports,
            "running": {name: {"pid": who.pid, "began": who.began} for name, who in self._running.items()},
        }
        unfinished = self.layout.folder / f"{RECORD}.next"
        unfinished.write_text(json.dumps(record), encoding="utf-8")
        unfinished.replace(self.layout.folder / RECORD)


def _with_sidecars(components: Iterable[str]) -> Iterable[str]:
    """Sidecars end by themselves when their driver does, and wait for a kubelet to start them again."""
    for name in components:
        yield name
        if name == "csi-driver":
            yield from SIDECARS


def _make_room(folder: Path) -> None:
    if (folder / RECORD).exists():
        earlier = Lab.find(folder)
        if "running" in earlier.status().values():
            raise LabError(f"a lab runs in {folder} already: end it with `down`, or name another folder")
        earlier.down()
    if folder.exists() and any(folder.iterdir()):
        raise LabError(f"{folder} is not empty and no lab's: name another folder with --state")
    (folder / "logs").mkdir(parents=True)


def _free_ports(count: int) -> Iterable[int]:
    """Ports that nobody uses, outside the range from which outgoing connections take theirs.

    A component that is stopped and started again thereby finds its port free.
    """
    lowest_outgoing = int(
        Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0]
    )
    candidates = list(range(10_000, max(lowest_outgoing, 20_000)))
    random.SystemRandom().shuffle(candidates)
    free = (port for port in candidates if _is_free(port))
    return [next(free) for _ in range(count)]


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        return trial.connect_ex(str(path)) == 0


def _bind_one(api: Api) -> None:
    """Wait until a PVC binds, and remove it again."""
    claims = f"{CORE}/namespaces/{SYSTEM_NAMESPACE}/persistentvolumeclaims"
    made = api.create(claims, objects.claim("first", objects.STORAGE_CLASS, "1Mi"))
    name = made["metadata"]["name"]
    wait_for(
        "a PVC to bind",
        lambda: (api.get(f"{claims}/{name}") or {})["status"].get("phase") == "Bound",
        START_SECONDS,
    )
    api.delete(f"{claims}/{name}")
    wait_for("its PV to go", lambda: not api.items(f"{CORE}/persistentvolumes"), START_SECONDS)
