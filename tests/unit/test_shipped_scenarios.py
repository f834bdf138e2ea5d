"""The shipped scenarios: usable as they are, alike where they say so, and explained value by value."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpo_sim.scenario.lint import lint
from rpo_sim.scenario.load import load_scenario
from rpo_sim.scenario.shipped import shipped_names, shipped_path
from rpo_sim.scenario.survival import survives

NAMES = (
    "application-level-restore",
    "disk-level-restore",
    "point-in-time-recovery",
    "single-vm-restore",
    "site-failure",
)
PLATFORMS = {"vmware": "VMware", "openshift-virtualization": "OpenShift Virtualization"}
ROW = re.compile(r"# (P\d+|list \d+|age)\b")
MARK = re.compile(r"\bS\d+(?=[\],])")

each_scenario = pytest.mark.parametrize("name", NAMES)
each_platform = pytest.mark.parametrize("platform", PLATFORMS)


def content(name: str) -> dict[str, Any]:
    """What the file says, as text, numbers and containers."""
    return load_scenario(name).document.content


def stages(name: str, platform: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = content(name)["platforms"][platform]["recovery"]["stages"]
    return found


def key(stage: dict[str, Any]) -> str:
    return str(stage.get("name", stage["stage"]))


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping inside a value, at any depth."""
    if isinstance(value, dict):
        yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from mappings(child)


def without_reason(part: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in part.items() if field != "differs_because"}


def readme(name: str) -> str:
    return (shipped_path(name).parent / "README.md").read_text(encoding="utf-8")


def rows(text: str, *, p50_column: int) -> set[tuple[str, ...]]:
    """What, platform, p50 and p95 of each row of a README's tables."""
    found: set[tuple[str, ...]] = set()
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if line.startswith("|"):
            found |= {(cells[0], label, *cells[p50_column:][:2]) for label in _labels(cells[1])}
    return found


def _labels(cell: str) -> tuple[str, ...]:
    return tuple(PLATFORMS.values()) if cell == "both" else (cell,)


def quantiles(duration: dict[str, Any]) -> tuple[str, str]:
    """The two values of an assumed duration, as the README shows them."""
    assumed = duration.get("else", duration)["assumed"]
    if "rate" not in assumed:
        return assumed["lognormal"]["p50"], assumed["lognormal"]["p95"]
    rate = assumed["rate"]
    overhead = f" + {rate['overhead']}" if "overhead" in rate else ""
    return rate["p50"] + overhead, rate["p5"] + overhead


def test_the_library_is_these_five() -> None:
    assert tuple(shipped_names()) == NAMES


@each_scenario
def test_loads_with_both_platforms(name: str) -> None:
    scenario = load_scenario(name).scenario
    assert scenario.scenario == name
    assert set(scenario.platforms) == set(PLATFORMS)
    assert {group.tier for group in scenario.estate.groups} == set(scenario.objectives)


@each_scenario
def test_lint_finds_no_error_and_the_readme_explains_each_warning(name: str) -> None:
    findings = lint(load_scenario(name))
    assert [finding for finding in findings if finding.severity == "error"] == []
    assert len(findings) == readme(name).count("`rpo-sim lint` warns")


@each_scenario
def test_what_is_not_measured_yet_is_assumed(name: str) -> None:
    measured = [part for part in mappings(content(name)) if "measured" in part]
    assert measured
    assert [part["measured"] for part in measured if "else" not in part] == []


@each_scenario
@each_platform
def test_a_stage_that_may_be_measured_ends_at_a_timeout(name: str, platform: str) -> None:
    # A fitted distribution may be censored; a draw beyond its end needs a time at which the stage fails.
    endless = [
        key(stage)
        for stage in stages(name, platform)
        if "measured" in stage["duration"] and "timeout" not in stage
    ]
    assert endless == []


@each_scenario
@each_platform
def test_moving_data_is_bound_by_one_name(name: str, platform: str) -> None:
    movers = [stage for stage in stages(name, platform) if stage["stage"] == "data"]
    assert [stage["duration"]["measured"] for stage in movers].count("restore.data") == 1


@each_scenario
@each_platform
def test_a_stage_unlike_the_other_platforms_says_why(name: str, platform: str) -> None:
    (other,) = set(PLATFORMS) - {platform}
    theirs = [without_reason(stage) for stage in stages(name, other)]
    silent = [
        key(stage)
        for stage in stages(name, platform)
        if without_reason(stage) not in theirs and "differs_because" not in stage
    ]
    assert silent == []


@each_scenario
@each_platform
def test_a_copy_unlike_the_shared_one_says_why(name: str, platform: str) -> None:
    copies = content(name)["platforms"][platform].get("copies", {})
    assert [copy for copy, fields in copies.items() if "differs_because" not in fields] == []


@each_scenario
@each_platform
def test_a_path_survives_the_failure(name: str, platform: str) -> None:
    scenario = load_scenario(name).scenario
    alive = survives(scenario, platform)
    assert all(alive[step.copy_] for step in scenario.platforms[platform].recovery.path)


def test_backups_reach_back_beyond_most_corruptions() -> None:
    scenario = load_scenario("point-in-time-recovery").scenario
    assert scenario.failure.age is not None
    shape = scenario.failure.age.assumption()
    assert shape is not None
    backup = scenario.copies_of("vmware")["backup"]
    assert backup.retention is not None
    assert backup.retention.keep is not None
    (younger,) = shape.distribution().cdf(np.array([backup.retention.keep]))
    older = 1 - younger
    assert older == pytest.approx(1 / 2000, rel=0.2)  # "one damage in two thousand", says the file


@each_scenario
@each_platform
def test_the_readme_lists_every_time_of_the_recovery(name: str, platform: str) -> None:
    document = content(name)
    label = PLATFORMS[platform]
    expected = {(key(stage), label, *quantiles(stage["duration"])) for stage in stages(name, platform)}
    failure = document["failure"]
    expected |= {(at, label, *quantiles(failure[at])) for at in ("detect", "declare") if at in failure}
    expected.add(("repair", label, *quantiles(document["platforms"][platform]["recovery"]["repair"])))
    table, _ = readme(name).split("\nCopies:\n")
    assert expected - rows(table, p50_column=2) == set()


@each_scenario
@each_platform
def test_the_readme_lists_every_time_of_the_copies(name: str, platform: str) -> None:
    document = content(name)
    own = document["platforms"][platform].get("copies", {})
    expected = {
        (copy["name"], PLATFORMS[platform], *quantiles(fields[field]))
        for copy in document["copies"]
        for fields in [copy | own.get(copy["name"], {})]
        for field in ("duration", "lag")
        if field in fields
    }
    _, table = readme(name).split("\nCopies:\n")
    assert expected - rows(table, p50_column=3) == set()


@each_scenario
def test_the_readme_lists_no_stage_that_is_gone(name: str) -> None:
    first_table = readme(name).split("\nCopies:\n")[0]
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", first_table, re.MULTILINE))
    failure = set(content(name)["failure"]) & {"detect", "declare"}
    known = {key(stage) for platform in PLATFORMS for stage in stages(name, platform)}
    assert listed == known | failure | {"repair"}


@each_scenario
def test_the_readme_spells_out_exactly_the_sources_it_uses(name: str) -> None:
    text, sources = readme(name).split("## Sources")
    assert set(MARK.findall(text)) == set(re.findall(r"\*\*(S\d+)\*\*", sources))


@each_scenario
def test_every_stage_names_its_row(name: str) -> None:
    lines = shipped_path(name).read_text(encoding="utf-8").splitlines()
    unexplained = [line for line in lines if line.strip().startswith("- stage:") and not ROW.search(line)]
    assert unexplained == []


def test_the_index_lists_them_all() -> None:
    index = Path(shipped_path(NAMES[0])).parents[1] / "README.md"
    linked = re.findall(r"\]\(([a-z-]+)/README\.md\)", index.read_text(encoding="utf-8"))
    assert sorted(linked) == list(NAMES)
