"""Two platforms on the same incidents."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from rpo_sim.analysis import parity
from rpo_sim.analysis.parity import FIGURES, Difference, compare, gate
from rpo_sim.analysis.verdict import Verdict
from rpo_sim.errors import ScenarioError
from rpo_sim.report.verdicts import render_parity, signed_text
from rpo_sim.results import Evidence, FloatArray, InputNote, ResultSet, Tier

MakeResult = Callable[..., ResultSet]
HOUR = 3600.0
PLATFORMS = ("vmware", "openshift-virtualization")


def lognormal(runs: int = 1000, seed: int = 1, scale: float = HOUR) -> FloatArray:
    return scale * np.exp(0.5 * np.random.default_rng(seed).standard_normal(runs))


def figure(differences: tuple[Difference, ...], name: str) -> Difference:
    return next(found for found in differences if found.figure == name)


def test_identical_platforms_differ_by_exactly_nothing(make_result: MakeResult) -> None:
    times = lognormal()
    found = compare(make_result(times), make_result(times, platform="other"))
    assert [each.figure for each in found] == list(FIGURES)
    for each in found:
        interval = each.difference
        assert (interval.value, interval.low, interval.high) == (0.0, 0.0, 0.0)
        assert (each.reading, each.shown) == ("no difference", False)


def test_a_known_shift_is_found_and_its_interval_covers_it(make_result: MakeResult) -> None:
    times = lognormal()
    shifted = times + 600.0
    for name in ("RTA p50", "RTA p95"):
        found = figure(compare(make_result(times), make_result(shifted, platform="other")), name)
        assert found.difference.low <= 600.0 + 1e-9
        assert found.difference.high >= 600.0 - 1e-9
        assert found.reading == "worse"
        assert found.second.value == pytest.approx(found.first.value + 600.0)
    back = compare(make_result(shifted), make_result(times, platform="other"))
    assert figure(back, "RTA p95").reading == "better"


def test_pairs_show_what_two_separate_samples_would_hide(make_result: MakeResult) -> None:
    times = lognormal(scale=HOUR)
    slower = figure(compare(make_result(times), make_result(1.02 * times, platform="other")), "RTA p50")
    strangers = make_result(1.02 * lognormal(seed=2), platform="other")
    assert slower.reading == "worse"
    assert figure(compare(make_result(times), strangers), "RTA p50").reading == "no difference"


def test_intervals_cover_a_true_difference_nineteen_times_in_twenty(
    make_result: MakeResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 pairs of independent samples whose medians differ by 10 %."""
    monkeypatch.setattr(parity, "FIGURES", ("RTA p50",))
    true = 0.1 * HOUR
    covered = 0
    for seed in range(60):
        one = make_result(lognormal(500, seed))
        other = make_result(1.1 * lognormal(500, 1000 + seed), platform="other")
        found = figure(compare(one, other), "RTA p50").difference
        covered += found.low <= true <= found.high
    assert covered >= 52


def test_a_share_that_is_smaller_is_worse(make_result: MakeResult) -> None:
    many = np.where(np.arange(1000) % 10 == 0, 5 * HOUR, HOUR)
    found = figure(compare(make_result([HOUR] * 1000), make_result(many, platform="other")), "met")
    assert found.difference.value == pytest.approx(-0.1)
    assert found.reading == "worse"
    assert signed_text(found).startswith("-10.0 points [")


@pytest.mark.parametrize("both", [True, False])
def test_where_a_quantile_is_infinite_nobody_can_tell(make_result: MakeResult, both: bool) -> None:
    never = np.where(np.arange(1000) % 10 == 0, np.inf, lognormal())
    one, other = make_result(never if both else lognormal()), make_result(never, platform="other")
    found = compare(one, other)
    p95 = figure(found, "RTA p95")
    assert (p95.reading, p95.shown) == ("cannot tell", False)
    assert figure(found, "RTA p50").reading == ("no difference" if both else "worse")
    text = render_parity(found, PLATFORMS, "json")
    assert "NaN" not in text
    row = next(row for row in json.loads(text)["rows"] if row["figure"] == "RTA p95")
    assert row["second_value"] == "inf"
    assert row["difference"] == (None if both else "inf")
    assert (row["difference_low"], row["shown"], row["reading"]) == (None, False, "cannot tell")
    assert signed_text(p95) == ("unknown" if both else "+inf")
    for output in ("csv", "md", "table"):
        assert "nan" not in render_parity(found, PLATFORMS, output).lower()


def test_a_handful_of_blocks_tells_nothing(make_result: MakeResult) -> None:
    found = compare(make_result([HOUR] * 225), make_result([2 * HOUR] * 225, platform="other"))
    assert {each.reading for each in found} == {"cannot tell"}


def test_an_interrupted_side_is_compared_as_far_as_it_got(make_result: MakeResult) -> None:
    times = lognormal()
    found = compare(make_result(times), make_result(times[:500] + 60.0, platform="other"))
    assert {each.difference.n for each in found} == {500}
    assert figure(found, "RTA p50").difference.value == pytest.approx(60.0)


def test_only_the_same_incidents_can_be_compared(make_result: MakeResult) -> None:
    one = make_result(lognormal())
    for other in ({"scenario": "another"}, {"seed": 2}, {"assumed_factor": 2.0}):
        with pytest.raises(ScenarioError, match="simulate both alike"):
            compare(one, make_result(lognormal(), **other))
    tier = one.tiers[0]
    bronze = type(tier)(
        **{name: getattr(tier, name) for name in tier.__dataclass_fields__}
        | {
            "tier": Tier(
                name="bronze",
                rpo_seconds=None,
                rto_seconds=None,
                share=None,
                from_declaration=False,
                drill_every_seconds=1.0,
                owner=None,
            )
        }
    )
    with pytest.raises(ScenarioError, match="tiers differ"):
        compare(one, make_result(lognormal(), tiers=(bronze,)))


def test_without_an_objective_there_is_no_share_to_compare(make_result: MakeResult) -> None:
    results = [make_result(lognormal(), objective=(None, None, None), platform=name) for name in PLATFORMS]
    assert [each.figure for each in compare(*results)] == list(FIGURES[:-1])
    assert gate(compare(*results), 0.05) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("late", "margin", "judged"),
    [
        (0, 0.05, Verdict.MET),
        (20, 0.05, Verdict.MET),
        (100, 0.05, Verdict.MISSED),
        (100, 0.2, Verdict.MET),
        (50, 0.05, Verdict.INCONCLUSIVE),
        (0, 0.0, Verdict.MET),
        (1, 0.0, Verdict.INCONCLUSIVE),
    ],
)
def test_the_gate_lets_the_second_be_worse_by_the_margin(
    make_result: MakeResult, late: int, margin: float, judged: Verdict
) -> None:
    times = np.full(1000, HOUR)
    times[np.random.default_rng(0).choice(1000, late, replace=False)] = 5 * HOUR
    found = compare(make_result([HOUR] * 1000), make_result(times, platform="other"))
    assert gate(found, margin) is judged


def test_observations_and_runs_stand_beside_the_figures(make_result: MakeResult) -> None:
    note = InputNote(key="recovery.data.duration", evidence=Evidence.MEASURED, n=40, source="p:data")
    found = compare(make_result(lognormal(), inputs=[note]), make_result(lognormal(), platform="other"))
    row = json.loads(render_parity(found, PLATFORMS, "json"))["rows"][0]
    assert (row["n_runs"], row["first_n_observations"], row["second_n_observations"]) == (1000, 40, 0)
    for output in ("table", "md"):
        first = render_parity(found, PLATFORMS, output).splitlines()[0]
        assert "the same 1000 incidents, 0 and 40 observations" in first


def test_the_same_results_give_the_same_bytes(make_result: MakeResult) -> None:
    texts = {
        render_parity(compare(make_result(lognormal()), make_result(lognormal(seed=2))), PLATFORMS, "json")
        for _ in range(2)
    }
    assert len(texts) == 1


def test_a_quantile_that_is_infinite_in_some_resamples_cannot_be_told(make_result: MakeResult) -> None:
    never = np.where(np.arange(1000) // 25 % 20 == 0, np.inf, 2 * HOUR)  # 5 %: in whole blocks
    found = compare(make_result([HOUR] * 1000), make_result(never, platform="other"))
    assert figure(found, "RTA p95").reading == "cannot tell"
