"""Which engine runs a plan, and what is said about it."""

import importlib.util
from dataclasses import dataclass, replace

import numpy as np
import pytest

import rpo_sim
from rpo_sim.errors import ModelError
from rpo_sim.model import compiled_engine
from rpo_sim.model.block_runs import run_block
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.engines import WORTH_COMPILING, WORTH_TELLING, WORTHWHILE, choose
from rpo_sim.model.plan import BucketPlan, Plan, Pool


def shipped(name: str) -> Plan:
    loaded = rpo_sim.load_scenario(name)
    return compile_plan(loaded.scenario, "vmware")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaky(BucketPlan):
    """A bucket of some later version."""

    leak: float = 0.0


def with_bucket(leak: float) -> Plan:
    Leaky.__name__ = "BucketPlan"
    return replace(shipped("site-failure"), buckets=(Leaky(name="api", rate=1.0, burst=1.0, leak=leak),))


def test_a_mechanism_that_the_kernel_does_not_know_is_named() -> None:
    assert compiled_engine.unsupported(with_bucket(0.0)) is None
    assert compiled_engine.unsupported(with_bucket(0.5)) == "`leak` (of api)"


def test_the_kernel_does_what_a_plan_can_say() -> None:
    plan = shipped("site-failure")
    follows = replace(plan.stages[-1], index=len(plan.stages), key="cleanup", kind="cleanup")
    people = Pool(name="people", capacity=3, shifts=((0.0, 1), (28800.0, 3)))
    assert compiled_engine.unsupported(replace(plan, tried=True, after=(follows,), pools=(people,))) is None


def test_auto_says_why_simpy_runs_it_and_compiled_refuses() -> None:
    pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")
    engine, notice = choose(with_bucket(0.5), "auto", WORTH_COMPILING)
    assert engine == "simpy"
    assert "`leak` (of api)" in str(notice)
    with pytest.raises(ModelError, match="use --engine simpy"):
        choose(with_bucket(0.5), "compiled", 1)


def test_without_numba_simpy_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numba" else found(name))
    engine, notice = choose(shipped("site-failure"), "auto", WORTH_COMPILING)
    assert engine == "simpy"
    assert "numba is not installed" in str(notice)
    assert "\n" not in str(notice)
    soon_done = (WORTH_TELLING - 1) // shipped("site-failure").n_vms
    assert choose(shipped("site-failure"), "auto", soon_done) == ("simpy", None)
    with pytest.raises(ModelError, match="numba is not installed"):
        choose(shipped("site-failure"), "compiled", 1)


def test_little_work_is_not_worth_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")
    plan = shipped("site-failure")
    few = (WORTHWHILE - 1) // plan.n_vms
    assert choose(plan, "auto", few) == ("simpy", None)
    assert choose(plan, "compiled", 1) == ("compiled", None)
    assert choose(plan, "simpy", WORTH_COMPILING) == ("simpy", None)
    for kept in (False, True):
        monkeypatch.setattr(compiled_engine, "is_kept", lambda kept=kept: kept)
        assert choose(plan, "auto", few + plan.n_vms)[0] == ("compiled" if kept else "simpy")
        assert choose(plan, "auto", WORTH_COMPILING)[0] == "compiled"


def test_a_shipped_scenario_gives_the_same_bytes_in_both_engines() -> None:
    pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")
    one, other = (run_block(shipped("site-failure"), 7, 3, engine) for engine in ("simpy", "compiled"))
    for name, values in vars(one).items():
        np.testing.assert_array_equal(getattr(other, name), values, err_msg=name)
