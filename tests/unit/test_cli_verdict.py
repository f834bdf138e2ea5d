"""`rpo-sim verdict`, from the shell: exit codes, drills, and saved results."""

import csv
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COLUMNS = [
    *("operation", "stage", "lower_seconds", "upper_seconds", "platform", "labels", "operation_id"),
    *("event_id", "started_at", "observed_at", "clock", "source"),
]


def record_drill(quick: Run, folder: Path, *, rta: float = 5400.0, days_ago: float = 1.0) -> None:
    """As `rpo-sim verdict --help` says: two rows of a CSV file, imported."""
    at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat(timespec="seconds")
    labels = json.dumps({"scenario": "tiny", "tier": "gold"})
    with (folder / "drills.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for stage, seconds in (("rta", rta), ("rpa", 600.0)):
            event = f"drill-{rta}-{days_ago}-{stage}"
            writer.writerow(
                [
                    "drill",
                    stage,
                    seconds,
                    seconds,
                    "alike",
                    labels,
                    event[:-4],
                    event,
                    at,
                    at,
                    "wall, 1m",
                    "people",
                ]
            )
    assert quick("observations", "import", "drills.csv", "--store", "store.db").returncode == 0


def judge(quick: Run, *arguments: str | Path, code: int) -> dict[str, object]:
    ran = quick("verdict", *arguments, "-o", "json", "--store", "store.db")
    assert (ran.returncode, ran.stderr) == (code, "")
    row: dict[str, object] = json.loads(ran.stdout)["rows"][0]
    return row


@pytest.fixture
def saved(quick: Run, tiny: Path, tmp_path: Path) -> str:
    """Results of 2,000 runs that would be MET."""
    made = quick("simulate", tiny, "--platform", "alike", "--vary", "--out", "saved.json")
    assert made.returncode == 0
    assert "judge it with: rpo-sim verdict saved.json" in made.stderr
    return "saved.json"


def test_a_drill_that_is_imported_turns_demonstrated_and_the_headline(
    quick: Run, saved: str, tmp_path: Path
) -> None:
    """NONE, then MET, then MISSED by a later drill; exit codes 4, 0, 3."""
    before = quick("verdict", saved)
    assert before.returncode == 4
    assert "never restored: restore for real on alike" in before.stdout
    record_drill(quick, tmp_path, days_ago=200)
    row = judge(quick, saved, code=4)
    assert (row["predicted"], row["demonstrated"], row["verdict"]) == ("MET", "STALE", "INCONCLUSIVE")
    record_drill(quick, tmp_path)
    row = judge(quick, saved, code=0)
    assert (row["predicted"], row["demonstrated"], row["verdict"]) == ("MET", "MET", "MET")
    assert (row["n_runs"], row["n_observations"], row["reasons"]) == (2000, 0, [])
    record_drill(quick, tmp_path, rta=5 * 3600.0, days_ago=0.5)
    row = judge(quick, saved, code=3)
    assert (row["predicted"], row["demonstrated"], row["verdict"]) == ("MET", "MISSED", "MISSED")


def test_saved_results_are_judged_as_the_scenario_itself(quick: Run, tiny: Path) -> None:
    few = ("--runs", "50", "--seed", "5")
    assert quick("simulate", tiny, *few, "--vary", "--out", "few.json").returncode == 0
    for output in ("json", "csv", "md", "table"):
        judged = [quick("verdict", tiny, *few, "-o", output), quick("verdict", "few.json", "-o", output)]
        assert [ran.returncode for ran in judged] == [4, 4]
        assert judged[0].stdout == judged[1].stdout
        assert "too few runs: 50; simulate with --runs 2000" in judged[0].stdout
    one = quick("verdict", "few.json", "--platform", "slower", "-o", "json")
    assert [row["platform"] for row in json.loads(one.stdout)["rows"]] == ["slower"]


def test_what_saved_results_cannot_obey_is_refused(quick: Run, tmp_path: Path, tiny: Path) -> None:
    assert quick("simulate", tiny, "--runs", "25", "--out", "few.json").returncode == 0
    for option, value in (("--runs", "100"), ("--seed", "2"), ("--profile", "p.json")):
        ran = quick("verdict", "few.json", option, value)
        assert ran.returncode == 2
        assert "judged as they are" in ran.stderr
    ran = quick("verdict", "few.json", "--platform", "cloud")
    assert ran.returncode == 2
    assert "it has alike, same, slower" in ran.stderr


def test_results_without_variations_cannot_tell_whether_assumptions_matter(quick: Run, tiny: Path) -> None:
    assert quick("simulate", tiny, "--platform", "alike", "--out", "plain.json").returncode == 0
    ran = quick("verdict", "plain.json")
    assert ran.returncode == 4
    assert "assumptions not tried: simulate with --vary" in ran.stdout


def test_an_objective_that_is_out_of_reach_is_missed(quick: Run, tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace("rto: 4h", "rto: 10m"))
    ran = quick("verdict", tiny, "--platform", "alike")
    assert ran.returncode == 3
    assert "MISSED" in ran.stdout
    assert "RTO alone 0%" in ran.stdout


def test_a_store_that_was_named_must_be_there_and_sound(quick: Run, saved: str, tmp_path: Path) -> None:
    (tmp_path / "corrupt.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    for name in ("absent.db", "corrupt.db"):
        ran = quick("verdict", saved, "--store", name)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr.startswith("error: ")
        assert name in ran.stderr
        assert "Traceback" not in ran.stderr
    assert not (tmp_path / "absent.db").exists()
    assert quick("verdict", saved).returncode == 4  # no store named, none there: no drills


@pytest.mark.parametrize("columns", [80, 130])
def test_tables_of_verdicts_fit_the_terminal(
    in_terminal: Callable[..., str], quick: Run, tiny: Path, columns: int
) -> None:
    assert quick("simulate", tiny, "--runs", "50", "--out", "few.json").returncode == 0
    shown = in_terminal("verdict", "few.json", columns=columns)
    assert max(map(len, shown.replace("\r", "").splitlines())) <= columns
    assert shown.count("INCONCLUSIVE") == 6
