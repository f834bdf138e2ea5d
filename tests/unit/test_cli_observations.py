"""`rpo-sim observations`, through its command line."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from rpo_sim.cli.observations import register
from rpo_sim.errors import StoreError
from rpo_sim.records import Observation, Outcome
from rpo_sim.store import Format, export_observations, open_store, read_observations

T0 = datetime(2025, 3, 1, 12, tzinfo=UTC)
DATA = Observation(
    operation="restore",
    stage="data",
    lower_seconds=83.21,
    upper_seconds=83.21,
    bytes_moved=3 * 2**30,
    concurrency=2,
    backend="xfs",
    started_at=T0,
    observed_at=T0,
    clock="monotonic, 1ns",
    source="local_disk",
    event_id="1",
)
RECORDS = [
    DATA,
    replace(DATA, stage="cut", event_id="2", started_at=T0 + timedelta(1), upper_seconds=100.0),
    replace(DATA, event_id="3", started_at=None, upper_seconds=math.inf, outcome=Outcome.RUNNING),
]

app = typer.Typer()
register(app)


@app.callback()
def _root() -> None:
    """Keeps `observations` a subcommand."""


def run(*arguments: str | Path, stdin: str = "", exit_code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["observations", *map(str, arguments)], input=stdin)
    if exit_code == 0 and result.exception:
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "store.db"
    monkeypatch.setenv("RPO_SIM_STORE", str(file))
    with open_store(file) as store:
        store.add(RECORDS)
    return file


def test_list_reads_at_a_glance(path: Path) -> None:
    result = run("list")
    assert [line.split()[4] for line in result.stdout.splitlines()[2:]] == ["1m23s", "1m23s..1m40s", ">1m23s"]
    assert "3GiB" in result.stdout
    assert result.stderr == f"3 observations match, 3 in {path}\n"


def test_list_as_json_and_csv_holds_everything(path: Path, tmp_path: Path) -> None:
    body = json.loads(run("list", "-o", "json", "--stage", "data").stdout)
    assert (body["schema_version"], body["total"]) == (1, 2)
    assert body["rows"][0]["lower_seconds"] == 83.21
    assert body["rows"][1]["upper_seconds"] == "inf"
    listed = tmp_path / "listed.csv"
    listed.write_text(run("list", "-o", "csv").stdout)
    assert list(read_observations(listed, Format.CSV)) == RECORDS


def test_list_is_limited_to_the_latest_and_says_so(path: Path) -> None:
    with open_store() as store:
        store.add(replace(DATA, event_id=f"n{n:03}", observed_at=T0 + timedelta(1)) for n in range(100))
    shown = run("list", "-o", "md")
    assert len(shown.stdout.splitlines()) == 50 + 2
    assert "the latest 50 of 103 observations match" in shown.stderr
    assert len(run("list", "-o", "md", "--limit", "0").stdout.splitlines()) == 103 + 2
    latest = json.loads(run("list", "-o", "json", "--limit", "1").stdout)["rows"]
    assert [row["event_id"] for row in latest] == ["n099"]
    assert len(json.loads(run("list", "-o", "json").stdout)["rows"]) == 103


@pytest.mark.parametrize(
    ("options", "events"),
    [
        (["--since", "2025-03-02"], "2"),
        (["--since", "2025-03-02T13:00+01:00"], "2"),
        (["--until", "2025-03-02"], "13"),
        (["--since", "7d"], ""),
        (["--until", "7d", "--backend", "xfs"], "123"),
        (["--source", "local_disk", "--operation", "restore", "--stage", "cut"], "2"),
        (["--platform", "vmware"], ""),
    ],
)
def test_filters(path: Path, options: list[str], events: str) -> None:
    rows = json.loads(run("list", "-o", "json", *options).stdout)["rows"]
    assert "".join(row["event_id"] for row in rows) == events


def test_an_empty_or_missing_store_says_how_to_begin(tmp_path: Path) -> None:
    open_store(tmp_path / "empty.db").close()
    result = run("list", "--store", tmp_path / "empty.db")
    assert "rpo-sim measure local_disk" in result.stderr
    with pytest.raises(StoreError, match="rpo-sim measure local_disk"):
        run("list", "--store", tmp_path / "none.db")


def test_delete_asks_first(path: Path) -> None:
    assert "Delete 2 observations from" in run("delete", "--stage", "data", stdin="n\n", exit_code=1).stderr
    run("delete", "--stage", "data", stdin="", exit_code=1)
    with open_store() as store:
        assert store.count() == 3
    assert "deleted 2 observations" in run("delete", "--stage", "data", stdin="y\n").stdout
    assert "deleted 1 observations" in run("delete", "--all", "--yes").stdout
    assert "nothing deleted" in run("delete", "--all").stderr


def test_delete_wants_to_know_what(path: Path) -> None:
    assert "--all" in run("delete", "--yes", exit_code=2).stderr
    run("delete", "--yes", "--all", "--stage", "data", exit_code=2)
    with open_store() as store:
        assert store.count() == 3


@pytest.mark.parametrize("suffix", Format)
def test_export_and_import(path: Path, tmp_path: Path, suffix: str) -> None:
    file, other = tmp_path / f"o.{suffix}", tmp_path / "other.db"
    assert "exported 3 observations" in run("export", file).stderr
    assert "3 new, 0 updated, 0 unchanged" in run("import", file, "--store", other).stdout
    with open_store(other, read_only=True) as store:
        assert list(store.observations()) == RECORDS
    finished = replace(RECORDS[2], upper_seconds=90.0, outcome=Outcome.SUCCEEDED)
    export_observations([*RECORDS[:2], finished], file, Format(suffix))
    assert "0 new, 1 updated, 2 unchanged" in run("import", file, "--store", other).stdout


def test_export_to_standard_output(path: Path) -> None:
    assert len(run("export", "-", "--format", "jsonl", "--stage", "cut").stdout.splitlines()) == 2
    assert "add --format" in run("export", "-", exit_code=2).stderr


def test_export_never_replaces_the_store(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is the store itself"):
        run("export", path, "--format", "csv")
    assert path.read_bytes() == before


def test_a_bad_import_changes_nothing(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "o.jsonl"
    export_observations([replace(DATA, event_id="new")], file, Format.JSONL)
    file.write_text(file.read_text() + "{}\n")
    with pytest.raises(StoreError, match=r"o\.jsonl:3: field 'operation' is missing.*nothing was imported"):
        run("import", file)
    with open_store() as store:
        assert store.count() == 3


@pytest.mark.parametrize("text", ["yesterday", "2025-13-01", "99999999999999w", "7"])
def test_a_time_that_is_none_is_a_usage_error(path: Path, text: str) -> None:
    assert "is no time" in run("list", "--since", text, exit_code=2).stderr


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = "import sys, rpo_sim.cli.observations; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"sqlalchemy", "numpy", "pandas", "pydantic", "scipy", "pyarrow"} & set(loaded.split())
