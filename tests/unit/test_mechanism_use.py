"""A measured mechanism from the command line: fit, check, simulate; and what a scenario may not ask of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.burst import burst_text
from benchmarks.lab_data import observations
from rpo_sim.cli.app import app
from rpo_sim.distributions.fit import fit
from rpo_sim.distributions.mechanism_words import parse_limit
from rpo_sim.distributions.profile import load_profile, parse_profile
from rpo_sim.errors import FitError, NoDataError, ScenarioError
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.engines import Engine
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.results import Evidence
from rpo_sim.scenario.load import load_scenario_text
from rpo_sim.store import open_store

STEP = "\n          "  # before a field of a stage
LIMIT = "kube-controller-manager=20/30,operation=restore"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with restores on B, its profile, and the scenario of twelve at once."""
    path = tmp_path_factory.mktemp("burst")
    with open_store(path / "store.db") as opened:
        opened.add(observations("restore", "B"))
    (path / "burst.yaml").write_text(burst_text(12, "20MB"), encoding="utf-8")
    ran = run("fit", "--store", path / "store.db", "--limit", LIMIT, "--out", path / "profile.json")
    assert "bursts wait for" in ran.stderr
    assert "kube-controller-manager at 12" in ran.stderr
    return path


def run(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def test_a_burst_is_simulated_from_its_profile(folder: Path) -> None:
    given = ["simulate", folder / "burst.yaml", "--profile", folder / "profile.json", "--runs", "2000"]
    (prediction,) = json.loads(run(*given, "-o", "json").stdout)["predictions"]
    one, incident = prediction["one_vm"], prediction["incident"]
    assert one["rta_p50_seconds"] == pytest.approx(1.24, rel=0.1)  # as measured: 1.24, 2.01, 2.05
    assert one["rta_p95_seconds"] == pytest.approx(2.01, rel=0.1)
    assert incident["rta_p50_seconds"] == pytest.approx(2.05, rel=0.1)
    assert "RTA of one VM among 12: half of them within 1." in run(*given).stdout


def test_check_says_which_limit_binds_and_which_sweep_is_missing(folder: Path) -> None:
    findings = json.loads(run("check", folder / "profile.json", "-o", "json").stdout)["rows"]
    said = [(row["severity"], row["message"]) for row in findings if row["rule"] == "mechanism"]
    assert said[0][0] == "note"
    assert "driver at 2" in said[0][1]
    assert "kube-controller-manager at 12" in said[0][1]
    assert any("sweep at a smaller size too" in text for severity, text in said if severity == "warning")
    assert not [row for row in findings if row["rule"] == "poor-fit"]


def test_given_limits_are_not_called_defaults(folder: Path) -> None:
    (entry,) = load_profile(folder / "profile.json").entries
    assert entry.mechanism is not None
    assert [limit.source for limit in entry.mechanism.limits] == ["given"]
    assert not any("published defaults" in text for text in entry.mechanism.warnings)


def shares_of_rta(plan: Plan, engine: Engine) -> dict[Evidence, float]:
    (tier,) = simulate(plan, runs=500, engine=engine).tiers
    return tier.evidence_shares()


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_waits_rest_on_what_the_limit_rests_on(folder: Path, engine: Engine) -> None:
    """Measured where the limit was given and seen; a published default is assumed until someone looks."""
    profile = load_profile(folder / "profile.json")
    scenario = load_scenario_text(burst_text(12, "20MB")).scenario
    given = compile_plan(scenario, "kubernetes", profile)
    assert shares_of_rta(given, engine)[Evidence.MEASURED] == pytest.approx(1)
    text = (folder / "profile.json").read_text().replace('"given"', '"published default"')
    looked_up = compile_plan(scenario, "kubernetes", parse_profile(text))
    shares = shares_of_rta(looked_up, engine)
    assert shares[Evidence.ASSUMED] > 0.1
    assert shares[Evidence.EXTRAPOLATED] == 0


def test_waits_beyond_the_sweeps_are_extrapolated(folder: Path) -> None:
    loaded = load_scenario_text(burst_text(30, "20MB"))  # burst.yaml allows it
    (bucket,) = compile_plan(loaded.scenario, "kubernetes", load_profile(folder / "profile.json")).buckets
    assert bucket.evidence is Evidence.EXTRAPOLATED


@pytest.mark.parametrize(
    "text", ["", "x", "x=5", "x=5/0", "x=-1/3", "x=a/b", "x=5/10,tokens=0", "x=5/10,color=red", "=5/10"]
)
def test_a_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FitError, match="write NAME=RATE/BURST"):
        parse_limit(text)


def test_without_bursts_a_stage_cannot_have_measured_tokens() -> None:
    profile = fit(observations("restore", "B", up_to=1))
    loaded = load_scenario_text(burst_text(4, "20MB"))
    with pytest.raises(NoDataError, match="measured without bursts, so its tokens are not known; sweep"):
        compile_plan(loaded.scenario, "kubernetes", profile)


def test_what_was_not_measured_is_assumed_without_tokens() -> None:
    text = burst_text(4, "20MB").replace(
        "{measured: burst.operation}", "{measured: burst.operation, else: {assumed: 3s}}"
    )
    plan = compile_plan(load_scenario_text(text).scenario, "kubernetes")
    assert [stage.key for stage in plan.stages] == ["data"]
    assert plan.buckets == ()


@pytest.mark.parametrize(
    ("stated", "instead", "refused"),
    [
        ("duration: {measured: burst.operation}", "duration: {assumed: 1s}", "needs `duration: {measured"),
        (f"{STEP}bytes: used", f"{STEP}bytes: used{STEP}slots: {{mover: 2}}", "remove slots here"),
        (f"{STEP}bytes: used", f"{STEP}bytes: used{STEP}retries: 2", "remove retries here"),
        (f"{STEP}tokens: measured", f"{STEP}tokens: counted", "tokens"),
    ],
)
def test_a_stage_with_measured_tokens_states_nothing_else(stated: str, instead: str, refused: str) -> None:
    with pytest.raises(ScenarioError, match=refused):
        load_scenario_text(burst_text(4, "20MB").replace(stated, instead))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["servers"], 0),
        (["limits", 0, "rate"], -1.0),
        (["limits", 0, "tokens"], {"value": 9.0, "low": 10.0, "high": 11.0}),
        (["limits", 0, "tokens_at"], [[12, 5.0], [2, 6.0]]),
        (["covariance"], [[1.0]]),
        (["sigma"], "wide"),
        (["surprise"], 1),
    ],
)
def test_a_mechanism_that_cannot_be_is_refused(folder: Path, path: list[str | int], value: object) -> None:
    document = json.loads((folder / "profile.json").read_text())
    place = document["entries"][0]["mechanism"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ScenarioError, match="mechanism"):
        parse_profile(json.dumps(document))
