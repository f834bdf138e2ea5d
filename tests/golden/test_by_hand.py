"""Recovery times that a reader can check with a pocket calculator.

Every stage takes its median and every attempt succeeds, so that an incident is a sum. Each term below is a
value of the scenario's README (the p50 column); where VMs compete, the comment says who waits for whom. The
engine must give each term on the critical path of the tier's last VM, and their sum as its RTA.

Sizes: 1 GiB = 1,073,741,824 bytes, 1 MB = 1,000,000 bytes, 4 Gbit/s = 500 MB/s.
"""

import math

import pytest

from rpo_sim.model.block_runs import run_block
from rpo_sim.model.figures import activity_names
from tests.golden.case import OPENSHIFT, VMWARE, Case
from tests.golden.site_failure import SITE

SINGLE_VM = [
    Case(
        scenario="single-vm-restore",
        platform=VMWARE,
        terms={
            "silver": {  # 4,403.741824 s, 73 minutes
                "detect": 1800,  # 30m
                "declare": 600,  # 10m
                "session": 120,  # 2m
                "data": 107_374_182_400 / 100e6,  # 100 GiB used at 100 MB/s: 1,073.741824 s
                "attach": 30,
                "boot": 60,
                "application": 120,  # 2m
                "verify": 600,  # 10m
            }
        },
    ),
    Case(
        scenario="single-vm-restore",
        platform=OPENSHIFT,
        terms={
            "silver": {  # 4,418.9934592 s
                "detect": 1800,
                "declare": 600,
                "clear-old": 300,  # 5m
                "queue": 15,
                "expose": 30,
                "data": 128_849_018_880 / 150e6,  # 120 GiB of capacity at 150 MB/s: 858.9934592 s
                "finalise": 15,
                "attach": 20,
                "boot": 60,
                "application": 120,
                "verify": 600,
            }
        },
    ),
]

DISK_LEVEL = [
    Case(
        scenario="disk-level-restore",
        platform=VMWARE,
        terms={
            "silver": {  # 4,500 s
                "detect": 1800,
                "declare": 600,
                "clone": 30,
                "mount-datastore": 120,  # 2m
                "attach": 30,
                "put-back": 1200,  # 20m
                "application": 120,
                "verify": 600,
            }
        },
    ),
    Case(
        scenario="disk-level-restore",
        platform=VMWARE,
        lost="snapshot",
        terms={
            "silver": {  # 5,543.741824 s
                "detect": 1800,
                "declare": 600,
                "session": 120,  # instead of clone and mount-datastore
                "data": 107_374_182_400 / 100e6,  # 100 GiB used
                "attach": 30,
                "put-back": 1200,
                "application": 120,
                "verify": 600,
            }
        },
    ),
    Case(
        scenario="disk-level-restore",
        platform=OPENSHIFT,
        terms={
            "silver": {  # 3,530.2 s
                "detect": 1800,
                "declare": 600,
                "clone": 0.2,  # 200ms
                "stop-vm": 30,
                "put-back": 300,  # 5m
                "attach": 20,
                "boot": 60,
                "application": 120,
                "verify": 600,
            }
        },
    ),
    Case(
        scenario="disk-level-restore",
        platform=OPENSHIFT,
        lost="snapshot",
        terms={
            "silver": {  # 4,448.9934592 s
                "detect": 1800,
                "declare": 600,
                "queue": 15,  # queue to finalise instead of clone
                "expose": 30,
                "data": 128_849_018_880 / 150e6,  # 120 GiB of capacity
                "finalise": 15,
                "stop-vm": 30,
                "put-back": 300,
                "attach": 20,
                "boot": 60,
                "application": 120,
                "verify": 600,
            }
        },
    ),
    Case(
        scenario="disk-level-restore",
        platform=VMWARE,
        failing="clone",  # three attempts, since `retries: 2`; then the backup is restored
        terms={
            "silver": {  # 11,033.741824 s
                "detect": 1800,
                "declare": 600,
                "clone": 3 * 30,
                "repair": 3 * 1800,  # 30m: before the 2nd and 3rd attempt, and before the backup
                "session": 120,
                "data": 107_374_182_400 / 100e6,
                "attach": 30,
                "put-back": 1200,
                "application": 120,
                "verify": 600,
            }
        },
    ),
    Case(
        scenario="disk-level-restore",
        platform=OPENSHIFT,
        failing="clone",
        terms={
            "silver": {  # 9,849.5934592 s
                "detect": 1800,
                "declare": 600,
                "clone": 3 * 0.2,
                "repair": 3 * 1800,
                "queue": 15,
                "expose": 30,
                "data": 128_849_018_880 / 150e6,
                "finalise": 15,
                "stop-vm": 30,
                "put-back": 300,
                "attach": 20,
                "boot": 60,
                "application": 120,
                "verify": 600,
            }
        },
    ),
]

# Point in time: there is one scanner, so the eight VMs are scanned one after the other, databases first, and
# each twice (`times` p50). The last application server is scanned last and ends last: what the others do
# after their scan (restore, boot) is over long before the last scan ends.
#   database, used 100 GiB at 100 MB/s: 1,073.741824 s, + 3m overhead (VMware) or + 10s (OpenShift)
#   app,      used  30 GiB at 100 MB/s:   322.1225472 s, + the same
SCANS_VMWARE = (2 * (1073.741824 + 180) + 6 * (322.1225472 + 180)) * 2  # 11,040.4378624 s
SCANS_OPENSHIFT = (2 * (1073.741824 + 10) + 6 * (322.1225472 + 10)) * 2  # 8,320.4378624 s
AFTER_THE_LAST_VM = {"reconcile": 7200, "verify": 600, "release": 900}  # 2h, 10m, 15m
POINT_IN_TIME = [
    Case(
        scenario="point-in-time-recovery",
        platform=VMWARE,
        terms={
            "gold": {
                "contain": 3600,  # 1h; no detect and no declare: the clock starts when damage is found
                "find-clean-point": SCANS_VMWARE,
                "revert": 30,
                "boot": 60,
                "application": 120,
                **AFTER_THE_LAST_VM,
            }
        },
    ),
    Case(
        scenario="point-in-time-recovery",
        platform=VMWARE,
        lost="snapshot",
        terms={
            "gold": {
                "contain": 3600,
                "find-clean-point": SCANS_VMWARE,
                "session": 120,
                "data": 32_212_254_720 / 100e6,  # the last VM's 30 GiB used: 322.1225472 s
                "attach": 30,
                "boot": 60,
                "application": 120,
                **AFTER_THE_LAST_VM,
            }
        },
    ),
    Case(
        scenario="point-in-time-recovery",
        platform=OPENSHIFT,
        terms={
            "gold": {
                "contain": 3600,
                "find-clean-point": SCANS_OPENSHIFT,
                "stop-vm": 30,
                "clone": 0.2,
                "attach": 20,
                "boot": 60,
                "application": 120,
                **AFTER_THE_LAST_VM,
            }
        },
    ),
    Case(
        scenario="point-in-time-recovery",
        platform=OPENSHIFT,
        lost="snapshot",
        terms={
            "gold": {
                "contain": 3600,
                "find-clean-point": SCANS_OPENSHIFT,
                "clear-old": 300,  # people; a scan takes 664 s or more, so never two VMs at once: no queue
                "queue": 15,
                "expose": 30,
                "data": 64_424_509_440 / 150e6,  # the last VM's 60 GiB of capacity: 429.4967296 s
                "finalise": 15,
                "attach": 20,
                "boot": 60,
                "application": 120,
                **AFTER_THE_LAST_VM,
            }
        },
    ),
]

EXPORT_VMWARE = {
    "detect": 1800,
    "declare": 600,
    "mount": 180,  # 3m
    "export": 21_474_836_480 / 100e6,  # 20 GiB at 100 MB/s: 214.7483648 s
}
EXPORT_OPENSHIFT = {
    "detect": 1800,
    "declare": 600,
    "expose": 30,
    "data": 128_849_018_880 / 150e6,  # the whole data disk of 120 GiB: 858.9934592 s
    "finalise": 15,
    "attach": 20,
    "mount": 300,  # 5m
    "export": 21_474_836_480 / 200e6,  # 20 GiB at 200 MB/s: 107.3741824 s
}
AFTER_THE_DATA = {"consistency-check": 600, "application": 120, "reconcile": 1800, "verify": 600}
REPLAY = {"replay-logs": 12 * 300}  # 12 hours of logs, 5m each
APPLICATION_LEVEL = [
    Case(
        scenario="application-level-restore",
        platform=VMWARE,
        terms={"gold": {**EXPORT_VMWARE, **REPLAY, **AFTER_THE_DATA}},  # 9,514.7483648 s
    ),
    Case(
        scenario="application-level-restore",
        platform=VMWARE,
        lost="logs",  # then the night's state is all there is: nothing to replay
        terms={"gold": {**EXPORT_VMWARE, **AFTER_THE_DATA}},  # 5,914.7483648 s
    ),
    Case(
        scenario="application-level-restore",
        platform=OPENSHIFT,
        terms={"gold": {**EXPORT_OPENSHIFT, **REPLAY, **AFTER_THE_DATA}},  # 10,451.3676416 s
    ),
    Case(
        scenario="application-level-restore",
        platform=OPENSHIFT,
        lost="logs",
        terms={"gold": {**EXPORT_OPENSHIFT, **AFTER_THE_DATA}},  # 6,851.3676416 s
    ),
]


@pytest.mark.parametrize("case", SINGLE_VM + DISK_LEVEL + POINT_IN_TIME + APPLICATION_LEVEL + SITE, ids=str)
def test_the_recovery_takes_the_sum_of_its_terms(case: Case) -> None:
    plan = case.plan()
    block = run_block(plan, seed=1, block=0)
    names = activity_names(plan)
    assert {tier.name for tier in plan.tiers} == set(case.terms)
    for t, tier in enumerate(plan.tiers):
        terms = case.terms[tier.name]
        vms = [vm for group in plan.groups if group.tier == t for vm in group.vms]
        declared = terms.get("detect", 0) + terms.get("declare", 0)
        assert block.declared_at == pytest.approx(declared, rel=1e-9)
        for run in range(len(block.vm_rta)):  # they differ in when the failure strikes: not in the RTA
            path = {name: s for name, s in zip(names, block.activities[run, t].tolist(), strict=True) if s}
            assert path == pytest.approx(terms, rel=1e-9)
            assert block.vm_rta[run, vms].max() == pytest.approx(sum(terms.values()), rel=1e-9)


@pytest.mark.parametrize("platform", [VMWARE, OPENSHIFT])
def test_where_every_attempt_fails_nothing_is_ever_recovered(platform: str) -> None:
    plan = Case(scenario="single-vm-restore", platform=platform, failing="data", terms={}).plan()
    block = run_block(plan, seed=1, block=0)
    assert (block.vm_rta == math.inf).all()
    assert (block.vm_rpa == math.inf).all()
    assert (block.vm_rpa_best < math.inf).all()  # there was a point, but it could not be restored
