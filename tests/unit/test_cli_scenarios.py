"""`rpo-sim lint`, `init` and `scenarios`, as they are met in a shell."""

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rpo_sim import __version__
from rpo_sim.scenario import shipped
from rpo_sim.scenario.json_schema import scenario_json_schema
from rpo_sim.scenario.lint import RULES
from rpo_sim.scenario.shipped import shipped_names, shipped_path

Run = Callable[..., "subprocess.CompletedProcess[str]"]
TEMPLATE = Path(shipped.__file__).with_name("template.yaml").read_text(encoding="utf-8")
FINDING = {"rule", "severity", "platform", "where", "message", "why", "remedy"}


def write(name: str, *edits: tuple[str, str]) -> str:
    """The template with edits, as a file in the current folder."""
    text = TEMPLATE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    Path(name).write_text(text)
    return name


UNTESTED = ("    restore_test: {every: 90d} # restored for real, so often\n", "")
LOST = ("scope: backend", "scope: region")


def test_from_init_to_lint_to_simulate(rpo_sim: Run, tmp_path: Path) -> None:
    made = rpo_sim("init")
    assert (made.returncode, made.stdout) == (0, "wrote scenario.yaml\n")
    assert "rpo-sim lint scenario.yaml" in made.stderr
    assert (tmp_path / "scenario.yaml").read_text() == TEMPLATE
    linted = rpo_sim("lint", "scenario.yaml")
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "1 file, 0 errors, 0 warnings\n", "")
    simulated = rpo_sim("simulate", "scenario.yaml", "--runs", "25", "--workers", "1", "-o", "json")
    assert simulated.returncode == 0, simulated.stderr
    assert {each["platform"] for each in json.loads(simulated.stdout)["predictions"]} == {
        "vmware",
        "openshift-virtualization",
    }


def test_init_overwrites_only_when_forced(quick: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("kept")
    refused = quick("init", "mine.yaml")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "error: mine.yaml exists; choose another name, or overwrite it with --force\n"
    assert file.read_text() == "kept"
    assert quick("init", "mine.yaml", "--force").returncode == 0
    assert file.read_text() == TEMPLATE


def test_lint_prints_findings_as_compilers_do(quick: Run) -> None:
    ran = quick("lint", write("s.yaml", UNTESTED))
    line = TEMPLATE[: TEMPLATE.index("- name: backup")].count("\n") + 1
    rule = RULES["never-restored"]
    assert ran.returncode == 0
    assert ran.stdout.splitlines() == [
        *(
            text
            for platform in ("vmware", "openshift-virtualization")
            for text in (
                f"s.yaml:{line}: warning: {platform}: copy `backup` is in the recovery path but has no "
                "restore test [never-restored]",
                f"    why: {rule.why}",
                f"    remedy: {rule.remedy}",
            )
        ),
        "1 file, 0 errors, 2 warnings",
    ]


def test_lint_ends_with_1_where_there_is_an_error_and_still_tells_the_rest(quick: Run) -> None:
    ran = quick("lint", write("s.yaml", LOST, UNTESTED), "single-vm-restore")
    assert ran.returncode == 1
    assert [line.rpartition("[")[2] for line in ran.stdout.splitlines() if line.startswith("s.yaml:")] == [
        *2 * ["nothing-survives]"],
        *2 * ["link-in-failed-scope]"],
        *2 * ["never-restored]"],
    ]
    assert ran.stdout.endswith("2 files, 4 errors, 2 warnings\n")


def test_findings_as_json_and_csv_are_whole(quick: Run) -> None:
    file = write("s.yaml", LOST)
    ran = quick("lint", file, "-o", "json")
    told = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert {key: told[key] for key in ("schema_version", "version", "files", "errors", "warnings")} == {
        "schema_version": 1,
        "version": __version__,
        "files": 1,
        "errors": 4,
        "warnings": 0,
    }
    assert all(set(row) == FINDING for row in told["rows"])
    rows = list(csv.DictReader(io.StringIO(quick("lint", file, "-o", "csv").stdout)))
    assert rows == told["rows"]
    assert "nothing-survives" in quick("lint", file, "-o", "md").stdout


def test_no_findings_as_json_is_an_empty_list(quick: Run) -> None:
    ran = quick("lint", write("s.yaml"), "-o", "json")
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["rows"] == []


def test_lint_of_a_file_that_is_not_valid_tells_every_problem(quick: Run) -> None:
    ran = quick("lint", write("s.yaml", ("every: 24h", "every: 24"), ("count: 12", "count: x")))
    assert (ran.returncode, ran.stdout) == (1, "")
    first, second = ran.stderr.splitlines()
    assert first.startswith("error: s.yaml:")
    assert "estate.groups[1].count: write a whole number" in first
    assert second.startswith("s.yaml:")
    assert "copies[0].every: '24' is not a duration" in second


def test_lint_without_files_is_wrong_usage(quick: Run) -> None:
    ran = quick("lint")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "name at least one scenario file, or use" in ran.stderr


@pytest.mark.parametrize("output", ["table", "json", "csv", "md"])
def test_all_rules_are_listed_with_their_reasons(quick: Run, output: str) -> None:
    ran = quick("lint", "--rules", "-o", output)
    assert ran.returncode == 0
    for rule in RULES.values():
        assert rule.name in ran.stdout
    if output == "json":
        assert json.loads(ran.stdout)["rows"] == [
            {"rule": rule.name, "severity": rule.severity, "why": rule.why, "remedy": rule.remedy}
            for rule in RULES.values()
        ]


def test_the_list_names_each_shipped_scenario_and_what_happens(quick: Run) -> None:
    table = quick("scenarios", "list")
    assert table.returncode == 0
    lines = [line.split(None, 1) for line in table.stdout.splitlines()[-len(shipped_names()) :]]
    assert [(name, text.strip()) for name, text in lines] == [
        (each.name, each.summary) for each in shipped.shipped()
    ]
    rows = json.loads(quick("scenarios", "list", "-o", "json").stdout)["rows"]
    assert [row["scenario"] for row in rows] == shipped_names()
    assert {row["platforms"] for row in rows} == {"vmware, openshift-virtualization"}
    assert list(csv.DictReader(io.StringIO(quick("scenarios", "list", "-o", "csv").stdout))) == rows


def test_show_prints_the_file_as_it_is(rpo_sim: Run) -> None:
    ran = rpo_sim("scenarios", "show", "site-failure")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == shipped_path("site-failure").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["show", "copy"])
def test_an_unknown_name_is_answered_with_the_nearest(quick: Run, tmp_path: Path, command: str) -> None:
    ran = quick("scenarios", command, "site-failur")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(
        "error: no shipped scenario 'site-failur'; did you mean site-failure? (shipped:"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_copy_can_be_linted_and_has_no_figures_of_the_original(quick: Run, tmp_path: Path) -> None:
    ran = quick("scenarios", "copy", "single-vm-restore")
    assert (ran.returncode, ran.stdout) == (0, "single-vm-restore/scenario.yaml\n")
    assert "rpo-sim lint single-vm-restore/scenario.yaml" in ran.stderr
    made = {path.name for path in (tmp_path / "single-vm-restore").iterdir()}
    assert {"scenario.yaml", "README.md"} <= made
    assert "expected.json" not in made
    assert quick("lint", ran.stdout.strip()).returncode == 0


def test_a_copy_overwrites_nothing(quick: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    ran = quick("scenarios", "copy", "single-vm-restore", "mine")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "error: mine exists; name a new folder, or remove it\n"
    assert list((tmp_path / "mine").iterdir()) == []
    assert quick("scenarios", "copy", "single-vm-restore", "other").stdout == "other/scenario.yaml\n"


def test_the_schema_is_printed_whole(quick: Run) -> None:
    ran = quick("scenarios", "schema")
    assert ran.returncode == 0
    assert json.loads(ran.stdout) == scenario_json_schema()


def test_scenarios_alone_tells_what_there_is(quick: Run) -> None:
    ran = quick("scenarios")
    assert ran.returncode == 2
    for command in ("list", "show", "copy", "schema"):
        assert command in ran.stdout + ran.stderr
