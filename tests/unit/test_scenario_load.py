"""Scenario files as newcomers write them: what loads, and how each slip is answered."""

from pathlib import Path

import pytest

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario import shipped
from rpo_sim.scenario.load import load_scenario, load_scenario_text
from rpo_sim.scenario.messages import SHOWN
from rpo_sim.units import parse_duration

TEMPLATE = Path(shipped.__file__).with_name("template.yaml").read_text(encoding="utf-8")
NO_UNIT = "write a number and a unit, such as"
RESTORE = "{measured: restore.data, else: {assumed: {rate: {p50: 100MB/s, p5: 50MB/s}}}}"
LOGNORMAL = "{lognormal: {p50: 10m, p95: 40m}}"


def place(old: str) -> int:
    """Where a text is, below the comments that the template begins with."""
    return TEMPLATE.index(old, TEMPLATE.index("\nversion:"))


def edited(old: str, new: str) -> str:
    at = place(old)
    return TEMPLATE[:at] + new + TEMPLATE[at + len(old) :]


def refused(text: str) -> list[str]:
    """The lines of the error that a text gets."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario_text(text, "s.yaml")
    return str(caught.value).split("\n")


SLIPS = {
    "a bare number": ("every: 24h", "every: 24", f"copies[0].every: '24' is not a duration: {NO_UNIT} 90s"),
    "clock time": ("every: 24h", "every: 1:30", f"copies[0].every: '1:30' is not a duration: {NO_UNIT}"),
    "a word as unit": ("rpo: 26h", "rpo: 26 hours", "objectives.gold.rpo: '26 hours' is not a duration"),
    "bytes without unit": (
        "capacity: 200Gi",
        "capacity: 200",
        f"estate.groups[0].disks[0].capacity: '200' is not a size: {NO_UNIT} 500Gi",
    ),
    "used without unit": (
        "used: 60%",
        "used: 60",
        "estate.groups[0].disks[0].used: `60` has no unit: write a share such as 60%, or a size such as 40Gi",
    ),
    "more used than there is": ("used: 60%", "used: 600Gi", "used 600Gi is more than the capacity"),
    "a rate without time": ("200MiB/s", "200MiB", "links.restore.per_stream: '200MiB' is not a rate"),
    "a rate in bps": ("10Gbit/s", "10Gbps", "'10Gbps' is not a rate: write a number and a unit, such as"),
    "a percentage as number": (
        "share_of_incidents: 95%",
        "share_of_incidents: 95",
        f"objectives.gold.share_of_incidents: '95' is not a percentage: {NO_UNIT} 95%",
    ),
    "a percentage as ratio": ("assumed: 98%", "assumed: 0.98", "'0.98' is not a percentage"),
    "more than all": ("95%,", "101%,", "share_of_incidents: must be at most 100% (found '101%')"),
    "a count as word": (
        "count: 12",
        "count: twelve",
        "write a whole number, without quotes (found 'twelve')",
    ),
    "a count of none": ("count: 12", "count: 0", "estate.groups[1].count: must be at least 1 (found 0)"),
    "half a retry": ("retries: 1", "retries: 1.5", "retries: write a whole number"),
    "a misspelled key": (
        "every: 24h",
        "evry: 24h",
        "copies[0].evry: unknown key; did you mean `every`? Known",
    ),
    "a key from elsewhere": (
        "every: 24h",
        "cron: daily",
        "copies[0].cron: unknown key; remove it. Known here: bytes, consistency,",
    ),
    "a misspelled shape": (
        LOGNORMAL,
        "{lognorm: {}}",
        "assumed.lognorm: unknown key; did you mean `lognormal`?",
    ),
    "a misspelled part": (
        "{p50: 10m",
        "{P50: 10m",
        "P50: unknown key; did you mean `p50`? Known here: p50, p95",
    ),
    "a misspelled section": (
        "    recovery:",
        "    recover:",
        "recover: unknown key; did you mean `recovery`?",
    ),
    "half a shape": (LOGNORMAL, "{lognormal: {p50: 40m}}", "else.assumed.lognormal.p95: missing; add it"),
    "quantiles reversed": ("p50: 10m, p95: 40m", "p50: 40m, p95: 10m", "p50 must be above 0 and below p95"),
    "two shapes": (
        LOGNORMAL,
        "{lognormal: {p50: 10m, p95: 40m}, fixed: 5m}",
        "give exactly one of fixed, lognormal, weibull, gamma",
    ),
    "rates reversed": (
        "p50: 100MB/s, p5: 50MB/s",
        "p50: 1MB/s, p5: 50MB/s",
        "p5 is the slow rate and must be",
    ),
    "a duration without source": (
        f"{{measured: backup.data, else: {{assumed: {LOGNORMAL}}}}}",
        "10m",
        "copies[0].duration: say where it comes from: {assumed: 10m}, or {measured: NAME, else: …}",
    ),
    "success without source": (
        "{assumed: 98%}",
        "98%",
        "success: say where it comes from: {assumed: 98%}, or",
    ),
    "both sources": (
        "{measured: backup.data, else:",
        "{measured: backup.data, assumed: 5m, else:",
        "copies[0].duration: give either `measured: NAME` or `assumed: …`",
    ),
    "a wrong scope": (
        "scope: backend",
        "scope: array",
        "failure.scope: write 'object', 'namespace', 'volume', 'backend', 'cluster', 'site', 'region', "
        "'control-plane', 'admin' or 'partition' (found 'array')",
    ),
    "a scope twice": ("scope: backend", "scope: [site, admin, site]", "failure.scope: `site` is there twice"),
    "a misspelled scope of several": (
        "scope: backend",
        "scope: [site, admn]",
        "failure.scope[1]: did you mean `admin`?",
    ),
    "a link without a rest": (
        "{bandwidth: 10Gbit/s,",
        "{bandwidth: 10Gbit/s, efficiency: 50%, reserved: 6Gbit/s,",
        "shared.links.restore: nothing is left",
    ),
    "a misspelled scope": ("scope: backend", "scope: bakend", "failure.scope: did you mean `backend`? Write"),
    "a wrong stage": (
        "stage: boot",
        "stage: reboot",
        "stages[2].stage: did you mean `boot`? Write 'contain'",
    ),
    "a kind without age": (
        "  scope: backend",
        "  kind: corruption\n  scope: backend",
        "failure.kind: write 'loss'; or write a mapping; its keys: corruption (found 'corruption')",
    ),
    "age beside detect": (
        "  scope: backend",
        "  kind: {corruption: {age: {assumed: 2d}}}\n  scope: backend",
        "failure: `detect` beside a corruption: its age already says when it was found; remove `detect`",
    ),
    "text for a list": (
        "needs: [database]",
        "needs: database",
        "estate.groups[1].needs: write a list: [database]",
    ),
    "text for a mapping": (
        "retention: {daily: 14, weekly: 5}",
        "retention: 14d",
        "copies[0].retention: write a mapping; its keys: count, daily, keep, monthly, weekly (found '14d')",
    ),
    "text for a path step": (
        "path: [{copy: backup, method: full}]",
        "path: [backup]",
        "recovery.path[0]: write a mapping; its keys: at_most, copy, method (found 'backup')",
    ),
    "text for slots": ("{proxies: 8}", "proxies", "slots: write a mapping, such as {name: value} (found"),
    "two ways of retention": ("{daily: 14,", "{keep: 5d,", "give one of `count`, `keep`, or calendar rules"),
    "no value": ("scope: backend", "scope:", "failure.scope: empty; give a value or remove the key"),
    "no disks": ("disks: [{capacity: 200Gi, used: 60%}]", "disks: []", "disks: must have at least 1 item"),
    "a name in capitals": ("name: database", "name: Database", "names have small letters, digits and . _ -,"),
    "a number as name": ("name: database", "name: 42", "write text; a name that is a number needs quotes"),
    "a stage without time": (
        f"          duration: {RESTORE}\n          over: restore",
        "",
        "a stage needs a `dura",
    ),
    "a link without bytes": (
        "bytes: used #",
        "#",
        "`over` a link needs `bytes`: used, capacity, changed, written, chain or a size",
    ),
    "another version": ("version: 1", "version: 2", "version: write 1 (found 2)"),
    "an empty operation": (
        "# bind:",
        "bind:\n  restore.data: {operation: '', stage: data}",
        "bind.restore.data.operation: must not be blank",
    ),
    "a blank stage of a binding": (
        "# bind:",
        "bind:\n  restore.data: {operation: restore, stage: ' '}",
        "bind.restore.data.stage: must not be blank",
    ),
    "a bucket without time": (
        "shared:",
        "shared:\n  buckets: {api: {rate: 5, burst: 1}}",
        "api.rate: write tokens per time",
    ),
    "a bucket per day": (
        "shared:",
        "shared:\n  buckets: {api: {rate: 5/d, burst: 1}}",
        "shared.buckets.api.rate: write tokens per time, such as 5/s or 300/m (found '5/d')",
    ),
    "an empty bucket": (
        "shared:",
        "shared:\n  buckets: {api: {rate: 0/s, burst: 1}}",
        "rate 0/s never refills",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_answered_in_one_line_with_place_value_and_remedy(slip: str) -> None:
    old, new, what = SLIPS[slip]
    text = edited(old, new)
    (message,) = refused(text)
    assert what in message
    file, line, _ = message.split(":", 2)
    assert file == "s.yaml"
    # The line is that of the edit, or the one of the mapping that lacks or holds too much.
    at = TEMPLATE[: place(old)].count("\n") + 1
    assert at - 6 <= int(line) <= at + new.count("\n")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("every: 24h", "every: 24", "every: 24"),
        ("every: 24h", "evry: 24h", "evry"),
        ("rto: 6h, ", "", "gold:"),
        ("p50: 10m, p95: 40m", "p50: 40m, p95: 10m", "duration:"),
        ("          bytes: used #", "          #", "- stage: data"),
        ("  detect:", "  kind: {corruption: {age: {assumed: 2d}}}\n  detect:", "failure:"),
        ("version: 1\n", "", "# A scenario to start from"),
    ],
)
def test_the_line_is_that_of_the_key_or_of_what_lacks_it(old: str, new: str, line: str) -> None:
    text = edited(old, new)
    number = int(refused(text)[0].split(":")[1])
    assert text.split("\n")[number - 1].strip().startswith(line)


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = TEMPLATE.replace("every: 24h", "every: 24").replace("count: 12", "count: -1")
    text = text.replace("until: boot", "untl: boot")
    messages = refused(text)
    assert [line.split(": ")[1].rpartition(".")[2] for line in messages] == ["count", "every", "untl", "untl"]
    numbers = [int(line.split(":")[1]) for line in messages]
    assert numbers == sorted(numbers)


def test_more_problems_than_help_are_counted() -> None:
    groups = "".join(f"    - {{name: G{i}, tier: gold, disks: [{{capacity: 1Gi}}]}}\n" for i in range(30))
    messages = refused(edited("  groups:\n", f"  groups:\n{groups}"))
    assert len(messages) == SHOWN + 1
    assert messages[-1] == f"… and {30 - SHOWN} more"


def test_a_long_or_odd_value_is_shown_short_and_printable() -> None:
    (message,) = refused(edited("scope: backend", "scope: " + "x" * 500))
    assert message.endswith("(found '" + "x" * 60 + "…')")
    (message,) = refused(edited("scope: backend", 'scope: "a\\nb"'))
    assert message.endswith("(found 'a\\\\nb')")


def test_quantities_are_numbers_inside() -> None:
    scenario = load_scenario_text(TEMPLATE).scenario
    database, web, _ = scenario.estate.groups
    assert database.capacity_bytes == 200 * 2**30
    assert database.used_bytes == 120 * 2**30
    assert web.change == {"24h": 2**30}
    assert scenario.objectives["gold"].rto == parse_duration("6h")
    assert scenario.objectives["gold"].share_of_incidents == 0.95
    assert scenario.shared.links["restore"].bandwidth == 1.25e9
    assert scenario.copies[0].every == 86400.0


def test_short_forms_mean_the_long_ones() -> None:
    long = edited(
        "          bytes: used #", "          when: [full]\n          times: 1\n          bytes: used #"
    )
    short = long.replace("when: [full]", "when: full")
    assert load_scenario_text(short).scenario == load_scenario_text(long).scenario
    fixed = edited("repair: {assumed: 30m,", "repair: {assumed: {fixed: 30m},")
    assert load_scenario_text(fixed).scenario == load_scenario_text(TEMPLATE).scenario
    lag = edited("    every: 24h\n", "    every: 24h\n    lag: {assumed: {fixed: 5m}}\n")
    assert (
        load_scenario_text(lag.replace("{assumed: {fixed: 5m}}", "5m")).scenario
        == load_scenario_text(lag).scenario
    )


def test_the_digest_is_of_what_the_file_says() -> None:
    def digest(text: str) -> str:
        return load_scenario_text(text).digest

    same = edited("{rpo: 26h, rto: 6h,", "{rto: 6h,   rpo: 26h,").replace("# Fault domains", "# Places")
    assert digest(same) == digest(TEMPLATE)
    assert digest(edited("rpo: 26h", "rpo: 27h")) != digest(TEMPLATE)
    assert len(digest(TEMPLATE)) == 64


def test_a_loaded_file_knows_where_its_parts_are(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TEMPLATE)
    loaded = load_scenario(str(file))
    every = TEMPLATE[: TEMPLATE.index("every: 24h")].count("\n") + 1
    assert (loaded.path, loaded.name) == (file, str(file))
    assert loaded.where(("copies", 0, "every")) == f"{file}:{every}"
    assert loaded.where(("copies", 0, "lag")) == f"{file}:{every - 2}"  # not there: its copy
    assert loaded.where() == f"{file}:1"
    assert load_scenario_text(TEMPLATE).path is None


def test_a_file_that_cannot_be_read_says_so() -> None:
    with pytest.raises(ScenarioError, match=r"^cannot read /proc/self/mem: Input/output error$"):
        load_scenario("/proc/self/mem")


def test_a_file_without_end_is_refused_by_its_size() -> None:
    with pytest.raises(ScenarioError, match=r"^/dev/zero:1: .* at most 1048576 bytes"):
        load_scenario("/dev/zero")


def test_text_with_surrogates_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"^<string>:1: byte 0xed is not UTF-8"):
        load_scenario_text("a: \ud800")


def test_copies_are_shared_with_what_a_platform_changes_or_leaves_out() -> None:
    own = "    copies:\n      backup: {every: 12h, differs_because: its clock}\n      extra: {kind: vault, "
    own += "every: 7d, duration: {assumed: 1h}, retention: {count: 3}}\n    recovery:\n"
    text = edited("    recovery:\n", own)
    scenario = load_scenario_text(text).scenario
    changed, shared = scenario.copies_of("vmware"), scenario.copies_of("openshift-virtualization")
    assert list(changed) == ["backup", "extra"]
    assert list(shared) == ["backup"]
    assert changed["backup"].every == 12 * 3600.0
    assert changed["backup"].retention == shared["backup"].retention
    omitted = text.replace("{every: 12h, differs_because: its clock}", "{omit: true}")
    omitted = omitted.replace("path: [{copy: backup", "path: [{copy: extra", 1)
    assert list(load_scenario_text(omitted).scenario.copies_of("vmware")) == ["extra"]
