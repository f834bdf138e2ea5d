"""Finished blocks kept in a file, so that a long experiment goes on after Ctrl-C, a kill or a power cut.

The file is an SQLite database: a transaction is there whole or not at all, whatever happens while it is
written, which is what a file format of our own would have to earn. Each block is one row, named by a digest
of the plan and the seed, so that one file serves all platforms and variations of a command.
"""

import dataclasses
import hashlib
import io
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import rpo_sim
from rpo_sim.errors import ModelError
from rpo_sim.model.plan import Plan

COMMIT_SECONDS = 1.0  # what a kill can cost; each commit waits for the disk
_CHECKSUM_BYTES = hashlib.sha256().digest_size
_APPLICATION = 0x52504F43  # "RPOC": tells our files from other databases
_LAYOUT = 2  # of what is kept of a block; 0 was every VM of every run, and nothing else
_SCHEMA = """
CREATE TABLE experiments (
    id INTEGER PRIMARY KEY, scenario TEXT, platform TEXT, factor REAL,
    seed INTEGER, version TEXT, digest TEXT, UNIQUE (scenario, platform, factor));
CREATE TABLE blocks (experiment INTEGER, block INTEGER, arrays BLOB, PRIMARY KEY (experiment, block));
"""

Arrays = dict[str, npt.NDArray[Any]]


class Checkpoint:
    """An open checkpoint file; made by `open_checkpoint`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._committed = time.monotonic()

    def experiment(self, plan: Plan, seed: int) -> int:
        """The number under which the blocks of this plan and seed are kept.

        Raises
        ------
        ModelError
            If the file keeps blocks of the same scenario, platform and variation with other inputs.
        """
        name = (plan.scenario, plan.platform, plan.assumed_factor)
        inputs = (seed, rpo_sim.__version__, digest(plan))
        with self._told():
            found = self._connection.execute(
                "SELECT id, seed, version, digest FROM experiments "
                "WHERE (scenario, platform, factor) = (?, ?, ?)",
                name,
            ).fetchone()
            if found is None:
                added = self._connection.execute(
                    "INSERT INTO experiments (scenario, platform, factor, seed, version, digest) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    name + inputs,
                )
                return int(added.lastrowid or 0)
        for theirs, ours, what in zip(found[1:], inputs, _DIFFERENCES, strict=True):
            if theirs != ours:
                difference = what.format(theirs=theirs, ours=ours)
                raise ModelError(
                    f"{self.path}: keeps runs of {plan.scenario} on {plan.platform} {difference}; "
                    "name another file with --checkpoint, or delete this one"
                )
        return int(found[0])

    def blocks(self, scenarios: Collection[str]) -> int:
        """How many blocks the file keeps of these scenarios, on all platforms and in all variations."""
        with self._told():
            counts = self._connection.execute(
                "SELECT scenario, count(*) FROM blocks JOIN experiments ON experiment = id GROUP BY scenario"
            ).fetchall()
        return sum(int(count) for scenario, count in counts if scenario in scenarios)

    def kept(self, experiment: int, blocks: int) -> Iterator[Arrays]:
        """The first blocks, up to the first that is missing or damaged."""
        for block in range(blocks):
            with self._told():
                row = self._connection.execute(
                    "SELECT arrays FROM blocks WHERE (experiment, block) = (?, ?)", (experiment, block)
                ).fetchone()
            arrays = None if row is None else _unpacked(row[0])
            if arrays is None:
                return
            yield arrays

    def keep(self, experiment: int, block: int, arrays: Arrays) -> None:
        """Keep a finished block; it is on the disk within a second, at the latest with the next block."""
        with self._told():
            self._connection.execute(
                "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", (experiment, block, _packed(arrays))
            )
            if time.monotonic() - self._committed > COMMIT_SECONDS:
                self.commit()

    def commit(self) -> None:
        """Wait until the disk has everything."""
        with self._told():
            self._connection.commit()
            self._committed = time.monotonic()

    @contextmanager
    def _told(self) -> Iterator[None]:
        with _in_words(self.path):
            yield


_DIFFERENCES = (
    "with seed {theirs}, and this is seed {ours}",
    "made by rpo-sim {theirs}, and this is {ours}",
    "whose scenario, profile or bindings were other ones",
)


@contextmanager
def open_checkpoint(path: Path) -> Iterator[Checkpoint]:
    """A checkpoint file, made if it is not there, for this process alone.

    Raises
    ------
    ModelError
        If it is no checkpoint, is of another version, is in use, or cannot be written.
    """
    with _in_words(path):
        connection = sqlite3.connect(path, timeout=1.0)
    made = Checkpoint(path, connection)
    try:
        with _in_words(path):
            _prepare(path, connection)
        try:
            yield made
        finally:
            made.commit()
    finally:
        connection.close()


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if not tables:
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_LAYOUT}")
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
    elif application != _APPLICATION:
        raise ModelError(f"{path}: is no checkpoint of rpo-sim; name another file with --checkpoint")
    elif layout != _LAYOUT:
        raise ModelError(
            f"{path}: keeps blocks as another version of rpo-sim did (layout {layout}, here {_LAYOUT}); "
            "name another file with --checkpoint, or delete this one"
        )
    connection.commit()


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        remedy = "name another file with --checkpoint"
        if "locked" in str(error):
            remedy = "another rpo-sim is at work with it"
        raise ModelError(f"{path}: cannot be used as a checkpoint: {error}; {remedy}") from error


def digest(plan: Plan) -> str:
    """SHA-256 of all that a plan says, whichever engine runs it; equal plans have equal ones."""
    hashed = hashlib.sha256()
    for part in _parts(plan):
        hashed.update(part + b"\x1f")
    return hashed.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    """Names and values in order, each value with its type; what was cached along the way is left out."""
    yield type(value).__name__.encode()
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield field.name.encode()
            yield from _parts(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        yield str(len(value)).encode()
        for item in value:
            yield from _parts(item)
    elif isinstance(value, dict):
        yield from _parts(list(value.items()))
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode()
        yield value.tobytes()
    elif value is None or isinstance(value, (str, bytes, bool, int, float, np.generic)):
        yield repr(value).encode()
    else:
        raise TypeError(f"no digest of {type(value).__name__}: its text may differ between equal values")


def _packed(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return hashlib.sha256(file.getvalue()).digest() + file.getvalue()


def _unpacked(data: bytes) -> Arrays | None:
    """None if the bytes are not those that were written; a damaged archive can fail in too many ways."""
    checksum, archive = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if hashlib.sha256(archive).digest() != checksum:
        return None
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        return dict(arrays)
