"""list and record with 10,000 VolumeSnapshots in the lab's API server: seconds and peak memory.

The snapshots are made through the API while no controller runs, with the status that one would have written.
The recorder is started first; none of them is made before it watches, and it ends when it has seen them all.

    python -m benchmarks.bench_snapshots
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.timing import Row
from tests.cluster.lab.api import CORE, SNAPSHOTS, Api, wait_for
from tests.cluster.lab.build import is_built, missing
from tests.cluster.lab.lab import Lab

COUNT = 10_000
CLAIMS = 100
NAMESPACE = "many"
WRITERS, CONNECTIONS = 2, 8  # processes, and connections of each
LONGEST_SECONDS = 900
PAGE = 500
COMMAND = "python -m benchmarks.bench_snapshots"

# Runs in a process of its own, whose peak memory is its own; prints one line of JSON.
PROBE = """
import json, sys, time
from pathlib import Path
from rpo_probes.volume_snapshot import VolumeSnapshotProbe
from rpo_sim.probe_contract import Recorder
mode, kubeconfig, state, wanted, seconds = sys.argv[1:]
recorder, seen = Recorder(Path(state), mode), {}
settings = VolumeSnapshotProbe.Settings(mode=mode, kubeconfig=kubeconfig, duration=seconds + "s")
recorder.cancel_when = lambda: len(seen) >= int(wanted) > 0

def peak_mib():  # of this program alone; what getrusage says includes the one that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

import kubernetes
before, started = peak_mib(), time.monotonic()
for batch in VolumeSnapshotProbe().measure(settings, recorder.context):
    for one in batch:
        if one.stage == "ready" and one.outcome.value == "succeeded":
            seen[one.subject] = seen.get(one.subject, 0) + 1
took = time.monotonic() - started
print(json.dumps({
    "seen": len(seen), "twice": sum(times > 1 for times in seen.values()), "seconds": took,
    "peak_mib": peak_mib(), "before_mib": before, "notes": recorder.errors,
}))
"""


def rows() -> Iterator[Row]:
    """For the record and the list, beside an empty recorder and a plain list; nothing where no lab runs."""
    if lacks := [*missing(), *([] if is_built() else ["it is not built (make lab-build)"])]:
        print(f"skipped, the lab cannot run here: {COMMAND}: {'; '.join(lacks)}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="rpo-sim-") as folder:
        lab = Lab.up(Path(folder) / "lab", "b", dies_with_us=True)
        try:
            lab.stop("snapshot-controller", "csi-snapshotter", "csi-provisioner")
            yield from _rows(lab, Path(folder))
        finally:
            lab.down()


def _rows(lab: Lab, folder: Path) -> Iterator[Row]:
    empty = _ended(_probe("record", lab.kubeconfig, folder / "empty", seconds=5))
    recorded, making_seconds = _record_while_made(lab, folder / "record")
    listed, reading_seconds = _ended(_probe("list", lab.kubeconfig, folder / "list", COUNT)), _read(lab.api)
    yield from _figures("record", recorded, empty, "making them", making_seconds)
    yield from _figures("list", listed, empty, "reading the pages", reading_seconds)


def _figures(
    mode: str, found: dict[str, float], empty: dict[str, float], effort: str, seconds: float
) -> Iterator[Row]:
    """Its seconds beside those of an effort that it cannot save, its peak beside an empty recorder's."""
    if (found["seen"], found["twice"]) != (COUNT, 0):
        sys.exit(f"error: {mode} saw {found['seen']} of {COUNT}, {found['twice']} of them twice: {found}")
    row, many = partial(Row, command=COMMAND), f"{mode}: {COUNT:,} VolumeSnapshots, all seen once"
    yield row(
        name=f"{many} (baseline: {effort})",
        value=found["seconds"], unit="s", baseline=seconds,
    )  # fmt: skip
    yield row(
        name=f"{many} (baseline: recording nothing)",
        value=found["peak_mib"], unit="MiB peak", baseline=empty["peak_mib"],
    )  # fmt: skip


def _probe(
    mode: str, kubeconfig: Path, state: Path, wanted: int = 0, seconds: int = LONGEST_SECONDS
) -> "subprocess.Popen[str]":
    state.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-c", PROBE, mode, str(kubeconfig), str(state), str(wanted), str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def _ended(process: "subprocess.Popen[str]") -> dict[str, float]:
    out, _ = process.communicate()
    if process.returncode:
        sys.exit(f"error: the probe ended with {process.returncode}")
    found: dict[str, float] = json.loads(out)
    return found


def _record_while_made(lab: Lab, state: Path) -> tuple[dict[str, float], float]:
    """What a recorder saw that watched before the first was made, and the seconds that making them took."""
    recorder = _probe("record", lab.kubeconfig, state, COUNT)
    try:
        wait_for("the recorder to watch", lambda: _watches(recorder, state), seconds=60)
        seconds = fill(lab.kubeconfig)
        return _ended(recorder), seconds
    finally:
        recorder.kill()


def _watches(recorder: "subprocess.Popen[str]", state: Path) -> bool:
    """Whether it has written down where its watch of snapshots stands."""
    if recorder.poll() is not None:
        sys.exit("error: the recorder ended before it watched")
    return any(
        "volumesnapshots" in json.loads(file.read_text(encoding="utf-8"))["positions"]
        for file in state.glob("record-*.json")
    )


def fill(kubeconfig: Path) -> float:
    """Make the claims and the snapshots, all ready; seconds that it took."""
    api, started = Api(kubeconfig), time.monotonic()
    api.create(f"{CORE}/namespaces", {"metadata": {"name": NAMESPACE}})
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "lab",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    for number in range(CLAIMS):
        path = f"{CORE}/namespaces/{NAMESPACE}/persistentvolumeclaims"
        api.create(path, {"metadata": {"name": f"pvc-{number}"}, "spec": spec})
    parts = [range(first, COUNT, WRITERS) for first in range(WRITERS)]
    with ProcessPoolExecutor(WRITERS) as pool:
        list(pool.map(partial(_make, kubeconfig), parts))
    return time.monotonic() - started


def _make(kubeconfig: Path, numbers: range) -> None:
    api = Api(kubeconfig)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(partial(_ready_snapshot, api), numbers))


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


def _read(api: Api) -> float:
    """Seconds that the pages of a list take to arrive as objects."""
    started, token, n = time.monotonic(), "", 0
    while True:
        page = api.get(f"{SNAPSHOTS}/volumesnapshots", limit=PAGE, **{"continue": token})
        assert page is not None
        n += len(page["items"])
        token = page["metadata"].get("continue", "")
        if not token:
            assert n == COUNT, n
            return time.monotonic() - started


def main() -> None:
    """Show the figures."""
    for row in rows():
        print(row.to_dict())


if __name__ == "__main__":
    main()
