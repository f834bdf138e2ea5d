"""Achieved RPO against exact answers: random gaps, time-outs, order statistics, retention and ages.

T is the period, D the duration of a copy, U uniform on (0, T): how long ago the newest copy was finished.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import strike

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]

HOUR = 3600.0


BLOCKS = 40


def rpas(plan: Plan) -> FloatArray:
    """RPAs without recovery, shape (blocks, 25 runs, VMs); inf where no point is usable."""
    rows = []
    for block in range(BLOCKS):
        draws = BlockDraws(plan, Draws(1), block)
        incident = strike(plan, draws)
        newest = recovery_points(plan, draws, incident, simpy_engine.protect)
        rows.append(incident.failed_at[:, None] - newest[0])
    return np.array(rows)


def ages(plan: Plan, blocks: int = BLOCKS) -> FloatArray:
    """How long before the failure the corruption of each run began, shape (blocks, 25 runs)."""
    struck = (strike(plan, BlockDraws(plan, Draws(1), block)) for block in range(blocks))
    return np.array([incident.failed_at - incident.onset_at for incident in struck])


def flat(rows: FloatArray) -> FloatArray:
    return rows.reshape(len(rows), -1)


def hourly(duration: Any = "10m", **fields: Any) -> dict[str, Any]:
    return {"every": "1h", "stagger": "uniform", "duration": {"assumed": duration}, **fields}


def corrupted(age: Any) -> dict[str, Any]:
    return {"scope": "object", "kind": {"corruption": {"age": {"assumed": age}}}}


def test_the_inspection_paradox_of_random_gaps(plan_of: PlanOf, agrees: Agrees) -> None:
    """Copies back to back, D ~ U(10 min, 50 min): a random moment falls into long gaps more often.

    The time since the last completion has the density P(D > a)/E[D], so E[RPO] = E[D²]/(2 E[D]) + E[D]
    (renewal theory; Cox, Renewal Theory, 1962, ch. 5).
    """
    duration = {"assumed": {"uniform": {"low": "10m", "high": "50m"}}}
    copy = {"every": "back-to-back", "stagger": "uniform", "duration": duration}
    rpa = flat(rpas(plan_of(count=300, copy=copy)))
    second = 1800**2 + 2400**2 / 12
    agrees(rpa.mean(axis=1), second / (2 * 1800) + 1800)


def test_the_distribution_of_the_age_in_random_gaps(plan_of: PlanOf, agrees: Agrees) -> None:
    """P(RPO ≤ x) = ∫ P(A ≤ x − d) dF(d) with P(A > a) = ∫ over (a, ∞) of P(D > u) du / E[D]."""
    duration = {"assumed": {"uniform": {"low": "10m", "high": "50m"}}}
    copy = {"every": "back-to-back", "stagger": "uniform", "duration": duration}
    rpa = flat(rpas(plan_of(count=300, copy=copy)))
    d = 600 + (np.arange(200_000) + 0.5) / 200_000 * 2400
    a = np.clip(2700 - d, 0, 3000)
    # the integral of P(D > u): u up to 600 s, then u − (u − 600)²/4800
    within = (a - np.clip(a - 600, 0, None) ** 2 / 4800) / 1800
    agrees((rpa <= 2700).mean(axis=1), float(within.mean()))


def test_copies_over_their_time_out_are_misses(plan_of: PlanOf, agrees: Agrees) -> None:
    """D ~ Exp(m) fails at θ < T: q = exp(−θ/m) of the runs miss, and those that count took E[D | D < θ].

    Gaps between starts are T·geometric: E[RPO] = T (1 + q)/(2 (1 − q)) + m − θ q/(1 − q).
    """
    m, theta = 1200.0, 1800.0
    copy = hourly({"exponential": {"mean": "20m"}}, timeout="30m")
    rpa = flat(rpas(plan_of(count=400, copy=copy)))
    q = np.exp(-theta / m)
    agrees(rpa.mean(axis=1), HOUR * (1 + q) / (2 * (1 - q)) + m - theta * q / (1 - q))


def test_a_lag_longer_than_the_period(plan_of: PlanOf, agrees: Agrees) -> None:
    """Lag ~ Exp(50 min), one for each VM and incident, holds nothing: copies are made on time.

    RPO = lag + D + U whatever the overlap policy: E = m + D + T/2, variance m² + T²/12.
    """
    lag = {"assumed": {"exponential": {"mean": "50m"}}}
    rpa = flat(rpas(plan_of(count=400, copy=hourly(lag=lag, overlap="skip"))))
    agrees(rpa.mean(axis=1), 3000 + 600 + HOUR / 2)
    agrees(rpa.std(axis=1), (3000**2 + HOUR**2 / 12) ** 0.5)


def test_the_kth_freshest_of_five(plan_of: PlanOf, agrees: Agrees) -> None:
    """Order statistics of uniform phases: the k-th of n unsynchronised VMs lost D + T k/(n + 1) on average.

    David and Nagaraja, Order Statistics, 2003, ch. 2. In each run there are 80 fives with their own phases.
    """
    kth = np.sort(rpas(plan_of(count=400, copy=hourly())).reshape(BLOCKS, -1, 5), axis=2)
    for k in (1, 2, 3, 4):
        agrees(kth[:, :, k - 1].mean(axis=1), 600 + HOUR * k / 6)


def test_the_spread_of_the_worst_of_twenty(plan_of: PlanOf, agrees: Agrees) -> None:
    """P(worst ≤ D + xT) = xⁿ: one incident in ten loses more than D + T·0.9^(1/n)."""
    rpa = rpas(plan_of(count=400, copy=hourly())).reshape(BLOCKS, -1, 20).max(axis=2)
    agrees(rpa.mean(axis=1), 600 + HOUR * 20 / 21)
    agrees((rpa <= 600 + HOUR * 0.9 ** (1 / 20)).mean(axis=1), 0.9)


@pytest.mark.parametrize("minutes", [130, 166, 190])
def test_corruption_older_than_the_points_kept(plan_of: PlanOf, agrees: Agrees, minutes: int) -> None:
    """Three points are kept: the oldest was cut D + U + 2T ago.

    P(usable) = P(D + U + 2T > age) = (D + 3T − age)/T, between 0 and 1; a fourth is not there.
    """
    plan = plan_of(count=200, copy=hourly(retention={"count": 3}), failure=corrupted(f"{minutes}m"))
    share = np.isfinite(flat(rpas(plan))).mean(axis=1)
    exact = min(max((10 + 3 * 60 - minutes) / 60, 0), 1)
    if exact in (0, 1):
        assert (share == exact).all()
    else:
        agrees(share, exact)


@pytest.mark.parametrize("kept_minutes", [270, 330])
def test_corruption_older_than_the_time_that_points_are_kept(
    plan_of: PlanOf, agrees: Agrees, kept_minutes: int
) -> None:
    """Points are kept K from their cut, the corruption is a old: one must be cut between K and a ago.

    P = min(1, (K − a)/T), whatever the phase.
    """
    copy = hourly(retention={"keep": f"{kept_minutes}m"})
    share = np.isfinite(flat(rpas(plan_of(count=200, copy=copy, failure=corrupted("4h"))))).mean(axis=1)
    exact = min(1.0, (kept_minutes - 240) / 60)
    if exact == 1:
        assert (share == 1).all()
    else:
        agrees(share, exact)


def test_corruption_of_a_random_age(plan_of: PlanOf, agrees: Agrees) -> None:
    """Age ~ U(1 h, 3 h), all points kept: the newest cut before the onset is U older: E = E[age] + T/2.

    The age, one for all VMs of a run, and what comes on top of it are held against their means apart.
    """
    age = {"uniform": {"low": "1h", "high": "3h"}}
    plan = plan_of(count=200, copy=hourly(), failure=corrupted(age))
    agrees(flat(rpas(plan) - ages(plan)[:, :, None]).mean(axis=1), HOUR / 2)
    agrees(ages(plan, 800).reshape(BLOCKS, -1).mean(axis=1), 2 * HOUR)


def test_corruption_of_a_random_age_and_few_points(plan_of: PlanOf, agrees: Agrees) -> None:
    """Age ~ U(1 h, 2 h), two points: P(usable) = E[clamp((D + 2T − age)/T)], an integral over the age.

    In hours with D = 1/6: all up to 7/6, from there 13/6 − age: 1/6 + (1² − (1/6)²)/2 = 47/72. What the
    ages that were drawn give instead, by the same clamp, is taken away as noise.
    """
    age = {"uniform": {"low": "1h", "high": "2h"}}
    plan = plan_of(count=200, copy=hourly(retention={"count": 2}), failure=corrupted(age))
    share = np.isfinite(rpas(plan)).mean(axis=2)
    given = np.clip((600 + 2 * HOUR - ages(plan)) / HOUR, 0, 1)
    agrees((share - given).mean(axis=1) + 47 / 72, 47 / 72)
