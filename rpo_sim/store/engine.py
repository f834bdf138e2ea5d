"""Where the store lies, how its database is opened, and what its errors mean to people."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from rpo_sim.errors import StoreError

ENVIRONMENT_VARIABLE = "RPO_SIM_STORE"
_BUSY_TIMEOUT_SECONDS, _PAUSE_SECONDS = 30.0, 0.02

# The SQLite error by the start of its name: what it means and what to do.
_MEANINGS = {
    "SQLITE_NOTADB": "is not a measurement store (no SQLite database) and was left as it is: give another "
    "path with --store, or move this file away",
    "SQLITE_CORRUPT": "is damaged and was left as it is: restore it from a copy, or recover what can be read "
    "with `sqlite3 FILE .recover`, then start a new store with --store",
    "SQLITE_READONLY": "cannot be written: make the file and its folder writable, or give another store with "
    "--store",
    "SQLITE_FULL": "cannot grow, the disk is full; nothing of this batch was kept: free some space and try "
    "again, or give a store on another disk with --store",
    "SQLITE_CANTOPEN": "cannot be opened: make sure that its folder exists and is writable, or give another "
    "path with --store",
    "SQLITE_BUSY": "is being written by another process: wait for it to end and try again",
    "SQLITE_LOCKED": "is being written by another process: wait for it to end and try again",
    "SQLITE_PERM": "may not be accessed: check the owner and mode of the file, or give another path with "
    "--store",
    "SQLITE_IOERR": "could not be read or written by the operating system; nothing of this batch was kept: "
    "check the disk (space, quota, file size limit, mount) and try again",
}


def default_location() -> Path:
    """``$RPO_SIM_STORE`` if set, else ``rpo-sim/observations.db`` in the user's data folder."""
    if stated := os.environ.get(ENVIRONMENT_VARIABLE):
        return resolve(stated)
    return Path(platformdirs.user_data_dir("rpo-sim", appauthor=False)) / "observations.db"


def resolve(location: str | Path | None) -> Path:
    """The database file of a location: a path, ``sqlite:///path``, or None for the default."""
    if location is None:
        return default_location()
    text = str(location)
    if not text:
        raise StoreError("the path of the store is empty: give a file, such as --store observations.db")
    if isinstance(location, str) and "://" in text:
        scheme, _, rest = text.partition("://")
        if scheme != "sqlite" or not rest.startswith("/") or rest == "/":
            raise StoreError(f"{text} is no place for a store: give a path, or sqlite:///PATH")
        text = rest[1:]
    return Path(text).expanduser()


def open_engine(path: Path, *, read_only: bool) -> Engine:
    """An engine on the SQLite file, created with its folder unless `read_only`.

    Raises
    ------
    StoreError
        If the path is a folder, or is missing and `read_only`.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder: give a file in it, such as {path / 'observations.db'}")
    if read_only and not path.exists():
        raise StoreError(
            f"nothing was measured yet, {path} does not exist: measure first with "
            "`rpo-sim measure local_disk`, or give the store with --store PATH"
        )
    if not read_only:
        _make_folder(path.parent)
    engine = create_engine("sqlite://", creator=lambda: _connect(path, read_only), poolclass=QueuePool)
    event.listen(engine, "begin", _begin)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder {folder} of the store cannot be made ({error.strerror}): "
            "give another path with --store"
        ) from error


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    if not read_only:
        return _connect_as(path, "mode=rwc", "journal_mode = WAL", "synchronous = FULL")  # kept = on disk
    try:
        return _connect_as(path, "mode=ro")
    except sqlite3.OperationalError:
        if path.with_name(path.name + "-wal").exists():
            raise
        # A reader of a WAL database wants to make its shared-memory file; on read-only media it cannot.
        return _connect_as(path, "immutable=1")


def _connect_as(path: Path, mode: str, *pragmas: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_SECONDS,
        isolation_level=None,  # `_begin` opens transactions, so that DDL is transactional too
        check_same_thread=False,  # the pool hands a connection to one thread at a time
    )
    try:
        for pragma in pragmas:
            _patiently(connection, f"PRAGMA {pragma}")
        connection.execute("PRAGMA schema_version").fetchone()  # reads the header: no database is said here
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Wait also where SQLite does not by itself: while others turn a new file into WAL mode."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _begin(connection: Connection) -> None:
    # A writer takes its lock at once: upgrading a read lock later can fail without waiting.
    write = connection.get_execution_options().get("rpo_sim_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn errors of the database into StoreErrors that say what to do."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise StoreError(_explain(where, error)) from error


def _explain(where: str, error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(cause, "sqlite_errorname", None) or ""
    for start, meaning in _MEANINGS.items():
        if name.startswith(start):
            return f"the store {where} {meaning} ({cause})"
    return f"the store {where} reports: {cause}"
