"""A recovery site that has not room for all: who gets in, who does not, and where that is seen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpo_sim.errors import ScenarioError
from rpo_sim.model.block_runs import replay
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.model.run import Ending
from rpo_sim.report.predictions import render_predictions
from rpo_sim.report.trace import render_trace
from rpo_sim.results_file import load_results, save_results

PlanOf = Callable[..., Plan]
BOOT = {"stage": "boot", "duration": {"assumed": "1m"}, "timeout": "1h"}
GROUPS: list[dict[str, Any]] = [
    {"name": "small", "count": 3, "demand": {"memory": "16Gi", "cores": 2}},
    {"name": "large", "count": 2, "tier": "silver", "demand": {"memory": "64Gi", "cores": 16}},
]


def endings(plan: Plan, run: int = 0) -> list[Ending]:
    return replay(plan, 1, run).ending


def test_first_come_by_wave_order(any_plan: PlanOf) -> None:
    """100 Gi: after three small ones there is no room for a large one; after a large one, for two small."""
    target, none, there = {"memory": "100Gi"}, Ending.NO_CAPACITY, Ending.RECOVERED
    plan = any_plan(groups=GROUPS, stages=[BOOT], target=target, waves={"order": [["small"], ["large"]]})
    assert endings(plan) == [there, there, there, none, none]
    plan = any_plan(groups=GROUPS, stages=[BOOT], target=target, waves={"order": [["large"], ["small"]]})
    assert endings(plan) == [there, there, none, there, none]
    plan = any_plan(groups=GROUPS, stages=[BOOT], target={"memory": "1Ti", "cores": 5})
    assert endings(plan) == [there, there, none, none, none]


def test_who_fails_for_good_gives_its_room_back(any_plan: PlanOf) -> None:
    """Room for one; each in turn fails or stays: exactly one can be there, and the next in a later wave."""
    groups = [{"name": f"vm{i}", "demand": {"licences": 1}} for i in range(3)]
    boot = BOOT | {"success": {"assumed": "50%"}}
    order = [[f"vm{i}"] for i in range(3)]
    plan = any_plan(groups=groups, stages=[boot], target={"licences": 1}, waves={"order": order})
    seen = set()
    for run in range(25):
        found = endings(plan, run)
        there = found.index(Ending.RECOVERED) if Ending.RECOVERED in found else 3
        assert found == [Ending.FAILED] * there + [Ending.RECOVERED, *[Ending.NO_CAPACITY] * 2][: 3 - there]
        seen.add(there)
    assert len(seen) > 1


def test_it_shows_in_results_trace_and_saved_file(any_plan: PlanOf, tmp_path: Path) -> None:
    plan = any_plan(groups=GROUPS, stages=[BOOT], target={"memory": "112Gi"})
    result = simulate(plan, runs=50)
    gold, silver = result.tiers
    assert set(gold.also["no_capacity_vms"]) == {0.0}
    assert set(silver.also["no_capacity_vms"]) == {1.0}
    assert np.isinf(silver.rta).all()
    assert "large/1: never recovered: no capacity at the target" in render_trace(plan, replay(plan, 1, 0), 0)
    page = render_predictions([result], "table")
    assert "no capacity at the target for silver: in 100%" in page
    assert "up to 1 of 2 VMs" in page
    assert "for gold" not in page.split("no capacity", 1)[1]
    document = json.loads(render_predictions([result], "json"))
    assert document["predictions"][0]["tiers"][1]["no_capacity"]["most_vms"] == 1
    save_results([result], tmp_path / "r.json")
    (again,) = load_results(tmp_path / "r.json")
    np.testing.assert_array_equal(again.tiers[1].also["no_capacity_vms"], silver.also["no_capacity_vms"])
    assert "no_capacity_vms" in result.to_frame()


def test_without_a_target_nothing_is_short(any_plan: PlanOf) -> None:
    plan = any_plan(groups=GROUPS, stages=[BOOT])
    assert endings(plan) == [Ending.RECOVERED] * 5
    assert simulate(plan, runs=25).tiers[0].also == {}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"disk": "1Ti"}, "target.disk: no group demands `disk`; add for example `demand"),
        ({"memory": 512}, "`memory` is a size here and a count in a recovery's `target`"),
        ({"memory": "lots"}, "lots"),
        ({"cores": -1}, "cores"),
    ],
)
def test_a_target_that_makes_no_sense(any_plan: PlanOf, target: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        any_plan(groups=GROUPS, stages=[BOOT], target=target)
