"""Quorum: who needs k of n waits for the k-th of n, whose time is an order statistic."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import RUNS_PER_BLOCK, BlockDraws
from rpo_sim.model.block_runs import replay
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.report.trace import render_trace

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]
Controlled = Callable[..., FloatArray]
BOOT: dict[str, Any] = {"stage": "boot", "duration": {"assumed": {"exponential": {"mean": "10m"}}}}


def needing(plan_of: PlanOf, least: int, stages: list[dict[str, Any]], n: int = 5, **recovery: Any) -> Plan:
    groups = [{"name": "etcd", "count": n}, {"name": "api", "needs": [{"group": "etcd", "at_least": least}]}]
    return plan_of(groups=groups, stages=stages, **recovery)


def drawn(plan: Plan, runs: int) -> FloatArray:
    blocks = [BlockDraws(plan, Draws(1), block) for block in range(runs // RUNS_PER_BLOCK)]
    return np.concatenate([draws.stage_seconds(plan.stages[0], 0) for draws in blocks])


@pytest.mark.parametrize(("least", "n"), [(3, 5), (5, 5), (1, 3), (2, 3)])
def test_the_kth_of_n_exponential_boots(
    plan_of: PlanOf, agrees: Agrees, controlled: Controlled, least: int, n: int
) -> None:
    """E[k-th of n Exp(m)] = m·(1/n + … + 1/(n − k + 1)); then the own boot of whoever waited."""
    plan = needing(plan_of, least, [BOOT], n)
    runs = 8000
    times, work = simulate(plan, runs=runs).vm_rta[:, n], drawn(plan, runs)
    exact = 600 * (1 + sum(1 / (n - j) for j in range(least)))
    controls = [work[:, n], work[:, :n].mean(axis=1), work[:, :n].min(axis=1)]
    agrees(controlled(times, controls, [600, 600, 600 / n]), exact)
    np.testing.assert_allclose(times, np.sort(work[:, :n], axis=1)[:, least - 1] + work[:, n], rtol=1e-12)


def test_a_quorum_survives_as_many_failures_as_it_can(plan_of: PlanOf) -> None:
    """3 of 5 are needed: with success 60 % each, P(met) = P(Bin(5, 0.6) ≥ 3) = 0.68256."""
    plan = needing(plan_of, 3, [BOOT | {"success": {"assumed": "60%"}}])
    only_etcd = simulate(plan, runs=4000)
    there = np.isfinite(only_etcd.vm_rta)
    assert there[:, 5].mean() == pytest.approx(0.68256 * 0.6, abs=0.032)  # 4 standard errors
    drawn_oks = [BlockDraws(plan, Draws(1), b).stage_succeeds(plan.stages[0], 0) for b in range(160)]
    ok = np.concatenate([row for row in drawn_oks if row is not None])
    np.testing.assert_array_equal(there[:, 5], (ok[:, :5].sum(axis=1) >= 3) & ok[:, 5])


def test_nobody_is_back_before_what_it_needs(plan_of: PlanOf) -> None:
    """The barrier lets the web begin when the database has booted; it is back no earlier than that."""
    stages = [
        {"stage": "boot", "duration": {"assumed": "1m"}},
        {"stage": "application", "duration": {"assumed": "10m"}},
    ]
    groups = [{"name": "db"}, {"name": "web", "needs": ["db"]}]
    waves = {"order": [["db", "web"]], "barrier": "boot"}
    plan = plan_of(groups=groups, stages=stages, waves=waves)
    slow = replace(plan.stages[1], steps=(0,))
    assert simulate(replace(plan, stages=(plan.stages[0], slow)), runs=1).vm_rta[0].tolist() == [660.0, 720.0]
    from_db = [{"name": "db", "count": 2}, {"name": "web", "needs": [{"group": "db", "at_least": 1}]}]
    hands = {"operators": 1}  # one after the other: the second database is back last
    stages[1] |= {"by": "people"}
    plan = plan_of(groups=from_db, stages=stages, waves=waves, shared={"people": hands})
    assert simulate(plan, runs=1).vm_rta[0].tolist() == [1260.0, 1260.0, 1860.0]
    trace = render_trace(plan, replay(plan, 1, 0), 0)
    assert "waits for needs 1 of db; db/0 ends it" in trace


def test_what_needs_the_lost_is_lost_with_it(plan_of: PlanOf) -> None:
    """A database that passes the barrier and then fails takes the web with it, and only that."""
    stages = [
        {"stage": "boot", "duration": {"assumed": "1m"}},
        {"stage": "application", "bytes": "used", "over": "wire", "timeout": "10m"},
    ]
    groups = [
        {"name": "db", "disks": [{"capacity": "1GB"}]},
        {"name": "web", "disks": [{"capacity": "1MB"}], "needs": ["db"]},
        {"name": "mail", "disks": [{"capacity": "1MB"}]},
    ]
    shared = {"links": {"wire": {"bandwidth": "1MB/s"}}}
    waves = {"order": [["db", "web", "mail"]], "barrier": "boot"}
    rta = simulate(plan_of(groups=groups, stages=stages, shared=shared, waves=waves), runs=1).vm_rta[0]
    assert np.isinf(rta[:2]).all()
    assert np.isfinite(rta[2])


def test_a_quorum_that_cannot_be_is_given_up_at_once(plan_of: PlanOf) -> None:
    """Room for two of five, three are needed: whoever needs them does not wait for the two to boot."""
    groups = [
        {"name": "etcd", "count": 5, "demand": {"cores": 1}},
        {"name": "api", "needs": [{"group": "etcd", "at_least": 3}]},
    ]
    stages = [{"stage": "boot", "duration": {"assumed": "1m"}}]
    found = replay(plan_of(groups=groups, stages=stages, target={"cores": 2}), 1, 0)
    assert found.jobs[5].segments == []
    assert np.isfinite(found.recovered_at).sum() == 2
