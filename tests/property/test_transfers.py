"""Copies over links: the recursion, the engine and a replay by hand name the same points."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.change import ChangeCurve, unique_bytes
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.attempts import attempts
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import strike
from rpo_sim.model.protection.link_clock import LinkClock
from rpo_sim.model.protection.overlap import BEGIN
from rpo_sim.model.protection.records import Attempts
from rpo_sim.model.protection.transfers import transferred
from rpo_sim.scenario.estate import Group
from rpo_sim.scenario.load import load_scenario_text

MIB = 2**20


def plan_with(copy: dict[str, Any], link: dict[str, Any], counts: tuple[int, ...] = (1,)) -> Plan:
    """VMs of several groups, one copy over the link `wan`."""
    groups = [
        {
            "name": f"g{i}",
            "count": count,
            "tier": "gold",
            "disks": [{"capacity": "2Gi"}],
            "change": {"5m": f"{60 * (i + 1)}Mi", "1h": f"{200 * (i + 1)}Mi", "24h": f"{900 * (i + 1)}Mi"},
        }
        for i, count in enumerate(counts)
    ]
    whole = {
        "name": "replica",
        "kind": "replica",
        "location": "vault",
        "retention": {"count": 3},
        "over": "wan",
    }
    document = {
        "version": 1,
        "scenario": "transfers",
        "summary": "One copy over a link",
        "locations": {
            "primary": {"site": "a", "cluster": "a", "backend": "a"},
            "vault": {"site": "b", "cluster": "b", "backend": "b"},
        },
        "estate": {"groups": groups},
        "failure": {"scope": "site"},
        "shared": {"links": {"wan": link}},
        "copies": [whole | copy],
        "platforms": {
            "any": {
                "recovery": {
                    "path": [{"copy": "replica", "method": "promote"}],
                    "stages": [{"stage": "boot", "duration": {"assumed": "1m"}}],
                }
            }
        },
    }
    return compile_plan(load_scenario_text(json.dumps(document)).scenario, "any")


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, Any]:
    """A copy that only its link times: intervals or back to back, whole, incremental or after the change."""
    copy: dict[str, Any] = {"bytes": draw(st.sampled_from(["change", "40Mi", "0B", "380Mi"]))}
    copy["stagger"] = draw(st.sampled_from(["none", "uniform"]))
    if draw(st.booleans()):
        copy["lag"] = "30s"
    if draw(st.booleans()):
        copy["hold"] = draw(st.sampled_from(["1m", "7m"]))
    elif draw(st.booleans()):
        copy["cut"] = "before_slot"
    if draw(st.booleans()):
        copy["success"] = {"assumed": "70%"}
    if draw(st.booleans()):
        copy["timeout"] = draw(st.sampled_from(["3m", "20m"]))
    if copy["bytes"] != "0B" and draw(st.integers(0, 3)) == 0:
        return copy | {"every": "back-to-back", "hold": "30s"}
    copy |= {"every": "15m", "overlap": draw(st.sampled_from(["skip", "queue", "coalesce"]))}
    if draw(st.integers(0, 2)) == 0:
        copy["cycle"] = {"full": "1h", "bytes": draw(st.sampled_from(["used", "300Mi"]))}
    return copy


OUTAGES = st.sampled_from(
    [
        {},
        {"outages": {"every": "40m", "duration": {"assumed": {"exponential": {"mean": "20m"}}}}},
        {"outages": {"every": "2h", "duration": {"assumed": "10m"}}},
    ]
)


def usable(
    cut_at: FloatArray, available_at: FloatArray, until: FloatArray
) -> list[list[tuple[float, float]]]:
    """(cut, availability) of the points that there are at the failure, per run and VM."""
    here = available_at <= until[:, None] - 1e-6
    return [
        sorted(zip(cut_at[:, r, v][here[:, r, v]], available_at[:, r, v][here[:, r, v]], strict=True))
        for r in range(here.shape[1])
        for v in range(here.shape[2])
    ]


def same(one: list[list[tuple[float, float]]], other: list[list[tuple[float, float]]]) -> None:
    for left, right in zip(one, other, strict=True):
        assert len(left) == len(right)
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-5)


@settings(max_examples=40)
@given(copy=schedules(), outages=OUTAGES, seed=st.integers(0, 50))
def test_recursion_and_engine_agree(copy: dict[str, Any], outages: dict[str, Any], seed: int) -> None:
    """Three VMs whose caps the link can bear, so that either may simulate them."""
    link = {"bandwidth": "1500kB/s", "per_stream": "500kB/s", **outages}
    plan = plan_with(copy, link, counts=(2, 1))
    planned = plan.copies[0]
    draws = BlockDraws(plan, Draws(seed), 0, runs=4)
    incident = strike(plan, draws)
    runs = attempts(planned, draws, incident)
    begin = BEGIN["queue" if planned.every is None else planned.overlap]
    points = simpy_engine.protect(plan, [(planned, runs)])[0]
    same(
        usable(*transferred(plan, planned, runs, begin), incident.failed_at),
        usable(points.cut_at, points.available_at, incident.failed_at),
    )


@settings(max_examples=40)
@given(
    counts=st.sampled_from([(1,), (3,), (2, 2)]),
    overlap=st.sampled_from(["skip", "queue", "coalesce"]),
    capped=st.booleans(),
)
def test_shared_links_are_water_filled(counts: tuple[int, ...], overlap: str, capped: bool) -> None:
    """Fixed sizes, all due at once and done before the next: C_i = C_{i−1} + (s_i − s_{i−1})/rate."""
    link = {"bandwidth": "1MiB/s"} | ({"per_stream": "400KiB/s"} if capped else {})
    plan = plan_with({"every": "6h", "bytes": "used", "overlap": overlap}, link, counts)
    transfer = plan.copies[0].transfer
    assert transfer is not None
    sizes = [100.0 * MIB, 300.0 * MIB][: len(counts)]
    copy = replace(plan.copies[0], transfer=replace(transfer, rate=None, moved=tuple(sizes)))
    draws = BlockDraws(plan, Draws(1), 0, runs=2)
    runs = attempts(copy, draws, strike(plan, draws))
    points = simpy_engine.protect(plan, [(copy, runs)])[0]
    cap = 400 * 1024.0 if capped else math.inf
    left = [size for size, count in zip(sizes, counts, strict=True) for _ in range(count)]
    done, last = 0.0, 0.0
    for k, size in enumerate(left):
        done += (size - last) / min(MIB / (len(left) - k), cap)
        last = size
        made = np.isfinite(points.cut_at[:, :, k])
        took = points.available_at[:, :, k][made] - points.cut_at[:, :, k][made]
        np.testing.assert_allclose(took, done, rtol=1e-9)


@settings(max_examples=100)
@given(
    changes=st.lists(st.floats(1, 500), min_size=2, max_size=12),
    start=st.lists(st.floats(0, 6000), min_size=1, max_size=5),
    seconds=st.floats(0.001, 3000),
)
def test_a_transfer_needs_its_time_of_the_link(
    changes: list[float], start: list[float], seconds: float
) -> None:
    """By hand: walk the up and down stretches until the transfer has had what it needs."""
    at = np.cumsum(changes)
    down = np.arange(len(changes)) % 2 == 1  # stretch k lies before at[k]
    clock = LinkClock.__new__(LinkClock)
    ups = np.concatenate([[0.0], np.cumsum(np.where(down, 0.0, changes))])
    clock._times = np.concatenate([[-1e9], [0.0], at, [1e9]])[None]
    clock._ups = np.concatenate([[-1e9], ups, [ups[-1] + 1e9 - at[-1]]])[None]
    ends = clock.finish(np.array([start]), np.full((1, len(start)), seconds))[0]
    for begun, end in zip(start, ends.tolist(), strict=True):
        now, left = begun, seconds
        for edge, is_down in zip([*at.tolist(), math.inf], [*down.tolist(), False], strict=True):
            if edge <= now:
                continue
            if not is_down and now + left <= edge:
                break
            left -= 0.0 if is_down else edge - now
            now = edge
        assert end == pytest.approx(now + left, rel=1e-9, abs=1e-6)
        one = clock.of_run(0)
        assert one.when(one.up_at(begun) + seconds) == pytest.approx(end, rel=1e-12, abs=1e-9)


def test_a_longer_history_changes_no_point() -> None:
    """With outages, the warm-up reaches back far enough to have caught up."""
    from rpo_sim.model.protection import attempts

    link = {
        "bandwidth": "1500kB/s",
        "outages": {"every": "2h", "duration": {"assumed": {"exponential": {"mean": "20m"}}}},
    }
    plan = plan_with({"every": "15m", "bytes": "change", "overlap": "skip"}, link)

    def points(warm_up: int) -> FloatArray:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attempts, "WARM_UP", warm_up)
            draws = BlockDraws(plan, Draws(3), 0)
            return recovery_points(plan, draws, strike(plan, draws), simpy_engine.protect)

    np.testing.assert_allclose(points(attempts.WARM_UP), points(attempts.WARM_UP + 120), rtol=0, atol=1e-6)


@settings(max_examples=200)
@given(seconds=st.floats(0, 200_000))
def test_one_window_moves_what_many_move(seconds: float) -> None:
    group = Group.model_validate(
        {
            "name": "db",
            "tier": "gold",
            "disks": [{"capacity": "3Gi"}],
            "change": {"5m": "60Mi", "1h": "200Mi", "24h": "2048Mi"},
        }
    )
    curve = ChangeCurve.of(group)
    assert curve.within_one(seconds) == pytest.approx(float(curve.within(np.array(seconds))), rel=1e-12)
    assert curve.within_one(seconds) == pytest.approx(unique_bytes(group, seconds), abs=1)


def test_attempts_of_endless_transfers_are_drawn_as_needed() -> None:
    plan = plan_with(
        {"every": "back-to-back", "bytes": "change", "success": {"assumed": "70%"}}, {"bandwidth": "200kB/s"}
    )
    draws = BlockDraws(plan, Draws(1), 0)
    runs: Attempts = attempts(plan.copies[0], draws, strike(plan, draws))
    assert runs.more is not None
    assert not runs.more(0).all()
