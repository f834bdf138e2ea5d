"""However a lab or whoever runs it ends: nothing of it stays, and nothing else is touched."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.lab import processes
from tests.cluster.lab.api import wait_for
from tests.cluster.lab.errors import LabError
from tests.cluster.lab.lab import RECORD, Lab
from tests.cluster.test_lab import COMMAND, ROOT

OWNER = """
import sys, time
from pathlib import Path
from tests.cluster.lab.lab import Lab
Lab.up(Path(sys.argv[1]), dies_with_us=True)
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(lab: Lab) -> Iterator[Path]:
    """A short path for a second lab; that the first one runs says that one can run here."""
    folder = lab.layout.folder.parent / f"second-{time.monotonic_ns() % 10**6}"
    yield folder
    if folder.exists():
        Lab.find(folder).down()


def is_recorded(folder: Path, component: str) -> bool:
    """Whether the component of a starting lab has been started."""
    try:
        return component in json.loads((folder / RECORD).read_text(encoding="utf-8"))["running"]
    except FileNotFoundError:
        return False


def test_processes_die_with_whoever_was_to_own_them(folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    assert owner.stdout.readline() == "up\n"
    lab = Lab.find(folder)
    assert set(lab.status().values()) == {"running"}
    owner.kill()
    owner.wait()
    wait_for("all to be gone", lambda: set(lab.status().values()) == {"ended"}, seconds=5)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_is_interrupted_leaves_nothing(folder: Path, how: signal.Signals) -> None:
    starting = subprocess.Popen([*COMMAND, "up", "--state", folder], cwd=ROOT)
    wait_for("etcd", lambda: is_recorded(folder, "kube-apiserver"))
    lab = Lab.find(folder)
    starting.send_signal(how)
    assert starting.wait(timeout=30) in (130, 143)
    assert not folder.exists()
    assert "running" not in lab.status().values()


def test_what_a_killed_start_left_is_ended_by_down(folder: Path) -> None:
    starting = subprocess.Popen([*COMMAND, "up", "--state", folder], cwd=ROOT)
    wait_for("the API server", lambda: is_recorded(folder, "kube-apiserver"))
    starting.kill()
    starting.wait()
    lab = Lab.find(folder)
    assert lab.status()["etcd"] == "running"
    assert subprocess.run([*COMMAND, "down", "--state", folder], cwd=ROOT, check=False).returncode == 0
    assert "running" not in lab.status().values()
    assert not folder.exists()


def test_a_component_that_cannot_start_says_why_and_the_rest_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.cluster.lab.settings.AUDIT_POLICY", "kind: Nonsense")
    with pytest.raises(LabError, match=r"(?s)kube-apiserver ended while starting.*audit policy"):
        Lab.up(folder)
    assert not folder.exists()


def test_a_second_lab_in_the_same_folder_is_refused(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"runs in .* already"):
        Lab.up(lab.layout.folder)
    assert set(lab.status().values()) == {"running"}


def test_a_folder_of_something_else_is_refused(tmp_path: Path, lab: Lab) -> None:
    folder = lab.layout.folder.parent / "not-a-lab"
    folder.mkdir(exist_ok=True)
    (folder / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(LabError, match="is not empty and no lab's"):
        Lab.up(folder)
    assert (folder / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_a_stranger_with_the_same_process_id_is_left_alone() -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        processes.end(processes.Identity(stranger.pid, began=1))
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_what_a_process_left_in_its_group_is_ended_with_it(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 300 & echo $!; exec sleep 300"]
    log = tmp_path / "log"
    who = processes.start(command, tmp_path, log, dies_with_us=True)
    child = int(wait_for("the child", lambda: log.read_text(encoding="utf-8")))
    processes.end(who)
    wait_for("the child to end", lambda: not processes.Identity(child, processes._look(child)[1]).alive)


def test_one_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    who = processes.start(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], tmp_path, log, dies_with_us=True
    )
    wait_for("the trap", lambda: log.read_text(encoding="utf-8"))
    processes.end(who, grace_seconds=0.3)
    assert not who.alive
    with pytest.raises(ProcessLookupError):
        os.kill(who.pid, 0)


def test_a_lab_that_a_test_left_broken_is_repaired(lab: Lab) -> None:
    lab.pause("kube-apiserver")
    lab.stop("prometheus")
    os.kill(lab.pid("snapshot-controller"), signal.SIGKILL)
    wait_for("its end", lambda: lab.status()["snapshot-controller"] == "ended")
    lab.repair()
    assert set(lab.status().values()) == {"running"}
    assert lab.api.items("/api/v1/namespaces")
