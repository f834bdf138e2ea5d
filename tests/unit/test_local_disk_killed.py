"""Kill a measurement in every way: nothing is left behind, nothing that was stored is lost."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rpo_probes._janitor import MANIFEST, folder_name
from rpo_probes._workspace import describe_owner, sweep

from rpo_sim.records import Outcome
from rpo_sim.store import open_store

_MEASURE = """
import sys, typer
from rpo_sim.cli import measure
app = typer.Typer()
app.callback()(lambda: None)
measure.register(app)
app()
"""


def start(tmp_path: Path) -> "subprocess.Popen[str]":
    """The command itself, on a path of its own, with enough to do for minutes."""
    place = tmp_path / "place"
    place.mkdir(exist_ok=True)
    options = ["--path", str(place), "--sizes", "1Mi,16Mi", "--concurrency", "1,2", "--keep-free", "1Mi"]
    options += ["--repetitions", "5000", "--max-duration", "10m", "--store", str(tmp_path / "store.db")]
    return subprocess.Popen(
        [sys.executable, "-c", _MEASURE, "measure", "local_disk", *options],
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def stored(tmp_path: Path) -> int:
    if not (tmp_path / "store.db").exists():
        return 0
    with open_store(tmp_path / "store.db") as store:
        return store.count()


def nothing_is_left(tmp_path: Path) -> bool:
    notes = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    return not list((tmp_path / "place").iterdir()) and not notes


@pytest.mark.parametrize("round_number", range(8))
def test_kill_9_at_any_moment(tmp_path: Path, round_number: int) -> None:
    process = start(tmp_path)
    if round_number:  # the first round strikes anywhere, start-up included; the others while it measures
        wait_for(lambda: stored(tmp_path))
    time.sleep(random.Random(round_number).uniform(0.0, 1.0))
    before = stored(tmp_path)
    process.kill()
    process.communicate()
    wait_for(lambda: nothing_is_left(tmp_path))
    assert stored(tmp_path) >= before
    if not round_number:
        return
    with open_store(tmp_path / "store.db") as store:
        (collection,) = store.collections()
        assert collection.window_end_at is None
        seen = list(store.observations())
    assert seen
    assert {one.collection_id for one in seen} == {collection.collection_id}
    stages: dict[str, set[str]] = {}
    for one in seen:
        stages.setdefault(one.operation_id, set()).add(one.stage)
    assert set(map(frozenset, stages.values())) <= {
        frozenset({"cut", "ready"}),
        frozenset({"data", "verify", "ready"}),
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_stops_in_order(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path)
    wait_for(lambda: stored(tmp_path))
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in stderr
    assert "stopped by the user" in stderr
    assert "snapshot" in stdout
    assert nothing_is_left(tmp_path)
    with open_store(tmp_path / "store.db") as store:
        (collection,) = store.collections()
        assert collection.window_end_at is not None
        assert "stopped by the user before the end" in collection.errors
        assert Outcome.SUCCEEDED in {one.outcome for one in store.observations()}


def test_asked_twice_it_stops_at_once_and_still_cleans_up(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for(lambda: stored(tmp_path))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode
    wait_for(lambda: nothing_is_left(tmp_path))


def test_the_next_start_cleans_up_when_the_janitor_died_too(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for(lambda: stored(tmp_path))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    process.kill()
    process.communicate()
    time.sleep(0.3)
    (folder,) = (tmp_path / "place").iterdir()
    assert (folder / MANIFEST).exists()
    state_folder = tmp_path / "state" / "rpo-sim" / "probes" / "local_disk"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert sweep(elsewhere, state_folder) == ([folder], [])  # found by its note
    assert nothing_is_left(tmp_path)


def abandoned(place: Path, **changes: str) -> Path:
    """A workspace of a process that is not there any more."""
    identity = f"{random.getrandbits(128):032x}"
    folder = place / folder_name(identity)
    folder.mkdir()
    owner = describe_owner(identity) | {"process_start": "1", "folder": str(folder)} | changes
    (folder / MANIFEST).write_text(json.dumps(owner))
    (folder / "restore-3").write_bytes(b"x")
    return folder


def test_a_reused_process_id_does_not_protect(tmp_path: Path) -> None:
    folder = abandoned(tmp_path)  # this very process id, another start
    assert sweep(tmp_path, tmp_path) == ([folder], [])
    assert not folder.exists()


def test_what_another_host_made_is_told_and_left(tmp_path: Path) -> None:
    folder = abandoned(tmp_path, host="another")
    assert sweep(tmp_path, tmp_path) == ([], [folder])
    assert (folder / "restore-3").exists()


def test_a_boot_ends_all_processes(tmp_path: Path) -> None:
    folder = abandoned(tmp_path, boot="an earlier one")
    assert sweep(tmp_path, tmp_path) == ([folder], [])


def test_killed_before_the_manifest_was_written(tmp_path: Path) -> None:
    place, state = tmp_path / "place", tmp_path / "state"
    place.mkdir()
    state.mkdir()
    folder = abandoned(place)
    identity = folder.name.rpartition("-")[2]
    (state / f"{identity}.json").write_bytes((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_text('{"made')
    assert sweep(place, state) == ([folder], [])
    assert list(state.iterdir()) == []


def test_a_held_lock_protects_whatever_the_manifest_says(tmp_path: Path) -> None:
    """Another container of this kernel: its process ids say nothing here, its lock does."""
    folder = abandoned(tmp_path, pid_namespace="pid:[1]")
    with (folder / MANIFEST).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert sweep(tmp_path, tmp_path) == ([], [])
        assert (folder / "restore-3").exists()
    assert sweep(tmp_path, tmp_path) == ([folder], [])
