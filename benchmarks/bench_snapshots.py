"""list and record with 10,000 VolumeSnapshots in the lab's API server: seconds and peak memory.

The snapshots are made through the API while no controller runs, with the status that one would have written.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster.lab.api import CORE, SNAPSHOTS, Api
from tests.cluster.lab.lab import Lab

COUNT = 10_000
CLAIMS = 100
NAMESPACE = "many"
RESULTS = Path(__file__).with_name("snapshots.json")
WRITERS = 16

# Runs in a process of its own, whose peak memory is its own.
PROBE = """
import json, sys, time
from pathlib import Path
from rpo_probes.volume_snapshot import VolumeSnapshotProbe
from rpo_sim.probe_contract import Recorder
mode, kubeconfig, state, seconds = sys.argv[1:]
recorder = Recorder(Path(state), mode)
settings = VolumeSnapshotProbe.Settings(mode=mode, kubeconfig=kubeconfig, duration=seconds)

def peak_mib():  # of this program alone; what getrusage says includes the one that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024)

import kubernetes
before = peak_mib()
started = time.monotonic()
seen, first = 0, None
for batch in VolumeSnapshotProbe().measure(settings, recorder.context):
    first = first or time.monotonic() - started
    seen += len(batch)
print(json.dumps({
    "mode": mode, "observations": seen, "seconds": round(time.monotonic() - started, 2),
    "first_batch_seconds": first and round(first, 2),
    "peak_mib": peak_mib(), "peak_before_mib": before,
}))
"""


def fill(api: Api) -> float:
    """Make the claims and the snapshots, all ready; seconds that it took."""
    started = time.monotonic()
    api.create(f"{CORE}/namespaces", {"metadata": {"name": NAMESPACE}})
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "lab",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    for number in range(CLAIMS):
        path = f"{CORE}/namespaces/{NAMESPACE}/persistentvolumeclaims"
        api.create(path, {"metadata": {"name": f"pvc-{number}"}, "spec": spec})
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda number: _ready_snapshot(api, number), range(COUNT)))
    return time.monotonic() - started


def _ready_snapshot(api: Api, number: int) -> None:
    path = f"{SNAPSHOTS}/namespaces/{NAMESPACE}/volumesnapshots"
    name = f"snapshot-{number:05d}"
    body = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": {"name": name},
        "spec": {
            "volumeSnapshotClassName": "lab",
            "source": {"persistentVolumeClaimName": f"pvc-{number % CLAIMS}"},
        },
    }
    made = api.create(path, body)
    status = {
        "readyToUse": True,
        "creationTime": made["metadata"]["creationTimestamp"],
        "restoreSize": "1Gi",
        "boundVolumeSnapshotContentName": f"snapcontent-{made['metadata']['uid']}",
    }
    api.patch(f"{path}/{name}/status", {"status": status})


def probe(mode: str, kubeconfig: Path, state: Path, seconds: str) -> dict[str, object]:
    """One mode, in a process of its own."""
    state.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-c", PROBE, mode, str(kubeconfig), str(state), seconds]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=dict(os.environ))
    found: dict[str, object] = json.loads(done.stdout)
    return found


def record_while_made(api: Api, kubeconfig: Path, state: Path) -> dict[str, object]:
    """A recorder that sees all of them made: it is started first, and ends some time after the last."""
    made: list[float] = []

    def make() -> None:
        while not list(state.glob("record-*.json")):  # until the recorder watches
            time.sleep(0.1)
        made.append(fill(api))

    maker = threading.Thread(target=make)
    maker.start()
    result = probe("record", kubeconfig, state, os.environ.get("RECORD_SECONDS", "400s"))
    maker.join()
    return {**result, "made_within_seconds": round(made[0], 1)}


def main() -> None:
    """Start a lab, stop its controllers, fill it under a recorder, list it; write and show the figures."""
    with tempfile.TemporaryDirectory(prefix="rpo-sim-") as folder:
        lab = Lab.up(Path(folder) / "lab", "b")
        try:
            lab.stop("snapshot-controller", "csi-snapshotter", "csi-provisioner")
            recorded = record_while_made(lab.api, lab.kubeconfig, Path(folder) / "record")
            found = [
                {**recorded, "what": "record, started before they are made"},
                {**probe("list", lab.kubeconfig, Path(folder) / "list", "1s"), "what": "list"},
                {
                    **probe("record", lab.kubeconfig, Path(folder) / "again", "10s"),
                    "what": "record, started after they were made, for 10 s",
                },
            ]
        finally:
            lab.down()
    RESULTS.write_text(json.dumps({"snapshots": COUNT, "rows": found}, indent=2) + "\n", encoding="utf-8")
    for row in found:
        print(row)


if __name__ == "__main__":
    main()
