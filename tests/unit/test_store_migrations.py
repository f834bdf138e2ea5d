"""Schema versions: upgraded in one piece, never downgraded, never guessed."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, create_engine

from rpo_sim.errors import StoreError
from rpo_sim.records import Observation
from rpo_sim.store import open_store
from rpo_sim.store.migrations import MIGRATIONS, migrate
from rpo_sim.store.schema import metadata

RECORD = Observation(
    operation="restore",
    stage="data",
    lower_seconds=1.0,
    upper_seconds=2.0,
    observed_at=datetime(2025, 1, 1, tzinfo=UTC),
    clock="wall, 1s",
    source="test",
    event_id="e",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "store.db"
    with open_store(file) as store:
        store.add([RECORD])
    return file


def _add_column(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE observations ADD COLUMN site TEXT NOT NULL DEFAULT 'here'")


def _fail(connection: Connection) -> None:
    _add_column(connection)
    raise StoreError("step 2 does not work here")


def _upgrade(path: Path, *steps: object) -> None:
    with open_store(path) as store, store._transaction(write=True) as connection:
        migrate(connection, str(path), (*MIGRATIONS, *steps))  # type: ignore[arg-type]


def _query(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_the_migrated_database_has_the_tables_that_the_code_expects(path: Path) -> None:
    found = MetaData()
    found.reflect(create_engine(f"sqlite:///{path}"))
    assert set(found.tables) == set(metadata.tables)
    for name, table in metadata.tables.items():
        columns = {(c.name, c.nullable, c.primary_key) for c in found.tables[name].columns}
        assert columns == {(c.name, c.nullable, c.primary_key) for c in table.columns}
        assert {str(index.name) for index in found.tables[name].indexes} == {
            str(i.name) for i in table.indexes
        }


def test_an_older_store_is_upgraded_with_its_data(path: Path) -> None:
    _upgrade(path, _add_column)
    assert _query(path, "SELECT event_id, site FROM observations") == [("e", "here")]
    assert _query(path, "SELECT version FROM rpo_sim_schema") == [(len(MIGRATIONS) + 1,)]


def test_a_store_of_version_0_is_brought_to_the_present(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    sqlite3.connect(old).close()
    with open_store(old) as store:
        assert store.count() == 0
    assert _query(old, "SELECT version FROM rpo_sim_schema") == [(len(MIGRATIONS),)]


def test_a_failing_step_changes_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match="step 2"):
        _upgrade(path, _fail)
    with open_store(path) as store:
        assert list(store.observations()) == [RECORD]
    assert "site" not in _query(path, "SELECT sql FROM sqlite_master WHERE name = 'observations'")[0][0]  # type: ignore[operator]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused_and_left_alone(path: Path, read_only: bool) -> None:
    _upgrade(path, _add_column)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"store\.db has schema version 2, .* up to 1: upgrade rpo-sim"):
        open_store(path, read_only=read_only)
    assert path.read_bytes() == before


def test_an_older_schema_is_not_changed_by_a_reader(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE rpo_sim_schema SET version = 0")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"older than 1.*open it once for writing"):
        open_store(path, read_only=True)
    assert _query(path, "SELECT version FROM rpo_sim_schema") == [(0,)]


@pytest.mark.parametrize("read_only", [False, True])
def test_the_database_of_another_program_is_left_alone(tmp_path: Path, read_only: bool) -> None:
    other = tmp_path / "places.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE moz_places (id INTEGER)")
    connection.close()
    with pytest.raises(StoreError, match=r"another program \(its tables: moz_places\)"):
        open_store(other, read_only=read_only)
    assert _query(other, "SELECT name FROM sqlite_master") == [("moz_places",)]
