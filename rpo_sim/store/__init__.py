"""The measurement store: every observation once, on SQLAlchemy Core (SQLite by default)."""

from rpo_sim.store.engine import default_location
from rpo_sim.store.exchange import (
    Format,
    export_observations,
    format_of,
    read_observations,
    write_observations,
)
from rpo_sim.store.merge import merged
from rpo_sim.store.store import Added, Selection, Store, open_store

__all__ = [
    "Added",
    "Format",
    "Selection",
    "Store",
    "default_location",
    "export_observations",
    "format_of",
    "merged",
    "open_store",
    "read_observations",
    "write_observations",
]
