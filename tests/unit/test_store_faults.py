"""What goes wrong on real machines: kills, full disks, damage, read-only media. Nothing half-written."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rpo_sim.errors import StoreError
from rpo_sim.records import Observation
from rpo_sim.store import Selection, open_store

BATCH = 40
ROOT = os.geteuid() == 0


def batch(number: int, size: int = BATCH, padding: int = 0) -> list[Observation]:
    return [
        Observation(
            operation="restore",
            stage=f"batch-{number}",
            lower_seconds=float(n),
            upper_seconds=float(n),
            observed_at=datetime(2025, 1, 1, tzinfo=UTC),
            clock="monotonic, 1ns",
            source="test",
            event_id=f"{number}/{n}",
            labels={"padding": "x" * padding},
        )
        for n in range(size)
    ]


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


_WRITER = """
import runpy, sys
from rpo_sim.store import open_store
batch = runpy.run_path(sys.argv[2])["batch"]
with open_store(sys.argv[1]) as store:
    for number in range(int(sys.argv[3]), 10**9):
        store.add(batch(number))
        print(number, flush=True)  # the acknowledgement
"""


def test_a_kill_at_any_moment_loses_no_acknowledged_batch_and_leaves_none_in_part(tmp_path: Path) -> None:
    path, acknowledged, luck = tmp_path / "store.db", 0, random.Random(20250101)
    for _ in range(10):
        command = [sys.executable, "-c", _WRITER, str(path), __file__, str(acknowledged)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()  # it is at work
            time.sleep(luck.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            lines = [
                line for line in (first + writer.stdout.read()).splitlines(keepends=True) if "\n" in line
            ]
        assert writer.returncode == -signal.SIGKILL
        acknowledged = int(lines[-1]) + 1
        with open_store(path) as store:
            total = store.count()
            assert total % BATCH == 0
            assert total // BATCH in (acknowledged, acknowledged + 1)  # the last may be kept unannounced
            for number in range(acknowledged):
                assert store.count(Selection(stage=f"batch-{number}")) == BATCH
        assert integrity(path) == "ok"


_FILLER = """
import resource, runpy, sys
from rpo_sim.errors import StoreError
from rpo_sim.store import open_store
batch = runpy.run_path(sys.argv[2])["batch"]
if int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    with open_store(sys.argv[1]) as store:
        for number in range(1000):
            store.add(batch(number, padding=1000))
            print(number, flush=True)
except StoreError as error:
    print(error)
"""


def _fill(path: Path, limit_bytes: int) -> tuple[int, str]:
    """Write until it fails: how many batches were acknowledged, and the message."""
    command = [sys.executable, "-c", _FILLER, str(path), __file__, str(limit_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    *acknowledged, message = done.stdout.splitlines()
    return len(acknowledged), message


def _check_kept(path: Path, batches: int) -> None:
    with open_store(path, read_only=True) as store:
        assert store.count() == batches * BATCH
    assert integrity(path) == "ok"


def test_a_file_size_limit_is_explained_and_keeps_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    kept, message = _fill(path, 1_000_000)
    assert kept >= 3
    assert str(path) in message
    assert "nothing of this batch was kept" in message
    _check_kept(path, kept)
    with open_store(path) as store:  # and goes on once there is room
        assert store.add(batch(10_000)) == BATCH


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    if shutil.which("mount") is None or not ROOT:
        pytest.skip("mounting a file system needs root")
    if subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_explained_and_keeps_whole_batches(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", "size=2m", "tmpfs"):
        kept, message = _fill(folder / "store.db", 0)
        assert kept >= 3
        assert "the disk is full" in message
        assert "--store" in message
        _check_kept(folder / "store.db", kept)


def test_read_only_media_can_be_read_and_not_written(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    path = folder / "store.db"
    with open_store(path) as store:
        store.add(batch(0))
    with mounted(folder, "--bind", "-o", "ro", str(folder)):
        if os.access(folder, os.W_OK):
            subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        with open_store(path, read_only=True) as store:
            assert store.count() == BATCH
        with pytest.raises(StoreError, match=r"store\.db cannot be .*--store"):
            open_store(path)


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder of one's own, as a user whom file modes bind (root is not bound)."""
    folder = Path(tempfile.mkdtemp())
    if ROOT:
        os.chown(folder, 65534, -1)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if ROOT:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_a_read_only_file_is_explained() -> None:
    with unprivileged() as folder:
        path = folder / "store.db"
        with open_store(path) as store:
            store.add(batch(0))
        path.chmod(0o400)
        with pytest.raises(StoreError, match=r"store\.db cannot be written: make the file .* writable"):
            open_store(path)
        with open_store(path, read_only=True) as store:
            assert store.count() == BATCH


def test_an_unwritable_folder_is_explained() -> None:
    with unprivileged() as folder:
        with open_store(folder / "old.db") as store:
            store.add(batch(0))
        folder.chmod(0o500)
        with pytest.raises(
            StoreError, match=r"new\.db cannot be opened: make sure that its folder .*writable"
        ):
            open_store(folder / "new.db")
        with pytest.raises(StoreError, match=r"sub of the store cannot be made \(Permission denied\)"):
            open_store(folder / "sub" / "new.db")
        with pytest.raises(StoreError, match=r"old\.db cannot be (opened|written)"):
            open_store(folder / "old.db")
        with open_store(folder / "old.db", read_only=True) as store:
            assert store.count() == BATCH


def test_the_read_only_store_refuses_to_be_written(tmp_path: Path) -> None:
    open_store(tmp_path / "store.db").close()
    with open_store(tmp_path / "store.db", read_only=True) as store, pytest.raises(StoreError, match="writ"):
        store.add(batch(0))


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    "content", [b"not a database at all\n" * 100, b"SQLite format 3\x00" + b"\xff" * 4000]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    tmp_path: Path, content: bytes, read_only: bool
) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(content)
    with pytest.raises(
        StoreError, match=r"notes\.db is not a measurement store .*left as it is: give another"
    ):
        open_store(path, read_only=read_only)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["notes.db"]


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_store_gives_an_error_and_never_a_traceback(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "store.db"
    with open_store(path) as store:
        store.add(batch(0, size=400))
    luck, data = random.Random(seed), bytearray(path.read_bytes())
    if seed % 2:
        del data[luck.randrange(1, len(data)) :]
    else:
        for _ in range(20):
            start = luck.randrange(len(data) - 500)
            data[start : start + 500] = luck.randbytes(500)
    path.write_bytes(data)
    message, records = str(path), []
    try:
        with open_store(path, read_only=True) as store:
            records = list(store.observations())
    except StoreError as error:
        message = str(error)
    assert str(path) in message
    assert len(records) <= 400
    assert path.read_bytes() == data


def test_missing_and_misplaced_stores_are_explained(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"rpo-sim measure local_disk"):
        open_store(tmp_path / "none.db", read_only=True)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(StoreError, match="is a folder: give a file in it"):
        open_store(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(tmp_path / "file" / "store.db")


def test_a_locked_store_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpo_sim.store.engine._BUSY_TIMEOUT_SECONDS", 0.1)
    path = tmp_path / "store.db"
    with open_store(path) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="being written by another process: wait"):
            store.add(batch(0))
        other.execute("ROLLBACK")
        assert store.add(batch(0)) == BATCH
