"""A run is the same whichever runs it is simulated with: alone, in its block, or with other blocks."""

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import rpo_sim
from rpo_sim.distributions import LogNormal
from rpo_sim.distributions.posterior import JeffreysPosterior
from rpo_sim.errors import ModelError
from rpo_sim.model.block import RUNS_PER_BLOCK, differ_beyond_durations
from rpo_sim.model.block_runs import run_block, run_some
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.engines import Engine
from rpo_sim.model.pieces import blocks_together, pieces
from rpo_sim.model.plan import Chance, CopyPlan, FailurePlan, Input, Plan, Pool, StagePlan
from rpo_sim.results import Evidence
from rpo_sim.scenario.shipped import shipped_names
from tests.property.any_plan import any_plan
from tests.property.test_levels import plan_with, policies
from tests.property.test_transfers import OUTAGES, schedules
from tests.property.test_transfers import plan_with as sent_over

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")

ENGINES: list[Engine] = ["compiled", "simpy"]
_FITTED_TO = JeffreysPosterior(n=9, mean=math.log(60.0), sd=0.5)
_FITTED = LogNormal(mu=_FITTED_TO.mean, sigma=0.5, posterior=_FITTED_TO)
FIRST, COUNT = st.integers(0, 30), st.integers(1, 60)


def _figures(plan: Plan, runs: range, engine: Engine) -> dict[str, Any]:
    found = run_some(plan, 5, runs, engine)
    return {field.name: getattr(found, field.name) for field in fields(found)}


def _assert_same(plan: Plan, runs: range, engine: Engine) -> None:
    """Bit for bit the rows that blocks have, simulated one by one."""
    blocks = range(runs.start // RUNS_PER_BLOCK, (runs.stop - 1) // RUNS_PER_BLOCK + 1)
    try:
        alone = [run_block(plan, 5, block, engine) for block in blocks]
    except ModelError as endless:
        assume("never ends" not in str(endless))
        raise
    first = runs.start - blocks.start * RUNS_PER_BLOCK
    for name, values in _figures(plan, runs, engine).items():
        expected = np.concatenate([getattr(block, name) for block in alone])
        np.testing.assert_array_equal(values, expected[first : first + len(runs)], err_msg=name)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=any_plan(), first=FIRST, count=COUNT)
def test_a_run_is_the_same_in_any_company(plan: Plan, first: int, count: int) -> None:
    runs = range(first, first + count)
    if differ_beyond_durations(plan):
        runs = range(first, min(first + count, (first // RUNS_PER_BLOCK + 1) * RUNS_PER_BLOCK))
    _assert_same(plan, runs, "compiled")


def _measured(value: Any) -> Any:
    """The same with every duration and chance measured, so that each block draws its own."""
    if isinstance(value, Input):
        return replace(value, base=_FITTED, n=_FITTED_TO.n, source=value.key, evidence=Evidence.MEASURED)
    if isinstance(value, Chance):
        return replace(value, n=12, n_failed=3, source=value.key, evidence=Evidence.MEASURED)
    if isinstance(value, tuple):
        return tuple(map(_measured, value))
    if isinstance(value, StagePlan | CopyPlan | FailurePlan):
        return replace(value, **{each.name: _measured(getattr(value, each.name)) for each in fields(value)})
    return value


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=any_plan(), first=FIRST, count=COUNT)
def test_blocks_keep_what_each_has_drawn_of_a_measurement(plan: Plan, first: int, count: int) -> None:
    names = ("stages", "after", "copies", "failure", "repair")
    changed: dict[str, Any] = {name: _measured(getattr(plan, name)) for name in names}
    links = tuple(replace(link, measured=None) for link in plan.links)
    _assert_same(replace(plan, links=links, **changed), range(first, first + count), "compiled")


@settings(max_examples=40, deadline=None)
@given(
    copies=policies(), age=st.sampled_from([None, "3h"]), competing=st.booleans(), first=FIRST, count=COUNT
)
def test_points_of_levels_are_the_same_in_any_company(
    copies: list[dict[str, Any]], age: str | None, competing: bool, first: int, count: int
) -> None:
    """Copies of copies, with and without slots: how far each run looks back is its own affair."""
    plan = plan_with(copies, age)
    if competing:
        levels = tuple(replace(copy, pool=0) for copy in plan.copies)
        plan = replace(plan, copies=levels, pools=(Pool(name="movers", capacity=2),))
    _assert_same(plan, range(first, first + count), "compiled")


@settings(max_examples=40, deadline=None)
@given(copy=schedules(), outages=OUTAGES, first=FIRST, count=COUNT)
def test_points_over_a_link_are_the_same_in_any_company(
    copy: dict[str, Any], outages: dict[str, Any], first: int, count: int
) -> None:
    link = {"bandwidth": "1500kB/s", "per_stream": "500kB/s", **outages}
    _assert_same(sent_over(copy, link, counts=(2, 1)), range(first, first + count), "compiled")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", shipped_names())
def test_shipped_scenarios_are_the_same_in_pieces(name: str, engine: Engine) -> None:
    scenario = rpo_sim.load_scenario(name).scenario
    for platform in scenario.platforms:
        plan = compile_plan(scenario, platform)
        for runs in (range(20, 31), range(3, 4)):
            _assert_same(plan, runs, engine)


def test_pieces_cover_all_runs_once() -> None:
    plan = compile_plan(rpo_sim.load_scenario("site-failure").scenario, "vmware")
    for vms in (1, 60, 3_000, 40_000, 10**7):
        group = replace(plan.groups[0], count=vms)
        many = replace(plan, groups=(group,))
        together = blocks_together(many, "compiled")
        runs = range(RUNS_PER_BLOCK, RUNS_PER_BLOCK * (1 + together))
        found = list(pieces(many, runs))
        assert [run for piece in found for run in piece] == list(runs)
        assert together > 1 or vms >= 3_000
        assert len(found) > 1 or vms <= 3_000
    assert blocks_together(plan, "simpy") == 1
