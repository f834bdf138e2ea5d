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
from rpo_sim.distributions import FloatArray, probit
from rpo_sim.errors import ModelError
from rpo_sim.model import compiled_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.block_runs import points_of, recoveries
from rpo_sim.model.choices import Choices
from rpo_sim.model.draws import Draws, Streams
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
    names=st.tuples(st.text(), st.text()),
    streams=st.lists(st.tuples(st.text(), st.integers(0, 9)), min_size=1, max_size=3),
    normal=st.booleans(),
    seed=st.integers(0, 2**63),
    first=st.integers(0, 2**40),
    attempt=st.integers(0, 2**40),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_uniforms_and_normals_are_those_of_numpy(
    names: tuple[str, str],
    streams: list[tuple[str, int]],
    normal: bool,
    seed: int,
    first: int,
    attempt: int,
) -> None:
    runs, columns = range(first, first + RUNS), Streams.of(*streams)
    one, other = (
        draws.table(*names, columns, runs=runs, attempt=attempt, normal=normal)
        for draws in (Draws(seed), Draws(seed, compiled_engine.fill))
    )
    np.testing.assert_array_equal(one, other)


def test_normals_have_the_same_bits_anywhere_under_the_curve() -> None:
    """A compiler that joined a product and a sum into one operation would round once less."""
    import numba

    from rpo_sim.model.compiled_engine import philox

    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**52, 2_000_000, dtype=np.uint64)
    bits >>= rng.integers(0, 52, bits.size).astype(np.uint64)
    u = (np.append(bits, np.uint64(0)).astype(np.float64) + 0.5) * 2.0**-52
    u = np.concatenate([u, 1 - u])
    z = u.copy()

    @numba.njit(error_model="numpy")
    def compiled(quantiles: FloatArray, out: FloatArray) -> None:
        philox.to_normals(quantiles, out)

    compiled(probit.table(), z)
    np.testing.assert_array_equal(z, probit.probit(u))
