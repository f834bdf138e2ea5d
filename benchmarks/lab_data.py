"""The data set of tests/data as observations: real snapshots and restores, 776 of them."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rpo_sim.records import Observation

FILE = Path(__file__).parents[1] / "tests" / "data" / "lab-snapshots-and-restores.csv"
STAGES = {"snapshot": "ready", "restore": "bound"}


def observations(operation: str, backend: str, *, up_to: int = 12, fewest: int = 1) -> list[Observation]:
    """Those of one operation on one backend, with so many at once; durations by the API server's clock."""
    return [item for item in _all() if _wanted(item, operation, backend, fewest, up_to)]


def _wanted(item: Observation, operation: str, backend: str, fewest: int, up_to: int) -> bool:
    alike = (item.operation, item.backend) == (operation, backend)
    return alike and fewest <= (item.concurrency or 1) <= up_to


def _all() -> Iterator[Observation]:
    with FILE.open(encoding="utf-8") as file:
        for i, row in enumerate(csv.DictReader(file)):
            seconds = float(row["duration_audit_s"])
            started_at = datetime.fromtimestamp(float(row["sent_wall"]), UTC)
            yield Observation(
                operation=row["operation"],
                stage=STAGES[row["operation"]],
                backend=row["backend"],
                lower_seconds=seconds,
                upper_seconds=seconds,
                bytes_moved=int(row["data_bytes"]),
                concurrency=int(row["concurrency"]),
                started_at=started_at,
                observed_at=started_at + timedelta(seconds=seconds),
                clock="API server, 1us",
                source="lab",
                event_id=str(i),
                labels={"burst": row["burst_id"]} if row["burst_id"] else {},
            )
