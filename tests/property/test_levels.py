"""Levels: simulated event by event they give the points of the recursion, and of a replay by hand."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Plan, Pool
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import strike
from rpo_sim.model.protection.levels import chained, inherited
from rpo_sim.scenario.load import load_scenario_text


def plan_with(copies: list[dict[str, Any]], age: str | None) -> Plan:
    whole = {"kind": "backup", "location": "vault", "retention": {"count": 5}}
    kind = {} if age is None else {"kind": {"corruption": {"age": {"assumed": age}}}}
    document = {
        "version": 1,
        "scenario": "levels",
        "summary": "Copies of copies",
        "locations": {
            "primary": {"site": "a", "cluster": "a", "backend": "a"},
            "vault": {"site": "b", "cluster": "b", "backend": "b"},
        },
        "estate": {
            "groups": [
                {
                    "name": "db",
                    "count": 2,
                    "tier": "gold",
                    "application": "erp",
                    "disks": [{"capacity": "1Gi"}],
                },
                {"name": "web", "count": 1, "tier": "gold", "disks": [{"capacity": "1Gi"}]},
            ]
        },
        "failure": {"scope": "site" if age is None else "object", **kind},
        "copies": [whole | copy for copy in copies],
        "platforms": {
            "any": {
                "recovery": {
                    "path": [{"copy": copies[-1]["name"], "method": "full"}],
                    "stages": [{"stage": "boot", "duration": {"assumed": "1m"}}],
                }
            }
        },
    }
    return compile_plan(load_scenario_text(json.dumps(document)).scenario, "any")


@st.composite
def policies(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Two or three levels, each from the one before."""
    copies: list[dict[str, Any]] = []
    for i, every in enumerate(("15m", "1h", "4h")[: draw(st.integers(2, 3))]):
        copy: dict[str, Any] = {"name": f"level{i}", "every": every}
        shape = draw(st.sampled_from([{"fixed": "5m"}, {"exponential": {"mean": "8m"}}, {"fixed": "0s"}]))
        copy["duration"] = {"assumed": shape}
        copy["overlap"] = draw(st.sampled_from(["skip", "queue", "coalesce", "allow"]))
        if draw(st.booleans()):
            copy["success"] = {"assumed": "75%"}
        if draw(st.booleans()):
            copy["hold"] = draw(st.sampled_from(["2m", "40m"]))
        if draw(st.booleans()):
            copy["offset"] = "7m"
        if draw(st.integers(0, 2)) == 0:
            copy["cycle"] = {"full": {"15m": "1h", "1h": "4h", "4h": "1d"}[every]}
        if draw(st.integers(0, 3)) == 0:
            copy["cut_together"] = True
        elif draw(st.booleans()):
            copy["stagger"] = "uniform"
        if i:
            copy["from"] = f"level{i - 1}"
        copies.append(copy)
    return copies


def newest(plan: Plan, seed: int) -> FloatArray:
    draws = BlockDraws(plan, Draws(seed), 0, runs=4)
    return recovery_points(plan, draws, strike(plan, draws), simpy_engine.protect)


@settings(max_examples=40)
@given(copies=policies(), age=st.sampled_from([None, "3h"]), seed=st.integers(0, 30))
def test_levels_are_the_same_with_slots_for_all(
    copies: list[dict[str, Any]], age: str | None, seed: int
) -> None:
    """One pool that nobody waits for, shared by all levels or by some: simulated, with the same outcome."""
    plan = plan_with(copies, age)
    expected = newest(plan, seed)
    for members in (range(len(copies)), (0,), (len(copies) - 1,)):
        levels = tuple(replace(c, pool=0) if i in members else c for i, c in enumerate(plan.copies))
        roomy = replace(plan, copies=levels, pools=(Pool(name="movers", capacity=10_000),))
        np.testing.assert_allclose(newest(roomy, seed), expected, rtol=0, atol=1e-6)


times = st.integers(0, 40).map(float)


@settings(max_examples=300)
@given(
    taken=st.lists(st.tuples(times, times), min_size=1, max_size=6),
    source=st.lists(st.tuples(times, times), min_size=1, max_size=8),
    kept=st.one_of(st.none(), times),
)
def test_a_level_takes_the_newest_that_its_source_holds(
    taken: list[tuple[float, float]], source: list[tuple[float, float]], kept: float | None
) -> None:
    def column(values: list[float]) -> FloatArray:
        return np.array(values)[:, None, None]

    cuts = column([cut for cut, _ in source])
    ready = cuts + column([wait for _, wait in source])
    at = column([now for now, _ in taken])
    got, usable = inherited(at, at + 1, (cuts, ready), kept_seconds=kept, since=np.array([-math.inf]))
    for j, (now, _) in enumerate(taken):
        held = [
            cut
            for cut, wait in source
            if cut + wait <= now and (kept is None or max(c for c, w in source if c + w <= now) + kept > now)
        ]
        assert got[j, 0, 0] == max(held, default=math.inf)
        assert usable[j, 0, 0] == (now + 1 if held else math.inf)


@settings(max_examples=300)
@given(
    runs=st.lists(st.tuples(st.booleans(), st.booleans(), times), min_size=1, max_size=10),
)
def test_a_chain_is_usable_when_all_of_it_is(runs: list[tuple[bool, bool, float]]) -> None:
    """By hand: (full?, made?, how long it took) of runs due each 10 s."""
    cut = np.array([10.0 * k if made else math.inf for k, (_, made, _) in enumerate(runs)])[:, None, None]
    ready = cut + np.array([took for *_, took in runs])[:, None, None]
    got_cut, got_ready, got_root = chained((cut, ready), np.array([[full] for full, *_ in runs]))
    for k, (full, made, _) in enumerate(runs):
        begin = max((i for i in range(k + 1) if runs[i][0] and runs[i][1]), default=None)
        if not made or begin is None:
            assert got_cut[k] == got_ready[k] == got_root[k] == math.inf
            continue
        chain = [i for i in range(begin, k + 1) if runs[i][1]]
        assert got_cut[k] == 10.0 * k
        assert got_root[k] == 10.0 * begin
        assert got_ready[k] == max(10.0 * i + runs[i][2] for i in chain)
        assert not full or chain == [k]
