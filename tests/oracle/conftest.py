"""Scenarios for the oracles: written as a person writes them, loaded and compiled as any other."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from rpo_sim.distributions.profile import Profile, ProfileEntry
from rpo_sim.distributions.sized import SizeScaled
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.plan import Plan
from rpo_sim.scenario.load import load_scenario_text
from rpo_sim.scenario.schema import Scenario

PlanOf = Callable[..., Plan]


def _group(name: str, count: int = 1, **fields: Any) -> dict[str, Any]:
    return {"name": name, "count": count, "tier": "gold", "disks": [{"capacity": "1Gi"}], **fields}


def _copy(**fields: Any) -> dict[str, Any]:
    whole = {"name": "backup", "kind": "backup", "every": "1h", "duration": {"assumed": "10m"}}
    whole |= {"location": "vault", "retention": {"count": 1000}, **fields}
    return {key: value for key, value in whole.items() if value is not None}


@pytest.fixture
def plan_of(loaded: Callable[..., Scenario]) -> PlanOf:
    """The plan of such a scenario."""
    return lambda **what: compile_plan(loaded(**what), "vmware")


@pytest.fixture
def measured() -> Callable[..., Profile]:
    """A profile of one transfer that others at once slow down, fitted from 30."""

    def profile(operation: str, stage: str, **fields: Any) -> Profile:
        fitted = SizeScaled(
            overhead_seconds=60.0,
            contention=0.2,
            sigma=0.1,
            degrees=28,
            covariance=((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0004)),
        )
        entry = ProfileEntry(
            operation=operation, stage=stage, n=30, n_succeeded=30, n_failed=0, digest="0" * 64,
            failure_interval=(0.0, 0.116), clock="wall", concurrency_range=(1, 8),
            **{"distribution": fitted, **fields},
        )  # fmt: skip
        return Profile(created_at=datetime(2026, 1, 1, tzinfo=UTC), entries=(entry,))

    return profile


@pytest.fixture
def loaded() -> Callable[..., Scenario]:
    """A scenario from what matters: groups, copies' fields, stages, and what else the recovery says."""

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
        bind: dict[str, Any] | None = None,
        **recovery: Any,
    ) -> Scenario:
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
            "bind": bind or {},
        }
        return load_scenario_text(json.dumps(document)).scenario

    return build


Controlled = Callable[[Any, Any, Any], Any]


@pytest.fixture
def controlled() -> Controlled:
    """Means of 80 batches, without what regression explains by controls: (values, controls, exact means).

    The controls have one row per run and a known mean each; they take away noise and no bias.
    """

    def means(values: Any, controls: Any, exact: Any) -> Any:
        batches = values.reshape(80, -1).mean(axis=1)
        known = np.column_stack(controls).reshape(80, len(values) // 80, -1).mean(axis=1)
        centred = known - known.mean(axis=0)
        slopes = np.linalg.lstsq(centred, batches - batches.mean(), rcond=None)[0]
        return batches - (known - np.asarray(exact)) @ slopes

    return means


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
