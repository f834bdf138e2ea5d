"""What each copy gives, as it is printed, saved and judged."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpo_sim.model.compile import compile_plan
from rpo_sim.model.experiment import simulate
from rpo_sim.report.predictions import render_predictions
from rpo_sim.report.protection import protection_rows, worst_case_text
from rpo_sim.results import ResultSet, WorstCase
from rpo_sim.results_file import load_results, save_results
from rpo_sim.scenario.load import load_scenario_text

LEVELS = """
version: 1
scenario: levels
summary: A backup of snapshots
locations:
  primary: {site: a, cluster: a, backend: a}
  vault: {site: b, cluster: b, backend: b}
estate:
  groups:
    - {name: vm, tier: gold, disks: [{capacity: 1Gi}]}
    - {name: other, tier: silver, disks: [{capacity: 1Gi}]}
objectives:
  gold: {rpo: 3h, rto: 1h, share_of_incidents: 50%}
failure: {scope: SCOPE}
copies:
  - {name: snapshot, kind: snapshot, every: 1h, retention: {count: 9}, duration: {assumed: 5m}}
  - {name: backup, kind: backup, from: snapshot, every: 4h, offset: 5m, location: vault,
     retention: {count: 9}, duration: {assumed: 30m}}
platforms:
  any:
    recovery:
      path: [{copy: snapshot, method: revert}, {copy: backup, method: full}]
      stages: [{stage: boot, duration: {assumed: 1m}}]
"""


def result_of(scope: str) -> ResultSet:
    plan = compile_plan(load_scenario_text(LEVELS.replace("SCOPE", scope)).scenario, "any")
    return simulate(plan, runs=100)


@pytest.fixture(scope="module")
def site() -> ResultSet:
    """A site failure, which takes the snapshots."""
    return result_of("site")


def test_windows_stand_beside_what_the_runs_show(site: ResultSet) -> None:
    snapshot, backup, best = protection_rows(site, site.tiers[0])
    assert (snapshot["worst_case_seconds"], snapshot["worst_case_note"]) == (
        math.inf,
        "the failure destroys it",
    )
    assert snapshot["rpa_p50_seconds"] == math.inf
    assert (backup["least_seconds"], backup["worst_case_seconds"]) == (2100, 2100 + 4 * 3600)
    assert 2100 < float(str(backup["rpa_p50_seconds"])) < 2100 + 4 * 3600
    assert float(str(backup["share_within_rpo"])) == pytest.approx((3 * 3600 - 2100) / 14400, abs=0.15)
    assert (best["copy"], best["worst_case_note"]) == ("best on the path", "from backup")
    assert best["rpa_p95_seconds"] == backup["rpa_p95_seconds"]
    assert protection_rows(site, site.tiers[1])[0]["share_within_rpo"] is None


def test_the_best_of_the_path_is_the_one_with_the_least_worst_case() -> None:
    best = result_of("object").tiers[0].worst_cases[-1]
    assert (best.seconds, worst_case_text(best)) == (300 + 3600, "1h5m, from snapshot")


def test_it_is_printed_and_in_json(site: ResultSet) -> None:
    text = render_predictions([site], "table")
    assert "What each copy loses at a random failure, and at worst" in text
    assert "not bounded: the failure destroys it" in text
    assert "4h35m" in text
    document = json.loads(render_predictions([site], "json"))
    rows = document["predictions"][0]["tiers"][0]["protection"]
    assert [row["copy"] for row in rows] == ["snapshot", "backup", "best on the path"]
    assert rows[0]["worst_case_seconds"] == "inf"


def test_it_is_saved_and_read_again(site: ResultSet, tmp_path: Path) -> None:
    save_results([site], tmp_path / "r.json")
    (again,) = load_results(tmp_path / "r.json")
    for one, other in zip(site.tiers, again.tiers, strict=True):
        assert one.worst_cases == other.worst_cases
        np.testing.assert_array_equal(one.copy_rpa, other.copy_rpa)


def test_results_from_before_have_none_of_it(site: ResultSet, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    save_results([site], path)
    document: dict[str, Any] = json.loads(path.read_text())
    for tier in document["results"][0]["tiers"]:
        del tier["worst_cases"], tier["copy_rpa"]
    path.write_text(json.dumps(document))
    (old,) = load_results(path)
    assert old.tiers[0].worst_cases == ()
    assert "What each copy loses" not in render_predictions([old], "table")


def test_the_verdict_names_it(site: ResultSet, tmp_path: Path, quick: Callable[..., Any]) -> None:
    save_results([site], tmp_path / "r.json")
    said = quick("verdict", "r.json")
    assert "gold: worst data loss by the windows of the copies: 4h35m, from backup" in said.stdout
    rows = json.loads(quick("verdict", "r.json", "-o", "json").stdout)["rows"]
    assert rows[0]["worst_case_rpa_seconds"] == 2100 + 4 * 3600


def test_what_has_no_bound_says_why() -> None:
    case = WorstCase(copy="", lag_seconds=math.inf, seconds=math.inf, because="backup: runs may fail")
    assert worst_case_text(case) == "not bounded: backup: runs may fail"
