"""Operators with shifts against arithmetic by hand and the exact chain of who is at work and who waits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ScenarioError
from rpo_sim.model.block import RUNS_PER_BLOCK, BlockDraws
from rpo_sim.model.block_runs import replay, run_block
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.incident import strike
from rpo_sim.report.trace import render_trace

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]
Controlled = Callable[..., FloatArray]
HOUR = 3600.0


def human(duration: dict[str, Any] | str, **fields: Any) -> dict[str, Any]:
    return {"stage": "verify", "by": "people", "duration": {"assumed": duration}, **fields}


def test_a_step_in_progress_at_the_end_of_a_shift_finishes(plan_of: PlanOf) -> None:
    """Seven steps of 1 h, three hands by day, one by night, failure at 19:30.

    Three until 20:30; then one after the other at night until 08:00, when none is left.
    """
    groups = [{"name": f"vm{i}"} for i in range(7)]
    operators = {"day": 3, "night": 1, "hours": "08:00-20:00"}
    plan = plan_of(
        groups=groups, stages=[human("1h")], shared={"people": {"operators": operators}},
        failure={"time_of_day": "19:30"},
    )  # fmt: skip
    np.testing.assert_allclose(run_block(plan, 1, 0).vm_rta[0] / HOUR, [1, 1, 1, 2, 3, 4, 5])


def test_nobody_at_night(plan_of: PlanOf) -> None:
    """Nights are waited for; a shift that begins takes as many as it has hands, in the order of the queue."""
    operators = [{"count": 2, "from": "08:00", "to": "10:00"}, {"count": 1, "from": "09:00", "to": "10:00"}]
    groups = [{"name": f"vm{i}"} for i in range(6)]
    plan = plan_of(
        groups=groups, stages=[human("50m")], shared={"people": {"operators": operators}},
        failure={"time_of_day": "10:30"},
    )  # fmt: skip
    first = 21.5 * HOUR  # to 08:00: two; 08:50 two more; 09:00 one; 09:40 the last
    ends = [first + m * 60 for m in (50, 50, 100, 100, 110, 150)]
    np.testing.assert_allclose(run_block(plan, 1, 0).vm_rta[0], ends)
    trace = render_trace(plan, replay(plan, 1, 0), 0)
    assert "next shift (assumed)" in trace
    assert "waits for the operators" in trace
    result = simulate(plan, runs=25)
    share = result.tiers[0].activities[0] / result.tiers[0].rta[0]
    assert dict(zip(result.activities, share, strict=True))["next shift"] == pytest.approx(21.5 / 24)


def test_the_wait_for_the_morning(plan_of: PlanOf) -> None:
    """A failure at any time of day: nobody waits by day, and until 08:00 by night, run by run."""
    operators = {"day": 1, "night": 1, "hours": "08:00-20:00"}
    always = plan_of(stages=[human("1m")], shared={"people": {"operators": operators}})
    day_only = {"operators": operators | {"night": 0}}
    plan = plan_of(stages=[human("1m")], shared={"people": day_only})
    for block in range(8):
        at = strike(plan, BlockDraws(plan, Draws(1), block)).failed_at % 86400
        late = (at < 8 * HOUR) | (at >= 20 * HOUR)
        expected = np.where(late, (8 * HOUR - at) % 86400, 0.0) + 60
        np.testing.assert_allclose(run_block(plan, 1, block).vm_rta[:, 0], expected, rtol=1e-9)
        np.testing.assert_array_equal(run_block(always, 1, block).vm_rta, 60.0)


def test_the_failure_falls_into_its_hours(plan_of: PlanOf) -> None:
    """Uniform over the day without, over the stated hours with; the draw is one of its own."""
    shared = {"people": {"operators": {"day": 2, "night": 1, "hours": "08:00-20:00"}}}
    plan = plan_of(stages=[human("1m")], shared=shared)
    night = plan_of(failure={"time_of_day": {"from": "18:00", "to": "08:00"}})
    for of, low, width in ((plan, 0.0, 24 * HOUR), (night, 18 * HOUR, 14 * HOUR)):
        blocks = [strike(of, BlockDraws(of, Draws(1), block)).failed_at for block in range(400)]
        u = np.sort(((np.concatenate(blocks) - low) % 86400) / width)
        distance = np.abs(u - (np.arange(len(u)) + 0.5) / len(u)).max()
        assert distance < 1.95 / len(u) ** 0.5  # Kolmogorov-Smirnov at 0.1 %


def makespan(n: int, mean: float, hands: list[tuple[float, int]]) -> float:
    """Exact mean time until n steps of Exp(mean) are done; ``hands`` are (hours from now, people).

    State: (steps left, of them at work). A shift that grows takes in who waits; one that shrinks lets those
    at work finish.
    """
    states = [(left, work) for left in range(1, n + 1) for work in range(1, left + 1)]
    index = {state: i for i, state in enumerate(states)}
    p, total = np.zeros(len(states)), 0.0
    people = hands[0][1]
    p[index[n, min(people, n)]] = 1.0
    for (start, people), (end, following) in zip(hands, [*hands[1:], (0.0, 0)], strict=True):
        rates = np.zeros((len(states), len(states)))
        for (left, work), i in index.items():
            rates[i, i] = -work / mean
            if left > 1:
                rates[i, index[left - 1, max(work - 1, min(people, left - 1))]] += work / mean
        if end == 0.0:  # the last shift: until all is done
            return total + float(p @ -np.linalg.solve(rates, np.ones(len(states))))
        size, span = len(states), (end - start) * HOUR
        whole = np.zeros((size + 1, size + 1))
        whole[:size, :size], whole[:size, size] = rates * span, span
        flow = expm(whole)
        total += float(p @ flow[:size, size])
        p = p @ flow[:size, :size]
        moved = np.zeros_like(p)
        for (left, work), i in index.items():
            moved[index[left, max(work, min(following, left))]] += p[i]
        p = moved
    raise AssertionError("unreachable")


def test_repairs_over_a_change_of_shift(plan_of: PlanOf, agrees: Agrees, controlled: Controlled) -> None:
    """Eight steps of Exp(1 h) from 17:00 on, four hands until 18:00, then one, from 20:00 on three."""
    operators = [
        {"count": 4, "from": "08:00", "to": "18:00"},
        {"count": 1, "from": "18:00", "to": "20:00"},
        {"count": 3, "from": "20:00", "to": "08:00"},
    ]
    plan = plan_of(
        count=8, stages=[human({"exponential": {"mean": "1h"}})],
        shared={"people": {"operators": operators}}, failure={"time_of_day": "17:00"},
    )  # fmt: skip
    runs = 12_000
    exact = makespan(8, HOUR, [(0.0, 4), (1.0, 1), (3.0, 3)])
    blocks = [BlockDraws(plan, Draws(1), block) for block in range(runs // RUNS_PER_BLOCK)]
    work = np.concatenate([draws.stage_seconds(plan.stages[0], 0) for draws in blocks])
    times = simulate(plan, runs=runs).vm_rta.max(axis=1)
    controls = [work[:, :4].mean(axis=1), work[:, 4:].mean(axis=1), work[:, 4:].max(axis=1)]
    means = [HOUR, HOUR, HOUR * (1 + 1 / 2 + 1 / 3 + 1 / 4)]
    agrees(controlled(times, controls, means), exact)


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        ({"day": 4, "night": 1, "hours": "08:00"}, "is not two times of day, such as 08:00-20:00"),
        ({"day": 4, "night": 1, "hours": "08:00-25:00"}, "'25:00' is not a time of day"),
        ({"day": 4, "night": 1}, "hours"),
        ({"day": 0, "night": 1, "hours": "08:00-20:00"}, "day"),
        ([{"count": 1, "from": "08:00", "to": "08:00"}], "are the same time"),
        ([], "operators"),
    ],
)
def test_shifts_that_make_no_sense(plan_of: PlanOf, operators: Any, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        plan_of(stages=[human("1m")], shared={"people": {"operators": operators}})
