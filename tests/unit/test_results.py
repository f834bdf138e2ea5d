"""Results: honest intervals, exact files, and damaged files refused."""

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rpo_sim.across_vms import AcrossVms, across_vms
from rpo_sim.errors import ScenarioError
from rpo_sim.intervals import quantile, share
from rpo_sim.per_vm import EveryRun
from rpo_sim.results import (
    Evidence,
    FloatArray,
    InputNote,
    ResultSet,
    Tier,
    TierRuns,
)
from rpo_sim.results_file import load_results, results_text, save_results


def result_set(values: list[float] | None = None) -> ResultSet:
    """Two VMs in two groups of one tier; ``values`` are RTAs, one per run."""
    rta = np.array(values or [60.0, math.inf, 0.1 + 0.2, 1e-300])
    runs = len(rta)
    tier = Tier(
        name="gold", rpo_seconds=3600.0, rto_seconds=None, share=0.95, from_declaration=True,
        drill_every_seconds=math.inf, owner=None,
    )  # fmt: skip
    evidence = np.zeros((runs, 3))
    evidence[:, 2] = np.where(np.isfinite(rta), rta, 0.0)
    gold = TierRuns(
        tier=tier, vms=2, rpa=rta * 2, rpa_best=rta, rta=rta, rta_from_declaration=rta - 1e-301,
        evidence=evidence, activities=evidence[:, :2] + 1.0,
    )  # fmt: skip
    rpas, rtas = np.stack([rta * 2, rta], axis=1), np.stack([rta, rta], axis=1)
    return ResultSet(
        scenario="s", platform="p", seed=3, runs_per_block=25, assumed_factor=0.5, interrupted=True,
        tiers=(gold,), activities=("detect", "boot"),
        inputs=(
            InputNote(key="a", evidence=Evidence.MEASURED, n=12, source="boot = x"),
            InputNote(key="b", evidence=Evidence.ASSUMED, n=0, source="assumed"),
        ),
        groups=(("web", 1), ("db", 1)), age=np.zeros(runs),
        across=across_vms(rpas, rtas, [slice(0, 1), slice(1, 2)]),
        per_vm_rpa=EveryRun(rpas), per_vm_rta=EveryRun(rtas), digests={"scenario": "ab"},
    )  # fmt: skip


# Intervals


@settings(max_examples=200)
@given(n=st.integers(1, 400), data=st.data(), block=st.sampled_from([1, 5, 25]))
def test_never_narrower_than_the_exact_interval(n: int, data: st.DataObject, block: int) -> None:
    hits = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    interval = share(hits, block)
    exact = stats.binomtest(int(hits.sum()), n).proportion_ci(0.95, method="exact")
    assert interval.low - 1e-12 <= exact.low <= interval.value <= exact.high <= interval.high + 1e-12
    assert interval.n == n


def coverage(share_of: float, spread: float, generator: np.random.Generator) -> float:
    """How often the interval holds the true share, which differs between blocks with sd ``spread``."""
    size = share_of * (1 - share_of) / spread**2 - 1 if spread else math.inf
    inside = 0
    for _ in range(400):
        true = generator.beta(share_of * size, (1 - share_of) * size, 80) if spread else np.full(80, share_of)
        hits = (generator.random((80, 25)) < true[:, None]).ravel()
        interval = share(hits, 25)
        inside += interval.low <= share_of <= interval.high
    return inside / 400


@pytest.mark.parametrize(("true", "spread"), [(0.9, 0.0), (0.95, 0.03), (0.5, 0.2), (0.99, 0.01)])
def test_intervals_hold_the_truth(true: float, spread: float) -> None:
    """At least the promised 95 %, within the noise of 400 trials."""
    assert coverage(true, spread, np.random.default_rng(8)) >= 0.92


def test_parameters_widen_what_runs_alone_would_leave() -> None:
    """Half of the blocks always meet, half never: many runs do not make that certain."""
    mixed = np.repeat([True, False] * 40, 25)
    assert share(mixed, 25).high - share(mixed, 25).low > 0.9
    shuffled = np.tile([True, False], 1000)
    assert share(shuffled, 25).high - share(shuffled, 25).low < 0.05


@settings(max_examples=100)
@given(
    values=st.lists(st.one_of(st.floats(0, 1e6), st.just(math.inf)), min_size=1, max_size=200),
    p=st.floats(0.01, 0.99),
)
def test_a_quantile_lies_in_its_interval(values: list[float], p: float) -> None:
    interval = quantile(np.array(values), p, 25)
    assert interval.low <= interval.value <= interval.high
    at_or_below = np.mean(np.array(values) <= interval.value)
    assert at_or_below >= p - 1e-9


def test_a_quantile_that_the_runs_never_reached_is_infinite() -> None:
    values = np.array([1.0] * 90 + [math.inf] * 10)
    assert quantile(values, 0.95, 25).value == math.inf
    assert quantile(values, 0.5, 25).value == 1.0
    few = quantile(np.arange(20.0), 0.95, 25)
    assert few.high == math.inf  # 20 runs cannot bound it


def test_quantiles_of_a_known_distribution_are_covered() -> None:
    generator, inside = np.random.default_rng(4), 0
    for _ in range(100):
        interval = quantile(generator.exponential(1.0, 500), 0.9, 25)
        inside += interval.low <= -math.log(0.1) <= interval.high
    assert inside / 100 >= 0.9


def test_nothing_is_known_from_no_runs() -> None:
    nothing: FloatArray = np.array([])
    assert math.isnan(share(nothing > 0, 25).value)
    assert (share(nothing > 0, 25).low, share(nothing > 0, 25).high) == (0.0, 1.0)
    assert quantile(nothing, 0.5, 25).high == math.inf


# Files


def same(one: Any, other: Any) -> bool:
    """Equal in every field, arrays to the bit."""
    if isinstance(one, np.ndarray):
        return bool(one.tobytes() == other.tobytes() and one.shape == other.shape)
    if isinstance(one, ResultSet | TierRuns | AcrossVms | EveryRun):
        names = type(one).__dataclass_fields__
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@settings(max_examples=50)
@given(values=st.lists(st.one_of(st.floats(0, 1e300), st.just(math.inf)), min_size=1, max_size=30))
def test_saved_and_loaded_to_the_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("results") / "r.json"
    results = [result_set(values), result_set()]
    save_results(results, path)
    text = path.read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    loaded = load_results(path)
    assert all(map(same, results, loaded))
    assert list(path.parent.iterdir()) == [path]


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a document."""
    if not isinstance(document, dict | list):
        return [path]
    items = document.items() if isinstance(document, dict) else enumerate(document)
    return [path, *(leaf for key, value in items for leaf in leaves(value, (*path, key)))]


junk = st.sampled_from([None, True, -1, 1.5, "x", "nan", [], {}, [[1]], {"a": 1}, 10**400])


@settings(max_examples=400)
@given(data=st.data(), value=junk, drop=st.booleans())
def test_a_damaged_file_is_refused_or_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, value: Any, drop: bool
) -> None:
    """Whatever is replaced or missing: an error of ours, or results whose arrays belong together."""
    document = json.loads("".join(results_text([result_set()])))
    path = data.draw(st.sampled_from([p for p in leaves(document) if p]))
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    if drop:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    file = tmp_path_factory.mktemp("damaged") / "r.json"
    file.write_text(json.dumps(document))
    loaded = []
    with contextlib.suppress(ScenarioError):
        loaded = load_results(file)
    for result in loaded:
        assert len(result.vm_rta) == result.runs
        assert all(len(tier.rta) == result.runs for tier in result.tiers)
        assert not np.isnan(result.vm_rta).any()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is not JSON"),
        ("[1", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("\udcff", "is not JSON"),
        ("[]", "holds no results"),
        ('{"kind": "rpo-sim results", "schema_version": 99, "results": []}', "schema version 99"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "r.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ScenarioError, match=what) as refusal:
        load_results(file)
    assert str(file) in str(refusal.value)


def test_a_missing_file_and_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read: No such file"):
        load_results(tmp_path / "none.json")
    with pytest.raises(ScenarioError, match="cannot be written"):
        save_results([result_set()], tmp_path / "no" / "r.json")


def test_what_was_there_before_survives_a_failed_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "r.json"
    save_results([result_set()], file)
    before = file.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ScenarioError, match="No space left"):
        save_results([result_set([1.0])], file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


# Reading a result


def test_columns_clocks_and_shares() -> None:
    result = result_set()
    assert result.group_columns() == {"web": slice(0, 1), "db": slice(1, 2)}
    gold = result.tiers[0]
    assert gold.judged_rta is gold.rta_from_declaration
    assert gold.evidence_shares() == {Evidence.MEASURED: 0, Evidence.EXTRAPOLATED: 0, Evidence.ASSUMED: 1}
    np.testing.assert_array_equal(result.incident_rta, gold.rta)
