"""How much a method moves: changed blocks and journals by the age of the point, items by their size."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

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
