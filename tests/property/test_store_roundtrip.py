"""Whatever can be observed comes back exactly, from the store and from every exchange format."""

import math
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.records import Observation, Outcome
from rpo_sim.store import Format, export_observations, merged, open_store, read_observations

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NAME = TEXT.filter(bool)
TIMES = st.datetimes(timezones=st.just(UTC))
INTS = st.integers(min_value=1, max_value=2**63 - 1)
SIZES = st.none() | st.integers(min_value=0, max_value=2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    outcome = draw(st.sampled_from(Outcome))
    lower, upper = sorted([draw(FINITE), draw(FINITE | st.just(math.inf))])
    return Observation(
        operation=draw(NAME),
        stage=draw(NAME),
        lower_seconds=lower,
        upper_seconds=math.inf if outcome is Outcome.RUNNING else upper,
        count=draw(INTS),
        outcome=outcome,
        bytes_moved=draw(SIZES),
        bytes_capacity=draw(SIZES),
        concurrency=draw(st.none() | INTS),
        platform=draw(TEXT),
        cluster=draw(TEXT),
        backend=draw(TEXT),
        subject=draw(TEXT),
        started_at=draw(st.none() | TIMES),
        observed_at=draw(TIMES),
        clock=draw(NAME),
        source=draw(NAME),
        event_id=draw(NAME),
        operation_id=draw(TEXT),
        collection_id=draw(TEXT),
        entry_seconds=abs(draw(FINITE)),
        labels=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
        disks=draw(st.none() | INTS),
        verified=draw(st.none() | st.booleans()),
    )


DISTINCT = st.lists(observations(), max_size=4, unique_by=lambda o: (o.source, o.event_id))


@given(DISTINCT)
@settings(max_examples=60, deadline=None)
def test_the_store_returns_exactly_what_was_added(records: list[Observation]) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.db") as store:
        assert store.add(records) == len(records)
        found = {(o.source, o.event_id): o for o in store.observations()}
        assert found == {(o.source, o.event_id): o for o in records}
        assert store.add(records) == 0


@pytest.mark.parametrize("format", Format)
@given(records=DISTINCT)
@settings(max_examples=100, deadline=None)
def test_a_file_returns_exactly_what_was_exported(format: Format, records: list[Observation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "observations"
        assert export_observations(records, path, format) == len(records)
        assert list(read_observations(path, format)) == records


SECONDS = st.floats(min_value=0, max_value=1e6)
START = datetime(2025, 1, 1, tzinfo=UTC)


@st.composite
def sightings(draw: st.DrawFn) -> list[Observation]:
    """One operation, seen running again and again and then finished, in any order of arrival."""
    known = sorted(draw(st.lists(st.integers(0, 1000), min_size=1, max_size=5, unique=True)))
    base = Observation(
        operation="restore",
        stage="data",
        lower_seconds=0.0,
        upper_seconds=math.inf,
        outcome=Outcome.RUNNING,
        observed_at=START,
        clock="wall",
        source="s",
        event_id="e",
    )
    seen = [replace(base, lower_seconds=float(n), observed_at=START + timedelta(seconds=n)) for n in known]
    end = known[-1] + 1.0
    ended = replace(
        base,
        lower_seconds=end,
        upper_seconds=end,
        outcome=Outcome.SUCCEEDED,
        observed_at=START + timedelta(seconds=end),
    )
    return draw(st.permutations([*seen, *([ended] if draw(st.booleans()) else [])]))


@given(sightings())
def test_the_order_in_which_sightings_arrive_does_not_matter(seen: list[Observation]) -> None:
    kept = seen[0]
    for sighting in seen[1:]:
        kept = merged(kept, sighting)
        assert merged(kept, sighting) == kept
    assert kept == max(seen, key=lambda o: o.observed_at)
