"""Achieved RPO against exact answers: schedules, misses, overlap policies, the worst of several VMs.

The RPA at a random failure is the time since the start of the newest finished copy; each exact value
follows from renewal theory for that schedule.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ModelError
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.attempts import attempts
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import strike
from rpo_sim.model.protection.points import newest_usable

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]

HOUR = 3600.0


def rpas(plan: Plan, blocks: int = 40, seed: int = 1) -> FloatArray:
    """RPAs of all VMs without their recovery: one row per block."""
    rows = []
    for block in range(blocks):
        draws = BlockDraws(plan, Draws(seed), block)
        incident = strike(plan, draws)
        newest = recovery_points(plan, draws, incident, simpy_engine.protect)
        rows.append((incident.failed_at[:, None] - newest[0]).ravel())
    return np.array(rows)


def rpas_in_simpy(plan: Plan, blocks: int, seed: int = 1) -> FloatArray:
    """The same, with every copy run as a process of the engine and slots without end."""
    copy, rows = plan.copies[0], []
    for block in range(blocks):
        draws = BlockDraws(plan, Draws(seed), block)
        incident = strike(plan, draws)
        points = simpy_engine.protect(plan, [(copy, attempts(copy, draws, incident))])[0]
        rows.append((incident.failed_at[:, None] - newest_usable(copy, points, incident)).ravel())
    return np.array(rows)


def periodic(duration: Any, every: str = "1h", **fields: Any) -> dict[str, Any]:
    return {"every": every, "stagger": "uniform", "duration": {"assumed": duration}, **fields}


EXPONENTIAL_50M = {"exponential": {"mean": "50m"}}


def test_periodic_and_fixed_through_whole_runs(plan_of: PlanOf, agrees: Agrees) -> None:
    result = simulate(plan_of(count=20, copy=periodic("10m")), runs=2000)
    rpa = result.vm_rpa.reshape(80, -1)
    agrees(rpa.mean(axis=1), 600 + HOUR / 2)
    agrees(np.quantile(rpa, 0.95, axis=1), 600 + 0.95 * HOUR)
    agrees(np.quantile(rpa, 0.99, axis=1), 600 + 0.99 * HOUR)


def test_the_phase_of_the_failure_is_uniform_without_stagger(plan_of: PlanOf) -> None:
    """One VM, aligned to midnight: the phase comes from the failure alone."""
    rpa = rpas(plan_of(copy={"duration": {"assumed": "10m"}, "offset": "17m"}), blocks=200)
    assert stats.kstest((rpa.ravel() - 600) / HOUR, "uniform").pvalue > 1e-4


def test_lag_and_duration_both_count(plan_of: PlanOf, agrees: Agrees) -> None:
    rpa = rpas(plan_of(count=200, copy=periodic("10m", lag={"assumed": "7m"})))
    agrees(rpa.mean(axis=1), 1020 + HOUR / 2)


def test_periodic_with_a_random_duration(plan_of: PlanOf, agrees: Agrees) -> None:
    """RPO ~ U(0, T) + D as long as D < T."""
    rpa = rpas(plan_of(count=400, copy=periodic({"uniform": {"low": "5m", "high": "15m"}})))
    agrees(rpa.mean(axis=1), 2400)
    agrees(rpa.var(axis=1), HOUR**2 / 12 + 600**2 / 12)
    agrees(np.quantile(rpa, 0.95, axis=1), 4035.241998)
    agrees(np.quantile(rpa, 0.99, axis=1), 4292.153903)


def test_independent_misses(plan_of: PlanOf, agrees: Agrees) -> None:
    """Of the runs 12 % fail: E = D + T/2 + T·p/(1−p); P(> D + jT + y) = p^j [1 − (1−p) y/T]."""
    rpa = rpas(plan_of(count=400, copy=periodic("10m", success={"assumed": "88%"})))
    agrees(rpa.mean(axis=1), 2890.909091)
    agrees(np.quantile(rpa, 0.95, axis=1), 6586.363636)
    agrees((rpa <= 7200).mean(axis=1), 1 - 0.032)


def test_many_misses_in_a_row_leave_an_old_point(plan_of: PlanOf, agrees: Agrees) -> None:
    """The gap is geometric: E[RPO] = L + T(1 + q)/(2(1 − q)) at q = 0.9, longer than any warm-up."""
    rpa = rpas(plan_of(count=300, copy=periodic("10m", success={"assumed": "10%"})))
    agrees(rpa.mean(axis=1), 600 + HOUR * 1.9 / 0.2)


def test_a_retry_moves_the_cut(plan_of: PlanOf, agrees: Agrees) -> None:
    """With one retry: the gap is T·(misses) as for p², and the cut is that of the attempt that succeeded."""
    p = 0.3
    rpa = rpas(plan_of(count=400, copy=periodic("10m", success={"assumed": "70%"}, retries=1)))
    late = p / (1 + p)  # share of points that took the retry: cut and end 10 minutes later
    gaps = stats.geom(1 - p**2)
    # E[X²]/(2E[X]) of the gaps between cuts, which are T·geometric plus a difference of two delays
    delay = 600**2 * late * (1 - late)
    second = HOUR**2 * (gaps.var() + gaps.mean() ** 2) + 2 * delay
    agrees(rpa.mean(axis=1), second / (2 * HOUR * gaps.mean()) + 600)


def test_back_to_back(plan_of: PlanOf, agrees: Agrees) -> None:
    """RPO is the age of the running copy and the length of the one before: Gamma(2)."""
    copy = {"every": "back-to-back", "stagger": "uniform"}
    duration = {"assumed": {"exponential": {"mean": "30m"}}}
    rpa = rpas(plan_of(count=400, copy={**copy, "duration": duration}))
    agrees(rpa.mean(axis=1), 3600)
    agrees(np.quantile(rpa, 0.95, axis=1), 8538.956133)
    agrees(np.quantile(rpa, 0.99, axis=1), 11949.033722)


def test_skip_if_busy(plan_of: PlanOf, agrees: Agrees) -> None:
    rpa = rpas(plan_of(count=400, copy=periodic(EXPONENTIAL_50M, overlap="skip")))
    agrees(rpa.mean(axis=1), 6351.645938)


def test_overlap_allowed(plan_of: PlanOf, agrees: Agrees) -> None:
    rpa = rpas(plan_of(count=400, copy=periodic(EXPONENTIAL_50M, overlap="allow")))
    agrees(rpa.mean(axis=1), 4334.359251)
    agrees(np.quantile(rpa, 0.95, axis=1), 8408.768009)


def test_coalesce(plan_of: PlanOf, agrees: Agrees) -> None:
    rpa = rpas(plan_of(count=400, copy=periodic(EXPONENTIAL_50M, overlap="coalesce")))
    agrees(rpa.mean(axis=1), 5766.124416)


def test_queue_is_the_waiting_time_of_a_single_server(plan_of: PlanOf, agrees: Agrees) -> None:
    """D/M/1: the wait is 0 with probability 1 − σ, else exponential with mean m/(1 − σ), σ the root of
    σ = exp(−(1 − σ) T/m). Gaps between starts X are max(T − W − D, 0) + D shifted: E[X] = T, and
    RPO = E[X²]/(2T) + m, with X = max(D, T − W)."""
    m = 3000.0
    sigma = optimize.brentq(lambda s: s - math.exp(-(1 - s) * HOUR / m), 0.01, 0.99)
    rate = (1 - sigma) / m
    # W > T: X = D. W = w ≤ T: E[max(D, T − w)²]
    grid = (np.arange(200_000) + 0.5) / 200_000 * HOUR

    def second(w: Any) -> Any:
        free = HOUR - w
        return free**2 + np.exp(-free / m) * (2 * m * free + 2 * m**2)

    within = float(np.mean(second(grid) * rate * np.exp(-rate * grid)) * HOUR)
    beyond = math.exp(-rate * HOUR) * 2 * m**2
    x2 = (1 - sigma) * float(second(0.0)) + sigma * (within + beyond)
    # `queue` is stationary only after a warm-up many times the relaxation of the queue
    light = periodic({"exponential": {"mean": "50m"}}, overlap="queue")
    rpa = rpas(plan_of(count=400, copy=light))
    agrees(rpa.mean(axis=1), x2 / (2 * HOUR) + m)


@pytest.mark.parametrize(
    ("overlap", "gap"), [("skip", 1200), ("queue", 900), ("coalesce", 900), ("allow", 600)]
)
def test_overload(plan_of: PlanOf, agrees: Agrees, overlap: str, gap: float) -> None:
    """Copies of 15 minutes due every 10: RPO ~ D + U(0, gap between starts)."""
    rpa = rpas(plan_of(count=100, copy=periodic("15m", every="10m", overlap=overlap)))
    agrees(rpa.mean(axis=1), 900 + gap / 2)
    agrees(np.quantile(rpa, 0.95, axis=1), 900 + 0.95 * gap)


@pytest.mark.parametrize(
    ("overlap", "gap"), [("skip", 1200), ("queue", 900), ("coalesce", 900), ("allow", 600)]
)
def test_overload_as_processes(plan_of: PlanOf, agrees: Agrees, overlap: str, gap: float) -> None:
    rpa = rpas_in_simpy(plan_of(count=4, copy=periodic("15m", every="10m", overlap=overlap)), blocks=150)
    agrees(rpa.mean(axis=1), 900 + gap / 2)
    agrees((rpa <= 900 + 0.95 * gap).mean(axis=1), 0.95)


@pytest.mark.parametrize(("overlap", "gap"), [("skip", 3000), ("coalesce", 2700)])
def test_a_pattern_of_any_length_is_met_anywhere(plan_of: PlanOf, overlap: str, gap: float) -> None:
    """Copies of 45 minutes due every 10, at the same moments in every run: RPO ~ D + U(0, gap)."""
    copy = {"every": "10m", "duration": {"assumed": "45m"}, "overlap": overlap}
    rpa = rpas(plan_of(copy=copy), blocks=200)
    assert stats.kstest((rpa.ravel() - 2700) / gap, "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    ("copy", "least", "gap"),
    [
        ({"lag": "12h"}, 12 * HOUR + 60, 600),
        ({"duration": {"assumed": "12h"}, "overlap": "allow"}, 12 * HOUR, 600),
        ({"duration": {"assumed": "12h"}, "overlap": "skip"}, 12 * HOUR, 12 * HOUR),
    ],
)
def test_what_takes_many_intervals_has_points_too(
    plan_of: PlanOf, copy: dict[str, Any], least: float, gap: float
) -> None:
    """A lag or a run of 72 intervals: RPO ~ L + U(0, gap), whatever the warm-up."""
    rpa = rpas(plan_of(copy={"every": "10m", "duration": {"assumed": "1m"}, **copy}), blocks=200)
    assert stats.kstest((rpa.ravel() - least) / gap, "uniform").pvalue > 1e-4


def test_overload_replaced_makes_no_point(plan_of: PlanOf) -> None:
    plan = plan_of(count=10, copy=periodic("15m", every="10m", overlap="replace"))
    assert np.isinf(rpas(plan, blocks=2)).all()
    assert np.isinf(rpas_in_simpy(plan, blocks=1)).all()


def test_slots_for_all_keep_nobody_waiting(plan_of: PlanOf, agrees: Agrees) -> None:
    """`allow` keeps up to two copies of a VM in flight; with slots for them the pool is simulated."""
    copy = periodic("15m", every="10m", overlap="allow", slots={"proxies": 8})
    plan = plan_of(count=4, copy=copy)
    assert plan.copies[0].pool is not None
    agrees(rpas(plan).mean(axis=1), 900 + 300)


def test_one_slot_serves_one_vm_after_the_other(plan_of: PlanOf) -> None:
    """Three VMs due on the hour, one slot, 10 minutes each: VM i is cut at i·10 min, or on the hour."""
    for cut in ("after_slot", "before_slot"):
        plan = plan_of(count=3, copy={"overlap": "queue", "slots": {"proxies": 1}, "cut": cut})
        draws = BlockDraws(plan, Draws(1), 0)
        incident = strike(plan, draws)
        newest = recovery_points(plan, draws, incident, simpy_engine.protect)[0]
        for vm in range(3):
            ready_ago = np.mod(incident.failed_at - 600 * (vm + 1), HOUR)
            worked = 600 * (vm + 1) if cut == "before_slot" else 600
            np.testing.assert_allclose(incident.failed_at - newest[:, vm], ready_ago + worked)


def test_a_queue_that_only_grows_is_refused(plan_of: PlanOf) -> None:
    copy = periodic("15m", every="10m", overlap="queue", slots={"proxies": 10})
    with pytest.raises(ModelError, match="150% load"):
        plan_of(count=10, copy=copy)


def test_the_worst_of_five_unsynchronised_vms(plan_of: PlanOf, agrees: Agrees) -> None:
    result = simulate(plan_of(count=5, copy=periodic("10m")), runs=6000)
    rpa = result.tiers[0].rpa.reshape(60, -1)
    agrees(rpa.mean(axis=1), 600 + HOUR * 5 / 6)
    agrees((rpa <= 600 + HOUR * 0.95**0.2).mean(axis=1), 0.95)


def test_corruption_needs_a_point_older_than_its_onset(plan_of: PlanOf, agrees: Agrees) -> None:
    """Age 90 min, T = 1 h, D = 10 min: the newest cut before the onset is U(0, T) older than the onset."""
    failure = {"scope": "object", "kind": {"corruption": {"age": {"assumed": "90m"}}}}
    rpa = rpas(plan_of(count=200, copy=periodic("10m"), failure=failure))
    agrees(rpa.mean(axis=1), 5400 + HOUR / 2)
    kept_too_short = plan_of(count=10, copy=periodic("10m", retention={"count": 1}), failure=failure)
    assert np.isinf(rpas(kept_too_short, blocks=4)).all()


def test_retention_by_count_and_age_of_corruption(plan_of: PlanOf, agrees: Agrees) -> None:
    """Two points kept, age 60 min: clean is only the older one, when both cuts straddle the onset.

    The points available are cut at U + D − {0, T} before the failure, U ~ U(0, T): the newer one is never
    older than T + D, so it is clean iff U + 10 min > 60 min; the older one always is.
    """
    failure = {"scope": "object", "kind": {"corruption": {"age": {"assumed": "60m"}}}}
    rpa = rpas(plan_of(count=200, copy=periodic("10m", retention={"count": 2}), failure=failure))
    agrees(rpa.mean(axis=1), HOUR + HOUR / 2)
    agrees((rpa > HOUR + 600).mean(axis=1), 5 / 6)


def test_weekly_points_are_found_at_any_day_of_the_week(plan_of: PlanOf, agrees: Agrees) -> None:
    """Daily copies, of which the first of each week is kept; the corruption is 24 days old.

    The onset falls anywhere in its week, and the first copy of that week was cut at its beginning.
    """
    failure = {"scope": "object", "kind": {"corruption": {"age": {"assumed": "24d"}}}}
    copy = {"every": "24h", "duration": {"assumed": "1h"}, "retention": {"weekly": 8}}
    rpa = rpas(plan_of(copy=copy, failure=failure), blocks=80)
    agrees(rpa.mean(axis=1), (24 + 3.5) * 24 * HOUR)
    assert stats.kstest((rpa.ravel() / (24 * HOUR) - 24) / 7, "uniform").pvalue > 1e-4
