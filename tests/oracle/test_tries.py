"""Points tried one by one: how many are tainted follows from the age; each costs its restore and its scan."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ScenarioError
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.block_runs import replay, run_block
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.incident import strike
from rpo_sim.model.run import Ending
from rpo_sim.report.trace import render_trace

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]
Controlled = Callable[..., FloatArray]
HOUR = 3600.0
WIRE = {"links": {"wire": {"bandwidth": "10MB/s"}}}
DATA: dict[str, Any] = {"stage": "data", "bytes": "used", "over": "wire", "timeout": "30d"}  # 1 GiB: 107.4 s
SCAN: dict[str, Any] = {"stage": "verify", "name": "scan", "bytes": "used", "scan_rate": "100MB/s"}
BOOT: dict[str, Any] = {"stage": "boot", "duration": {"assumed": "1m"}}
TRY = 2**30 / 1e7 + 2**30 / 1e8


def corrupted(age: Any) -> dict[str, Any]:
    return {"kind": {"corruption": {"age": {"assumed": age}}}}


def tried(plan_of: PlanOf, age: Any, **what: Any) -> Plan:
    """A copy each hour that is there 10 min after its cut; found corrupt at an age."""
    return plan_of(
        stages=what.pop("stages", [DATA, SCAN, BOOT]), shared=what.pop("shared", WIRE),
        failure=corrupted(age), points="tried", **what,
    )  # fmt: skip


@pytest.mark.parametrize("hours", [0.1, 0.5, 3.0, 7.4])
def test_each_run_tries_the_points_cut_since_the_onset(plan_of: PlanOf, hours: float) -> None:
    """Of hourly cuts k, those with onset ≤ k and k + 10 min ≤ failure are tried in vain; then a clean one."""
    plan = tried(plan_of, f"{hours * 60:.0f}m")
    for block in range(4):
        at = strike(plan, BlockDraws(plan, Draws(1), block)).failed_at
        newest = np.floor((at - 600) / HOUR)
        oldest = np.ceil((at - hours * HOUR) / HOUR)
        bad = np.maximum(newest - oldest + 1, 0)
        found = run_block(plan, 1, block)
        np.testing.assert_allclose(found.vm_rta[:, 0], (bad + 1) * TRY + 60, rtol=1e-9)
        clean = np.minimum(oldest - 1, newest) * HOUR
        np.testing.assert_allclose(found.vm_rpa[:, 0], at - clean, rtol=1e-9)


def test_each_try_reads_the_chain_of_its_own_point(plan_of: PlanOf) -> None:
    """Hourly cuts, a full of 10 GB at each fourth, 1 GB for an incremental; each point is read at 10 MB/s."""
    copy = {"cycle": {"full": "4h"}, "bytes": "1GB"}
    groups = [{"name": "vm", "disks": [{"capacity": "10GB"}]}]
    scan = SCAN | {"scan_rate": "1TB/s"}
    stages = [DATA | {"bytes": "chain"}, scan]
    plan = tried(plan_of, "150m", stages=stages, copy=copy, groups=groups)
    for block in range(4):
        at = strike(plan, BlockDraws(plan, Draws(1), block)).failed_at
        newest, oldest = np.floor((at - 600) / HOUR), np.ceil((at - 150 * 60) / HOUR)
        clean = np.minimum(oldest - 1, newest)
        takes = [
            sum(1000 + 100 * (k % 4) + 0.01 for k in range(int(first), int(last) - 1, -1))
            for first, last in zip(newest, clean, strict=True)
        ]
        np.testing.assert_allclose(run_block(plan, 1, block).vm_rta[:, 0], takes, rtol=1e-9)


def test_mean_tries_of_an_age_that_nobody_knows(
    plan_of: PlanOf, agrees: Agrees, controlled: Controlled
) -> None:
    """Age ~ Exp(m), period T, D until a copy is there: E[tries] = 1 + m·exp(−D/m) ÷ T."""
    plan = tried(plan_of, {"exponential": {"mean": "5h"}})
    result = simulate(plan, runs=8000)
    tries = 1 + 5 * math.exp(-600 / (5 * HOUR))
    agrees(controlled(result.vm_rta[:, 0], [result.age], [5 * HOUR]), tries * TRY + 60)


def test_a_clean_room_takes_one_machine_at_a_time(plan_of: PlanOf) -> None:
    """With only the scan taking time, n machines with as many tries each queue for one clean room."""
    groups = [{"name": f"vm{i}"} for i in range(3)]
    stages = [SCAN | {"slots": {"clean-room": 1}}]
    plan = tried(plan_of, "3h", stages=stages, groups=groups)
    alone = run_block(tried(plan_of, "3h", stages=stages), 1, 0).vm_rta[:, 0]
    np.testing.assert_allclose(run_block(plan, 1, 0).vm_rta.max(axis=1), 3 * alone, rtol=1e-9)


def test_who_knows_the_age_restores_the_clean_point_at_once(plan_of: PlanOf) -> None:
    """The oracle case, `choose: freshest-clean`: one restore, one scan, and the same loss."""
    known = plan_of(stages=[DATA, SCAN, BOOT], shared=WIRE, failure=corrupted("7h"), choose="freshest-clean")
    found, blind = run_block(known, 1, 0), run_block(tried(plan_of, "7h"), 1, 0)
    np.testing.assert_allclose(found.vm_rta, TRY + 60)
    np.testing.assert_array_equal(found.vm_rpa, blind.vm_rpa)


def test_so_many_points_and_then_the_next_step(plan_of: PlanOf) -> None:
    """After two bad points the other method begins anew with the newest."""
    path = [{"copy": "backup", "method": "quick", "at_most": 2}, {"copy": "backup", "method": "full"}]
    plan = tried(plan_of, "7h", path=path)
    whole = run_block(tried(plan_of, "7h"), 1, 0).vm_rta
    np.testing.assert_allclose(run_block(plan, 1, 0).vm_rta, whole + 2 * TRY, rtol=1e-9)
    found = replay(plan, 1, 0)
    assert found.step == [1]
    assert f"by full after {found.jobs[0].point} bad points" in render_trace(plan, found, 0)


def test_nothing_clean_is_left(plan_of: PlanOf) -> None:
    """Three points are kept, all of them tainted: three tries, then nothing."""
    plan = tried(plan_of, "20h", copy={"retention": {"count": 3}})
    found = replay(plan, 1, 0)
    assert found.ending == [Ending.FAILED]
    scans = [segment for segment in found.jobs[0].segments if segment.what == "scan"]
    assert len(scans) == 3
    assert scans[-1].end == pytest.approx(3 * TRY)


def test_a_loss_taints_nothing(plan_of: PlanOf) -> None:
    plan = plan_of(stages=[DATA, SCAN, BOOT], shared=WIRE, points="tried")
    np.testing.assert_allclose(run_block(plan, 1, 0).vm_rta, TRY + 60)


def test_changed_blocks_of_each_point_tried(plan_of: PlanOf) -> None:
    """Each try moves what was written since its own point: older points move more."""
    groups = [{"name": "vm", "writes": "100kB/s"}]
    stages = [DATA | {"bytes": "written"}, SCAN | {"bytes": "1kB"}]
    plan = tried(plan_of, "3h", stages=stages, groups=groups)
    found = run_block(plan, 1, 0)
    at = strike(plan, BlockDraws(plan, Draws(1), 0)).failed_at
    newest = np.floor((at - 600) / HOUR) * HOUR
    for run in range(25):
        windows = np.arange(at[run] - newest[run], found.vm_rpa[run, 0] + 1, HOUR)
        expected = (0.01 * windows + 1e-5).sum()
        assert found.vm_rta[run, 0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"stages": [DATA, BOOT]}, "no scan tells whether a point of `backup` by `full` is clean"),
        ({"choose": "freshest-clean"}, "`choose: freshest-clean` knows which points are clean"),
        ({"concurrency": {"limit": 2, "until": "data"}}, "`data` comes before a scan"),
        ({"stages": [DATA | {"scan_rate": "1MB/s"}]}, "a `scan_rate` reads the `bytes` of a stage that is"),
    ],
)
def test_tries_that_make_no_sense(plan_of: PlanOf, what: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        tried(plan_of, "3h", **what)
