"""From observations to entries: what is counted, what is left out, what is refused."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from rpo_sim.distributions import Empirical, JeffreysPosterior, LogNormal, NormalPosterior, SizeScaled
from rpo_sim.distributions.fit import failure_interval, fit
from rpo_sim.distributions.profile import ProfileEntry
from rpo_sim.distributions.summary import quantile_with_interval
from rpo_sim.errors import FitError, NoDataError
from rpo_sim.records import Observation, Outcome

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def observe(lower: float, upper: float | None = None, /, **fields: object) -> Observation:
    """One restore of data; exact unless `upper` is given."""
    given: dict[str, object] = {
        "operation": "restore",
        "stage": "data",
        "platform": "test",
        "backend": "disk",
        "source": "probe",
        "clock": "monotonic, 1ns",
        "started_at": START,
        "observed_at": START + timedelta(minutes=5),
        "event_id": f"{lower}/{upper}/{sorted(fields.items(), key=str)}",
        "lower_seconds": lower,
        "upper_seconds": lower if upper is None else upper,
    }
    return Observation(**(given | fields))  # type: ignore[arg-type]


def lognormal(n: int, *, seed: int = 1, median: float = 10.0, sigma: float = 0.4) -> list[float]:
    noise = np.random.default_rng(seed).standard_normal(n)
    return [median * math.exp(sigma * value) for value in noise]


def only(observations: Sequence[Observation], **options: bool) -> ProfileEntry:
    (entry,) = fit(observations, **options).entries  # type: ignore[arg-type]
    return entry


def test_an_entry_says_what_it_rests_on() -> None:
    values = lognormal(20)
    entry = only([observe(value, verified=True, concurrency=1, started_at=START + timedelta(days=i % 3))
                  for i, value in enumerate(values)])  # fmt: skip
    assert (entry.n, entry.n_succeeded, entry.n_failed, entry.n_censored) == (20, 20, 0, 0)
    assert (entry.verified, entry.days, entry.sources) == (20, 3, ("probe",))
    assert entry.window == (START, START + timedelta(minutes=5))
    assert entry.concurrency_range == (1, 1)
    assert entry.size_range_bytes is None
    logs = np.log(values)
    assert isinstance(entry.distribution, LogNormal)
    assert entry.distribution.mu == pytest.approx(logs.mean(), abs=1e-6)
    assert entry.distribution.sigma == pytest.approx(logs.std(), rel=1e-6)
    posterior = entry.distribution.posterior
    assert isinstance(posterior, JeffreysPosterior)
    assert (posterior.n, posterior.sd) == (20, pytest.approx(logs.std(ddof=1)))  # type: ignore[comparison-overlap]


def test_the_digest_follows_the_data_and_not_their_order() -> None:
    values = [observe(value) for value in lognormal(10)]
    digest = only(values).digest
    assert only(values[::-1]).digest == digest
    assert only([*values[1:], observe(3.0)]).digest != digest


@pytest.mark.parametrize("field", ["operation", "stage", "platform", "cluster", "backend"])
def test_unlike_operations_get_their_own_entries(field: str) -> None:
    first = [observe(value, **{field: "one"}) for value in lognormal(10)]
    second = [observe(value, **{field: "two"}) for value in lognormal(12)]
    assert [entry.n for entry in fit(first + second).entries] == [10, 12]


def test_cold_is_not_warm_and_other_labels_are_not_merged_silently() -> None:
    cold = [observe(value, labels={"cache": "cold", "rack": "a"}) for value in lognormal(10)]
    warm = [
        observe(value / 9, labels={"cache": "warm", "rack": str(i % 2)})
        for i, value in enumerate(lognormal(10))
    ]
    entries = fit(cold + warm).entries
    assert [dict(entry.labels) for entry in entries] == [{"cache": "cold", "rack": "a"}, {"cache": "warm"}]
    assert [entry.warnings for entry in entries] == [(), ("merged across label rack: 0 (5), 1 (5)",)]


@pytest.mark.parametrize("field", ["source", "clock"])
def test_sources_and_clocks_are_not_mixed_unless_told(field: str) -> None:
    mixed = [observe(value, **{field: ("a", "b")[i % 2]}) for i, value in enumerate(lognormal(20))]
    with pytest.raises(FitError, match=rf"2 {field}s.*a \(10\); b \(10\).*--mix-sources"):
        fit(mixed)
    assert only(mixed, mix_sources=True).n == 20


def test_failures_are_counted_and_their_durations_are_not_those_of_successes() -> None:
    good = [observe(value) for value in lognormal(18)]
    bad = [observe(0.01, outcome=Outcome.FAILED), observe(900.0, outcome=Outcome.PARTIALLY_FAILED)]
    entry = only(good + bad)
    assert (entry.n, entry.n_succeeded, entry.n_failed) == (18, 18, 2)
    assert entry.failure_interval == failure_interval(2, 20)
    assert entry.distribution == only(good).distribution


def test_a_time_out_is_a_failure_and_a_censored_duration() -> None:
    good = [observe(value) for value in lognormal(30)]
    late = [observe(25.0, math.inf, outcome=Outcome.FAILED, event_id=f"late {i}") for i in range(3)]
    entry = only(good + late)
    assert (entry.n, entry.n_censored, entry.n_failed) == (33, 3, 3)
    assert float(entry.distribution.ppf(np.array(0.95))) > float(only(good).distribution.ppf(np.array(0.95)))
    assert isinstance(entry.distribution, LogNormal)
    assert isinstance(entry.distribution.posterior, NormalPosterior)


def test_running_and_cancelled_operations_are_censored_and_not_failures() -> None:
    good = [observe(value) for value in lognormal(30)]
    running = observe(40.0, math.inf, outcome=Outcome.RUNNING)
    cancelled = observe(30.0, outcome=Outcome.CANCELLED)
    fresh = observe(0.0, math.inf, outcome=Outcome.RUNNING)
    entry = only([*good, running, cancelled, fresh])
    assert (entry.n, entry.n_censored, entry.n_failed, entry.n_succeeded) == (32, 2, 0, 30)


def test_a_failure_without_a_duration_only_counts() -> None:
    good = [observe(value) for value in lognormal(12)]
    entry = only([*good, observe(0.0, math.inf, outcome=Outcome.FAILED)])
    assert (entry.n, entry.n_failed) == (12, 1)


def test_wrong_data_is_a_failure_whatever_was_reported() -> None:
    entry = only([*(observe(value, verified=True) for value in lognormal(12)), observe(5.0, verified=False)])
    assert (entry.n, entry.n_succeeded, entry.n_failed, entry.verified) == (12, 12, 1, 12)
    assert any("wrong data" in text for text in entry.warnings)


def test_negative_durations_are_flagged_and_left_out() -> None:
    entry = only([*(observe(value) for value in lognormal(12)), observe(-3.0)])
    assert entry.n == 12
    assert "1 negative durations" in entry.warnings[0]


def test_zero_is_below_the_resolution_of_the_clock_and_not_dropped() -> None:
    entry = only([*(observe(value) for value in lognormal(12)), observe(0.0)])
    assert entry.n == 13
    assert "too coarse" in entry.warnings[0]
    with pytest.raises(FitError, match="all 3 finished durations are 0 s"):
        fit([observe(0.0, event_id=str(i)) for i in range(3)])


def test_what_cannot_be_fitted_is_said_beside_what_can() -> None:
    profile = fit(
        [*(observe(value) for value in lognormal(12)), observe(1.0, stage="boot"), observe(2.0, stage="boot")]
    )
    assert [entry.stage for entry in profile.entries] == ["data"]
    assert profile.warnings == (
        "restore.boot on test disk was not fitted: 2 finished durations; two parameters need at least 3",
    )


def test_nothing_to_fit() -> None:
    with pytest.raises(NoDataError, match="measure first"):
        fit([])
    with pytest.raises(FitError, match=r"0 succeeded, 2 failed"):
        fit([observe(1.0, outcome=Outcome.FAILED), observe(2.0, outcome=Outcome.FAILED)])
    with pytest.raises(FitError, match="unknown family cauchy"):
        fit([observe(1.0)], families=("cauchy",))


def test_identical_durations_do_not_pretend_to_a_spread() -> None:
    entry = only([observe(4.0, event_id=str(i)) for i in range(10)])
    assert isinstance(entry.distribution, Empirical)
    assert entry.distribution.values == (4.0,)
    assert "nothing shows their spread" in entry.warnings[0]


def transfers(
    *, sizes: Sequence[int], levels: Sequence[int] = (1,), contention: float = 0.0, n: int = 60
) -> list[Observation]:
    generator = np.random.default_rng(11)
    found = []
    for i in range(n):
        size, level = sizes[i % len(sizes)], levels[(i // len(sizes)) % len(levels)]
        median = (2.0 + size / 50e6) * (1 + contention * (level - 1))
        value = median * math.exp(0.1 * generator.standard_normal())
        found.append(observe(value, bytes_moved=size, concurrency=level))
    return found


def test_size_is_a_line_when_it_was_measured_over_a_range() -> None:
    entry = only(transfers(sizes=(10**8, 10**9, 5 * 10**9)))
    assert isinstance(entry.distribution, SizeScaled)
    assert entry.distribution.overhead_seconds == pytest.approx(2.0, rel=0.15)
    assert 1 / entry.distribution.seconds_per_byte == pytest.approx(50e6, rel=0.05)
    assert entry.distribution.contention == 0
    assert entry.distribution.sigma == pytest.approx(0.1, rel=0.25)
    assert (entry.size_range_bytes, entry.size_basis) == ((10**8, 5 * 10**9), "bytes_moved")


def test_contention_needs_two_levels_of_concurrency() -> None:
    entry = only(transfers(sizes=(10**8, 10**9), levels=(1, 4), contention=0.5))
    assert isinstance(entry.distribution, SizeScaled)
    assert entry.distribution.contention == pytest.approx(0.5, rel=0.1)
    assert entry.concurrency_range == (1, 4)


def test_no_line_through_a_narrow_range_or_a_size_that_does_not_matter() -> None:
    assert not isinstance(only(transfers(sizes=(10**9, 3 * 10**9))).distribution, SizeScaled)
    clones = [observe(value, bytes_moved=10 ** (6 + i % 4)) for i, value in enumerate(lognormal(60))]
    entry = only(clones)
    assert isinstance(entry.distribution, LogNormal)
    assert entry.size_range_bytes == (10**6, 10**9)


def test_moved_and_capacity_are_never_mixed() -> None:
    both = [
        observe(value, bytes_capacity=10**9, bytes_moved=None if i else 10**6)
        for i, value in enumerate(lognormal(12))
    ]
    entry = only(both)
    assert (entry.size_basis, entry.size_range_bytes) == ("bytes_capacity", (10**9, 10**9))


def test_bytes_moved_come_before_capacity() -> None:
    both = [observe(value, bytes_capacity=10**9, bytes_moved=10**6) for value in lognormal(12)]
    assert only(both).size_basis == "bytes_moved"


def test_a_slope_is_not_found_where_there_is_none() -> None:
    found = 0
    for seed in range(60):
        values = lognormal(30, seed=seed)
        clones = [observe(value, bytes_moved=10 ** (6 + i % 4)) for i, value in enumerate(values)]
        found += isinstance(only(clones).distribution, SizeScaled)
    assert found <= 3


def test_the_summary_is_at_the_largest_size_and_the_least_company() -> None:
    entry = only(transfers(sizes=(10**8, 10**9), levels=(1, 4), contention=0.5))
    value, low, high = quantile_with_interval(entry, 0.5)
    assert value == pytest.approx(22.0, rel=0.1)
    assert low < value < high


def test_a_line_sees_through_time_outs() -> None:
    """Cut at 60 s: dropping the slow ones would make the largest size look fast."""
    cut = [
        item
        if item.lower_seconds < 60
        else replace(item, lower_seconds=60.0, upper_seconds=math.inf, outcome=Outcome.FAILED)
        for item in transfers(sizes=(10**8, 10**9, 3 * 10**9), n=90)
    ]  # fmt: skip
    entry = only(cut)
    assert 10 < entry.n_censored < 30
    assert isinstance(entry.distribution, SizeScaled)
    assert 1 / entry.distribution.seconds_per_byte == pytest.approx(50e6, rel=0.05)
    assert entry.distribution.sigma == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(
    ("failed", "attempts", "low", "high"), [(0, 59, 0.0, 0.0606), (0, 0, 0.0, 1.0), (3, 3, 0.2924, 1.0)]
)
def test_failure_interval_is_exact(failed: int, attempts: int, low: float, high: float) -> None:
    assert failure_interval(failed, attempts) == pytest.approx((low, high), abs=1e-4)
