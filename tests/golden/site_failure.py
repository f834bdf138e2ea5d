"""The site-failure by hand: waves, links, proxies and operators. Read test_by_hand.py first."""

from tests.golden.case import OPENSHIFT, VMWARE, Case, Terms

# Site failure: three waves one after the other (database, app, office); all VMs of a wave run side by side.
# Gold (application erp) is up after two waves, silver (office) after three. Then each application is
# verified (10m) and released (15m) by one operator: two applications, four operators, so one batch.
BEFORE_WAVE_1 = {"detect": 300, "declare": 2700, "services": 900}  # 5m, 45m, 15m
CONFIRM = {"verify": 600, "release": 900}


def waves(n: int, **one: float) -> Terms:
    """Stages that take equally long in each of ``n`` waves."""
    return {stage.replace("_", "-"): n * seconds for stage, seconds in one.items()}


def vmware_waves(n: int) -> Terms:
    """452 s a wave: promote 3m per group, then the VMs at once."""
    return waves(n, promote=180, register=2, boot=60, network=90, application=120)


def openshift_waves(n: int) -> Terms:
    """440 s a wave: four stages per group, then the VMs at once."""
    per_group = waves(n, start_failover=30, checks=120, promote=30, objects=60)
    return per_group | waves(n, attach=20, boot=60, application=120)


# One operator instead of four, VMware (OpenShift alike, from 4,780 s and 5,220 s on):
#   erp is up after two waves, at 4,924 s, and is verified until 5,524 s;
#   office is up after three, at 5,376 s, waits for the operator until 5,524 s, is verified until 6,124 s;
#   erp asked for its release at 5,524 s, behind office: released from 6,124 s until 7,024 s;
#   office asked at 6,124 s: released from 7,024 s until 7,924 s.
# So gold waits for two verifications, and silver for two releases as well; the third wave costs nothing.
ONE_OPERATOR = {
    "gold": {"verify": 2 * 600.0, "release": 900.0},
    "silver": {"verify": 2 * 600.0, "release": 2 * 900.0},
}

# From backup, VMware: 8 proxies share 500 MB/s, and one stream does at most 100 MB/s.
#   database: 4 disks with 300 GiB used, 4 x 100 < 500: 322,122,547,200 / 100e6 = 3,221.225472 s
#   app:     12 disks with 40 GiB used: 8 at once get 500 / 8 = 62.5 MB/s: 42,949,672,960 / 62.5e6 =
#            687.19476736 s; then the other 4 at 100 MB/s: 429.4967296 s
#   office:  44 disks with 40 GiB used: five times 8, then 4
DATA_VMWARE = (
    322_122_547_200 / 100e6,
    42_949_672_960 / 62.5e6 + 42_949_672_960 / 100e6,
    5 * 42_949_672_960 / 62.5e6 + 42_949_672_960 / 100e6,
)
# OpenShift: 8 data movers of at most 150 MB/s on the same 500 MB/s; whole volumes.
#   database: 4 disks of 500 GiB, 4 x 150 > 500, so 125 MB/s each: 536,870,912,000 / 125e6 = 4,294.967296 s
#   app:     12 disks of 100 GiB: 8 at 62.5 MB/s, then 4 at 125 MB/s: 1,717.9869184 + 858.9934592 s
#   office:  44 disks of 80 GiB: five times 8 at 62.5 MB/s, then 4 at 125 MB/s
DATA_OPENSHIFT = (
    536_870_912_000 / 125e6,
    107_374_182_400 / 62.5e6 + 107_374_182_400 / 125e6,
    5 * 85_899_345_920 / 62.5e6 + 85_899_345_920 / 125e6,
)


def vmware_backup(n: int) -> Terms:
    """No promote and no register; a session per VM and its data."""
    return {"data": sum(DATA_VMWARE[:n]), **waves(n, session=120, boot=60, network=90, application=120)}


def openshift_backup(n: int) -> Terms:
    """Nothing per group; queue to finalise per VM."""
    per_vm = waves(n, queue=15, expose=30, finalise=15, attach=20, boot=60, application=120)
    return {"data": sum(DATA_OPENSHIFT[:n]), **per_vm}


LAST_SYNC = {"last-sync": 120}  # 2m, only VMware
SITE = [
    Case(
        scenario="site-failure",
        platform=VMWARE,
        terms={
            "gold": BEFORE_WAVE_1 | LAST_SYNC | vmware_waves(2) | CONFIRM,  # 4,020 + 2 x 452 + 1,500 = 6,424
            "silver": BEFORE_WAVE_1 | LAST_SYNC | vmware_waves(3) | CONFIRM,  # 4,020 + 1,356 + 1,500 = 6,876
        },
    ),
    Case(
        scenario="site-failure",
        platform=VMWARE,
        operators=1,
        terms={
            "gold": BEFORE_WAVE_1 | LAST_SYNC | vmware_waves(2) | ONE_OPERATOR["gold"],  # 7,024
            "silver": BEFORE_WAVE_1 | LAST_SYNC | vmware_waves(2) | ONE_OPERATOR["silver"],  # 7,924
        },
    ),
    Case(
        scenario="site-failure",
        platform=VMWARE,
        lost="replica",
        terms={
            "gold": BEFORE_WAVE_1 | LAST_SYNC | vmware_backup(2) | CONFIRM,  # 10,637.91696896
            "silver": BEFORE_WAVE_1 | LAST_SYNC | vmware_backup(3) | CONFIRM,  # 14,893.38753536
        },
    ),
    Case(
        scenario="site-failure",
        platform=OPENSHIFT,
        terms={
            "gold": BEFORE_WAVE_1 | openshift_waves(2) | CONFIRM,  # 3,900 + 2 x 440 + 1,500 = 6,280
            "silver": BEFORE_WAVE_1 | openshift_waves(3) | CONFIRM,  # 3,900 + 1,320 + 1,500 = 6,720
        },
    ),
    Case(
        scenario="site-failure",
        platform=OPENSHIFT,
        operators=1,
        terms={
            "gold": BEFORE_WAVE_1 | openshift_waves(2) | ONE_OPERATOR["gold"],  # 6,880
            "silver": BEFORE_WAVE_1 | openshift_waves(2) | ONE_OPERATOR["silver"],  # 7,780
        },
    ),
    Case(
        scenario="site-failure",
        platform=OPENSHIFT,
        lost="replica",
        terms={
            "gold": BEFORE_WAVE_1 | openshift_backup(2) | CONFIRM,
            "silver": BEFORE_WAVE_1 | openshift_backup(3) | CONFIRM,
        },
    ),
]
