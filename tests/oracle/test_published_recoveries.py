"""Published recoveries and migrations: what the model reproduces, and what it does not explain.

Sources: the priority groups and their time-outs, Site Recovery Manager's documentation of recovery order and
start-up settings; migrations, the performance chapter of the Migration Toolkit for Virtualization's
documentation; replication, the bandwidth documentation of vSphere Replication; the planning rate of a
proxy, veeambestpractise/VeeamBP, "Sizing a backup proxy" (2017); the mirror over OC-3, after Keeton and
Merchant, "A framework for evaluating storage system dependability" (DSN 2004), inputs recalled.

Not used: the toolkit's 500 VMs in 5 h 10 and 800 VMs in 57 min, whose data size is not stated alike (at
35 GiB the second would need 8,384 MiB/s). What the time-out does to a priority group is inferred from its
settings.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.contention import law_totals
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan

PlanOf = Callable[..., Plan]


def rta(plan: Plan) -> FloatArray:
    """RTA of every VM in one run."""
    row: FloatArray = simulate(plan, runs=1).vm_rta[0]
    return row


# Priority groups: the next begins when all in the group have recovered or failed


def priority_groups(plan_of: PlanOf, counts: list[int], limit: int, **more: Any) -> Plan:
    """Groups whose VMs take 7 min, 420 MB at 1 MB/s; a VM is given up after 30 min."""
    groups = [
        {"name": f"priority{i}", "count": n, "disks": [{"capacity": "420MB"}]} | more.get(f"group{i}", {})
        for i, n in enumerate(counts, start=1)
    ]
    stage = {"stage": "boot", "bytes": "used", "over": "host", "timeout": "30m"}
    shared = {"links": {"host": {"bandwidth": "1GB/s", "per_stream": "1MB/s"}}}
    order = [[group["name"]] for group in groups]
    rest = {key: value for key, value in more.items() if not key.startswith("group")}
    return plan_of(
        groups=groups, stages=[stage], shared=shared, waves={"order": order, "by": "orchestrator"},
        concurrency={"limit": limit}, **rest,
    )  # fmt: skip


COUNTS = [3, 5, 4, 2, 6]


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_priority_groups_one_after_the_other(plan_of: PlanOf, limit: int) -> None:
    """Finish = Σ over the groups of ⌈n ÷ limit⌉ rounds."""
    ends = rta(priority_groups(plan_of, COUNTS, limit))
    rounds = np.cumsum([math.ceil(n / limit) for n in COUNTS])
    np.testing.assert_allclose(ends[np.cumsum(COUNTS) - 1], 420.0 * rounds)


def test_a_hung_vm_holds_up_the_next_group_until_its_time_out(plan_of: PlanOf) -> None:
    """One of group 2 would take an hour: its group ends at 30 min instead of 7, the rest 23 min later."""
    ends = rta(priority_groups(plan_of, COUNTS, 10, group2={"count": 1, "disks": [{"capacity": "3600MB"}]}))
    assert np.isinf(ends[3])
    np.testing.assert_allclose(ends[[0, 4, 8, 10]], [420, 420 + 1800 + 420, 3060, 3480])


def test_a_failed_vm_holds_up_nobody(plan_of: PlanOf) -> None:
    """One of group 2 has no place at the target and fails at once: group 3 begins when group 1 has ended."""
    plan = priority_groups(
        plan_of, COUNTS, 10, group2={"count": 1, "demand": {"memory": "1Ti"}}, target={"memory": "512Gi"}
    )
    ends = rta(plan)
    assert np.isinf(ends[3])
    np.testing.assert_allclose(ends[[0, 4, 8, 10]], [420, 840, 1260, 1680])


# Migrations: 35 GiB each, the aggregate rate by VMs at once on one host

MEASURED = {1: 100, 10: 272, 20: 284, 80: 294}  # MiB/s
PRINTED = {1: 6, 10: 22, 20: 42, 80: 163}  # minutes


def migration(plan_of: PlanOf, vms: int, **link: Any) -> float:
    """Seconds until so many VMs of 35 GiB have moved over one link."""
    stage = {"stage": "data", "bytes": "used", "over": "hosts", "timeout": "1d"}
    groups = [{"name": "vm", "count": vms, "disks": [{"capacity": "35Gi"}]}]
    return float(rta(plan_of(groups=groups, stages=[stage], shared={"links": {"hosts": link}})).max())


@pytest.mark.parametrize(
    ("vms", "mebibytes_per_second", "printed_minutes"),
    [(1, 100, 6), (10, 272, 22), (20, 284, 42), (80, 294, 163), (80, 1173, 41)],
)
def test_published_migration_times(
    plan_of: PlanOf, vms: int, mebibytes_per_second: int, printed_minutes: int
) -> None:
    """VMs of 35 GiB at the measured aggregate rate: the minutes that the Migration Toolkit's tests print."""
    seconds = migration(plan_of, vms, bandwidth=f"{mebibytes_per_second}MiB/s")
    assert round(seconds / 60) == printed_minutes


@pytest.mark.parametrize("vms", MEASURED)
def test_one_curve_gives_every_row_of_one_host(plan_of: PlanOf, vms: int) -> None:
    """The measured table as a contention curve: four rows, one link."""
    curve = {"throughput": {k: f"{rate}MiB/s" for k, rate in MEASURED.items()}}
    assert round(migration(plan_of, vms, contention=curve) / 60) == PRINTED[vms]


def test_what_a_plain_cap_overstates(plan_of: PlanOf) -> None:
    """100 MiB/s per stream and 294 in all: right for one VM and for 80, 8 % too fast for ten."""
    cap = {"bandwidth": "294MiB/s", "per_stream": "100MiB/s"}
    assert round(migration(plan_of, 1, **cap) / 60) == PRINTED[1]
    assert round(migration(plan_of, 80, **cap) / 60) == PRINTED[80]
    ten = 10 * 35 * 1024 / migration(plan_of, 10, **cap)
    assert ten / MEASURED[10] == pytest.approx(1.08, abs=0.005)
    assert ten * 60 * 22 > 10 * 35 * 1024 * 1.07  # so it says 20 min where 22 are printed


def test_what_the_law_does_not_explain() -> None:
    """σ through the rows of 1 and 80 (κ = 0) is 8 % too slow for ten: the law is no better than the cap."""
    sigma = (80 * MEASURED[1] / MEASURED[80] - 1) / 79
    totals = law_totals(MEASURED[1], sigma, 0.0, 80)
    assert totals[79] == pytest.approx(MEASURED[80])
    assert totals[9] / MEASURED[10] == pytest.approx(0.92, abs=0.005)
    assert totals[19] / MEASURED[20] == pytest.approx(0.964, abs=0.005)


def test_eight_hosts_share_something_else(plan_of: PlanOf) -> None:
    """Ten VMs on each of eight hosts: eight curves would give 2,176 MiB/s, 1,173 were measured.

    A second limit, of the network or the datastores, must be stated: a stage is on one link, so it is that
    one. With it as the bandwidth beside the curve the printed 41 min come out; why it is there, and how hosts
    and datastores share it, the model does not explain.
    """
    curve = {"throughput": {k * 8: f"{rate * 8}MiB/s" for k, rate in MEASURED.items()}}
    alone = 80 * 35 * 1024 / migration(plan_of, 80, contention=curve)
    assert alone == pytest.approx(8 * MEASURED[10])
    assert alone / 1173 > 1.8
    assert round(migration(plan_of, 80, contention=curve, bandwidth="1173MiB/s") / 60) == 41


def test_fewer_disks_at_once_are_sooner_done(plan_of: PlanOf) -> None:
    """Warm migration: 76.5 MB/s for one disk, 802 for 210, 667 for 400: beyond the knee a limit helps.

    400 disks of 35 GB at once take 400·S ÷ 667; 210 at a time 210·S ÷ 802 + 190·S ÷ X(190).
    """
    curve = {"throughput": {1: "76500kB/s", 210: "802MB/s", 400: "667MB/s"}}
    stage: dict[str, Any] = {"stage": "data", "bytes": "35GB", "over": "hosts", "timeout": "7d"}
    shared = {"links": {"hosts": {"contention": curve}}}
    at_once = rta(plan_of(count=400, stages=[stage], shared=shared)).max()
    limited = rta(plan_of(count=400, stages=[stage | {"slots": {"disks": 210}}], shared=shared)).max()
    assert at_once == pytest.approx(400 * 35e9 / 667e6)
    each = 1 / 76.5e6 + (210 / 802e6 - 1 / 76.5e6) * 189 / 209  # k ÷ X(k) at 190
    assert limited == pytest.approx(210 * 35e9 / 802e6 + 35e9 * each)
    assert limited < 0.85 * at_once


# Others


@pytest.mark.parametrize(
    ("bits_per_second", "efficiency", "printed_hours"),
    [(1.544e6, 0.72, 200), (10e6, 0.74, 30), (100e6, 0.74, 3)],
)
def test_published_replication_times(
    plan_of: PlanOf, bits_per_second: float, efficiency: float, printed_hours: float
) -> None:
    """100 GB of change over T1, 10 and 100 Mb/s, as the documentation of vSphere Replication prints them."""
    stage = {"stage": "data", "bytes": "100GB", "over": "wan", "timeout": "1000h"}
    rate = f"{bits_per_second * efficiency / 8:.0f}B/s"
    plan = plan_of(stages=[stage], shared={"links": {"wan": {"bandwidth": rate}}})
    hours = float(rta(plan)[0]) / 3600
    assert float(f"{hours:.1g}") == printed_hours


def test_restore_from_backup_by_planning_rate(plan_of: PlanOf) -> None:
    """32,800 GiB by 8 streams of 100 MB/s: 12.2 h."""
    groups = [{"name": "vm", "count": 328, "disks": [{"capacity": "100Gi"}]}]
    stage = {"stage": "data", "bytes": "used", "over": "lan", "timeout": "7d", "slots": {"proxies": 8}}
    shared = {"links": {"lan": {"bandwidth": "10GB/s", "per_stream": "100MB/s"}}}
    hours = rta(plan_of(groups=groups, stages=[stage], shared=shared)).max() / 3600
    assert round(hours, 1) == 12.2


def test_a_mirror_over_one_link_leaves_what_is_left(plan_of: PlanOf) -> None:
    """1,360 GiB over 155.52 Mb/s less the mirror's own 727 KiB/s: 21.7 h; 20.9 h if nobody subtracts it.

    A check of the rule (available = maximum − demand that keeps running) with recalled inputs, not a match
    to the paper. The scenario states what is left; the model does not find it.
    """
    line = 155.52e6 / 8
    for rate, hours in ((line - 727 * 1024, 21.70), (line, 20.87)):
        stage = {"stage": "data", "bytes": "1360Gi", "over": "oc3", "timeout": "7d"}
        plan = plan_of(stages=[stage], shared={"links": {"oc3": {"bandwidth": f"{rate:.0f}B/s"}}})
        assert rta(plan)[0] / 3600 == pytest.approx(hours, abs=0.01)
