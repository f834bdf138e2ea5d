"""Days of history in a real Prometheus: every event that was scraped counts once, however it is collected."""

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rpo_probes._metrics import reading
from rpo_probes.prometheus import PrometheusProbe

from rpo_sim.probe_contract import Recorder
from rpo_sim.records import Observation
from rpo_sim.store import Store, open_store
from tests.metrics.server import PrometheusServer, binary
from tests.metrics.world import WINDOW, Known, World, known_bucket

HOUR = 3600
LENGTH = 30 * HOUR
END = math.floor(time.time() / HOUR) * HOUR - 2 * HOUR


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=11, begin=END - LENGTH + 17, end=END, rate=1 / 90)


@pytest.fixture(scope="module")
def whole(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    yield from served(world.openmetrics(), tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def cut_off(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """The same after its retention dropped the first ten hours and a bit."""
    kept = world.openmetrics(since=END - LENGTH + 10 * HOUR + 77)
    yield from served(kept, tmp_path_factory.mktemp("cut"))


def served(history: str, folder: Path) -> Iterator[PrometheusServer]:
    binary()
    server = PrometheusServer(folder, {})
    server.backfill(history)
    with server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as opened:
        yield opened


def collected(server: PrometheusServer, folder: Path, at: float, since: float) -> list[Observation]:
    """What a collection at that moment would have seen; both servers stand for one cluster."""
    context = replace(Recorder(folder).context, now=lambda: datetime.fromtimestamp(at, UTC))
    settings = PrometheusProbe.Settings(url=server.url, since=since, cluster="prod")
    return [seen for batch in PrometheusProbe().measure(settings, context) for seen in batch]


def counted(observations: Iterable[Observation]) -> Known:
    counts: Known = Counter()
    for one in observations:
        assert one.started_at is not None
        bounds = known_bucket(one.lower_seconds) if one.exact else (one.lower_seconds, one.upper_seconds)
        counts[int(one.started_at.timestamp()), bounds] += one.count
    return counts


def from_window(known: Known, first: float) -> Known:
    """From the first whole window on."""
    return Counter({key: count for key, count in known.items() if key[0] >= first})


def test_the_world_is_worth_it(world: World) -> None:
    assert sum(world.known.values()) > 800


def test_one_collection_finds_every_event_that_was_scraped(
    world: World, whole: PrometheusServer, tmp_path: Path
) -> None:
    """All but the window in which scraping began."""
    found = counted(collected(whole, tmp_path, END, LENGTH + HOUR))
    assert found == from_window(world.known, world.begin)
    exact = [one for one in collected(whole, tmp_path, END, LENGTH + HOUR) if one.exact]
    assert len(exact) > 400  # most scrapes saw one event at most


@pytest.mark.parametrize("stretch", [WINDOW, 7 * WINDOW])
def test_pieces_of_any_length_find_the_same(
    whole: PrometheusServer, tmp_path: Path, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    six_hours = collected(whole, tmp_path, END, 6 * HOUR)
    monkeypatch.setattr(reading, "_stretch_seconds", lambda _found: float(stretch))
    assert counted(collected(whole, tmp_path, END, 6 * HOUR)) == counted(six_hours)


def test_many_overlapping_collections_count_each_event_once(
    world: World, whole: PrometheusServer, tmp_path: Path, store: Store
) -> None:
    """At odd moments, some seconds after a window began, in any order."""
    ends = [END - LENGTH + 3 * HOUR + 1 + 5011 * i for i in range(20)] + [END]
    for at in [*ends[::2], *ends[1::2]]:
        store.add_all(collected(whole, tmp_path, min(at, END), 3 * HOUR))
    assert counted(store.observations()) == from_window(world.known, world.begin)


def test_a_collection_at_the_edge_of_retention_spoils_nothing(
    whole: PrometheusServer, cut_off: PrometheusServer, world: World, tmp_path: Path, store: Store
) -> None:
    """A later collection, of which the older half of the data is gone, must not take back what was known."""
    store.add_all(collected(whole, tmp_path, END, LENGTH + HOUR))
    store.add_all(collected(cut_off, tmp_path, END, LENGTH + HOUR))
    assert counted(store.observations()) == from_window(world.known, world.begin)


def test_only_windows_whose_beginning_is_known_are_told(
    cut_off: PrometheusServer, world: World, tmp_path: Path
) -> None:
    edge = END - LENGTH + 10 * HOUR + 77
    assert counted(collected(cut_off, tmp_path, END, LENGTH)) == from_window(world.known, edge)
