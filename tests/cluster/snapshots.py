"""What the tests of `volume_snapshot` share: run it, see what is left, play the kubelet."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rpo_probes.volume_snapshot import VolumeSnapshotProbe

from rpo_sim.probe import CheckReport
from rpo_sim.probe_contract import Recorder
from rpo_sim.records import Observation
from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE, PATIENCE_SECONDS, Json, wait_for

ALLOW = {"metadata": {"annotations": {"rpo-sim.io/allow": "measure"}}}
KINDS = ("persistentvolumeclaims", "volumesnapshots", "pods")


def settings(cluster: Cluster, mode: str, **changes: Any) -> BaseModel:
    """Quick settings for this cluster, in the test's namespace."""
    stated: dict[str, Any] = {
        "mode": mode,
        "kubeconfig": cluster.kubeconfig,
        "namespace": cluster.namespace,
        "storage_class": cluster.storage_class,
        "snapshot_class": cluster.snapshot_class,
        "any_namespace": True,
        "sizes": ("64Ki", "2Mi"),
        "volume_size": "16Mi",
        "concurrency": (1, 2),
        "enough": 6,
        "timeout": "60s",
    }
    if cluster.running_lab is not None:
        stated["data_folder"] = cluster.running_lab.layout.data
    return VolumeSnapshotProbe.Settings(**{**stated, **changes})


@dataclass
class Running:
    """A probe at work in a thread.

    Parameters
    ----------
    batches : what it yielded, as it yielded it
    """

    recorder: Recorder
    batches: "queue.Queue[list[Observation]]" = field(default_factory=queue.Queue)
    seen: list[Observation] = field(default_factory=list)
    error: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, chosen: BaseModel) -> "Running":
        """Begin."""
        self.recorder.cancel_when = self._stop.is_set
        self._thread = threading.Thread(target=self._run, args=(chosen,), daemon=True)
        self._thread.start()
        return self

    def _run(self, chosen: Any) -> None:
        try:
            for batch in VolumeSnapshotProbe().measure(chosen, self.recorder.context):
                self.seen += batch
        except BaseException as error:  # noqa: BLE001 - it is looked at in the test's thread
            self.error = error

    def wait_for(self, what: str, found: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
        """Until the test sees what it waits for; the probe's own error comes first."""

        def look() -> bool:
            if self.error is not None:
                raise self.error
            return bool(found())

        wait_for(what, look, seconds)

    def ended(self, operation: str) -> list[Observation]:
        """Finished observations of the main stage of an operation."""
        stage = {"snapshot": "ready", "restore": "bound"}[operation]
        return [one for one in self.seen if one.operation == operation and one.stage == stage]

    def stop(self, seconds: float = 2 * PATIENCE_SECONDS) -> list[Observation]:
        """Ask for an end, wait for it, raise what went wrong; all that was seen."""
        self._stop.set()
        return self.join(seconds)

    def join(self, seconds: float = 2 * PATIENCE_SECONDS) -> list[Observation]:
        """Wait for the end; all that was seen."""
        assert self._thread is not None
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the probe does not end"
        if self.error is not None:
            raise self.error
        return self.seen


def running(state: Path, chosen: BaseModel, collection: str = "collection-1") -> Running:
    """Start a probe in a thread, with its state in this folder."""
    state.mkdir(exist_ok=True)
    return Running(Recorder(state, collection)).start(chosen)


def run(
    state: Path, chosen: BaseModel, collection: str = "collection-1"
) -> tuple[list[Observation], Recorder]:
    """Run a probe to its end."""
    state.mkdir(exist_ok=True)
    recorder = Recorder(state, collection)
    seen = [one for batch in VolumeSnapshotProbe().measure(chosen, recorder.context) for one in batch]  # type: ignore[arg-type]
    return seen, recorder


def check(state: Path, chosen: Any) -> CheckReport:
    """What the probe says before it measures."""
    state.mkdir(exist_ok=True)
    return VolumeSnapshotProbe().check(chosen, Recorder(state).context)


def left(cluster: Cluster) -> list[str]:
    """Objects in the test's namespace, and volumes and contents that belong to it."""
    found = [
        f"{kind} {item['metadata']['name']}"
        for kind in KINDS
        for item in cluster.api.items(cluster.path(kind))
    ]
    for kind, reference in (
        ("persistentvolumes", "claimRef"),
        ("volumesnapshotcontents", "volumeSnapshotRef"),
    ):
        group = CORE if kind == "persistentvolumes" else "/apis/snapshot.storage.k8s.io/v1"
        found += [
            f"{kind} {item['metadata']['name']}"
            for item in cluster.api.items(f"{group}/{kind}")
            if item["spec"].get(reference, {}).get("namespace") == cluster.namespace
        ]
    return found


def command(state: Path, *words: str) -> "subprocess.Popen[str]":
    """The installed command, with a store and state of its own."""
    environment = os.environ | {
        "XDG_STATE_HOME": str(state),
        "RPO_SIM_STORE": str(state / "store.db"),
        "COLUMNS": "200",
    }
    state.mkdir(exist_ok=True)
    program = str(Path(sys.executable).with_name("rpo-sim"))
    return subprocess.Popen(
        [program, *words],
        env=environment,
        cwd=state,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(state: Path, *words: str, seconds: float = 120.0) -> "subprocess.CompletedProcess[str]":
    """The command, run to its end."""
    process = command(state, *words)
    out, err = process.communicate(timeout=seconds)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def options(chosen: BaseModel) -> list[str]:
    """Settings as options of the command line."""
    words = ["measure", "volume_snapshot"]
    for name, value in chosen:
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(option if value else option.replace("--", "--no-", 1))
        elif value is not None:
            text = ",".join(map(_text, value)) if isinstance(value, tuple) else _text(value)
            words += [option, text + ("s" if name in ("timeout", "max_duration", "duration") else "")]
            if name in ("sizes", "volume_size", "max_bytes"):
                words[-1] = ",".join(f"{part}B" for part in text.split(","))
    return words


def _text(value: object) -> str:
    return str(value)


def uid_of(one: Observation) -> str:
    """Of the object that an observation is about."""
    return one.subject.rpartition("/")[2]


@contextmanager
def hand_made_kubelet(cluster: Cluster) -> Iterator[None]:
    """Runs the scripts of pods in the folders of their volumes, as a kubelet would in containers."""
    stop = threading.Event()

    def work() -> None:
        done = set[str]()
        while not stop.is_set():
            for pod in cluster.api.items(cluster.path("pods")):
                name = pod["metadata"]["name"]
                if name not in done and pod["spec"].get("nodeName") and _run_pod(cluster, pod):
                    done.add(name)
            time.sleep(0.1)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def _run_pod(cluster: Cluster, pod: Json) -> bool:
    """False while its claim is not bound."""
    claim = pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    found = cluster.api.get(cluster.path("persistentvolumeclaims", claim))
    if not found or found["status"].get("phase") != "Bound":
        return False
    container = pod["spec"]["containers"][0]
    folder, report = cluster.volume_folder(claim), cluster.folder / f"report-{pod['metadata']['name']}"
    script = (
        container["command"][-1].replace("/data/", f"{folder}/").replace("/dev/termination-log", str(report))
    )
    environment = os.environ | {item["name"]: item.get("value", "") for item in container["env"]}
    ran = subprocess.run(["sh", "-c", script], env=environment, check=False)
    message = report.read_text() if report.exists() else ""
    ended = {"exitCode": ran.returncode, "message": message}
    status = {
        "phase": "Failed" if ran.returncode else "Succeeded",
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"terminated": ended},
            }
        ],
    }
    cluster.api.patch(f"{cluster.path('pods', pod['metadata']['name'])}/status", {"status": status})
    return True
