"""Instant recovery and what follows a recovery: by hand, with the link that both compete for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rpo_sim.errors import ScenarioError
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.block_runs import replay
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.model.run import RunInputs
from rpo_sim.report.predictions import render_predictions
from rpo_sim.report.trace import render_trace

PlanOf = Callable[..., Plan]
WIRE = {"links": {"wire": {"bandwidth": "1MB/s"}}}
BOOT: dict[str, Any] = {"stage": "boot", "duration": {"assumed": "10s"}}
MIGRATE: dict[str, Any] = {"stage": "migrate", "bytes": "used", "over": "wire", "timeout": "30d"}
PATH = [{"copy": "backup", "method": "instant"}]
GROUPS = [{"name": f"vm{i}", "disks": [{"capacity": "100MB"}]} for i in range(2)]


def also(plan: Plan) -> dict[str, float]:
    return {name: float(values[0]) for name, values in simulate(plan, runs=25).tiers[0].also.items()}


def test_an_instant_recovery_is_usable_long_before_it_is_fast(plan_of: PlanOf) -> None:
    """Boot 10 s; then two copies of 100 MB share 1 MB/s: both through at 210 s, not part of the RTA."""
    plan = plan_of(groups=GROUPS, path=PATH, stages=[BOOT, MIGRATE], shared=WIRE)
    result = simulate(plan, runs=25)
    assert result.vm_rta[0].tolist() == [10.0, 10.0]
    assert also(plan) == {"full_performance_seconds": pytest.approx(210)}
    assert result.activities == ("detect", "declare", "boot", "migrate", "repair")
    assert result.tiers[0].activities[0].tolist() == [0, 0, 10, 0, 0]


def test_the_background_copy_slows_who_is_still_restored(plan_of: PlanOf) -> None:
    """vm0 (100 MB, instant) copies in the background from 10 s on; vm1 restores 100 MB in full, then boots.

    10 MB alone, then half each: the full restore ends at 190 s, its boot at 200 s; the copy at 200 s.
    """
    path = [*PATH, {"copy": "backup", "method": "full"}]
    stages = [
        BOOT | {"when": "instant", "name": "mount"},
        {"stage": "data", "bytes": "used", "over": "wire", "timeout": "30d", "when": "full"},
        BOOT | {"when": "full"},
        MIGRATE | {"when": "instant"},
    ]
    plan = plan_of(groups=GROUPS, path=path, stages=stages, shared=WIRE)
    inputs = RunInputs(
        block=BlockDraws(plan, Draws(1), 0),
        row=0,
        detect_seconds=0.0,
        declare_seconds=0.0,
        options=((0,), (1,)),
    )
    found = simpy_engine.recover(plan, inputs)
    np.testing.assert_allclose(found.recovered_at, [10, 200])
    np.testing.assert_allclose(found.after["migrate"], [200, 200])
    alone = simpy_engine.recover(replace(plan, after=()), inputs)
    np.testing.assert_allclose(alone.recovered_at, [10, 110])


def test_the_order_after_a_recovery(plan_of: PlanOf) -> None:
    """VMs migrate, applications are reprotected when theirs are through, the incident ends with failback."""
    groups = [
        {"name": "db", "application": "erp", "disks": [{"capacity": "100MB"}]},
        {"name": "web", "application": "erp", "disks": [{"capacity": "300MB"}]},
        {"name": "mail", "disks": [{"capacity": "500MB"}]},
    ]
    stages = [
        BOOT,
        {"stage": "verify", "once_per": "application", "duration": {"assumed": "5s"}},
        MIGRATE | {"over": "fast"},
        {"stage": "reprotect", "once_per": "application", "duration": {"assumed": "1000s"}},
        {"stage": "failback", "once_per": "incident", "duration": {"assumed": "1h"}},
        {"stage": "cleanup", "once_per": "incident", "duration": {"assumed": "1m"}},
    ]
    shared = {"links": {"fast": {"bandwidth": "1GB/s", "per_stream": "1MB/s"}}}
    plan = plan_of(groups=groups, path=PATH, stages=stages, shared=shared)
    found = replay(plan, 1, 0)
    np.testing.assert_allclose(found.recovered_at, [15, 15, 15])
    np.testing.assert_allclose(found.after["migrate"], [110, 310, 510])
    np.testing.assert_allclose(found.after["reprotect"], [1310, 1310, 1510])
    np.testing.assert_allclose(found.after["failback"], [5110] * 3)
    np.testing.assert_allclose(found.after["cleanup"], [5170] * 3)
    trace = render_trace(plan, found, 0)
    assert "application erp afterwards" in trace
    assert "web/0 afterwards" in trace
    assert "RTA 15s, migrate done 5m10s, reprotect done 21m50s" in trace
    page = render_predictions([simulate(plan, runs=25)], "table")
    assert "after the RTA of gold: full performance p50 8m30s" in page
    assert "time unprotected p50 25m10s" in page


def test_who_comes_later_takes_nothing_from_who_is_through(plan_of: PlanOf) -> None:
    """vm1 begins when vm0 is usable: at 10 s. vm0 copies 100 MB, half of them beside vm1: through at 200 s;
    vm1, usable at 20 s, is through at 210 s. The application follows both."""
    cleanup = {"stage": "cleanup", "once_per": "application", "duration": {"assumed": "5s"}}
    groups = [group | {"application": "shop"} for group in GROUPS]
    waves = {"order": [["vm0"], ["vm1"]]}
    plan = plan_of(groups=groups, path=PATH, stages=[BOOT, MIGRATE, cleanup], shared=WIRE, waves=waves)
    found = replay(plan, 1, 0).after
    assert found["migrate"] == pytest.approx([200, 210])
    assert found["cleanup"] == pytest.approx([215, 215])


def test_who_is_not_recovered_is_never_protected_again(plan_of: PlanOf) -> None:
    boot = BOOT | {"success": {"assumed": "0%"}, "timeout": "1m"}
    reprotect = {"stage": "reprotect", "duration": {"assumed": "1h"}}
    plan = plan_of(groups=GROUPS, stages=[boot, reprotect])
    assert also(plan) == {"unprotected_seconds": np.inf}


def test_a_migration_that_fails_leaves_the_service_slow_but_there(plan_of: PlanOf) -> None:
    """100 MB at 1 MB/s within 30 s cannot be: full performance never, and no reprotection; the RTA stands."""
    later = {"stage": "reprotect", "duration": {"assumed": "1h"}}
    plan = plan_of(groups=GROUPS[:1], stages=[BOOT, MIGRATE | {"timeout": "30s"}, later], shared=WIRE)
    assert simulate(plan, runs=25).vm_rta[0].tolist() == [10.0]
    assert also(plan) == {"full_performance_seconds": np.inf, "unprotected_seconds": np.inf}


@pytest.mark.parametrize("once_per", ["vm", "disk"])
def test_retries_and_disks_afterwards(plan_of: PlanOf, once_per: str) -> None:
    """A failed copy is repaired and begun anew, for a VM or for each of its disks."""
    groups = [{"name": "vm", "disks": [{"capacity": "100MB"}, {"capacity": "100MB"}]}]
    migrate = MIGRATE | {"once_per": once_per, "success": {"assumed": "50%"}, "retries": 10}
    plan = plan_of(groups=groups, stages=[BOOT, migrate], shared=WIRE, repair={"assumed": "1m"})
    ends = simulate(plan, runs=50).tiers[0].also["full_performance_seconds"]
    assert ends.min() == pytest.approx(210)
    assert ends.max() > 300


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            [BOOT, {"stage": "reprotect", "once_per": "group", "duration": {"assumed": "1h"}}],
            "once per vm, disk",
        ),
        ([{"stage": "cleanup", "duration": {"assumed": "1h"}}, BOOT], "`boot` stands after `cleanup`"),
        ([{"stage": "cleanup", "duration": {"assumed": "1h"}}], "nothing recovers"),
    ],
)
def test_stages_in_an_order_that_cannot_be(plan_of: PlanOf, stages: Any, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        plan_of(stages=stages)
