"""Random copies that compete for slots and links, in seconds and bytes so few that much falls together."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model import compiled_engine, simpy_engine
from rpo_sim.model.block import BoolArray
from rpo_sim.model.change import ChangeCurve
from rpo_sim.model.plan import CopyPlan, LinkPlan, Plan, Pool, TransferPlan
from rpo_sim.model.protection.link_clock import LinkClock
from rpo_sim.model.protection.records import Attempts
from tests.property.test_protection import OVERLAPS, PLAN, copy_with

Copies = list[tuple[CopyPlan, Attempts]]
RUNS = 2
_CURVE = ChangeCurve(windows=(1.0, 2.0, 5.0), sizes=(1.0, 3.0, 4.0), most=6.0)


@dataclass(frozen=True, kw_only=True)
class _Numbers:
    """What a case is made of; the streams of a link are held back by a cap, or share it."""

    seconds: st.SearchStrategy[float]
    every: tuple[float, ...] = (1.0, 2.0, 0.1, 0.7)
    bandwidths: tuple[float, ...] = (1.0, 3.0, 2.5, 20.0)
    caps: tuple[float, ...] = (math.inf, 1.0, 0.7)
    sizes: tuple[ChangeCurve | float, ...] = (1.0, 2.0, 0.7, 0.0, _CURVE, _CURVE)
    holds: tuple[float, ...] = (0.0, 0.0, 0.5)
    factors: tuple[float, ...] = (1.0, 0.5)
    pools: tuple[int | None, ...] = (None, 0, 0, 1)
    overlaps: tuple[str, ...] = OVERLAPS


_NUMBERS = [
    _Numbers(seconds=st.integers(0, 4).map(float)),
    _Numbers(seconds=st.floats(0, 4)),
    _Numbers(seconds=st.sampled_from([0.1, 0.2, 0.7])),
    _Numbers(  # much that ends at once, and much that waits for it
        seconds=st.integers(0, 2).map(float),
        every=(1.0, 2.0),
        bandwidths=(20.0,),
        caps=(1.0,),
        sizes=(1.0, 2.0, 0.0),
        holds=(0.0, 1.0),
        factors=(1.0,),
        pools=(0,),
        overlaps=("queue", "coalesce", "replace"),
    ),
]


def assert_copies_agree(plan: Plan, copies: Copies, rows: int = 3) -> None:
    """Every point of both engines by ``==``, from so little room that some transfers need more."""
    from rpo_sim.model.compiled_engine.copies import engine

    expected = simpy_engine.protect(plan, copies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_ROWS", rows)
        found = compiled_engine.protect(plan, copies)
    for reference, fast in zip(expected, found, strict=True):
        np.testing.assert_array_equal(fast.cut_at, reference.cut_at)
        np.testing.assert_array_equal(fast.available_at, reference.available_at)


def _array(draw: st.DrawFn, element: st.SearchStrategy[Any], *shape: int) -> FloatArray:
    size = int(np.prod(shape))
    return np.array(draw(st.lists(element, min_size=size, max_size=size)), dtype=float).reshape(shape)


@st.composite
def competing(draw: st.DrawFn) -> tuple[Plan, Copies]:
    """One to four copies of some VMs in two groups, for two pools and two links."""
    vms, numbers = draw(st.integers(1, 5)), draw(st.sampled_from(_NUMBERS))
    cut = draw(st.integers(0, vms))
    one, two = (
        replace(PLAN.groups[0], name=name, first=first, count=count)
        for name, first, count in (("one", 0, cut), ("two", cut, vms - cut))
    )
    pools = tuple(Pool(name=name, capacity=draw(st.integers(1, 3))) for name in ("proxies", "movers"))
    links = tuple(_link(draw, numbers, name) for name in ("wan", "lan"))
    plan = replace(PLAN, groups=(one, two), pools=pools, links=links)
    clocks = [_clock(draw) for _ in links]
    kind = st.sampled_from([_by_duration, _by_duration, _by_link, _by_link, _back_to_back_by_link])
    return plan, [draw(kind)(draw, numbers, vms, clocks) for _ in range(draw(st.integers(1, 4)))]


def _link(draw: st.DrawFn, numbers: _Numbers, name: str) -> LinkPlan:
    """Wide enough for all at once, or far from it; with a cap that some of its streams reach, or all."""
    bandwidth, cap = draw(st.sampled_from(numbers.bandwidths)), draw(st.sampled_from(numbers.caps))
    return LinkPlan(name=name, bytes_per_second=bandwidth, per_stream=cap)


def _clock(draw: st.DrawFn) -> LinkClock | None:
    """Outages in the first seconds of each run, some of them touching others."""
    if draw(st.integers(1, 3)) > 1:
        return None
    clock = LinkClock.__new__(LinkClock)
    lengths = _array(draw, draw(st.sampled_from([st.integers(0, 5), st.floats(0, 5)])), RUNS, 8)
    changes = np.cumsum(lengths, axis=1) - 2.0
    ups = np.cumsum(np.where(np.arange(8) % 2 == 0, lengths, 0.0), axis=1) - 2.0
    before, after = np.full((RUNS, 1), -1e12), np.full((RUNS, 1), 1e12)
    clock._times = np.concatenate([before, changes, after], axis=1)
    clock._ups = np.concatenate([before, ups, ups[:, -1:] + 1e12], axis=1)
    return clock


def _dues(draw: st.DrawFn, numbers: _Numbers, vms: int) -> tuple[float, FloatArray]:
    """An interval, and when each run is due, a while before which there are none."""
    dues, every = draw(st.integers(1, 8)), draw(st.sampled_from(numbers.every))
    due = _array(draw, numbers.seconds, 1, RUNS, vms) + every * np.arange(dues)[:, None, None]
    due[: draw(st.integers(0, dues - 1))] = np.inf
    return every, due


def _by_duration(
    draw: st.DrawFn, numbers: _Numbers, vms: int, clocks: list[LinkClock | None]
) -> tuple[CopyPlan, Attempts]:
    """Runs that take their time, with any overlap policy, or back to back."""
    del clocks
    every, due = _dues(draw, numbers, vms)
    back_to_back = draw(st.integers(1, 4)) == 1
    if back_to_back:
        due = np.where(np.isfinite(due), due, 0.0)
    copy = copy_with(
        every=None if back_to_back else every,
        overlap=draw(st.sampled_from(numbers.overlaps)),
        cut_before_slot=draw(st.booleans()),
        hold=0.0 if back_to_back else draw(st.sampled_from(numbers.holds)),
        pool=draw(st.sampled_from(numbers.pools)),
    )
    delay = _array(draw, st.sampled_from([0.0, 0.0, 0.3, np.inf]), *due.shape)
    busy, lag = _array(draw, numbers.seconds, *due.shape), _array(draw, numbers.seconds, RUNS, vms)
    return copy, Attempts(due=due, busy=busy, cut_delay=delay, lag=lag)


def _transfer(draw: st.DrawFn, numbers: _Numbers, link: int, endless: bool = False) -> TransferPlan:
    """Endless transfers are not to be of nothing, nor of less and less."""
    sizes = st.sampled_from([size for size in numbers.sizes if not endless or size in (1.0, 2.0, 0.7)])
    return TransferPlan(
        link=link,
        rate=None,
        moved=(draw(sizes), draw(sizes)),
        full_bytes=(draw(st.sampled_from([4.0, 7.0])), 5.0),
        factor=draw(st.sampled_from(numbers.factors)),
        settled_seconds=draw(st.sampled_from([1.0, 3.0, 4.5])),
    )


def _by_link(
    draw: st.DrawFn, numbers: _Numbers, vms: int, clocks: list[LinkClock | None]
) -> tuple[CopyPlan, Attempts]:
    """Runs that take what their bytes take: fixed sizes or what changed, in cycles or not, some in vain."""
    link = draw(st.integers(0, 1))
    every, due = _dues(draw, numbers, vms)
    copy = copy_with(
        every=every,
        overlap=draw(st.sampled_from(sorted({"skip", "queue", "coalesce"} & {*numbers.overlaps}))),
        cut_before_slot=draw(st.booleans()),
        hold=draw(st.sampled_from(numbers.holds)),
        pool=draw(st.sampled_from(numbers.pools)),
        timeout=draw(st.sampled_from([math.inf, math.inf, 1.0, 2.0, 0.7])),
        transfer=_transfer(draw, numbers, link),
    )
    full = _array(draw, st.booleans(), len(due), RUNS) > 0 if draw(st.booleans()) else None
    return copy, Attempts(
        due=due,
        busy=np.zeros_like(due),
        cut_delay=_array(draw, st.sampled_from([0.0, 0.0, np.inf]), *due.shape),
        lag=_array(draw, numbers.seconds, RUNS, vms),
        full=full,
        clock=clocks[link],
    )


def _back_to_back_by_link(
    draw: st.DrawFn, numbers: _Numbers, vms: int, clocks: list[LinkClock | None]
) -> tuple[CopyPlan, Attempts]:
    """Transfers that follow each other until the failure: never of nothing, without a hold, for ever."""
    link = draw(st.integers(0, 1))
    hold = draw(st.sampled_from(numbers.holds))
    copy = copy_with(
        every=None,
        hold=hold,
        cut_before_slot=draw(st.booleans()),
        pool=draw(st.sampled_from(numbers.pools)),
        timeout=draw(st.sampled_from([math.inf, math.inf, 2.0, 0.7])),
        transfer=_transfer(draw, numbers, link, endless=not hold),
    )
    one = (1, RUNS, vms)
    return copy, Attempts(
        due=_array(draw, numbers.seconds, *one) + hold,
        busy=np.zeros(one),
        cut_delay=np.zeros(one),
        lag=_array(draw, numbers.seconds, RUNS, vms),
        until=_array(draw, st.floats(0, 20), RUNS),
        more=_luck(_array(draw, st.booleans(), 5, RUNS, vms) > 0),
        clock=clocks[link],
    )


def _luck(pattern: BoolArray) -> Callable[[int], BoolArray]:
    """Which VMs' runs of a number succeed, without end."""
    return lambda number: pattern[number % len(pattern)]
