"""The two engines give the same numbers, bit for bit, whatever the scenario.

`RPO_SIM_EXAMPLES=20000` tries more; the nightly run does.
"""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.estate import plan_of
from rpo_sim.errors import ModelError
from rpo_sim.model import compiled_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.block_runs import points_of, recoveries
from rpo_sim.model.choices import Choices
from rpo_sim.model.draws import Draws
from rpo_sim.model.engines import Engine
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.incident import strike
from tests.property.any_plan import any_plan

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")

EXAMPLES = int(os.environ.get("RPO_SIM_EXAMPLES", "300"))
RUNS = 3


def assert_engines_agree(plan: Plan, seed: int) -> None:
    """Every number of some runs by ``==``; also when neither engine comes to an end."""
    assert compiled_engine.unsupported(plan) is None
    draws = BlockDraws(plan, Draws(seed), 0, runs=RUNS)
    _, given = points_of(plan, draws, strike(plan, draws))
    reference, fast = (_outcome(plan, draws, given, engine) for engine in ("simpy", "compiled"))
    assert reference.keys() == fast.keys()
    for name, values in reference.items():
        np.testing.assert_array_equal(fast[name], values, err_msg=name)


def _outcome(plan: Plan, draws: BlockDraws, given: Choices, engine: Engine) -> dict[str, Any]:
    """Every number that an engine gives, or what it says where a recovery never ends."""
    try:
        return vars(recoveries(plan, draws, given, engine))
    except ModelError as endless:
        return {"error": str(endless)}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=any_plan(), seed=st.integers(0, 1000))
def test_both_engines_give_the_same_numbers(plan: Plan, seed: int) -> None:
    assert_engines_agree(plan, seed)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(vms=st.integers(60, 200), stated=st.booleans(), seed=st.integers(0, 1000))
def test_they_agree_where_nothing_limits_how_many_transfers_there_are(
    vms: int, stated: bool, seed: int
) -> None:
    plan = plan_of(vms)  # more streams than a block of the kernel's lists holds
    freed = [replace(stage, pools=(), timeout=3600.0 if stated else stage.timeout) for stage in plan.stages]
    assert_engines_agree(replace(plan, job_pool=None, stages=tuple(freed)), seed)


@given(
    names=st.tuples(st.text(), st.text(), st.text()),
    seed=st.integers(0, 2**63),
    first=st.integers(0, 2**40),
    attempt=st.integers(0, 2**40),
    n=st.integers(0, 9),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_uniforms_are_those_of_numpy(
    names: tuple[str, str, str], seed: int, first: int, attempt: int, n: int
) -> None:
    runs = range(first, first + RUNS)
    one, other = (
        draws.uniforms(*names, runs=runs, attempt=attempt, n=n)
        for draws in (Draws(seed), Draws(seed, compiled_engine.fill))
    )
    np.testing.assert_array_equal(one, other)
