"""The measurement store: each event once, newest knowledge kept, exact values."""

import math
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rpo_sim.errors import StoreError
from rpo_sim.records import Collection, Observation, Outcome
from rpo_sim.store import Added, Selection, Store, default_location, merged, open_store

T0 = datetime(2025, 3, 1, 12, 0, 0, 123457, tzinfo=UTC)


def seen(event: str = "e1", /, **changes: Any) -> Observation:
    base = Observation(
        operation="restore",
        stage="data",
        lower_seconds=12.5,
        upper_seconds=12.5,
        observed_at=T0,
        clock="monotonic, 1ns",
        source="local_disk",
        event_id=event,
    )
    return replace(base, **changes)


def running(lower: float, at: datetime, **changes: Any) -> Observation:
    return seen(
        lower_seconds=lower, upper_seconds=math.inf, outcome=Outcome.RUNNING, observed_at=at, **changes
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "observations.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as opened:
        yield opened


def test_what_is_added_reads_back_after_reopening(path: Path) -> None:
    full = seen(
        upper_seconds=math.inf,
        lower_seconds=-0.1,
        count=7,
        outcome=Outcome.FAILED,
        bytes_moved=2**62,
        bytes_capacity=0,
        concurrency=4,
        platform="kubevirt",
        cluster="c",
        backend="csi/ceph",
        subject="ns/vm/uid",
        started_at=T0 - timedelta(microseconds=1),
        operation_id="op",
        collection_id="col",
        entry_seconds=0.1 + 0.2,
        labels={"cache": "cold", "empty": "", "ü|\n": '"'},
        disks=2,
        verified=False,
    )
    with open_store(path) as store:
        assert store.add([full]) == 1
    with open_store(path, read_only=True) as store:
        assert list(store.observations()) == [full]


def test_a_relisting_doubles_nothing(store: Store) -> None:
    assert store.add([seen("a"), seen("b")]) == 2
    later = [seen(name, observed_at=T0 + timedelta(hours=1), collection_id="next") for name in "ab"]
    assert store.add(later) == 0
    assert list(store.observations()) == [seen("a"), seen("b")]


def test_the_same_event_id_of_another_source_is_another_event(store: Store) -> None:
    assert store.add([seen(), seen(source="velero")]) == 2


def test_running_becomes_finished_and_never_reverts(store: Store) -> None:
    later = T0 + timedelta(minutes=5)
    done = seen(lower_seconds=99.0, upper_seconds=99.0, observed_at=later)
    assert [store.add([step]) for step in (running(10, T0), running(60, later), done)] == [1, 1, 1]
    assert store.add([running(120, later + timedelta(hours=1))]) == 0
    assert list(store.observations()) == [done]


def test_a_running_operation_keeps_its_highest_lower_bound(store: Store) -> None:
    late = T0 + timedelta(minutes=1)
    store.add([running(60, late)])
    store.add([running(10, T0)])  # an older sighting that arrives later
    assert [(o.lower_seconds, o.observed_at) for o in store.observations()] == [(60, late)]


def test_an_operation_first_seen_running_keeps_its_earliest_entry() -> None:
    done = seen(lower_seconds=90.0, upper_seconds=90.0, entry_seconds=80.0)
    assert merged(running(30, T0, entry_seconds=25.0), done).entry_seconds == 25.0


def test_a_later_correction_replaces_a_finished_observation_and_an_older_one_does_not() -> None:
    correction = seen(outcome=Outcome.FAILED, observed_at=T0 + timedelta(seconds=1))
    assert merged(seen(), correction) == correction
    assert merged(correction, seen()) == correction


def test_one_batch_may_name_an_event_several_times(store: Store) -> None:
    done = seen(lower_seconds=99.0, upper_seconds=99.0, observed_at=T0 + timedelta(1))
    assert store.add_all([running(1, T0), done, running(2, T0)]) == Added(new=1, unchanged=2)
    assert list(store.observations()) == [done]


def test_selection(store: Store) -> None:
    hours = [timedelta(hours=n) for n in range(3)]
    store.add(
        [
            seen("a", operation="snapshot", stage="cut", backend="xfs", platform="p", started_at=T0),
            seen("b", source="velero", observed_at=T0 + hours[2], started_at=T0 + hours[1]),
            seen("c", observed_at=T0 + hours[2]),
        ]
    )

    def found(**criteria: object) -> str:
        where = Selection(**criteria)  # type: ignore[arg-type]
        events = "".join(o.event_id for o in store.observations(where))
        assert store.count(where) == len(events)
        return events

    assert found() == "acb"  # by observed_at, then source
    assert (
        found(operation="snapshot")
        == found(stage="cut")
        == found(backend="xfs")
        == found(platform="p")
        == "a"
    )
    assert found(source="velero") == "b"
    assert found(since=T0 + hours[1]) == "cb"
    assert found(until=T0 + hours[2]) == "ab"
    assert found(since=T0, until=T0) == ""
    assert [o.event_id for o in store.observations(latest=2)] == ["c", "b"]
    assert store.delete(Selection(since=T0 + hours[1])) == 2
    assert found() == "a"


def test_a_failing_import_keeps_nothing_and_add_keeps_whole_batches(store: Store) -> None:
    def broken() -> Iterator[Observation]:
        yield from (seen(str(n)) for n in range(1200))
        raise StoreError("line 1201 is wrong")

    with pytest.raises(StoreError, match="1201"):
        store.add_all(broken())
    assert store.count() == 0
    with pytest.raises(StoreError, match="1201"):
        store.add(broken())
    assert store.count() == 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bytes_moved": 2**63}, "bytes_moved is 9223372036854775808.*below 2\\^63"),
        ({"subject": "a\x00b"}, "subject is .*NUL"),
        ({"backend": "\ud800"}, "backend"),
        ({"labels": {"a": "\ud800"}}, "labels"),
    ],
)
def test_what_no_database_keeps_exactly_is_refused(
    store: Store, change: dict[str, object], message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        store.add([seen("good"), seen(**change)])
    assert store.count() == 0


def test_collections(store: Store) -> None:
    first = Collection(
        collection_id="c1",
        source="local_disk",
        probe_version="1.0",
        window_start_at=T0,
        settings={"path": "/data"},
    )
    store.begin_collection(first)
    store.begin_collection(replace(first, collection_id="c0", window_start_at=T0 + timedelta(1)))
    assert store.collections()[0] == first
    end = T0 + timedelta(seconds=90)
    store.finish_collection("c1", window_end_at=end, errors=["disk full"])
    assert store.collections()[0] == replace(first, window_end_at=end, errors=("disk full",))
    with pytest.raises(StoreError, match="'c1' exists"):
        store.begin_collection(first)
    with pytest.raises(StoreError, match="never begun"):
        store.finish_collection("c9", window_end_at=end)


def test_writers_in_parallel_lose_nothing(path: Path) -> None:
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            with open_store(path) as store:  # all race to create it, too
                for n in range(20):
                    store.add([seen(f"{name}-{n}"), seen(f"shared-{n}")])
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with open_store(path, read_only=True) as store:
        assert store.count() == 5 * 20


def test_the_store_is_in_wal_mode(store: Store, path: Path) -> None:
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_location(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("RPO_SIM_STORE", raising=False)
    assert default_location().name == "observations.db"
    assert default_location().parent.name == "rpo-sim"
    monkeypatch.setenv("RPO_SIM_STORE", f"sqlite:///{tmp_path}/env.db")
    assert default_location() == tmp_path / "env.db"
    with open_store() as by_environment, open_store(tmp_path / "sub folder" / "a?b#c%20.db") as stated:
        assert by_environment.path == tmp_path / "env.db"
        stated.add([seen()])
    assert {file.name for file in (tmp_path / "sub folder").iterdir()} == {"a?b#c%20.db"}
    with pytest.raises(StoreError, match="no place for a store: give a path"):
        open_store("postgresql://host/db")
