"""Throughput that falls with concurrency: exact makespans, and a measured table used as stated."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rpo_sim.distributions.base import FloatArray
from rpo_sim.distributions.profile import Profile
from rpo_sim.model.block import RUNS_PER_BLOCK, BlockDraws
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.contention import law_totals, table_totals
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]
Controlled = Callable[..., FloatArray]
EXPONENTIAL = {"assumed": {"exponential": {"mean": "10m"}}}


def rta(plan: Plan, runs: int = 1) -> FloatArray:
    return simulate(plan, runs=runs).vm_rta


def law(k: int, sigma: float, kappa: float) -> float:
    """What k do together, by Gunther's law; one alone does 1."""
    return k / (1 + sigma * (k - 1) + kappa * k * (k - 1))


def test_equal_transfers_share_the_total_of_their_number(plan_of: PlanOf) -> None:
    """n equal transfers of S bytes end together at n·S ÷ X(n)."""
    usl = {"one": "100MB/s", "sigma": "20%", "kappa": "1%"}
    stage = {"stage": "data", "bytes": "1GB", "over": "array", "timeout": "1d"}
    shared = {"links": {"array": {"contention": {"usl": usl}}}}
    for n in (1, 4, 16):
        times = rta(plan_of(count=n, stages=[stage], shared=shared))[0]
        np.testing.assert_allclose(times, n * 10.0 / law(n, 0.2, 0.01), rtol=1e-9)


def test_each_departure_changes_the_rate(plan_of: PlanOf) -> None:
    """Sizes s1 ≤ … ≤ sn: C(i) = C(i−1) + (s(i) − s(i−1))·m ÷ X(m), with m = n − i + 1 left."""
    sizes, table = [1, 2, 4, 8], {1: 100, 2: 150, 3: 160, 4: 120}
    groups = [{"name": f"vm{s}", "disks": [{"capacity": f"{s}GB"}]} for s in sizes]
    stage = {"stage": "data", "bytes": "used", "over": "array", "timeout": "1d"}
    curve = {"throughput": {k: f"{x}MB/s" for k, x in table.items()}}
    plan = plan_of(groups=groups, stages=[stage], shared={"links": {"array": {"contention": curve}}})
    ends, now, before = [], 0.0, 0
    for i, size in enumerate(sizes):
        left = len(sizes) - i
        now += (size - before) * 1000 * left / table[left]
        ends.append(now)
        before = size
    np.testing.assert_allclose(rta(plan)[0], ends, rtol=1e-9)


def alone(plan: Plan, runs: int) -> FloatArray:
    """What each VM's stage was drawn to take when alone."""
    blocks = [BlockDraws(plan, Draws(1), block) for block in range(runs // RUNS_PER_BLOCK)]
    return np.concatenate([draws.stage_seconds(plan.stages[0], 0) for draws in blocks])


@pytest.mark.parametrize("slots", [None, 4])
def test_memoryless_stages_that_slow_each_other(
    plan_of: PlanOf, agrees: Agrees, controlled: Controlled, slots: int | None
) -> None:
    """A pure death process: from n left to n − 1 in m ÷ X(min(n, c)) on average, M/M/c with the curve."""
    stage: dict[str, Any] = {"stage": "boot", "duration": EXPONENTIAL,
                             "contention": {"usl": {"sigma": "10%", "kappa": "2%"}}}  # fmt: skip
    plan = plan_of(count=12, stages=[stage | ({"slots": {"hosts": slots}} if slots else {})])
    last = rta(plan, runs=4000).max(axis=1)
    exact = sum(600.0 / law(min(n, slots or n), 0.1, 0.02) for n in range(1, 13))
    agrees(controlled(last, [alone(plan, 4000).mean(axis=1)], [600.0]), exact)


def test_the_first_of_many_that_slow_each_other(
    plan_of: PlanOf, agrees: Agrees, controlled: Controlled
) -> None:
    """The same process: the k-th to end, at m·Σ 1 ÷ X(n − j), j = 0 … k − 1."""
    stage = {"stage": "boot", "duration": EXPONENTIAL, "contention": {"usl": {"sigma": "25%"}}}
    groups = [{"name": f"vm{i}"} for i in range(8)]
    plan = plan_of(groups=groups, stages=[stage])
    fifth = np.sort(rta(plan, runs=4000), axis=1)[:, 4]
    control = np.sort(alone(plan, 4000), axis=1)[:, 4]
    exact = sum(600.0 / law(8 - j, 0.25, 0.0) for j in range(5))
    agrees(controlled(fifth, [control], [sum(600.0 / (8 - j) for j in range(5))]), exact)


def test_a_table_of_durations_is_met_where_it_was_measured(plan_of: PlanOf) -> None:
    """k boots at once take as long as the table says for k; between, k ÷ X(k) is a straight line."""
    curve = {"durations": {1: "60s", 8: "90s", 16: "300s"}}
    stage = {"stage": "boot", "duration": {"assumed": "60s"}, "contention": curve}
    for k, seconds in {1: 60.0, 8: 90.0, 12: 195.0, 16: 300.0, 32: 720.0}.items():
        plan = plan_of(count=k, stages=[stage])
        np.testing.assert_allclose(rta(plan)[0], seconds, rtol=1e-9)


def test_law_and_table_agree_on_a_law_without_crosstalk() -> None:
    """With κ = 0 the law itself is a straight line in k ÷ X(k): two points give it whole."""
    whole = law_totals(7.0, 0.3, 0.0, 40)
    two = table_totals({1: whole[0], 9: whole[8]}, 40)
    np.testing.assert_allclose(two, whole, rtol=1e-12)


def test_a_boot_storm_is_slots_and_a_curve(plan_of: PlanOf) -> None:
    """100 boots, 20 at once: 5 rounds of what 20 at once take, not 100 at once, not one alone."""
    curve = {"durations": {1: "60s", 20: "150s"}}
    stage = {"stage": "boot", "duration": {"assumed": "60s"}, "slots": {"boots": 20}, "contention": curve}
    groups = [{"name": f"vm{i}"} for i in range(100)]
    times = rta(plan_of(groups=groups, stages=[stage]))[0]
    np.testing.assert_allclose(times, np.repeat([150, 300, 450, 600, 750], 20), rtol=1e-9)
    storm = {key: value for key, value in stage.items() if key != "slots"}
    storm = storm | {"contention": curve | {"extrapolate": "linear"}}
    np.testing.assert_allclose(rta(plan_of(count=100, stages=[storm]))[0], 60 + 99 * 90 / 19, rtol=1e-9)


def test_a_measured_curve_is_drawn_with_its_durations(
    measured: Callable[..., Profile], loaded: Callable[..., Any]
) -> None:
    """k at once take 1 + c·(k − 1) times as long, as the fit says, whatever it drew for c in a block."""
    stage = {"stage": "boot", "duration": {"measured": "boot.guest"}, "contention": "measured"}
    groups = [{"name": f"vm{i}"} for i in range(8)]
    scenario = loaded(
        groups=groups, stages=[stage], bind={"boot.guest": {"operation": "boot", "stage": "guest"}}
    )
    plan = compile_plan(scenario, "vmware", measured(operation="boot", stage="guest"))
    assert plan.links[0].paced
    assert plan.inputs()[-1] is plan.links[0].measured
    together = rta(plan, runs=50)
    seen = set()
    for block in range(2):
        draws = BlockDraws(plan, Draws(1), block)
        alone = draws.stage_seconds(plan.stages[0], 0)
        totals = draws.link_totals(0)
        seen.add(totals)
        for run in range(25):
            order = np.sort(alone[run])
            gaps = np.diff(np.concatenate([[0.0], order]))
            ends = np.cumsum([gap * k / totals[k - 1] for gap, k in zip(gaps, range(8, 0, -1), strict=True)])
            np.testing.assert_allclose(np.sort(together[25 * block + run]), ends, rtol=1e-9)
    assert len(seen) == 2
