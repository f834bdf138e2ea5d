"""Each rule of lint: where it speaks, and where it is silent though little is different."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from rpo_sim.scenario import shipped
from rpo_sim.scenario.lint import RULES, LintFinding, lint
from rpo_sim.scenario.load import load_scenario_text

TEMPLATE = Path(shipped.__file__).with_name("template.yaml").read_text(encoding="utf-8")
Edit = Callable[[str], str]
Edits = tuple[Edit, ...]


def swap(old: str, new: str) -> Edit:
    """Replace a text everywhere."""

    def edit(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)

    return edit


def drop(old: str) -> Edit:
    return swap(old, "")


def on_openshift(old: str, new: str) -> Edit:
    """Replace a text in the second platform only."""

    def edit(text: str) -> str:
        before, platform, after = text.partition("  openshift-virtualization:\n")
        return before + platform + swap(old, new)(after)

    return edit


def findings(edits: Edits) -> tuple[str, list[LintFinding]]:
    """The edited template, and what lint says of it."""
    text = TEMPLATE
    for edit in edits:
        text = edit(text)
    return text, lint(load_scenario_text(text, "s.yaml"))


SHOWN_ELSEWHERE = ("rpo_sim.scenario.lint.rules_levels",)  # test_lint_levels.py
DETECT = "  detect: {assumed: {lognormal: {p50: 5m, p95: 20m}}}\n"
DECLARE = "  declare: {assumed: {triangular: {low: 10m, mode: 30m, high: 2h}}, by: people}\n"
BACKUP_TIME = "{measured: backup.data, else: {assumed: {lognormal: {p50: 10m, p95: 40m}}}}"
RETENTION = "retention: {daily: 14, weekly: 5} # or {count: 4}, or {keep: 30d}"
WAVES = "{order: [[database], [web], [office]], by: script, barrier: boot}"
SERVICES = "        - stage: services"
RESTORE_RATES = ("{p50: 100MB/s, p5: 50MB/s}", "{p50: 150MB/s, p5: 30MB/s}")


def measured_rate(rate: str) -> str:
    return f"{{measured: restore.data, else: {{assumed: {{rate: {rate}}}}}}}"


def corruption(age: str) -> Edit:
    return swap(DETECT, f"  kind: {{corruption: {{age: {{assumed: {age}}}}}}}\n")


def retention(rule: str) -> Edit:
    return swap(RETENTION, f"retention: {rule}")


def waves(order: str, by: str = "orchestrator") -> Edit:
    return swap(WAVES, f"{{order: {order}, by: {by}}}")


def bind(name: str) -> Edit:
    return swap("# bind:\n", f"bind:\n  {name}: {{operation: backup, stage: data}}\n")


def called(platform: str, name: str) -> Edit:
    return swap(f"\n  {platform}:\n", f"\n  {name}:\n")


AT_PRIMARY = swap("location: vault\n    consistency", "location: primary\n    consistency")
SAME_SITE = swap("{region: eu, site: b", "{region: eu, site: a")
SNAPSHOTS = swap("kind: backup #", "kind: snapshot #")
FOUND_LATE = corruption("{lognormal: {p50: 2d, p95: 14d}}")
MUTABLE = drop("    immutable: 14d\n")
CRASH = swap("consistency: filesystem #", "consistency: crash #")
RECONCILE = swap("- stage: verify", "- stage: reconcile")
NO_RESTORE_TEST = drop("    restore_test: {every: 90d} # restored for real, so often\n")
COPY_CANNOT_FAIL = drop("    success: {assumed: 98%}\n")
STAGES_CANNOT_FAIL = drop("          success: {assumed: 97%}\n")
ONE_MOVER = swap("    overlap: queue", "    slots: {movers: 1}\n    overlap: queue")
OFTEN = swap("every: 24h\n", "every: 4h\n")
OVER_LINK = swap("    overlap: queue", "    bytes: used\n    over: restore\n    overlap: queue")
RESTORE_ASSUMED = tuple(
    swap(f"{{measured: restore.data, else: {{assumed: {{rate: {rate}}}}}}}", f"{{assumed: {{rate: {rate}}}}}")
    for rate in RESTORE_RATES
)
BOOT_ASSUMED = swap("measured: boot.guest, else: {assumed: {lognormal: {p50: 90s, p95: 4m}}}", "assumed: 2m")
NO_REASONS = (
    drop("          differs_because: data movers, one a node, write whole volumes\n"),
    drop("          differs_because: proxies of the backup tool write used blocks\n"),
)
NO_HANDS = on_openshift(
    f"{SERVICES}\n          once_per: incident\n          by: people\n",
    f"{SERVICES}\n          once_per: incident\n",
)
REASON = on_openshift(SERVICES, f"{SERVICES}\n          differs_because: nothing to click here")
OWN_COPY = on_openshift("    recovery:\n", "    copies: {backup: {every: 23h}}\n    recovery:\n")
EXPLAINED_COPY = on_openshift(
    "    recovery:\n", "    copies: {backup: {every: 23h, differs_because: its clock}}\n    recovery:\n"
)
ATTACH_INSTEAD = (
    on_openshift("stage: boot\n", "stage: attach\n"),
    on_openshift("barrier: boot", "barrier: attach"),
    on_openshift("until: boot", "until: attach"),
)
LINK_AT_PRIMARY = swap("location: vault}", "location: primary}")
FEW = "[[database], [web], [office]]"
MANY_GROUPS = swap(
    "  groups:\n",
    "  groups:\n"
    + "".join(f"    - {{name: g{i}, tier: gold, disks: [{{capacity: 1Gi}}]}}\n" for i in range(3)),
)
MANY = "[[database, web], [office], [g0], [g1], [g2]]"
TOO_MANY = "[[database], [web], [office], [g0], [g1], [g2]]"
NO_NEEDS = drop("      needs: [database] # recovered first, or together\n")


class Spoken(NamedTuple):
    """What a rule says of the template with these edits."""

    edits: Edits
    severity: str
    line: str  # what the line that is named begins with
    message: str


SPEAKS = [
    ("nothing-survives", Spoken((AT_PRIMARY,), "error", "path:", "scope backend destroys every copy")),
    ("nothing-survives", Spoken((swap("scope: backend", "scope: region"),), "error", "path:", "backup")),
    ("snapshots-only", Spoken((SNAPSHOTS,), "warning", "- name: backup", "snapshots: backup")),
    ("mutable-copies", Spoken((FOUND_LATE, MUTABLE), "warning", "path:", "is immutable: backup")),
    (
        "crash-consistency-for-application",
        Spoken((CRASH, RECONCILE), "warning", "path:", "stage `reconcile` follows"),
    ),
    (
        "retention-shorter-than-age",
        Spoken((FOUND_LATE, retention("{keep: 13d}")), "warning", "retention:", "is 13d old (copy `backup`)"),
    ),
    (
        "retention-shorter-than-age",
        Spoken((FOUND_LATE, retention("{keep: 1d}")), "error", "retention:", "2d (median) to 14d (p95)"),
    ),
    (
        "retention-shorter-than-age",
        Spoken((FOUND_LATE, retention("{count: 14}")), "warning", "retention:", "is 13d old"),
    ),
    (
        "retention-shorter-than-age",
        Spoken((corruption("15d"), retention("{daily: 14, weekly: 2}")), "error", "retention:", "is 13d old"),
    ),
    (
        "interval-cannot-meet-rpo",
        Spoken((swap("gold: {rpo: 26h", "gold: {rpo: 24h"),), "warning", "every:", "up to 1d"),
    ),
    (
        "interval-cannot-meet-rpo",
        Spoken((swap("gold: {rpo: 26h", "gold: {rpo: 12h"),), "error", "every:", "gold allows 12h"),
    ),
    (
        "interval-cannot-meet-rpo",
        Spoken(
            (swap("    overlap: queue", "    lag: 2h\n    overlap: queue"),), "warning", "every:", "`backup`"
        ),
    ),
    (
        "overload",
        Spoken((ONE_MOVER, OFTEN), "error", "slots:", "slots `movers` is loaded to 167% by copy `backup`"),
    ),
    (
        "overload",
        Spoken((ONE_MOVER, OFTEN, swap("overlap: queue", "overlap: skip")), "warning", "slots:", "167%"),
    ),
    (
        "overload",
        Spoken((OVER_LINK, swap("10Gbit/s", "100Mbit/s")), "error", "over:", "over `restore` is loaded"),
    ),
    (
        "tier-without-objectives",
        Spoken(
            (drop("  silver: {rpo: 26h, rto: 12h, share_of_incidents: 90%, owner: workplace services}\n"),),
            "warning",
            "tier: silver",
            "tier `silver` has no RPO",
        ),
    ),
    ("never-restored", Spoken((NO_RESTORE_TEST,), "warning", "- name: backup", "has no restore test")),
    (
        "nothing-fails",
        Spoken((COPY_CANNOT_FAIL, STAGES_CANNOT_FAIL), "warning", "recovery:", "can fail"),
    ),
    (
        "nothing-fails",
        Spoken((swap("98%}", "100%}"), swap("97%}", "100%}")), "warning", "recovery:", "can fail"),
    ),
    ("nothing-measured", Spoken((*RESTORE_ASSUMED, BOOT_ASSUMED), "warning", "recovery:", "is assumed")),
    (
        "measured-without-fallback",
        Spoken((swap(BACKUP_TIME, "{measured: backup.data}"),), "warning", "duration:", "`backup.data`"),
    ),
    ("unused-binding", Spoken((bind("backup.dta"),), "warning", "backup.dta:", "no `measured: backup.dta`")),
    ("human-step-without-duration", Spoken((drop(DETECT),), "warning", "failure:", "`detect` is missing")),
    ("human-step-without-duration", Spoken((drop(DECLARE),), "warning", "failure:", "`declare` is missing")),
    (
        "human-step-without-duration",
        Spoken(
            (
                swap("          bytes: used #", "          by: people\n          bytes: used #"),
                drop(f"          duration: {measured_rate(RESTORE_RATES[0])}\n"),
            ),
            "warning",
            "- stage: data",
            "stage `data` is by people",
        ),
    ),
    ("human-on-one-platform", Spoken((NO_HANDS,), "warning", "- stage: services", "not on openshift")),
    ("difference-without-reason", Spoken(NO_REASONS, "warning", "- stage: data", "duration, bytes, slots")),
    ("difference-without-reason", Spoken((OWN_COPY,), "warning", "copies: {backup", "copy `backup` differs")),
    (
        "difference-without-reason",
        Spoken((on_openshift("by: script", "by: people"),), "warning", "waves:", "the order differs"),
    ),
    (
        "difference-without-reason",
        Spoken(ATTACH_INSTEAD, "warning", "- stage: boot", "stage `boot` is on vmware only"),
    ),
    (
        "link-in-failed-scope",
        Spoken((LINK_AT_PRIMARY,), "error", "over:", "lost with the backend"),
    ),
    ("ordering-tool-cannot", Spoken((waves(FEW),), "error", "waves:", "no DR or backup operator")),
    (
        "ordering-tool-cannot",
        Spoken((drop(f"      waves: {WAVES}\n"),), "warning", "recovery:", "there are no waves"),
    ),
    (
        "ordering-tool-cannot",
        Spoken(
            (MANY_GROUPS, waves(TOO_MANY), called("openshift-virtualization", "other"), NO_NEEDS),
            "error",
            "waves:",
            "6 waves by the orchestrator, which has 5",
        ),
    ),
    (
        "ordering-tool-cannot",
        Spoken((waves(FEW), called("openshift-virtualization", "other")), "warning", "waves:", "`web` needs"),
    ),
]

SILENT: list[tuple[str, Edits]] = [
    ("nothing-survives", (SAME_SITE,)),
    ("nothing-survives", (swap("scope: backend", "scope: volume"), AT_PRIMARY)),
    ("snapshots-only", (swap("kind: backup #", "kind: replica #"),)),
    ("mutable-copies", (MUTABLE,)),
    ("mutable-copies", (FOUND_LATE,)),
    ("crash-consistency-for-application", (CRASH,)),
    ("crash-consistency-for-application", (RECONCILE,)),
    ("retention-shorter-than-age", (retention("{keep: 1d}"),)),
    ("retention-shorter-than-age", (FOUND_LATE, retention("{keep: 15d}"))),
    ("retention-shorter-than-age", (FOUND_LATE, retention("{count: 16}"))),
    ("retention-shorter-than-age", (FOUND_LATE, retention("{daily: 7, weekly: 4}"))),
    ("retention-shorter-than-age", (FOUND_LATE, retention("{monthly: 2}"))),
    ("interval-cannot-meet-rpo", (swap("gold: {rpo: 26h", "gold: {rpo: 25h"),)),
    ("interval-cannot-meet-rpo", (swap("gold: {rpo: 26h", "gold: {rpo: 12h"), FOUND_LATE)),
    ("overload", (ONE_MOVER,)),
    ("overload", (ONE_MOVER, swap("{movers: 1}", "{movers: 2}"), OFTEN)),
    ("overload", (OVER_LINK,)),
    ("overload", (ONE_MOVER, swap("every: 24h\n", "every: back-to-back\n"))),
    ("tier-without-objectives", (swap("tier: gold #", "tier: silver #"),)),
    ("never-restored", (NO_RESTORE_TEST, SNAPSHOTS)),
    ("nothing-fails", (COPY_CANNOT_FAIL,)),
    ("nothing-fails", (STAGES_CANNOT_FAIL,)),
    ("nothing-measured", RESTORE_ASSUMED),
    ("nothing-measured", (BOOT_ASSUMED,)),
    ("measured-without-fallback", (swap(BACKUP_TIME, "{measured: backup.data}"), bind("backup.data"))),
    ("unused-binding", (bind("backup.data"),)),
    ("human-step-without-duration", (FOUND_LATE,)),
    ("human-on-one-platform", (NO_HANDS, REASON)),
    ("human-on-one-platform", (drop("          once_per: incident\n          by: people\n"),)),
    ("difference-without-reason", NO_REASONS[:1]),
    ("difference-without-reason", NO_REASONS[1:]),
    ("difference-without-reason", (EXPLAINED_COPY,)),
    (
        "difference-without-reason",
        (on_openshift("barrier: boot}", "barrier: data, differs_because: no agent}"),),
    ),
    ("link-in-failed-scope", (swap(", location: vault}", "}"),)),
    ("link-in-failed-scope", (LINK_AT_PRIMARY, swap("scope: backend", "scope: volume"))),
    ("ordering-tool-cannot", (waves(FEW, "people"),)),
    ("ordering-tool-cannot", (drop(f"      waves: {WAVES}\n"), NO_NEEDS)),
    ("ordering-tool-cannot", (drop(f"      waves: {WAVES}\n"), called("openshift-virtualization", "other"))),
    ("ordering-tool-cannot", (MANY_GROUPS, waves(MANY), called("openshift-virtualization", "other"))),
    (
        "ordering-tool-cannot",
        (MANY_GROUPS, waves(TOO_MANY, "script"), called("openshift-virtualization", "other")),
    ),
]


@pytest.mark.parametrize(("rule", "case"), SPEAKS)
def test_a_rule_speaks_where_it_applies(rule: str, case: Spoken) -> None:
    text, found = findings(case.edits)
    first = next(finding for finding in found if finding.rule == rule)
    assert first.severity == case.severity
    assert case.message in first.message
    file, line = first.where.split(":")
    assert file == "s.yaml"
    assert text.split("\n")[int(line) - 1].strip().startswith(case.line)
    assert (first.why, first.remedy) == (RULES[rule].why, RULES[rule].remedy)


@pytest.mark.parametrize(("rule", "edits"), SILENT)
def test_a_rule_is_silent_where_it_does_not_apply(rule: str, edits: Edits) -> None:
    assert [finding.message for finding in findings(edits)[1] if finding.rule == rule] == []


def test_every_rule_is_shown_to_speak_and_to_be_silent() -> None:
    here = {name for name, rule in RULES.items() if rule.check.__module__ not in SHOWN_ELSEWHERE}
    assert {rule for rule, _ in SPEAKS} == {rule for rule, _ in SILENT} == here


def test_nothing_is_said_of_the_template() -> None:
    assert findings(())[1] == []


def test_errors_come_first_and_name_their_platform() -> None:
    found = findings((AT_PRIMARY, NO_RESTORE_TEST))[1]
    assert [(finding.rule, finding.platform) for finding in found] == [
        ("nothing-survives", "vmware"),
        ("nothing-survives", "openshift-virtualization"),
        ("never-restored", "vmware"),
        ("never-restored", "openshift-virtualization"),
    ]


def test_a_copy_in_no_path_may_be_lost_and_untested() -> None:
    text = swap(
        "copies:\n",
        "copies:\n  - {name: snap, kind: snapshot, "
        "every: 1h, duration: {assumed: 5s}, retention: {count: 4}}\n"
        "  - {name: second, kind: vault, every: 1d, duration: {assumed: 5m}, retention: {keep: 9d}}\n",
    )
    assert findings((text,))[1] == []
