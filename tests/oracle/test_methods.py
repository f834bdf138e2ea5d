"""How much a method moves: changed blocks and journals by the age of the point, items by their size."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ScenarioError
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.block_runs import run_block
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]
Controlled = Callable[..., FloatArray]
WIRE = {"links": {"wire": {"bandwidth": "1MB/s"}}}
DATA: dict[str, Any] = {"stage": "data", "over": "wire", "timeout": "30d"}
CHANGE = {"1h": "360MB", "4h": "720MB", "16h": "1080MB"}


def test_changed_blocks_since_the_point(plan_of: PlanOf) -> None:
    """In proportion below the smallest window: 0.1 MB/s of change over 1 MB/s is a tenth of the RPA."""
    groups = [{"name": "vm", "change": {"24h": "8640MB"}, "disks": [{"capacity": "10GB"}]}]
    plan = plan_of(groups=groups, stages=[DATA | {"bytes": "changed"}], shared=WIRE)
    result = simulate(plan, runs=50)
    np.testing.assert_allclose(result.vm_rta, 0.1 * result.vm_rpa, rtol=1e-7)
    assert len(np.unique(result.vm_rta)) == 50


def test_changed_blocks_grow_with_the_logarithm_of_the_window(plan_of: PlanOf) -> None:
    """Between 1 h and 16 h these are 360 MB·(1 + log4 hours): RPA ~ U(2 h, 14 h) by a copy each 12 h."""
    groups = [{"name": "vm", "change": CHANGE, "disks": [{"capacity": "10GB"}]}]
    copy = {"every": "12h", "duration": {"assumed": "2h"}}
    plan = plan_of(groups=groups, stages=[DATA | {"bytes": "changed"}], shared=WIRE, copy=copy)
    result = simulate(plan, runs=100)
    hours = result.vm_rpa / 3600
    assert hours.min() >= 2
    assert hours.max() <= 14
    np.testing.assert_allclose(result.vm_rta, 360 * (1 + np.log(hours) / np.log(4)), rtol=1e-6)


def test_mean_time_to_write_the_changed_blocks(
    plan_of: PlanOf, agrees: Agrees, controlled: Controlled
) -> None:
    """∫ of that over the window: 360·(1 + ((b·ln b − b) − (a·ln a − a)) ÷ ((b − a)·ln 4)), a = 2, b = 14."""
    groups = [{"name": "vm", "change": CHANGE, "disks": [{"capacity": "10GB"}]}]
    copy = {"every": "12h", "duration": {"assumed": "2h"}}
    plan = plan_of(groups=groups, stages=[DATA | {"bytes": "changed"}], shared=WIRE, copy=copy)
    result = simulate(plan, runs=8000)
    a, b = 2.0, 14.0
    log_mean = ((b * np.log(b) - b) - (a * np.log(a) - a)) / (b - a)
    agrees(
        controlled(result.vm_rta[:, 0], [result.vm_rpa[:, 0]], [8 * 3600]), 360 * (1 + log_mean / np.log(4))
    )


def test_a_journal_replays_every_write(plan_of: PlanOf) -> None:
    groups = [{"name": "vm", "writes": "250kB/s"}]
    result = simulate(plan_of(groups=groups, stages=[DATA | {"bytes": "written"}], shared=WIRE), runs=25)
    np.testing.assert_allclose(result.vm_rta, 0.25 * result.vm_rpa, rtol=1e-9)


def test_disks_share_what_changed_by_what_they_hold(plan_of: PlanOf) -> None:
    """Two disks, 3 : 1 in use, a stream each at their share: the larger one ends last, at the total."""
    groups = [{"name": "vm", "writes": "400kB/s", "disks": [{"capacity": "3GB"}, {"capacity": "1GB"}]}]
    stage = DATA | {"bytes": "written", "once_per": "disk"}
    wire = {"links": {"wire": {"bandwidth": "1GB/s", "per_stream": "1MB/s"}}}
    result = simulate(plan_of(groups=groups, stages=[stage], shared=wire), runs=25)
    np.testing.assert_allclose(result.vm_rta, 0.3 * result.vm_rpa, rtol=1e-9)


@pytest.mark.parametrize("link", [False, True])
def test_a_rate_takes_the_bytes_that_the_run_decides(plan_of: PlanOf, link: bool) -> None:
    """overhead + bytes ÷ rate with the drawn rate: the straight line through two sizes is exact."""
    groups = [{"name": "vm", "writes": "250kB/s", "disks": [{"capacity": "1GB"}]}]
    shape = {"rate": {"p50": "10MB/s", "p5": "4MB/s", "overhead": "2m"}}
    stage = {"stage": "data", "bytes": "written", "duration": {"assumed": shape}}
    stage |= {"over": "wire", "timeout": "30d"} if link else {}
    wide = {"links": {"wire": {"bandwidth": "10GB/s"}}}
    plan = plan_of(groups=groups, stages=[stage], shared=wide)
    block = run_block(plan, 1, 0)
    whole = BlockDraws(plan, Draws(1), 0).stage_seconds(plan.stages[0], 0)  # with 1 GB
    seconds_per_byte = (whole - 120) / 1e9
    np.testing.assert_allclose(block.vm_rta, 120 + 250e3 * block.vm_rpa * seconds_per_byte, rtol=1e-9)


def test_an_item_is_as_large_as_stated(plan_of: PlanOf) -> None:
    stage = DATA | {"bytes": "20MB"}
    assert simulate(plan_of(stages=[stage], shared=WIRE), runs=25).vm_rta[0].tolist() == [20.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bytes": "changed"}, "`changed` needs `change` of every group; missing for vm"),
        ({"bytes": "written"}, "`written` needs `writes` of every group; missing for vm"),
        ({"bytes": "written", "once_per": "group"}, "`written` is known of a VM or disk"),
    ],
)
def test_bytes_that_nobody_knows(plan_of: PlanOf, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        plan_of(stages=[DATA | fields], shared=WIRE)


# A chain: the full and every incremental since

WEEKLY = {"every": "6h", "duration": {"assumed": "0s"}, "retention": {"count": 20}, "cycle": {"full": "24h"}}


def test_a_chain_is_the_full_and_each_incremental_since(plan_of: PlanOf) -> None:
    """10 GB and 0 to 3 times 1 GB over 1 MB/s, each in a quarter of all incidents."""
    groups = [{"name": "vm", "disks": [{"capacity": "20GB", "used": "10GB"}]}]
    plan = plan_of(
        groups=groups,
        stages=[DATA | {"bytes": "chain"}],
        shared=WIRE,
        copy=WEEKLY | {"bytes": "1GB"},
    )
    takes = simulate(plan, runs=4000).vm_rta[:, 0]
    lengths, counts = np.unique(np.rint(takes), return_counts=True)
    assert lengths.tolist() == [10_000, 11_000, 12_000, 13_000]
    assert stats.chisquare(counts).pvalue > 1e-4


def test_a_chain_grows_with_what_changed_since_its_full(plan_of: PlanOf) -> None:
    """0.1 MB/s of change: the full, and a tenth of the seconds from its cut to that of the point.

    A run that failed is made up for by the next, so half of all runs failing changes nothing: the point lies
    some multiple of 6 h after its full.
    """
    groups = [{"name": "vm", "disks": [{"capacity": "100GB"}], "change": {"24h": "8640MB"}}]
    copy = WEEKLY | {"bytes": "change", "success": {"assumed": "50%"}}
    plan = plan_of(groups=groups, stages=[DATA | {"bytes": "chain"}], shared=WIRE, copy=copy)
    incrementals = (simulate(plan, runs=1000).vm_rta[:, 0] - 100_000) / (0.1 * 6 * 3600)
    np.testing.assert_allclose(incrementals, np.rint(incrementals), atol=1e-6)
    assert incrementals.min() == 0
    assert incrementals.max() > 4  # the full after it failed too


def test_a_chain_is_split_over_the_disks_by_what_they_hold(plan_of: PlanOf) -> None:
    """One disk has three quarters of the bytes: alone on the link after the other is done, it ends last."""
    disks = [{"capacity": "30GB"}, {"capacity": "10GB"}]
    stage = DATA | {"bytes": "chain", "once_per": "disk"}
    plan = plan_of(
        groups=[{"name": "vm", "disks": disks}], stages=[stage], shared=WIRE, copy=WEEKLY | {"bytes": "0GB"}
    )
    assert {float(takes) for takes in simulate(plan, runs=25).vm_rta[:, 0]} == {40_000.0}


def test_a_point_that_stands_alone_is_its_own_chain(plan_of: PlanOf) -> None:
    """The first choice has no cycle and is read whole; the second is a chain."""
    groups = [{"name": "vm", "disks": [{"capacity": "20GB", "used": "10GB"}]}]
    whole = {"name": "snapshot", "every": "6h", "duration": {"assumed": "0s"}}
    copies = [whole, WEEKLY | {"name": "backup", "bytes": "1GB"}]
    plan = plan_of(groups=groups, stages=[DATA | {"bytes": "chain"}], shared=WIRE, copies=copies)
    assert {float(takes) for takes in simulate(plan, runs=50).vm_rta[:, 0]} == {10_000.0}


@pytest.mark.parametrize(
    ("copy", "says"),
    [
        ({}, "no copy of the path has a `cycle`; write `used`"),
        (WEEKLY, "`chain` needs `bytes` of the copy, or `change` of every group; missing for vm"),
    ],
)
def test_a_chain_of_unknown_length_is_refused(plan_of: PlanOf, copy: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        plan_of(stages=[DATA | {"bytes": "chain"}], shared=WIRE, copy=copy)
