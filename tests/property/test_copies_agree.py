"""Copies that compete for slots have the same points in both engines, bit for bit, ties included."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.model import compiled_engine, simpy_engine
from rpo_sim.model.plan import CopyPlan, Plan, Pool
from rpo_sim.model.protection.records import Attempts
from tests.property.test_protection import OVERLAPS, PLAN, copy_with

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")

RUNS = 2
_DUE = [st.integers(0, 4).map(float), st.floats(0, 4), st.sampled_from([0.1, 0.2, 0.7])]


def _array(draw: st.DrawFn, element: st.SearchStrategy[Any], *shape: int) -> Any:
    size = int(np.prod(shape))
    return np.array(draw(st.lists(element, min_size=size, max_size=size)), dtype=float).reshape(shape)


@st.composite
def competing(draw: st.DrawFn) -> tuple[Plan, list[tuple[CopyPlan, Attempts]]]:
    """One to three copies of some VMs in one pool; half of them in whole seconds."""
    vms, copies = draw(st.integers(1, 4)), []
    element = draw(st.sampled_from(_DUE))
    for _ in range(draw(st.integers(1, 3))):
        dues = draw(st.integers(1, 8))
        every, phase = draw(st.sampled_from([1.0, 2.0, 0.1, 0.7])), _array(draw, element, 1, RUNS, vms)
        back_to_back = draw(st.integers(1, 4)) == 1
        due = phase + every * np.arange(dues)[:, None, None]
        busy = _array(draw, element, dues, RUNS, vms)
        if not back_to_back:
            due[: draw(st.integers(0, dues - 1))] = np.inf  # before the history begins
        copy = copy_with(
            every=None if back_to_back else every,
            overlap=draw(st.sampled_from(OVERLAPS)),
            cut_before_slot=draw(st.booleans()),
            hold=0.0 if back_to_back else draw(st.sampled_from([0.0, 0.5])),
            pool=0,
        )
        delay = _array(draw, st.sampled_from([0.0, 0.0, 0.3, np.inf]), dues, RUNS, vms)
        attempts = Attempts(due=due, busy=busy, cut_delay=delay, lag=_array(draw, element, RUNS, vms))
        copies.append((copy, attempts))
    pool = Pool(name="proxies", capacity=draw(st.integers(1, 4)))
    return replace(PLAN, pools=(pool,)), copies


@settings(max_examples=1000, deadline=None)
@given(case=competing())
def test_both_engines_make_the_same_points(case: tuple[Plan, list[tuple[CopyPlan, Attempts]]]) -> None:
    plan, copies = case
    expected, found = (engine.protect(plan, copies) for engine in (simpy_engine, compiled_engine))
    for reference, fast in zip(expected, found, strict=True):
        np.testing.assert_array_equal(fast.cut_at, reference.cut_at)
        np.testing.assert_array_equal(fast.available_at, reference.available_at)
