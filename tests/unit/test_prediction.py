"""Predictions: which runs are made, and what Ctrl-C leaves of them."""

from pathlib import Path

import pytest

from rpo_sim.analysis.prediction import predict
from rpo_sim.analysis.verdict import Doubt, judge
from rpo_sim.errors import ModelError
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.experiment import simulate
from rpo_sim.scenario.load import LoadedScenario, load_scenario, load_scenario_text


@pytest.fixture
def loaded(tiny: Path) -> LoadedScenario:
    return load_scenario(str(tiny))


def test_a_prediction_holds_the_runs_as_stated_and_with_assumptions_halved_and_doubled(
    loaded: LoadedScenario,
) -> None:
    told: list[tuple[str, int, int]] = []
    made = predict(loaded, "alike", runs=50, progress=lambda *step: told.append(step))
    assert [result.assumed_factor for result in made.results()] == [1.0, 0.5, 2.0]
    assert (made.interrupted, made.assumptions_tried) == (False, True)
    assert told == [("tiny on alike", runs, 150) for runs in (25, 50, 75, 100, 125, 150)]
    assert {tuple(result.digests.items()) for result in made.results()} == {(("scenario", loaded.digest),)}
    middle = [result.quantile(result.incident_rta, 0.5).value for result in made.results()]
    assert middle[1] < middle[0] < middle[2]


def test_without_variations_the_runs_are_those_of_a_plain_simulation(loaded: LoadedScenario) -> None:
    made = predict(loaded, "alike", runs=50, seed=3, vary=False)
    plain = simulate(compile_plan(loaded.scenario, "alike"), seed=3, runs=50)
    assert (made.varied, made.assumptions_tried) == ((), False)
    assert made.base.vm_rta.tolist() == plain.vm_rta.tolist()


@pytest.mark.parametrize(
    ("stop_at", "kept"), [(25, [(1.0, 25)]), (50, [(1.0, 50)]), (75, [(1.0, 50), (0.5, 25)])]
)
def test_ctrl_c_keeps_what_was_finished_and_nothing_counts_as_tried(
    loaded: LoadedScenario, stop_at: int, kept: list[tuple[float, int]]
) -> None:
    def stop(what: str, done: int, of: int) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    made = predict(loaded, "alike", runs=50, progress=stop)
    assert (made.interrupted, made.assumptions_tried) == (True, False)
    assert [(result.assumed_factor, result.runs) for result in made.results()][: len(kept)] == kept


def test_ctrl_c_before_a_variation_began_keeps_the_base(
    loaded: LoadedScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(plan: object, **options: object) -> object:
        if plan.assumed_factor != 1.0:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return simulate(plan, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("rpo_sim.analysis.prediction.simulate", interrupted)
    made = predict(loaded, "alike", runs=50)
    assert (made.base.runs, made.varied, made.interrupted) == (50, (), True)


TWO_HOURS_FOR_EACH = """
version: 1
scenario: full
summary: Slots that are two thirds full as stated
locations:
  primary: {site: a, cluster: a, backend: a}
  vault: {site: b, cluster: b, backend: b}
estate: {groups: [{name: vm, count: 8, tier: gold, disks: [{capacity: 1Gi}]}]}
objectives: {gold: {rpo: 50h, rto: 1h, share_of_incidents: 90%}}
failure: {scope: site}
copies:
  - name: backup
    kind: backup
    every: 24h
    overlap: queue
    slots: {proxies: 1}
    duration: {assumed: 2h}
    location: vault
    retention: {count: 9}
platforms:
  any:
    recovery:
      path: [{copy: backup, method: full}]
      stages: [{stage: boot, duration: {assumed: 1m}}]
"""


def test_what_cannot_be_with_doubled_assumptions_turns_on_them() -> None:
    """The schedule holds as stated; the verdict says that it would not, instead of refusing it."""
    loaded = load_scenario_text(TWO_HOURS_FOR_EACH)
    made = predict(loaded, "any", runs=2000)
    assert [result.assumed_factor for result in made.results()] == [1.0, 0.5]
    assert "(133% load)" in made.impossible[2.0]
    assert (made.interrupted, made.assumptions_tried) == (False, True)
    (verdict,) = judge(made)
    doubts = [reason for reason in verdict.reasons if reason.doubt is Doubt.ASSUMPTIONS]
    assert ["cannot be if they take twice as long" in str(doubt) for doubt in doubts] == [True]


def test_what_cannot_be_as_stated_is_refused() -> None:
    loaded = load_scenario_text(TWO_HOURS_FOR_EACH.replace("2h", "4h"))
    with pytest.raises(ModelError, match="133% load"):
        predict(loaded, "any", runs=25)
