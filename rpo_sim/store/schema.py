"""The tables of the store, in types that SQLite and PostgreSQL share.

Times are whole microseconds since 1970 UTC, which any database keeps exactly; mappings are JSON text.
A change here goes with a new step in `migrations`.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text

metadata = MetaData()

schema_version = Table(
    "rpo_sim_schema",
    metadata,
    Column("version", Integer, nullable=False),
)

collections = Table(
    "collections",
    metadata,
    Column("collection_id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("probe_version", Text, nullable=False),
    Column("window_start_at", BigInteger, nullable=False),
    Column("window_end_at", BigInteger),
    Column("settings", Text, nullable=False),
    Column("errors", Text, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("operation", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("lower_seconds", Double, nullable=False),
    Column("upper_seconds", Double, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("bytes_moved", BigInteger),
    Column("bytes_capacity", BigInteger),
    Column("concurrency", BigInteger),
    Column("platform", Text, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("started_at", BigInteger),
    Column("observed_at", BigInteger, nullable=False),
    Column("clock", Text, nullable=False),
    Column("operation_id", Text, nullable=False),
    Column("collection_id", Text, nullable=False),
    Column("entry_seconds", Double, nullable=False),
    Column("labels", Text, nullable=False),
    Column("disks", BigInteger),
    Column("verified", Boolean),
    Index("observations_by_kind", "operation", "stage", "backend"),
    Index("observations_by_time", "observed_at", "source", "event_id"),
)
