"""Copies that compete have the same points in both engines, bit for bit, ties included.

Made up run by run, and from scenarios whose copies share links with outages, and slots, and are made from
each other.

`RPO_SIM_EXAMPLES=20000` tries more; the nightly run does.
"""

import json
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rpo_sim.errors import ModelError
from rpo_sim.model import compiled_engine, simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import strike
from rpo_sim.model.protection.records import Points
from rpo_sim.scenario.load import load_scenario_text
from tests.property.competing_copies import Copies, assert_copies_agree, competing
from tests.property.test_transfers import OUTAGES, schedules

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")

EXAMPLES = int(os.environ.get("RPO_SIM_EXAMPLES", "600"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=competing(), rows=st.sampled_from([1, 3, 64]))
def test_both_engines_make_the_same_points(case: tuple[Plan, Copies], rows: int) -> None:
    assert_copies_agree(*case, rows)


def _copy(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """A level that a link times, or its duration and the wait for slots."""
    copy: dict[str, Any] = {"name": f"level{number}", "kind": "replica", "location": "vault"}
    copy["retention"] = {"count": 3}
    if draw(st.integers(0, 2)):
        copy |= draw(schedules()) | {"over": draw(st.sampled_from(["wan", "wan", "lan"]))}
    else:
        copy |= {"every": "30m", "duration": {"assumed": draw(st.sampled_from(["5m", "0s"]))}}
        copy |= {"overlap": draw(st.sampled_from(["allow", "replace", "queue"])), "slots": {"movers": 2}}
    if draw(st.integers(0, 2)) == 0:
        copy["slots"] = {"movers": 2}
    if number and draw(st.booleans()):
        copy["from"] = f"level{draw(st.integers(0, number - 1))}"
    return copy


def _plan(copies: list[dict[str, Any]], links: dict[str, Any]) -> Plan:
    """Some levels of VMs in two groups."""
    change = {"5m": "6Mi", "1h": "20Mi", "24h": "90Mi"}
    group: dict[str, Any] = {"tier": "gold", "disks": [{"capacity": "400Mi"}]}
    groups: list[dict[str, Any]] = [
        {"name": "a", "count": 2, "change": change},
        {"name": "b", "change": {"1h": "30Mi"}},
    ]
    document = {
        "version": 1,
        "scenario": "links",
        "summary": "Levels over links",
        "locations": {
            "primary": {"site": "a", "cluster": "a", "backend": "a"},
            "vault": {"site": "b", "cluster": "b", "backend": "b"},
        },
        "estate": {"groups": [group | each for each in groups]},
        "failure": {"scope": "site"},
        "shared": {"links": links},
        "copies": copies,
        "platforms": {
            "any": {
                "recovery": {
                    "path": [{"copy": copies[-1]["name"], "method": "promote"}],
                    "stages": [{"stage": "boot", "duration": {"assumed": "1m"}}],
                }
            }
        },
    }
    return compile_plan(load_scenario_text(json.dumps(document)).scenario, "any")


@st.composite
def plans_with_links(draw: st.DrawFn) -> Plan:
    """One to three levels; links are narrow, or give each stream what it may have."""
    copies = [_copy(draw, number) for number in range(draw(st.integers(1, 3)))]
    wide = {"bandwidth": "3MB/s", "per_stream": draw(st.sampled_from(["300kB/s", "1MB/s"]))}
    links = {"wan": {"bandwidth": "300kB/s"} | draw(OUTAGES), "lan": wide | draw(OUTAGES)}
    try:
        return _plan(copies, links)
    except ModelError:  # more than a link or the slots can bear
        assume(False)
        raise


@settings(max_examples=max(1, EXAMPLES // 4), deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=plans_with_links(), seed=st.integers(0, 1000))
def test_both_engines_find_the_same_points_of_a_scenario(plan: Plan, seed: int) -> None:
    expected, found = (_points(plan, seed, engine) for engine in (simpy_engine, compiled_engine))
    assert expected.keys() == found.keys()
    for copy, (cut_at, available_at) in expected.items():
        np.testing.assert_array_equal(found[copy][0], cut_at)
        np.testing.assert_array_equal(found[copy][1], available_at)


@pytest.mark.parametrize("first", [0, 1])
def test_a_link_is_down_as_far_back_as_any_copy_goes(first: int) -> None:
    """A copy of nothing, of some hours, takes nothing from one of weeks: neither bytes nor outages."""
    common = {"kind": "replica", "location": "vault", "retention": {"count": 3}, "over": "wan"}
    daily = common | {"name": "daily", "every": "24h", "bytes": "380Mi"}
    often = common | {"name": "often", "every": "15m", "bytes": "0B"}
    outages = {"every": "40m", "duration": {"assumed": {"exponential": {"mean": "20m"}}}}
    links = {"wan": {"bandwidth": "300kB/s", "outages": outages}}
    alone = _points(_plan([daily], links), 1, simpy_engine)[0]
    both = _plan([often, daily] if first else [daily, often], links)
    reference, fast = (_points(both, 1, engine)[first] for engine in (simpy_engine, compiled_engine))
    assert np.isfinite(alone[0]).any(axis=(1, 2)).sum() > 20
    np.testing.assert_allclose(reference, alone, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(fast, reference)


def _points(plan: Plan, seed: int, engine: Any) -> dict[int, tuple[Any, Any]]:
    """Cuts and availabilities of all points, by copy."""
    draws, found = BlockDraws(plan, Draws(seed), 0, runs=2), dict[int, tuple[Any, Any]]()

    def look(copy: int, points: Points) -> None:
        found[copy] = points.cut_at, points.available_at

    recovery_points(plan, draws, strike(plan, draws), engine.protect, look)
    return found
