"""Levels of copies against the window sums: points made from points, fulls and incrementals, scopes.

Sources: levels, windows and their sums after Keeton and Merchant, "A framework for evaluating storage
system dependability" (DSN 2004); each formula is stated so that it stands alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import strike

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]

HOUR = 3600.0


def rpas(plan: Plan, copy: int = -1, blocks: int = 40, seed: int = 1) -> FloatArray:
    """RPAs of all VMs from one copy (the last), without their recovery: one row per block."""
    rows = []
    for block in range(blocks):
        draws = BlockDraws(plan, Draws(seed), block)
        incident = strike(plan, draws)
        newest = recovery_points(plan, draws, incident, simpy_engine.protect)
        rows.append((incident.failed_at[:, None] - newest[copy]).ravel())
    return np.array(rows)


def uniform(rpa: FloatArray, low: float, width: float) -> None:
    """RPAs of independent failures are U(low, low + width)."""
    assert rpa.min() >= low - 1e-6
    assert rpa.max() <= low + width + 1e-6
    assert stats.kstest((rpa.ravel() - low) / width, "uniform").pvalue > 1e-4


def level(name: str, every: str, duration: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "every": every, "duration": {"assumed": duration}, **fields}


def test_the_loss_at_a_level_is_uniform_between_the_sums_of_windows(plan_of: PlanOf) -> None:
    """L_i = Σ (hold + prop); DL_i ~ U(L_i, L_i + accW_i) where each level starts as its source arrives.

    Snapshot each hour, ready after 5 m; backup of it each 4 h from 5 m past, held 10 m, sent in 30 m; vault
    of that each day from 45 m past, held 1 h, sent in 2 h: L = 5 m, 45 m, 3 h 45 m.
    """
    copies = [
        level("snapshot", "1h", "5m"),
        level("backup", "4h", "30m", **{"from": "snapshot"}, offset="5m", hold="10m"),
        level("vault", "24h", "2h", **{"from": "backup"}, offset="45m", hold="1h"),
    ]
    plan = plan_of(copies=copies)
    for copy, (lag, window) in enumerate([(300, 1), (2700, 4), (13500, 24)]):
        uniform(rpas(plan, copy, blocks=60), lag, window * HOUR)


def test_levels_whose_schedules_do_not_meet_add_the_wait(plan_of: PlanOf) -> None:
    """The backup starts 5 m before the snapshot is ready: it carries the one before, T older."""
    copies = [
        level("snapshot", "1h", "10m"),
        level("backup", "4h", "30m", **{"from": "snapshot"}, offset="5m"),
    ]
    uniform(rpas(plan_of(copies=copies), blocks=60), 300 + HOUR + 1800, 4 * HOUR)


def test_staggered_levels_add_independent_phases(plan_of: PlanOf, agrees: Agrees) -> None:
    """DL = L + U(0, T1) + U(0, T2): mean and variance add up."""
    copies = [
        level("snapshot", "1h", "5m", stagger="uniform"),
        level("backup", "4h", "30m", **{"from": "snapshot"}, stagger="uniform"),
    ]
    rpa = rpas(plan_of(copies=copies, count=100))
    agrees(rpa.mean(axis=1), 2100 + 0.5 * HOUR + 2 * HOUR)
    agrees(rpa.var(axis=1), HOUR**2 / 12 + (4 * HOUR) ** 2 / 12)


def test_a_source_that_the_failure_takes_leaves_what_had_arrived(plan_of: PlanOf) -> None:
    copies = [
        level("snapshot", "1h", "5m", location="primary"),
        level("backup", "4h", "30m", **{"from": "snapshot"}, offset="5m"),
    ]
    plan = plan_of(copies=copies)
    assert [copy.survives for copy in plan.copies] == [False, True]
    assert np.isinf(rpas(plan, 0, blocks=2)).all()
    uniform(rpas(plan, 1, blocks=60), 2100, 4 * HOUR)


def test_misses_of_the_source_age_the_level(plan_of: PlanOf, agrees: Agrees) -> None:
    """The age of a source's point at a run is D1 + U(0, T1) + T1·geometric(q): E adds T1·q/(1 − q)."""
    copies = [
        level("snapshot", "1h", "5m", success={"assumed": "60%"}, stagger="uniform"),
        level("backup", "4h", "30m", **{"from": "snapshot"}, stagger="uniform"),
    ]
    rpa = rpas(plan_of(copies=copies, count=100))
    agrees(rpa.mean(axis=1), 2100 + 2.5 * HOUR + HOUR * 0.4 / 0.6)


def test_a_source_that_keeps_too_little_has_nothing_to_give(plan_of: PlanOf) -> None:
    """A snapshot kept for 30 minutes is gone when the backup comes 40 minutes after its cut."""
    backup = level("backup", "4h", "30m", **{"from": "snapshot"}, offset="40m")
    kept = plan_of(copies=[level("snapshot", "1h", "5m", retention={"keep": "45m"}), backup])
    uniform(rpas(kept, blocks=60), 2400 + 1800, 4 * HOUR)
    gone = plan_of(copies=[level("snapshot", "1h", "5m", retention={"keep": "30m"}), backup])
    assert np.isinf(rpas(gone, blocks=2)).all()


def test_corruption_is_carried_along(plan_of: PlanOf) -> None:
    """A level's point is clean iff the cut that it carries is: age a = 6 h, L = 35 m, T = 4 h."""
    copies = [
        level("snapshot", "1h", "5m"),
        level("backup", "4h", "30m", **{"from": "snapshot"}, offset="5m"),
    ]
    failure = {"scope": "object", "kind": {"corruption": {"age": {"assumed": "6h"}}}}
    uniform(rpas(plan_of(copies=copies, failure=failure), blocks=60), 6 * HOUR, 4 * HOUR)


# Fulls and incrementals


def test_an_incremental_waits_for_its_full(plan_of: PlanOf) -> None:
    """Cycle of 4 runs of 6 h, a full takes 9 h, an incremental 1 h, all may overlap: the first incremental
    is usable only with its full. A cycle's points are cut at 0, 6, 12, 18 h and usable at 9, 9, 13, 19 h.
    """
    copy = level("backup", "6h", "1h", overlap="allow", cycle={"full": "24h", "duration": {"assumed": "9h"}})
    rpa = np.sort(rpas(plan_of(copies=[copy]), blocks=80).ravel())
    t = (np.arange(24 * 3600) + 0.5) % (24 * HOUR)
    ready, cut = np.array([-5, 9, 9, 13, 19]) * HOUR, np.array([-6, 0, 6, 12, 18]) * HOUR
    newest = np.max(np.where(ready[:, None] <= t, cut[:, None], -np.inf), axis=0)
    assert stats.ks_2samp(rpa, t - newest).pvalue > 1e-4
    assert rpa.max() == pytest.approx(15 * HOUR, rel=0.02)  # just before the full is there


def test_cycles_use_the_fulls_propagation_for_the_worst_case(plan_of: PlanOf) -> None:
    """Largest propW of the cycle (the full's) plus the incremental's accW, if the full is done in time."""
    copy = level("backup", "6h", "1h", cycle={"full": "24h", "duration": {"assumed": "5h"}})
    rpa = rpas(plan_of(copies=[copy]), blocks=80)
    assert (5 + 6) * HOUR * 0.98 <= rpa.max() <= (5 + 6) * HOUR


def test_a_failed_full_lets_the_chain_go_on(plan_of: PlanOf, agrees: Agrees) -> None:
    """A miss costs what a miss costs anywhere: E = D + T/2 + T·q/(1 − q), whichever run it hits."""
    copy = level("backup", "1h", "10m", success={"assumed": "88%"}, cycle={"full": "4h"}, stagger="uniform")
    agrees(rpas(plan_of(copies=[copy], count=400)).mean(axis=1), 2890.909091)


# Scopes


def test_an_administrator_deletes_what_is_not_immutable(plan_of: PlanOf) -> None:
    """Of points cut each hour those younger than the lock stay; a chain falls with its full."""
    admin = {"scope": "admin"}
    assert np.isinf(rpas(plan_of(failure=admin), blocks=2)).all()
    uniform(rpas(plan_of(copy={"immutable": "2h"}, failure=admin), blocks=60), 600, HOUR)
    elsewhere = {"vault": {"site": "there", "cluster": "there", "backend": "there", "admin": "others"}}
    uniform(rpas(plan_of(failure=admin, locations=elsewhere), blocks=60), 600, HOUR)
    # the full is up to 4 h 10 m old when the next has arrived: with a lock of 3 h some moments have none
    cycle = {"cycle": {"full": "4h"}, "immutable": "3h"}
    rpa = rpas(plan_of(copy=cycle, failure=admin), blocks=60)
    assert np.isinf(rpa).mean() == pytest.approx((4 * HOUR + 600 - 3 * HOUR) / (4 * HOUR), abs=0.04)


def test_several_scopes_take_what_each_takes(plan_of: PlanOf) -> None:
    copies = [level("near", "1h", "5m", location="primary"), level("far", "1h", "5m")]

    def left(*scopes: str) -> list[bool]:
        return [copy.survives for copy in plan_of(copies=copies, failure={"scope": list(scopes)}).copies]

    assert left("site") == [False, True]
    assert left("partition") == [True, True]
    assert left("site", "admin") == [False, False]


# Applications


def test_members_cut_together_have_one_cut(plan_of: PlanOf, agrees: Agrees) -> None:
    """Durations differ, so the application's point is usable with its last member: RPA = U(0, T) + max D_i.

    D ~ U(0, 30 m), n = 4: E = T/2 + 24 m. Apart, each member's age is U(0, T) + D and the oldest, not the
    mean, is the application's: the same value, as all are cut by one schedule; but members then differ.
    """
    groups = [
        {"name": "db", "application": "erp", "count": 1},
        {"name": "app", "application": "erp", "count": 3},
    ]
    duration = {"assumed": {"uniform": {"low": "0s", "high": "30m"}}}
    copy = {"name": "backup", "every": "1h", "duration": duration}
    together = plan_of(copies=[copy | {"cut_together": True}], groups=groups)
    rpa = rpas(together, blocks=500).reshape(-1, 4)
    assert np.ptp(rpa, axis=1).max() < 1e-6
    agrees(rpa[:, 0].reshape(50, -1).mean(axis=1), HOUR / 2 + 1440)
    apart = rpas(plan_of(copies=[copy], groups=groups), blocks=500).reshape(-1, 4)
    assert np.ptp(apart, axis=1).max() > 1
    agrees(apart.max(axis=1).reshape(50, -1).mean(axis=1), HOUR / 2 + 1440)


def test_one_member_that_fails_fails_the_common_point(plan_of: PlanOf, agrees: Agrees) -> None:
    """n members succeed with p each: misses of the application as with p^n."""
    groups = [{"name": "db", "application": "erp", "count": 3}]
    copy = {"name": "backup", "success": {"assumed": "90%"}, "cut_together": True}
    result = simulate(plan_of(copies=[copy], groups=groups), runs=100)
    assert (np.ptp(result.vm_rpa, axis=1) < 1e-6).all()
    rpa = rpas(plan_of(copies=[copy], groups=groups), blocks=600)[:, ::3].reshape(60, -1)
    q = 1 - 0.9**3
    assert abs(rpa.mean() - (600 + HOUR / 2 + HOUR * q / (1 - q))) < 4 * rpa.mean(axis=1).std() / 60**0.5
