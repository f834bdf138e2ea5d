"""Recovery points: the recursion, the engine and a replay by hand must name the same ones, point by point."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.distributions import Fixed
from rpo_sim.distributions.base import FloatArray
from rpo_sim.model import simpy_engine
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.plan import CopyPlan, Plan, Pool
from rpo_sim.model.protection.incident import Incident
from rpo_sim.model.protection.points import newest_usable, without_slots
from rpo_sim.model.protection.records import Attempts, Points
from rpo_sim.scenario.load import load_scenario_text

SCENARIO = """
version: 1
scenario: points
summary: One copy
locations:
  primary: {site: a, cluster: a, backend: a}
  vault: {site: b, cluster: b, backend: b}
estate: {groups: [{name: vm, tier: gold, disks: [{capacity: 1Gi}]}]}
failure: {scope: site}
copies:
  - {name: backup, kind: backup, every: 1h, location: vault, retention: {count: 9}, duration: {assumed: 1m}}
platforms:
  vmware:
    recovery:
      path: [{copy: backup, method: full}]
      stages: [{stage: boot, duration: {assumed: 1m}}]
"""
PLAN = compile_plan(load_scenario_text(SCENARIO).scenario, "vmware")
OVERLAPS = ("allow", "skip", "queue", "coalesce", "replace")


def copy_with(plan: Plan = PLAN, **fields: object) -> CopyPlan:
    return replace(plan.copies[0], **fields)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Due runs of one VM: (due, seconds of failed attempts, seconds of the last, whether that succeeded)."""

    due: list[float]
    wasted: list[float]
    work: list[float]
    ok: list[bool]
    lag: float

    def attempts(self) -> Attempts:
        def column(values: list[float]) -> FloatArray:
            return np.array(values, dtype=float)[:, None, None]

        busy = [wasted + work for wasted, work in zip(self.wasted, self.work, strict=True)]
        delay = [wasted if ok else math.inf for wasted, ok in zip(self.wasted, self.ok, strict=True)]
        return Attempts(
            due=column(self.due), busy=column(busy), cut_delay=column(delay), lag=np.full((1, 1), self.lag)
        )


def numbers(element: st.SearchStrategy[float]) -> Callable[[int], st.SearchStrategy[list[float]]]:
    return lambda n: st.lists(element, min_size=n, max_size=n)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Half of them in whole seconds, so that ends and dues fall together."""
    n = draw(st.integers(1, 10))
    element = draw(
        st.sampled_from([st.integers(0, 4).map(float), st.floats(0, 4), st.sampled_from([0.1, 0.2, 0.7])])
    )
    some = numbers(element)
    every = draw(st.sampled_from([1.0, 2.0, 3.0, 0.1, 0.7]))
    phase = draw(element) - draw(st.sampled_from([0.0, 2.0, 5.3]))
    unknown = draw(st.integers(0, n - 1))  # before the history begins
    return Case(
        due=[math.inf if k < unknown else phase + k * every for k in range(n)],
        wasted=draw(st.one_of(st.just([0.0] * n), some(n))),
        work=draw(some(n)),
        ok=draw(st.one_of(st.just([True] * n), st.lists(st.booleans(), min_size=n, max_size=n))),
        lag=draw(element),
    )


def by_hand(case: Case, overlap: str, before: bool = False) -> list[tuple[float, float]]:
    """(cut, available) of each due run, replayed one event at a time; inf where it gives no point."""
    points = [(math.inf, math.inf)] * len(case.due)
    running: int | None = None
    end, waiting = -math.inf, list[int]()

    def start(number: int, at: float) -> None:
        nonlocal running, end
        running, end = number, at + (case.wasted[number] + case.work[number])
        if case.ok[number]:
            cut = case.due[number] if before and case.wasted[number] == 0 else at + case.wasted[number]
            points[number] = (cut, end + case.lag)

    def ends_until(now: float) -> None:
        nonlocal running
        while running is not None and end <= now:
            running = None
            if waiting:
                start(waiting.pop(0), end)

    for number, due in enumerate(case.due):
        if due == math.inf:
            continue
        ends_until(due)
        if running is None or overlap == "allow":
            start(number, due)
        elif overlap == "replace":
            points[running] = (math.inf, math.inf)
            start(number, due)
        elif overlap == "queue" or (overlap == "coalesce" and not waiting):
            waiting.append(number)
    ends_until(math.inf)
    return points


def flat(points: Points) -> list[tuple[float, float]]:
    return list(zip(points.cut_at.ravel().tolist(), points.available_at.ravel().tolist(), strict=True))


@settings(max_examples=1500)
@given(case=cases(), overlap=st.sampled_from(OVERLAPS), before=st.booleans())
def test_recursion_engine_and_hand_agree(case: Case, overlap: str, before: bool) -> None:
    copy, runs = copy_with(overlap=overlap, cut_before_slot=before), case.attempts()
    expected = by_hand(case, overlap, before)
    assert flat(without_slots(copy, runs)) == expected
    if math.isfinite(min(case.due)):
        assert flat(simpy_engine.protect(PLAN, [(copy, runs)])[0]) == expected


@settings(max_examples=300)
@given(work=st.lists(st.floats(0.1, 100), min_size=1, max_size=12), start=st.floats(-500, 1000))
def test_back_to_back_in_the_engine(work: list[float], start: float) -> None:
    """The next starts when the last ends, to the last bit."""
    due = [start]
    for seconds in work[:-1]:
        due.append(due[-1] + seconds)
    case = Case(due=due, wasted=[0.0] * len(work), work=work, ok=[True] * len(work), lag=0.0)
    copy = copy_with(every=None, overlap="skip")
    points = flat(without_slots(copy, case.attempts()))
    assert [cut for cut, _ in points] == due
    assert flat(simpy_engine.protect(PLAN, [(copy, case.attempts())])[0]) == points


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_back_to_back_waits_for_its_slot_and_goes_on(overlap: str) -> None:
    """Two VMs of 10 s each and one slot: they take turns, none of the runs is left out."""
    due = np.array([[[0.0, 0.0]], [[10.0, 10.0]], [[20.0, 20.0]]])
    runs = Attempts(
        due=due, busy=np.full((3, 1, 2), 10.0), cut_delay=np.zeros((3, 1, 2)), lag=np.zeros((1, 2))
    )
    plan = replace(PLAN, pools=(Pool(name="proxies", capacity=1),))
    points = simpy_engine.protect(plan, [(copy_with(every=None, overlap=overlap, pool=0), runs)])[0]
    assert points.cut_at[:, 0, 0].tolist() == [0.0, 20.0, 40.0]
    assert points.cut_at[:, 0, 1].tolist() == [10.0, 30.0, 50.0]


@settings(max_examples=200)
@given(
    busy=st.lists(st.integers(0, 5), min_size=12, max_size=12),
    capacity=st.integers(1, 4),
    every=st.integers(1, 6),
    before=st.booleans(),
)
def test_slots_are_first_come_first_served(busy: list[int], capacity: int, every: int, before: bool) -> None:
    """Three due runs of four VMs with `allow`: list scheduling in the order of (due, VM)."""
    due = np.broadcast_to((np.arange(3.0) * every)[:, None, None], (3, 1, 4))
    seconds = np.array(busy, dtype=float).reshape(3, 1, 4)
    runs = Attempts(due=due, busy=seconds, cut_delay=np.zeros_like(seconds), lag=np.zeros((1, 4)))
    plan = replace(PLAN, pools=(Pool(name="proxies", capacity=capacity),))
    copy = copy_with(overlap="allow", pool=0, cut_before_slot=before)
    points = simpy_engine.protect(plan, [(copy, runs)])[0]
    free = [0.0] * capacity
    for number in range(3):
        for vm in range(4):
            at = max(number * every, free.pop(0))
            free = sorted([*free, at + seconds[number, 0, vm]])
            assert points.available_at[number, 0, vm] == at + seconds[number, 0, vm]
            assert points.cut_at[number, 0, vm] == (number * every if before else at)


# Retention

FAILED_AT = 40 * 86400.0
DAY = 86400.0


def one_run(points: list[tuple[float, float]]) -> Points:
    cut_at, available_at = (np.array(part)[:, None, None] for part in zip(*points, strict=True))
    return Points(cut_at=cut_at, available_at=available_at)


def incident(onset_ago: float | None) -> Incident:
    failed_at = np.array([FAILED_AT])
    return Incident(
        failed_at=failed_at, onset_at=failed_at - (onset_ago or 0.0), corrupt=onset_ago is not None
    )


ages = st.one_of(st.integers(0, 40).map(lambda k: k * DAY / 2), st.floats(0, 38 * DAY))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Points with cuts in any order, ready some time after; some only after the failure."""
    cuts = draw(st.lists(ages, min_size=1, max_size=15, unique=True))
    delays = draw(st.lists(st.floats(0, DAY), min_size=len(cuts), max_size=len(cuts)))
    return [(FAILED_AT - age, FAILED_AT - age + delay) for age, delay in zip(cuts, delays, strict=True)]


def newest(kept: list[float], onset_ago: float | None) -> float:
    """Of what is kept, the newest that is clean."""
    limit = math.inf if onset_ago is None else FAILED_AT - onset_ago
    return max((cut for cut in kept if cut < limit), default=-math.inf)


def found(copy: CopyPlan, history: list[tuple[float, float]], onset_ago: float | None) -> float:
    return float(newest_usable(copy, one_run(history), incident(onset_ago))[0, 0])


@settings(max_examples=500)
@given(history=histories(), count=st.integers(1, 5), onset_ago=st.one_of(st.none(), ages))
def test_a_count_of_points_is_kept(
    history: list[tuple[float, float]], count: int, onset_ago: float | None
) -> None:
    """When one more becomes available, the oldest goes."""
    kept: list[float] = []
    for _, cut in sorted((available, cut) for cut, available in history if available <= FAILED_AT):
        kept.append(cut)
        if len(kept) > count:
            kept.remove(min(kept))
    assert found(copy_with(keep_count=count), history, onset_ago) == newest(kept, onset_ago)


@settings(max_examples=500)
@given(history=histories(), keep=ages.filter(lambda age: age > 0), onset_ago=st.one_of(st.none(), ages))
def test_points_are_kept_for_a_time_from_their_cut(
    history: list[tuple[float, float]], keep: float, onset_ago: float | None
) -> None:
    kept = [cut for cut, available in history if available <= FAILED_AT and cut + keep > FAILED_AT]
    copy = copy_with(keep_count=None, keep_seconds=keep)
    assert found(copy, history, onset_ago) == newest(kept, onset_ago)


@settings(max_examples=500)
@given(
    history=histories(),
    calendar=st.lists(
        st.tuples(st.sampled_from([DAY, 7 * DAY, 30 * DAY]), st.integers(1, 6)),
        min_size=1,
        max_size=3,
        unique_by=lambda rule: rule[0],
    ),
    onset_ago=st.one_of(st.none(), ages),
)
def test_the_newest_of_each_day_week_or_month_that_has_one_is_kept(
    history: list[tuple[float, float]], calendar: list[tuple[float, int]], onset_ago: float | None
) -> None:
    kept = []
    for every, count in calendar:
        last: dict[int, float] = {}
        for cut in sorted(cut for cut, available in history if available <= FAILED_AT):
            last[math.floor(cut / every)] = cut
        kept += [last[bucket] for bucket in sorted(last)[-count:]]
    copy = copy_with(keep_count=None, calendar=tuple(calendar))
    assert found(copy, history, onset_ago) == newest(kept, onset_ago)


@given(history=histories())
def test_a_copy_that_does_not_survive_gives_nothing(history: list[tuple[float, float]]) -> None:
    assert found(copy_with(survives=False), history, None) == -math.inf


# The whole, from the scenario


def test_warm_up_and_cycle_are_long_enough() -> None:
    """A longer history changes no recovery point: the steady state has been reached."""
    from rpo_sim.model.block import BlockDraws
    from rpo_sim.model.draws import Draws
    from rpo_sim.model.protection import attempts
    from rpo_sim.model.protection.histories import recovery_points
    from rpo_sim.model.protection.incident import strike

    def points(warm_up: int, copy: CopyPlan) -> FloatArray:
        plan = replace(PLAN, copies=(copy,))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attempts, "WARM_UP", warm_up)
            draws = BlockDraws(plan, Draws(3), 0)
            struck = strike(plan, draws)
            return recovery_points(plan, draws, struck, simpy_engine.protect)

    for overlap in OVERLAPS:
        for seconds in (900.0, 3600.0, 5400.0, 4800.0, 7200.0, 9000.0):
            base = replace(PLAN.copies[0].duration, base=Fixed(seconds=seconds))
            copy = copy_with(overlap=overlap, duration=base)
            at_least = points(attempts.WARM_UP, copy)
            np.testing.assert_array_equal(at_least, points(attempts.WARM_UP + 60, copy))
