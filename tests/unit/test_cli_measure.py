import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from rpo_sim import probe as probe_module
from rpo_sim.cli import measure
from rpo_sim.errors import ProbeUnavailable
from rpo_sim.probe import load_probe, option_name
from rpo_sim.store import open_store

QUICK = ["--sizes", "256Ki,1Mi", "--concurrency", "1,2", "--repetitions", "2", "--keep-free", "1Mi"]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("RPO_SIM_STORE", str(tmp_path / "default.db"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "place").mkdir()


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    measure.register(app)
    return CliRunner().invoke(app, ["measure", *arguments])


def run_quick(tmp_path: Path, *more: str) -> Result:
    return run("local_disk", "--path", str(tmp_path / "place"), *QUICK, *more)


def test_help_lists_the_probes_with_their_summaries() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "local_disk" in result.stdout
    assert load_probe("local_disk").summary[:40] in result.stdout


def test_every_setting_is_an_option_with_its_description_and_default() -> None:
    shown = " ".join(run("local_disk", "--help").stdout.replace("│", " ").split())
    for name, field in load_probe("local_disk").Settings.model_fields.items():
        assert option_name(name) in shown
        assert str(field.description).split(".")[0] in shown
    assert "8Mi,32Mi,128Mi" in shown
    assert "cold|warm|both" in shown


def test_a_measurement_is_stored_and_summed_up(tmp_path: Path) -> None:
    result = run_quick(tmp_path, "--store", str(tmp_path / "store.db"), "-o", "json")
    assert result.exit_code == 0, result.stderr
    body = json.loads(result.stdout)
    with open_store(tmp_path / "store.db") as store:
        assert sum(row["n"] for row in body["rows"]) == store.count()
        assert [one.collection_id for one in store.collections()] == [body["collection_id"]]
    assert body["settings"]["sizes"] == "262144,1048576"
    row = next(row for row in body["rows"] if (row["stage"], row["concurrency"]) == ("data", 2))
    assert (row["operation"], row["size_bytes"], row["n"], row["failed"]) == ("restore", 1 << 18, 2, 0)
    assert 0 < row["min_seconds"] <= row["median_seconds"] <= row["max_seconds"]
    assert "rpo-sim fit --store" in result.stderr
    assert not (tmp_path / "default.db").exists()


def test_the_summary_counts_this_collection_alone(tmp_path: Path) -> None:
    first, second = (json.loads(run_quick(tmp_path, "-o", "json").stdout) for _ in range(2))
    totals = [sum(row["n"] for row in body["rows"]) for body in (first, second)]
    assert totals[0] == totals[1] > 0
    with open_store() as store:
        assert store.count() == sum(totals)


@pytest.mark.parametrize("output", ["table", "md", "csv"])
def test_other_outputs(tmp_path: Path, output: str) -> None:
    stdout = run_quick(tmp_path, "-o", output).stdout
    assert ("median_seconds" if output == "csv" else "median") in stdout
    assert ("262144" if output == "csv" else "256KiB") in stdout


def test_check_measures_nothing(tmp_path: Path) -> None:
    result = run_quick(tmp_path, "--check")
    assert result.exit_code == 0
    assert "local_disk can measure" in result.stdout
    assert not (tmp_path / "default.db").exists()


def test_check_says_what_is_missing_with_exit_code_1(tmp_path: Path) -> None:
    result = run_quick(tmp_path, "--check", "--budget-bytes", "1Mi", "-o", "json")
    assert result.exit_code == 1
    body = json.loads(result.stdout)
    assert body["ok"] is False
    (row,) = [row for row in body["rows"] if not row["ok"]]
    assert "--budget-bytes 1MiB" in row["missing"]
    assert "smaller --sizes" in row["remedy"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--sizes", "12", "write a number and a unit"),
        ("--sizes", "1Ki", "greater than or equal to"),
        ("--concurrency", "0", "greater than or equal to 1"),
        ("--cache", "lukewarm", "'cold', 'warm' or 'both'"),
        ("--keep-free", "lots", "is not a size"),
        ("--max-duration", "40", "is not a duration"),
        ("--platform", "", "at least 1 character"),
    ],
)
def test_bad_values_are_usage_errors(tmp_path: Path, option: str, value: str, message: str) -> None:
    result = run_quick(tmp_path, option, value)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "default.db").exists()


def test_an_unknown_probe_is_a_usage_error() -> None:
    assert run("no_such_probe").exit_code == 2


def test_what_is_missing_ends_the_command_and_is_recorded(tmp_path: Path) -> None:
    result = run_quick(tmp_path, "--keep-free", "99.9%")
    assert isinstance(result.exception, ProbeUnavailable)
    with open_store() as store:
        (collection,) = store.collections()
    assert "must stay free" in collection.errors[0]


def test_a_broken_probe_is_a_warning_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("broken", "no_such_package:Probe", "rpo_sim.probes"),
        EntryPoint("local_disk", "rpo_probes.local_disk:LocalDiskProbe", "rpo_sim.probes"),
    ]
    monkeypatch.setattr(probe_module, "entry_points", lambda **_kwargs: points)
    result = run("--help")
    assert result.exit_code == 0
    assert "local_disk" in result.stdout
    assert "warning: probe broken (no_such_package:Probe) cannot be loaded" in result.stderr


def test_the_command_file_imports_nothing_heavy() -> None:
    code = (
        "import sys, rpo_sim.cli.measure; print({m.split('.')[0] for m in sys.modules}"
        " & {'numpy', 'pandas', 'scipy', 'sqlalchemy', 'rpo_probes'})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
