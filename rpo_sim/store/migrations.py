"""From any older schema to the present one, step by step, in one transaction.

Step n takes version n-1 to version n. A step is never edited once released: its statements are written
out, so that they stay what they were when `schema` moves on.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, insert, inspect, select, update

from rpo_sim.errors import StoreError
from rpo_sim.store.schema import schema_version

Migration = Callable[[Connection], None]

_VERSION_1 = (
    "CREATE TABLE rpo_sim_schema (version INTEGER NOT NULL)",
    """CREATE TABLE collections (
        collection_id TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, probe_version TEXT NOT NULL,
        window_start_at BIGINT NOT NULL, window_end_at BIGINT, settings TEXT NOT NULL, errors TEXT NOT NULL
    )""",
    """CREATE TABLE observations (
        source TEXT NOT NULL, event_id TEXT NOT NULL, operation TEXT NOT NULL, stage TEXT NOT NULL,
        lower_seconds DOUBLE PRECISION NOT NULL, upper_seconds DOUBLE PRECISION NOT NULL,
        count BIGINT NOT NULL, outcome TEXT NOT NULL,
        bytes_moved BIGINT, bytes_capacity BIGINT, concurrency BIGINT,
        platform TEXT NOT NULL, cluster TEXT NOT NULL, backend TEXT NOT NULL, subject TEXT NOT NULL,
        started_at BIGINT, observed_at BIGINT NOT NULL, clock TEXT NOT NULL,
        operation_id TEXT NOT NULL, collection_id TEXT NOT NULL, entry_seconds DOUBLE PRECISION NOT NULL,
        labels TEXT NOT NULL, disks BIGINT, verified BOOLEAN,
        PRIMARY KEY (source, event_id)
    )""",
    "CREATE INDEX observations_by_kind ON observations (operation, stage, backend)",
    "CREATE INDEX observations_by_time ON observations (observed_at, source, event_id)",
)


def _create(connection: Connection) -> None:
    for statement in _VERSION_1:
        connection.exec_driver_sql(statement)
    connection.execute(insert(schema_version).values(version=0))


MIGRATIONS: tuple[Migration, ...] = (_create,)


def version_of(connection: Connection, where: str) -> int:
    """Schema version of the database; 0 when it is new and empty.

    Raises
    ------
    StoreError
        If the database belongs to something else.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return 0
    if schema_version.name not in tables:
        raise StoreError(
            f"{where} is a database of another program (its tables: {', '.join(sorted(tables)[:5])}): "
            "give the path of a measurement store, or of a new file"
        )
    version = connection.execute(select(schema_version.c.version)).scalar()
    if not isinstance(version, int):
        raise StoreError(f"{where} does not state its schema version: restore the store from a copy")
    return version


def check_version(version: int, where: str, newest: int = len(MIGRATIONS)) -> None:
    """Refuse a store that a newer rpo-sim wrote."""
    if version > newest:
        raise StoreError(
            f"{where} has schema version {version}, this rpo-sim knows up to {newest}: upgrade rpo-sim "
            "(pip install --upgrade rpo-sim), or use another store (--store PATH)"
        )


def refuse_old(version: int, where: str) -> None:
    """Refuse to read a store that only a writer can bring to the present schema."""
    raise StoreError(
        f"{where} has schema version {version}, older than {len(MIGRATIONS)}, and may not be changed here: "
        "open it once for writing, for instance with `rpo-sim observations import`"
    )


def migrate(connection: Connection, where: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the database to the newest schema; the caller's transaction makes it all or nothing."""
    version = version_of(connection, where)
    check_version(version, where, len(migrations))
    for step in migrations[version:]:
        step(connection)
    # Written even if nothing changed: a store that cannot be written shows now, not after a long measurement.
    connection.execute(update(schema_version).values(version=len(migrations)))
