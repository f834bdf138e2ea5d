"""Recovery points that a reader can check with a clock and a pocket calculator.

Copies are cut at whole periods after midnight. A point can be restored once its copy has run and its lag is
over, ``ready`` seconds after the cut, so that what is lost lies between ``ready`` and ``ready`` + the period:

    RPA = ready + (failure - start - ready) modulo period

``start`` is 0 but for backups that wait for a slot. After a corruption a point must be older than the
damage, which with an age of 6 h takes the place of ``ready``: 6 h are more than any copy takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.block_runs import run_block
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import Incident, strike
from tests.golden.case import OPENSHIFT, VMWARE
from tests.golden.medians import median_plan, where_all_fail, without_copy

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
DAYS_BEFORE = 40  # midnights before the day of the failure


@dataclass(frozen=True, kw_only=True)
class Points:
    """The copy that a VM is restored from. ``lost``: the copy that would be taken if it still existed."""

    scenario: str
    platform: str
    every: float
    ready: float
    by_clock: Mapping[str, float]  # time of day of the failure: RPA in seconds
    age: float | None = None
    lost: str | None = None

    def __str__(self) -> str:
        """How pytest calls it."""
        return f"{self.scenario} on {self.platform}" + (f" without {self.lost}" if self.lost else "")

    def plan(self) -> Plan:
        """The plan of the case."""
        plan = median_plan(self.scenario, self.platform)
        return without_copy(plan, self.lost) if self.lost else plan


def nightly(scenario: str, platform: str, ready: float, by_clock: Mapping[str, float], lost: str) -> Points:
    """Restored from the nightly backup, as the first choice is lost."""
    every = DAY
    return Points(
        scenario=scenario, platform=platform, every=every, ready=ready, by_clock=by_clock, lost=lost
    )


# Backups: VMware moves what changed in 24 h at 25 MB/s, OpenShift the capacity at 150 MB/s; 2m of overhead.
#   5 GiB:   5,368,709,120 / 25e6  + 120 =   334.7483648 s: usable from 00:05:35 on
#   8 GiB:   8,589,934,592 / 25e6  + 120 =   463.59738368 s: from 00:07:44 on
#   120 GiB: 128,849,018,880 / 150e6 + 120 = 978.9934592 s: from 00:16:19 on
#   180 GiB: 193,273,528,320 / 150e6 + 120 = 1,408.4901888 s: from 00:23:29 on
FIVE_GIB = 5_368_709_120 / 25e6 + 120
EIGHT_GIB = 8_589_934_592 / 25e6 + 120
WHOLE_120_GIB = 128_849_018_880 / 150e6 + 120
WHOLE_180_GIB = 193_273_528_320 / 150e6 + 120

# At ten in the morning ten hours are lost; just before tonight's backup is usable, more than a day.
NIGHT_VMWARE = {"10:00:00": 36_000, "00:05:34": 86_734, "00:05:35": 335}
NIGHT_OPENSHIFT = {"10:00:00": 36_000, "00:16:18": 87_378, "00:16:19": 979}
# Every hour, usable after 5 s: at 10:20 the cut of 10:00; 4 s past the hour still that of an hour ago.
HOURLY = {"10:20:00": 1_200, "10:00:04": 3_604, "10:00:06": 6}
# Every 15 minutes, usable after 30 s.
LOGS = {"10:20:00": 300, "10:15:29": 929, "10:15:31": 31}
# Every 4 h, damage 6 h old: at 15:00 it began at 09:00, and the point of 08:00 is 7 h old. At 14:00 it began
# at 08:00, the point of that instant is not older than the damage, and that of 04:00 is 10 h old.
SNAPSHOTS_6_H_AGO = {"15:00:00": 25_200, "14:00:00": 36_000, "14:00:01": 21_601}
# Nightly, damage 6 h old: at 05:00 it began yesterday at 23:00, so that yesterday's 00:00 counts: 29 h.
BACKUPS_6_H_AGO = {"10:00:00": 36_000, "05:00:00": 104_400, "06:00:01": 21_601}
# Every 15 minutes, usable after 60 s of copying and 7m of lag, 480 s: the cut of 10:15 from 10:23 on.
REPLICAS = {"10:20:00": 1_200, "10:22:59": 1_379, "10:23:01": 481}

CASES = [
    Points(
        scenario="single-vm-restore",
        platform=VMWARE,
        every=DAY,
        ready=FIVE_GIB,
        by_clock=NIGHT_VMWARE,
    ),
    Points(
        scenario="single-vm-restore",
        platform=OPENSHIFT,
        every=DAY,
        ready=WHOLE_120_GIB,
        by_clock=NIGHT_OPENSHIFT,
    ),
    *(
        Points(scenario="disk-level-restore", platform=platform, every=HOUR, ready=5, by_clock=HOURLY)
        for platform in (VMWARE, OPENSHIFT)
    ),
    nightly("disk-level-restore", VMWARE, FIVE_GIB, NIGHT_VMWARE, "snapshot"),
    nightly("disk-level-restore", OPENSHIFT, WHOLE_120_GIB, NIGHT_OPENSHIFT, "snapshot"),
    *(
        Points(
            scenario="point-in-time-recovery",
            platform=platform,
            every=every,
            ready=6 * HOUR,
            age=6 * HOUR,
            by_clock=by_clock,
            lost=lost,
        )
        for platform in (VMWARE, OPENSHIFT)
        for every, by_clock, lost in (
            (4 * HOUR, SNAPSHOTS_6_H_AGO, None),
            (DAY, BACKUPS_6_H_AGO, "snapshot"),
        )
    ),
    *(
        Points(
            scenario="application-level-restore",
            platform=platform,
            every=15 * MINUTE,
            ready=30,
            by_clock=LOGS,
        )
        for platform in (VMWARE, OPENSHIFT)
    ),
    nightly("application-level-restore", VMWARE, EIGHT_GIB, {"00:07:43": 86_863, "00:07:44": 464}, "logs"),
    nightly(
        "application-level-restore", OPENSHIFT, WHOLE_180_GIB, {"00:23:28": 87_808, "00:23:29": 1_409}, "logs"
    ),
    *(
        Points(scenario="site-failure", platform=platform, every=15 * MINUTE, ready=480, by_clock=REPLICAS)
        for platform in (VMWARE, OPENSHIFT)
    ),
]

# Site failure from backups: at midnight 60 VMs ask for 8 proxies (or data movers), databases first.
#   slots 1-4: the 4 databases, then office servers, four at a time
#   slots 5-8: the app servers, four at a time, three times; then office servers
# The app servers' slots are free first: VMware at 3 x 248.8 s (the others at 893.1 s), OpenShift at
# 3 x 835.8 s (the others at 3,699.1 s). The 44 office servers are eleven batches: six there, five here.
BACKUP_SECONDS = {  # 18, 3 and 1 GiB changed, at 25 MB/s; 500, 100 and 80 GiB of capacity, at 150 MB/s
    VMWARE: (
        19_327_352_832 / 25e6 + 120,  # 893.09411328 s
        3_221_225_472 / 25e6 + 120,  # 248.84901888 s
        1_073_741_824 / 25e6 + 120,  # 162.94967296 s
    ),
    OPENSHIFT: (
        536_870_912_000 / 150e6 + 120,  # 3,699.1394133 s
        107_374_182_400 / 150e6 + 120,  # 835.8278827 s
        85_899_345_920 / 150e6 + 120,  # 692.6623061 s
    ),
}


def backup_starts(platform: str) -> list[float]:
    """When each of the 60 VMs gets its slot, in seconds after midnight."""
    database, app, office = BACKUP_SECONDS[platform]
    lanes = sorted([3 * app + k * office for k in range(6)] + [database + k * office for k in range(5)])
    batches = [0.0, 0.0, app, 2 * app, *lanes]  # four VMs each: 1 of databases, 3 of app, 11 of office
    return [start for start in batches for _ in range(4)]


def backup_ready(platform: str) -> list[float]:
    """How long each backup runs once it has its slot."""
    database, app, office = BACKUP_SECONDS[platform]
    return [database] * 4 + [app] * 12 + [office] * 44


def clock(text: str) -> float:
    """Seconds after the first midnight of a time on the day of the failure."""
    hours, minutes, seconds = map(int, text.split(":"))
    return DAYS_BEFORE * DAY + hours * HOUR + minutes * MINUTE + seconds


def newest_cuts(plan: Plan, failed_at: list[float], age: float | None) -> FloatArray:
    """The newest cut of the copy first in the path that has one; shape (failures, VMs)."""
    failed = np.array(failed_at)
    incident = Incident(failed_at=failed, onset_at=failed - (age or 0.0), corrupt=age is not None)
    block = BlockDraws(plan, Draws(1), 0, runs=len(failed_at))
    newest = recovery_points(plan, block, incident, simpy_engine.protect)
    first = next(step.copy for step in plan.path if plan.copies[step.copy].survives)
    cuts: FloatArray = newest[first]
    return cuts


@pytest.mark.parametrize("case", CASES, ids=str)
def test_at_a_known_time_the_rpa_is_read_off_the_clock(case: Points) -> None:
    failed_at = [clock(text) for text in case.by_clock]
    rpa = np.array(failed_at)[:, None] - newest_cuts(case.plan(), failed_at, case.age)
    for per_vm, expected in zip(rpa.tolist(), case.by_clock.values(), strict=True):
        assert per_vm == pytest.approx([expected] * len(per_vm), rel=1e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whenever_it_strikes_the_rpa_follows_from_the_phase(case: Points) -> None:
    plan = case.plan()
    failed_at = strike(plan, BlockDraws(plan, Draws(1), 0)).failed_at
    rpa = run_block(plan, seed=1, block=0).vm_rpa
    since_ready = (failed_at - case.ready) % case.every
    for run, phase in enumerate(since_ready.tolist()):
        assert rpa[run].tolist() == pytest.approx([case.ready + phase] * plan.n_vms, rel=1e-9)
    assert np.ptp(since_ready) > case.every / 2  # the runs do strike at different phases
    assert (rpa >= case.ready * (1 - 1e-9)).all()
    assert (rpa < case.ready + case.every).all()


@pytest.mark.parametrize("platform", [VMWARE, OPENSHIFT])
def test_backups_that_wait_for_a_slot_are_cut_later(platform: str) -> None:
    plan = without_copy(median_plan("site-failure", platform), "replica")
    starts, ready = np.array(backup_starts(platform)), np.array(backup_ready(platform))
    midnight = DAYS_BEFORE * DAY
    cuts = newest_cuts(plan, [clock("12:00:00"), clock("00:10:00")], None) - midnight
    assert cuts[0].tolist() == pytest.approx(starts.tolist(), rel=1e-9)
    # Ten minutes after midnight: only backups that have ended by then are of tonight.
    tonight = starts + ready <= 600
    assert cuts[1].tolist() == pytest.approx(np.where(tonight, starts, starts - DAY).tolist(), rel=1e-9)
    assert tonight.sum() == {VMWARE: 8, OPENSHIFT: 0}[platform]  # app servers 1 to 8; none
    rpa = run_block(plan, seed=1, block=0).vm_rpa
    failed_at = strike(plan, BlockDraws(plan, Draws(1), 0)).failed_at
    for run, failed in enumerate(failed_at.tolist()):
        expected = ready + (failed - starts - ready) % DAY
        assert rpa[run].tolist() == pytest.approx(expected.tolist(), rel=1e-9)


@pytest.mark.parametrize(("platform", "ready"), [(VMWARE, FIVE_GIB), (OPENSHIFT, WHOLE_120_GIB)])
def test_a_point_that_cannot_be_restored_is_best_but_not_achieved(platform: str, ready: float) -> None:
    plan = where_all_fail(median_plan("disk-level-restore", platform), "clone")
    block = run_block(plan, seed=1, block=0)
    failed_at = strike(plan, BlockDraws(plan, Draws(1), 0)).failed_at
    backups, snapshots = ready + (failed_at - ready) % DAY, 5 + (failed_at - 5) % HOUR
    assert block.vm_rpa[:, 0].tolist() == pytest.approx(backups.tolist(), rel=1e-9)
    best = np.minimum(backups, snapshots).tolist()  # a backup that has just ended may be the newest
    assert block.vm_rpa_best[:, 0].tolist() == pytest.approx(best, rel=1e-9)
