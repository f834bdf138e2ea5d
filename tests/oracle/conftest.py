"""Scenarios for the oracles: written as a person writes them, loaded and compiled as any other."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from rpo_sim.model.compile import compile_plan
from rpo_sim.model.plan import Plan
from rpo_sim.scenario.load import load_scenario_text

PlanOf = Callable[..., Plan]


def _group(name: str, count: int = 1, **fields: Any) -> dict[str, Any]:
    return {"name": name, "count": count, "tier": "gold", "disks": [{"capacity": "1Gi"}], **fields}


def _copy(**fields: Any) -> dict[str, Any]:
    whole = {"name": "backup", "kind": "backup", "every": "1h", "duration": {"assumed": "10m"}}
    whole |= {"location": "vault", "retention": {"count": 1000}, **fields}
    return {key: value for key, value in whole.items() if value is not None}


@pytest.fixture
def plan_of() -> PlanOf:
    """A plan from what matters: groups, copies' fields, stages, and whatever else the recovery says."""

    def build(
        *,
        groups: list[dict[str, Any]] | None = None,
        count: int = 1,
        copy: dict[str, Any] | None = None,
        copies: list[dict[str, Any]] | None = None,
        locations: dict[str, Any] | None = None,
        stages: list[dict[str, Any]] | None = None,
        shared: dict[str, Any] | None = None,
        failure: dict[str, Any] | None = None,
        **recovery: Any,
    ) -> Plan:
        levels = [_copy(**each) for each in copies or [copy or {}]]
        document = {
            "version": 1,
            "scenario": "oracle",
            "summary": "A case with a known answer",
            "locations": {
                "primary": {"site": "here", "cluster": "here", "backend": "here"},
                "vault": {"site": "there", "cluster": "there", "backend": "there"},
                **(locations or {}),
            },
            "estate": {"groups": [_group(**group) for group in groups or [{"name": "vm", "count": count}]]},
            "failure": {"scope": "site", **(failure or {})},
            "shared": shared or {},
            "copies": levels,
            "platforms": {
                "vmware": {
                    "recovery": {
                        "path": [{"copy": level["name"], "method": "full"} for level in levels],
                        "stages": stages or [{"stage": "boot", "duration": {"assumed": "1m"}}],
                        **recovery,
                    }
                }
            },
        }
        return compile_plan(load_scenario_text(json.dumps(document)).scenario, "vmware")

    return build


Agrees = Callable[[Any, float], None]


@pytest.fixture
def agrees() -> Agrees:
    """Hold independent estimates of one number against its exact value.

    Their mean must lie within 4 standard errors, and the standard error within 0.3 % of the value, else
    the test could not tell right from wrong.
    """

    def check(batches: Any, exact: float) -> None:
        n = len(batches)
        assert n >= 40
        error = float(batches.std(ddof=1)) / n**0.5
        assert error <= 0.003 * abs(exact), f"standard error {error / abs(exact):.2%} of {exact}"
        z = (float(batches.mean()) - exact) / error
        assert abs(z) <= 4, f"{batches.mean()} instead of {exact}: z = {z:.1f}"

    return check
