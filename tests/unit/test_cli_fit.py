"""`rpo-sim fit` and `rpo-sim check`, on a real store."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from rpo_sim.cli import check, fit
from rpo_sim.distributions.profile import load_profile, parse_profile
from rpo_sim.errors import FitError, NoDataError, ScenarioError
from rpo_sim.records import Observation, Outcome
from rpo_sim.store import open_store

MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
APP = typer.Typer()
fit.register(APP)
check.register(APP)


def restores(source: str = "local_disk") -> list[Observation]:
    first = Observation(
        operation="restore",
        stage="data",
        lower_seconds=1.0,
        upper_seconds=1.0,
        platform="local",
        backend="ext4",
        bytes_moved=2**20,
        concurrency=1,
        started_at=MOMENT,
        observed_at=MOMENT + timedelta(seconds=1),
        clock="monotonic, 1ns",
        source=source,
        event_id="0",
        labels={"cache": "cold", "device": "sda"},
        verified=True,
    )
    values = np.exp(0.2 * np.random.default_rng(3).standard_normal(20)).tolist()
    made = [
        replace(first, lower_seconds=value, upper_seconds=value, event_id=f"{source}/{i}")
        for i, value in enumerate(values)
    ]
    made[0] = replace(made[0], outcome=Outcome.FAILED)
    return [*made, replace(first, stage="boot", event_id="boot")]


@pytest.fixture
def store(tmp_path: Path) -> str:
    with open_store(tmp_path / "store.db") as opened:
        opened.add(restores())
    return str(tmp_path / "store.db")


def run(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(APP, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_fit_writes_a_profile_and_prints_what_is_in_it(store: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    out, err = run("fit", "--store", store, "--out", str(path))
    (entry,) = load_profile(path).entries
    assert (entry.n, entry.n_failed, entry.verified) == (19, 1, 19)
    for part in ("restore.data", "local ext4", "lognormal", "19", "cache=cold", "1MiB", "p95 [95% interval]"):
        assert part in out
    assert "sda" not in out
    assert "warning: restore.boot on local ext4 (cache=cold) was not fitted" in err
    assert f"rpo-sim check {path}" in err


def test_json_and_csv_are_exact_and_the_interval_holds_the_value(store: str, tmp_path: Path) -> None:
    path = str(tmp_path / "profile.json")
    document = json.loads(run("fit", "--store", store, "-O", path, "-o", "json")[0])
    assert document["schema_version"] == 1
    (row,) = document["rows"]
    assert row["p95_low_seconds"] < row["p95_seconds"] < row["p95_high_seconds"]
    assert row["p50_seconds"] == float(load_profile(path).entries[0].distribution.ppf(np.array(0.5)))
    (line,) = csv.DictReader(io.StringIO(run("fit", "--store", store, "-O", path, "-o", "csv")[0]))
    assert float(line["p95_seconds"]) == row["p95_seconds"]


def test_the_profile_can_go_to_stdout(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out, _ = run("fit", "--store", store, "--stage", "data", "-O", "-")
    assert len(parse_profile(out).entries) == 1
    assert not (tmp_path / "profile.json").exists()


def test_filters_reach_the_store(store: str) -> None:
    with pytest.raises(NoDataError, match="widen the choice"):
        run("fit", "--store", store, "--backend", "xfs")
    with pytest.raises(FitError, match=r"restore\.boot .* was not fitted"):
        run("fit", "--store", store, "--stage", "boot")


def test_sources_mix_only_when_told(store: str, tmp_path: Path) -> None:
    with open_store(store) as opened:
        opened.add(restores("other"))
    with pytest.raises(FitError, match="--mix-sources"):
        run("fit", "--store", store, "-O", str(tmp_path / "p.json"))
    run("fit", "--store", store, "-O", str(tmp_path / "p.json"), "--mix-sources")
    assert load_profile(tmp_path / "p.json").entries[0].sources == ("local_disk", "other")
    run("fit", "--store", store, "-O", str(tmp_path / "p.json"), "--source", "other")
    assert load_profile(tmp_path / "p.json").entries[0].sources == ("other",)


def test_a_family_can_be_stated(store: str, tmp_path: Path) -> None:
    run("fit", "--store", store, "-O", str(tmp_path / "p.json"), "--family", "gamma")
    assert load_profile(tmp_path / "p.json").entries[0].distribution.kind == "gamma"


def test_check_says_what_is_weak_and_what_to_do(store: str, tmp_path: Path) -> None:
    path = str(tmp_path / "p.json")
    run("fit", "--store", store, "-O", path)
    out, err = run("check", path)
    assert "few-measurements" in out
    assert "rpo-sim measure local_disk --repetitions 40" in out
    assert "entries: 1, warnings: " in err
    rows = json.loads(run("check", path, "-o", "json")[0])["rows"]
    assert {"few-measurements", "narrow-sizes", "one-concurrency", "one-day", "not-fitted"} <= {
        row["rule"] for row in rows
    }


def test_check_says_once_what_holds_for_several_entries(store: str, tmp_path: Path) -> None:
    with open_store(store) as opened:
        opened.add(replace(item, backend="xfs", event_id=f"xfs/{item.event_id}") for item in restores())
    path = str(tmp_path / "p.json")
    run("fit", "--store", store, "-O", path)
    out, _ = run("check", path)
    assert out.count("one-concurrency") == 1
    assert "local ext4" in out
    assert "local xfs" in out


def test_check_refuses_what_is_no_profile(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("{}")
    with pytest.raises(ScenarioError, match="rpo-sim fit writes one"):
        run("check", str(tmp_path / "p.json"))


def test_help_needs_no_heavy_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, rpo_sim.cli.fit, rpo_sim.cli.check\n"
        "print([m for m in ('numpy', 'scipy', 'pandas', 'sqlalchemy', 'pydantic') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
