"""What is printed of a prediction and a verdict."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpo_sim.analysis.prediction import Prediction
from rpo_sim.analysis.verdict import judge
from rpo_sim.report.demo import _predicted
from rpo_sim.report.predictions import evidence_text, figure_rows, render_predictions
from rpo_sim.report.rows import Output
from rpo_sim.report.verdicts import render_verdicts
from rpo_sim.results import Evidence, InputNote, ResultSet

MakeResult = Callable[..., ResultSet]
HOUR = 3600.0
MEASURED = InputNote(key="recovery.data.duration", evidence=Evidence.MEASURED, n=40, source="p:data")
BOOT = InputNote(key="recovery.boot.duration", evidence=Evidence.ASSUMED, n=0, source="assumed")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def result(make_result: MakeResult) -> ResultSet:
    times = np.linspace(HOUR, 5 * HOUR, 500)
    return make_result(times, inputs=[MEASURED, BOOT], activities={"data": 0.75, "boot": 0.25})


@pytest.mark.parametrize("output", ["table", "md"])
def test_runs_and_observations_stand_beside_what_people_read(result: ResultSet, output: Output) -> None:
    text = render_predictions([result], output)
    assert "site-failure on vmware: predicted from 500 runs, 40 observations" in text
    assert re.search(r"data\W+2h15m\s+75\.0%\W+measured\W+40", text)
    assert re.search(r"boot\W+45m\s+25\.0%\W+assumed\W+0", text)
    verdicts = render_verdicts(judge(Prediction(base=result), now=NOW), output)
    assert "site-failure on vmware: 500 runs, 40 observations" in verdicts


def test_programs_get_exact_numbers_with_runs_and_observations(result: ResultSet) -> None:
    document = json.loads(render_predictions([result], "json"))
    (prediction,) = document["predictions"]
    assert (document["schema_version"], prediction["n_runs"], prediction["seed"]) == (1, 500, 1)
    rows = list(csv.DictReader(io.StringIO(render_predictions([result], "csv"))))
    assert len(rows) == len(prediction["figures"]) == 4
    for row, figure in zip(rows, prediction["figures"], strict=True):
        assert (row["n_runs"], row["n_observations"]) == ("500", "40")
        assert (figure["n_runs"], figure["n_observations"]) == (500, 40)
        assert float(row["p95_seconds"]) == figure["p95_seconds"]
        assert figure["p95_low_seconds"] <= figure["p95_seconds"] <= figure["p95_high_seconds"]
    verdict = json.loads(render_verdicts(judge(Prediction(base=result), now=NOW), "json"))["rows"][0]
    assert (verdict["n_runs"], verdict["n_observations"]) == (500, 40)
    assert verdict["share_low"] <= verdict["share"] <= verdict["share_high"]
    assert verdict["reasons"] == ["too few runs: 500; simulate with --runs 2000"]


def test_no_measurement_is_said_in_words(make_result: MakeResult) -> None:
    assert "no measurement at all" in render_predictions([make_result([HOUR] * 50)], "table")


def test_a_quantile_that_the_runs_never_reached_is_inf(make_result: MakeResult) -> None:
    result = make_result([HOUR] * 40 + [np.inf] * 10)
    document = json.loads(render_predictions([result], "json"))
    rta = next(row for row in document["predictions"][0]["figures"] if row["figure"] == "RTA")
    assert (rta["p50_seconds"], rta["p95_seconds"], rta["p95_high_seconds"]) == (HOUR, "inf", "inf")
    assert "never: 10 of 50 runs" in render_predictions([result], "table")


def test_where_nothing_ever_came_back_it_is_said_without_nan(make_result: MakeResult) -> None:
    for output in ("table", "md", "csv", "json"):
        text = render_predictions([make_result([np.inf] * 50)], output)
        assert "nan" not in text.lower()
    assert "rests on: nothing: never recovered" in render_predictions([make_result([np.inf] * 50)], "table")


def test_activities_add_up_to_the_mean_of_what_was_recovered(make_result: MakeResult) -> None:
    result = make_result([HOUR] * 40 + [np.inf] * 10, activities={"data": 0.75, "boot": 0.25})
    (tier,) = json.loads(render_predictions([result], "json"))["predictions"][0]["tiers"]
    assert sum(row["mean_seconds"] for row in tier["critical_path"]) == pytest.approx(HOUR)
    assert sum(row["share"] for row in tier["critical_path"]) == pytest.approx(1.0)


@given(st.lists(st.floats(0, 1e7), min_size=3, max_size=3).filter(lambda parts: sum(parts) > 1e-3))
def test_printed_shares_of_evidence_sum_to_100_percent(parts: list[float]) -> None:
    class Runs:
        def evidence_shares(self) -> dict[Evidence, float]:
            return {kind: parts[kind] / sum(parts) for kind in Evidence}

    text = evidence_text(Runs())  # type: ignore[arg-type]
    numbers = [round(10 * float(number)) for number in re.findall(r"([\d.]+)%", text)]
    assert sum(numbers) == 1000
    for kind, part in zip(Evidence, parts, strict=True):
        found = re.search(rf"([\d.]+)% {kind.label}", text)
        assert abs((float(found[1]) if found else 0.0) - 100 * part / sum(parts)) <= 0.1 + 1e-9


def test_a_tier_without_an_objective_still_shows_its_figures(make_result: MakeResult) -> None:
    text = render_predictions([make_result([HOUR] * 50, objective=(None, None, None))], "table")
    assert re.search(r"gold RPA +none +no objective +1m ", text)
    assert re.search(r"gold RTA +none +no objective +1h ", text)


def test_the_clock_of_the_objective_is_the_one_that_is_judged(make_result: MakeResult) -> None:
    result = make_result([5 * HOUR] * 50, from_declaration=2 * HOUR)
    rows = {str(row["figure"]): row for row in figure_rows(result)}
    assert (rows["RTA"]["objective_seconds"], "held_share" in rows["RTA"]) == (None, False)
    assert rows["RTA from declaration"]["held_share"] == 1.0
    text = render_predictions([result], "table")
    assert re.search(r"gold RTA from declaration +4h in 95% +100%", text)
    assert "RTO 4h (declared), in 95%" in render_verdicts(judge(Prediction(base=result), now=NOW), "table")


@pytest.mark.parametrize("width", [80, 110, 200])
def test_tables_fit_the_terminal(result: ResultSet, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    verdicts = judge(Prediction(base=result), now=NOW)
    for text in (render_predictions([result], "table"), render_verdicts(verdicts, "table")):
        assert max(map(len, text.splitlines())) <= width
        assert "INCONCLUSIV\n" not in text
        assert ("[95% interval]" in text) or width < 80


def test_piped_text_is_no_wider_than_a_page(result: ResultSet) -> None:
    verdicts = judge(Prediction(base=result), now=NOW)
    for text in (render_predictions([result], "table"), render_verdicts(verdicts, "table")):
        assert max(map(len, text.splitlines())) <= 120


def test_an_interrupted_result_says_so(make_result: MakeResult) -> None:
    text = render_predictions([make_result([HOUR] * 50, interrupted=True)], "table")
    assert text.endswith("interrupted: only 50 runs were simulated\n")


def test_the_demo_states_the_objective_once_and_the_doubts_as_footnotes(make_result: MakeResult) -> None:
    made = [Prediction(base=make_result([HOUR] * 100, platform=name)) for name in ("one", "two")]
    text = _predicted(made, 57)
    assert "100 incidents each and n = 57 of these restores" in text
    assert len(re.findall(r"^ site-failure, gold +objective 1h +objective 4h +asked 95%", text, re.M)) == 1
    assert len(re.findall(r"^   (?:one|two) .* INCONCLUSIVE 1 2$", text, re.M)) == 2
    assert re.search(r"^ 1 too few runs: ", text, re.M)
    assert re.search(r"^ 2 never restored: ", text, re.M)


def test_a_predicted_met_without_a_drill_says_what_is_missing(make_result: MakeResult) -> None:
    note = InputNote(key="recovery.data.duration", evidence=Evidence.MEASURED, n=9, source="p", restores=9)
    verdicts = judge(Prediction(base=make_result([HOUR] * 2000, inputs=[note])), now=NOW)
    text = render_verdicts(verdicts, "table")
    assert re.search(r"MET +NONE +INCONCLUSIVE", text)
    assert "- gold: no drill: MET needs one" in text
