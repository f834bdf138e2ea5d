"""Points found once per group, where its VMs are alike, are those that each VM has."""

import json
from typing import Any

import numpy as np
import pytest

from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import strike
from rpo_sim.scenario.load import load_scenario_text

COPIES: dict[str, dict[str, Any]] = {
    "all fixed": {},
    "attempts that fail": {"success": {"assumed": "50%"}},
    "stagger": {"stagger": "uniform"},
    "random duration": {"duration": {"assumed": {"exponential": {"mean": "20m"}}}},
    "random lag": {"lag": {"assumed": {"exponential": {"mean": "20m"}}}},
    "cut together": {"cut_together": True, "success": {"assumed": "50%"}},
    "a cycle": {"cycle": {"full": "4h"}, "success": {"assumed": "50%"}},
}


def plan_with(fields: dict[str, Any]) -> Plan:
    whole = {"name": "backup", "kind": "backup", "every": "1h", "duration": {"assumed": "5m"}}
    labels = {"site": "a", "cluster": "a", "backend": "a"}
    document = {
        "version": 1,
        "scenario": "alike",
        "summary": "Groups of several VMs",
        "locations": {"primary": labels, "vault": dict.fromkeys(labels, "b")},
        "estate": {
            "groups": [
                {"name": name, "count": count, "tier": "gold", "disks": [{"capacity": "1Gi"}]}
                for name, count in (("app", 5), ("db", 3))
            ]
        },
        "failure": {"scope": "site"},
        "copies": [{**whole, "location": "vault", "retention": {"count": 50}, **fields}],
        "platforms": {
            "vmware": {
                "recovery": {
                    "path": [{"copy": "backup", "method": "full"}],
                    "stages": [{"stage": "boot", "duration": {"assumed": "1m"}}],
                }
            }
        },
    }
    return compile_plan(load_scenario_text(json.dumps(document)).scenario, "vmware")


@pytest.mark.parametrize("kind", COPIES)
def test_the_short_way_gives_what_the_long_way_gives(kind: str) -> None:
    plan = plan_with(COPIES[kind])
    draws = BlockDraws(plan, Draws(1), 0)
    incident = strike(plan, draws)
    short = recovery_points(plan, draws, incident, simpy_engine.protect)
    whole = recovery_points(plan, draws, incident, simpy_engine.protect, look=lambda *_: None)
    np.testing.assert_array_equal(short, whole)
