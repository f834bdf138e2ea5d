"""Open, fill and query the measurement store."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import ColumnElement, Connection, Engine, Select, func, insert, select, tuple_, update
from sqlalchemy import delete as delete_from

from rpo_sim.errors import StoreError
from rpo_sim.records import Collection, Observation
from rpo_sim.store import codec, engine, migrations
from rpo_sim.store.merge import merged
from rpo_sim.store.schema import collections, observations

_BATCH = 500  # observations per transaction of `add`


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which observations: those that match everything stated.

    Attributes
    ----------
    operation, stage, backend, platform, source, collection_id : str or None
        Equal to this; None for any.
    since, until : datetime, UTC, or None
        Started (or, where the start is not known, observed) at or after `since` and before `until`.
    """

    operation: str | None = None
    stage: str | None = None
    backend: str | None = None
    platform: str | None = None
    source: str | None = None
    collection_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is stated, so that all observations match."""
        return all(getattr(self, field.name) is None for field in fields(self))


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of observations handed to the store.

    Attributes
    ----------
    new, updated, unchanged : int
    """

    new: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "Added") -> "Added":
        """Both together."""
        return Added(
            new=self.new + other.new,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
        )


def open_store(location: str | Path | None = None, *, read_only: bool = False) -> "Store":
    """Open the store, made and brought to the present schema if need be.

    Parameters
    ----------
    location : str or Path, optional
        A path or ``sqlite:///path``; by default ``$RPO_SIM_STORE``, else the user's data folder.
    read_only : bool
        Write nothing, not even a new file or a newer schema.

    Raises
    ------
    StoreError
        If it cannot be opened, is no store, is damaged, or was written by a newer rpo-sim.
    """
    path = engine.resolve(location)
    database = engine.open_engine(path, read_only=read_only)
    store = Store(path, database)
    try:
        with store._transaction(write=not read_only) as connection:
            version = migrations.version_of(connection, str(path))
            if not read_only:
                migrations.migrate(connection, str(path))
            elif version < len(migrations.MIGRATIONS):
                migrations.refuse_old(version, str(path))
            else:
                migrations.check_version(version, str(path))
    except StoreError:
        store.close()
        raise
    return store


class Store:
    """The measurement store; use `open_store`, as a context manager."""

    def __init__(self, path: Path, database: Engine) -> None:
        self.path = path
        self._engine = database

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Connection]:
        with engine.explained(str(self.path)), self._engine.connect() as plain:
            connection = plain.execution_options(rpo_sim_write=write)
            with connection.begin():
                yield connection

    def begin_collection(self, collection: Collection) -> None:
        """Record a collection before it measures anything.

        Raises
        ------
        StoreError
            If its id is taken.
        """
        row = {
            "collection_id": collection.collection_id,
            "source": collection.source,
            "probe_version": collection.probe_version,
            "window_start_at": codec.to_microseconds(collection.window_start_at),
            "window_end_at": collection.window_end_at and codec.to_microseconds(collection.window_end_at),
            "settings": codec.dump_json(dict(collection.settings)),
            "errors": codec.dump_json(list(collection.errors)),
        }
        key = collections.c.collection_id
        with self._transaction(write=True) as connection:
            if connection.execute(select(key).where(key == collection.collection_id)).first():
                raise StoreError(f"collection {collection.collection_id!r} exists: give each its own id")
            connection.execute(insert(collections).values(row))

    def finish_collection(
        self, collection_id: str, *, window_end_at: datetime, errors: Iterable[str] = ()
    ) -> None:
        """Close the window of a collection, with what could not be measured, in words.

        Raises
        ------
        StoreError
            If it was never begun.
        """
        statement = (
            update(collections)
            .where(collections.c.collection_id == collection_id)
            .values(window_end_at=codec.to_microseconds(window_end_at), errors=codec.dump_json(list(errors)))
        )
        with self._transaction(write=True) as connection:
            if connection.execute(statement).rowcount == 0:
                raise StoreError(f"collection {collection_id!r} was never begun: call begin_collection first")

    def collections(self) -> list[Collection]:
        """All collections, by their start."""
        order = (collections.c.window_start_at, collections.c.collection_id)
        with self._transaction(write=False) as connection:
            rows = connection.execute(select(collections).order_by(*order)).mappings().all()
        return [
            Collection(
                collection_id=row["collection_id"],
                source=row["source"],
                probe_version=row["probe_version"],
                window_start_at=codec.from_microseconds(row["window_start_at"]),
                window_end_at=(
                    None if row["window_end_at"] is None else codec.from_microseconds(row["window_end_at"])
                ),
                settings=json.loads(row["settings"]),
                errors=tuple(json.loads(row["errors"])),
            )
            for row in rows
        ]

    def add(self, records: Iterable[Observation]) -> int:
        """Keep observations, each event once; how many were new or changed.

        Batches of 500 are kept whole or not at all, so an interruption loses at most the last one.
        """
        source, total = iter(records), Added()
        while batch := list(islice(source, _BATCH)):
            with self._transaction(write=True) as connection:
                total += _upsert(connection, batch, str(self.path))
        return total.new + total.updated

    def add_all(self, records: Iterable[Observation]) -> Added:
        """Keep all these observations in one transaction, or none if any of them raises."""
        source, total = iter(records), Added()
        with self._transaction(write=True) as connection:
            while batch := list(islice(source, _BATCH)):
                total += _upsert(connection, batch, str(self.path))
        return total

    def observations(
        self, where: Selection = EVERYTHING, *, latest: int | None = None
    ) -> Iterator[Observation]:
        """The observations of a selection as one snapshot, by time of observation, source and event.

        Parameters
        ----------
        where : Selection
        latest : int, optional
            Only so many, those observed last.
        """
        order = (observations.c.observed_at, observations.c.source, observations.c.event_id)
        criteria = _criteria(where)
        with self._transaction(write=False) as connection:
            statement = select(observations).where(*criteria).order_by(*order)
            if latest is not None:
                total = connection.execute(_count(criteria)).scalar_one()
                statement = statement.offset(max(0, total - latest))
            for row in connection.execute(statement.execution_options(yield_per=_BATCH)).mappings():
                yield codec.from_row({**row}, str(self.path))

    def count(self, where: Selection = EVERYTHING) -> int:
        """How many records match."""
        with self._transaction(write=False) as connection:
            return connection.execute(_count(_criteria(where))).scalar_one()

    def delete(self, where: Selection) -> int:
        """Remove the observations of a selection; how many there were."""
        with self._transaction(write=True) as connection:
            return connection.execute(delete_from(observations).where(*_criteria(where))).rowcount


def _criteria(where: Selection) -> list[ColumnElement[bool]]:
    table = observations.c
    equal = ("operation", "stage", "backend", "platform", "source", "collection_id")
    stated = [(table[name], getattr(where, name)) for name in equal]
    criteria = [column == value for column, value in stated if value is not None]
    at = func.coalesce(table.started_at, table.observed_at)
    if where.since is not None:
        criteria.append(at >= codec.to_microseconds(where.since))
    if where.until is not None:
        criteria.append(at < codec.to_microseconds(where.until))
    return criteria


def _count(criteria: list[ColumnElement[bool]]) -> Select[int]:
    return select(func.count()).select_from(observations).where(*criteria)


def _upsert(connection: Connection, batch: list[Observation], where: str) -> Added:
    identity = tuple_(observations.c.source, observations.c.event_id)
    keys = {(record.source, record.event_id) for record in batch}
    known = {
        (row["source"], row["event_id"]): codec.from_row({**row}, where)
        for row in connection.execute(select(observations).where(identity.in_(keys))).mappings()
    }
    new: dict[tuple[str, str], Observation] = {}
    changed: dict[tuple[str, str], Observation] = {}
    for record in batch:
        key = (record.source, record.event_id)
        before = changed.get(key) or new.get(key) or known.get(key)
        after = record if before is None else merged(before, record)
        if after != before:
            (changed if key in known else new)[key] = after
    if new:
        connection.execute(insert(observations), [codec.to_row(record) for record in new.values()])
    for (source, event_id), record in changed.items():
        mine = (observations.c.source == source) & (observations.c.event_id == event_id)
        connection.execute(update(observations).where(mine).values(codec.to_row(record)))
    touched = len(new) + len(changed)
    return Added(new=len(new), updated=len(changed), unchanged=len(batch) - touched)
