"""Parts of a scenario that must fit together: what does not is refused, at the line that is wrong."""

from pathlib import Path

import pytest

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario import shipped
from rpo_sim.scenario.load import load_scenario_text

TEMPLATE = Path(shipped.__file__).with_name("template.yaml").read_text(encoding="utf-8")
Edits = list[tuple[str, str]]

BOOT = "        - stage: boot\n"
VERIFY = "        - stage: verify # someone who knows the application confirms it\n"
PATH = "path: [{copy: backup, method: full}]"
MINUTE = "duration: {assumed: 1m}"
ORDER = "order: [[database], [web], [office]]"
COPY_TIME = "{measured: backup.data, else: {assumed: {lognormal: {p50: 10m, p95: 40m}}}}"
STAGE_TIME = "{measured: restore.data, else: {assumed: {rate: {p50: 100MB/s, p5: 50MB/s}}}}"
RATE = "{assumed: {rate: {p50: 10MB/s, p5: 5MB/s}}}"
OWN = "  vmware:\n"
SECOND = "\n  - {name: tape, kind: vault, every: 7d, duration: {assumed: 1h}, retention: {count: 3}%s}\n"


def edited(edits: Edits) -> str:
    """The template with the first place of each text replaced, its opening comments aside."""
    head, body = TEMPLATE.split("\nversion:")
    for old, new in edits:
        assert old in body, old
        body = body.replace(old, new, 1)
    return f"{head}\nversion:{body}"


def tape(more: str = "") -> tuple[str, str]:
    return "\ncopies:\n", "\ncopies:" + SECOND % more


def own_copies(text: str) -> tuple[str, str]:
    return OWN, f"{OWN}    copies: {text}\n"


def boot(key: str) -> tuple[str, str]:
    return BOOT, f"{BOOT}          {key}\n"


# What is wrong → the edits, what the named line begins with, and the message.
WRONG: dict[str, tuple[Edits, str, str]] = {
    "no primary": (
        [("  primary: {", "  main: {")],
        "locations:",
        "locations: `primary` is missing: say where the VMs run",
    ),
    "a link at no place": (
        [("location: vault}", "location: valt}")],
        "restore:",
        "shared.links.restore.location: no location is called `valt`; did you mean `vault`? There are:",
    ),
    "two copies of one name": (
        [tape(), ("name: tape", "name: backup")],
        "- name: backup",
        "copies[1].name: a second copy `backup`: names are unique",
    ),
    "two groups of one name": (
        [("name: office", "name: web"), *2 * [(ORDER, "order: [[database], [web]]")]],
        "- name: web",
        "estate.groups[2].name: a second group `web`: names are unique",
    ),
    "more VMs than are simulated": (
        [("count: 12", "count: 1000000")],
        "groups:",
        "estate.groups: 1000028 VMs in all; at most 1000000 are simulated",
    ),
    "a misspelled group in needs": (
        [("[database] # recovered", "[databse] # recovered")],
        "needs:",
        "needs: no group is called `databse`; did you mean `database`? There are: database,",
    ),
    "a group that is far from any": (
        [("[database] # recovered", "[mail] # recovered")],
        "needs:",
        "no group is called `mail`; there are: database, web, office",
    ),
    "a group that needs itself": (
        [("[database] # recovered", "[web] # recovered")],
        "needs: [web]",
        "estate.groups[1].needs: a circle: web needs web; remove one of these",
    ),
    "groups that need each other": (
        [
            ("      tier: gold # its", "      needs: [web]\n      tier: gold # its"),
            *2 * [(ORDER, "order: [[database, web], [office]]")],
        ],
        "needs: [web]",
        "estate.groups[0].needs: a circle: database needs web needs database; remove one of these",
    ),
    "a window that is no duration": (
        [("{24h: 1Gi}", "{daily: 1Gi}")],
        "change:",
        "estate.groups[1].change.daily: 'daily' is not a duration: write a number and a unit",
    ),
    "a window of no length": ([("{24h: 1Gi}", "{0s: 1Gi}")], "change:", "a window must be longer than 0s"),
    "the same window twice": (
        [("{24h: 1Gi}", "{24h: 1Gi, 1d: 1Gi}")],
        "change:",
        "change.24h: the same window as `1d`",
    ),
    "fewer bytes in a longer window": (
        [("1h: 2Gi", "1h: 20Gi")],
        "change:",
        "estate.groups[0].change.24h: fewer bytes than within 1h: a longer window holds the shorter",
    ),
    "objectives of no tier": (
        [("  gold: {rpo", "  golden: {rpo")],
        "golden:",
        "objectives.golden: no tier of a group is called `golden`; did you mean `gold`? There are:",
    ),
    "detection at a rate": (
        [("{assumed: {lognormal: {p50: 5m, p95: 20m}}}", RATE)],
        "detect:",
        "failure.detect: a `rate` needs `bytes` beside it; write another kind of duration",
    ),
    "nothing to omit": (
        [own_copies("{tape: {omit: true}}")],
        "copies: {tape",
        "vmware.copies.tape.omit: nothing to omit: `tape` is not in the shared copies",
    ),
    "a copy without its fields": (
        [own_copies("{tape: {kind: vault, every: 7d}}")],
        "copies: {tape",
        "copy `tape` of vmware has no duration, retention; add it here or to the shared copy",
    ),
    "a copy at no place": (
        [("location: vault\n    cons", "location: vaultt\n    cons")],
        "location: vaultt",
        "copies[0].location: no location is called `vaultt`; did you mean `vault`? There are: primary, vault",
    ),
    "a copy inside and elsewhere": (
        [("    consistency:", "    inside: vm\n    consistency:")],
        "location: vault",
        "copies[0].location: a copy inside the vm lies at `primary`; remove `inside` or this location",
    ),
    "a copy over no link": (
        [tape(", over: wan, bytes: used")],
        "- {name: tape",
        "copies[0].over: no link is called `wan`; there are: restore",
    ),
    "a copy over a link without bytes": (
        [tape(", over: restore")],
        "- {name: tape",
        "copies[0].over: `over` a link needs `bytes`: used, capacity, change or a size",
    ),
    "a copy at a rate without bytes": (
        [(COPY_TIME, RATE)],
        "duration:",
        "copies[0].duration: a `rate` needs `bytes`",
    ),
    "a lag at a rate": ([tape(f", lag: {RATE}")], "- {name: tape", "copies[0].lag: a `rate` needs `bytes`"),
    "changes that are not stated": (
        [("      change: {24h: 1Gi}\n", ""), tape(", bytes: change")],
        "- {name: tape",
        "copies[0].bytes: `change` needs the `change` map of every group; missing for web",
    ),
    "copies that count their slots differently": (
        [tape(", slots: {movers: 2}"), ("    consistency:", "    slots: {movers: 3}\n    consistency:")],
        "slots: {movers: 3}",
        "copies[1].slots.movers: 3 slots, but 2 elsewhere on this platform: one name, one size",
    ),
    "a path over no copy": (
        [(PATH, "path: [{copy: backups, method: full}]")],
        "path:",
        "path[0].copy: no copy of this platform is called `backups`; did you mean `backup`? There are:",
    ),
    "a path over a copy that is left out": (
        [tape(), own_copies("{tape: {omit: true}}"), (PATH, "path: [{copy: tape, method: full}]")],
        "path:",
        "no copy of this platform is called `tape`; there are: backup",
    ),
    "the same way twice": (
        [(PATH, "path: [{copy: backup, method: full}, {copy: backup, method: full}]")],
        "path:",
        "path[1]: the same copy and method again: each is tried once; remove one",
    ),
    "stages out of order": (
        [(VERIFY, "        - {stage: attach, once_per: wave, duration: {assumed: 1m}}\n" + VERIFY)],
        "- {stage: attach",
        "stages[3]: a stage once per wave comes too late; the order is: incident, then wave or",
    ),
    "VMs after applications": (
        [
            (VERIFY, f"        - {{stage: release, once_per: application, {MINUTE}}}\n{VERIFY}"),
            ("once_per: application\n", "once_per: vm\n"),
        ],
        "- stage: verify",
        "stages[4]: a stage once per vm comes too late",
    ),
    "two stages of one name": (
        [(VERIFY, f"        - {{stage: boot, {MINUTE}}}\n{VERIFY}")],
        "- {stage: boot",
        "stages[3]: a second stage `boot`: give it a `name` of its own",
    ),
    "concurrency until no stage": (
        [("until: boot", "until: bot")],
        "concurrency:",
        "concurrency.until: no stage of VMs is called `bot`; did you mean `boot`? There are: data, boot",
    ),
    "concurrency until a stage of applications": (
        [("until: boot", "until: verify")],
        "concurrency:",
        "no stage of VMs",
    ),
    "a barrier at no stage": (
        [("barrier: boot", "barrier: boo")],
        "waves:",
        "waves.barrier: no stage of VMs is called",
    ),
    "when of another path": (
        [boot("when: [fast]")],
        "when:",
        "stages[2].when: no copy or method in the path is called `fast`; there are: backup, full",
    ),
    "tokens of no bucket": (
        [boot("tokens: {api: 1}")],
        "tokens:",
        "tokens.api: no bucket is called `api`; there are: none",
    ),
    "tokens that never fit": (
        [boot("tokens: {api: 9}"), ("\nshared:\n", "\nshared:\n  buckets: {api: {rate: 5/s, burst: 8}}\n")],
        "tokens:",
        "9 tokens never fit a burst of 8; raise the burst",
    ),
    "a stage over no link": (
        [("over: restore #", "over: wan #")],
        "over: wan",
        "stages[1].over: no link is called `wan`; there are: restore",
    ),
    "a transfer without end": (
        [("          timeout: 24h\n", "")],
        "- stage: data",
        "stages[1]: a transfer `over` a link needs a `timeout`, after which it counts as failed",
    ),
    "a transfer that is repeated": (
        [(f"          duration: {STAGE_TIME}\n", "          times: 2\n")],
        "times: 2",
        "stages[1].times: `times` repeats a `duration`, and this transfer has none; add one, or",
    ),
    "a stage at a rate without bytes": (
        [("          bytes: used #", "          #"), ("          over: restore #", "          #")],
        "duration:",
        "stages[1].duration: a `rate` needs `bytes` beside it",
    ),
    "the bytes of many VMs": (
        [
            ("          bytes: used #", "          once_per: group\n          bytes: used #"),
        ],
        "bytes: used",
        "stages[1].bytes: `used` is known of a VM or disk, not once per group; write a size",
    ),
    "a repair at a rate": (
        [("{assumed: 30m, by", f"{RATE[:-1]}, by")],
        "repair:",
        "recovery.repair: a `rate` needs",
    ),
    "stages that count their slots differently": (
        [boot("slots: {proxies: 4}")],
        "slots: {proxies: 4}",
        "stages[2].slots.proxies: 4 slots, but 8 elsewhere on this platform: one name, one size",
    ),
    "slots of nodes that come to another number": (
        [boot("slots: {proxies: {nodes: 4, per_node: 4}}")],
        "slots: {proxies: {nodes",
        "stages[2].slots.proxies: 16 slots, but 8 elsewhere on this platform",
    ),
    "slots taken in opposite orders": (
        [("slots: {proxies: 8}", "slots: {proxies: 8, hosts: 4}"), boot("slots: {hosts: 4, proxies: 8}")],
        "slots: {hosts",
        "stages[2].slots: `hosts` before `proxies`, but stages above take `proxies` first: jobs could "
        "wait for each other for ever; list slots in the same order in every stage",
    ),
    "slots taken in a circle": (
        [
            ("slots: {proxies: 8}", "slots: {proxies: 8, hosts: 4}"),
            boot("slots: {hosts: 4, licences: 2}"),
            (
                VERIFY,
                f"        - {{stage: verify, name: check, slots: {{licences: 2, proxies: 8}}, {MINUTE}}}\n"
                + VERIFY,
            ),
        ],
        "- {stage: verify",
        "stages[3].slots: `licences` before `proxies`, but stages above take `proxies` first",
    ),
    "an empty wave": ([(ORDER, ORDER[:-1] + ", []]")], "waves:", "order[3]: an empty wave; remove it"),
    "a misspelled group in a wave": (
        [(ORDER, "order: [[databse], [web], [office]]")],
        "waves:",
        "waves.order[0]: no group is called `databse`; did you mean `database`? There are: database,",
    ),
    "a group in two waves": (
        [(ORDER, "order: [[database], [web], [office, web]]")],
        "waves:",
        "waves.order: group `web` is in 2 places; keep one",
    ),
    "a group in no wave": (
        [(ORDER, "order: [[database], [web]]")],
        "waves:",
        "waves.order: in no wave: office; every group needs one",
    ),
    "a group before what it needs": (
        [(ORDER, "order: [[web], [database], [office]]")],
        "waves:",
        "waves.order: `web` needs `database`, which comes in a later wave; move one of them",
    ),
}

RIGHT: dict[str, Edits] = {
    "as it stands": [],
    "slots in one order": [
        ("slots: {proxies: 8}", "slots: {proxies: 8, hosts: 4}"),
        boot("slots: {proxies: 8, licences: 2, hosts: 4}"),
    ],
    "slots of copies and stages apart": [tape(", slots: {proxies: 2}")],
    "slots of nodes that come to the same number": [boot("slots: {proxies: {nodes: 4, per_node: 2}}")],
    "a duration that is repeated": [
        ("          over: restore #", "          times: 2\n          over: restore #")
    ],
    "incident stages first and last": [
        (VERIFY, f"        - {{stage: release, once_per: application, {MINUTE}}}\n{VERIFY}"),
        (f"{VERIFY}          once_per: application\n", f"{VERIFY}          once_per: incident\n"),
    ],
    "two ways with one copy": [
        (PATH, "path: [{copy: backup, method: full}, {copy: backup, method: instant}]")
    ],
    "a copy of the platform's own": [
        own_copies("{tape: {kind: vault, every: 7d, duration: {assumed: 1h}, retention: {count: 3}}}"),
        (PATH, "path: [{copy: tape, method: full}]"),
    ],
    "when by copy and by method": [boot("when: [backup, full]")],
    "a copy inside its volume": [("    location: vault\n    cons", "    inside: volume\n    cons")],
    "a copy at a rate with bytes": [
        (COPY_TIME, RATE),
        ("    consistency:", "    bytes: used\n    consistency:"),
    ],
    "changes that are stated": [tape(", bytes: change")],
    "a size once per group": [
        ("          bytes: used #", "          once_per: group\n          bytes: 5Gi #"),
    ],
    "tokens that fit": [
        boot("tokens: {api: 8}"),
        ("\nshared:\n", "\nshared:\n  buckets: {api: {rate: 5/s, burst: 8}}\n"),
    ],
    "needs in the same wave": [(ORDER, "order: [[web, database], [office]]")],
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_at_its_line(case: str) -> None:
    edits, begins, what = WRONG[case]
    text = edited(edits)
    with pytest.raises(ScenarioError) as caught:
        load_scenario_text(text, "s.yaml")
    (message,) = str(caught.value).split("\n")
    assert what in message
    file, line, _ = message.split(":", 2)
    assert file == "s.yaml"
    assert text.split("\n")[int(line) - 1].strip().startswith(begins)


@pytest.mark.parametrize("case", RIGHT)
def test_what_fits_is_taken(case: str) -> None:
    load_scenario_text(edited(RIGHT[case]))


def test_what_a_shared_copy_lacks_is_told_of_each_platform() -> None:
    text = edited([("    retention: {daily: 14, weekly: 5} #", "    #")])
    with pytest.raises(ScenarioError) as caught:
        load_scenario_text(text, "s.yaml")
    first, second = str(caught.value).split("\n")
    assert "copies[0]: copy `backup` of vmware has no retention" in first
    assert "copies[0]: copy `backup` of openshift-virtualization has no retention" in second


def test_of_two_copies_the_second_is_named() -> None:
    text = edited([tape(), ("name: tape", "name: backup")])
    with pytest.raises(ScenarioError) as caught:
        load_scenario_text(text, "s.yaml")
    assert int(str(caught.value).split(":")[1]) == text[: text.rindex("- name: backup")].count("\n") + 1


def test_problems_are_told_in_the_order_of_the_file() -> None:
    text = edited([("location: vault}", "location: valt}"), ("[database] # recovered", "[mail] # recovered")])
    with pytest.raises(ScenarioError) as caught:
        load_scenario_text(text, "s.yaml")
    first, second = str(caught.value).split("\n")
    assert "needs: no group" in first
    assert "location: no location" in second
