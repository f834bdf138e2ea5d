"""Bad input, as a new user would give it: an exit code, a remedy in words, never a traceback."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rpo_sim.distributions.fit import fit
from rpo_sim.distributions.profile import save_profile
from rpo_sim.records import Observation

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ONE = ("--platform", "alike", "--runs", "25")


def refused(ran: "subprocess.CompletedProcess[str]", code: int, *parts: str) -> None:
    assert (ran.returncode, ran.stdout) == (code, "")
    assert "Traceback" not in ran.stderr
    for part in parts:
        assert part in ran.stderr


@pytest.mark.parametrize("command", ["simulate", "verdict", "parity", "lint"])
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("sitefailure", "site-failure"),
        ("absent.yaml", "absent.yaml"),
        (".", "folder"),
        ("", "scenario"),
    ],
)
def test_a_scenario_that_is_not_there(quick: Run, command: str, name: str, remedy: str) -> None:
    refused(quick(command, name), 1, "error: ", remedy)


def test_a_scenario_that_is_something_else(quick: Run, tmp_path: Path) -> None:
    for content in (b"", b"\xff\xfe\x00", b"a: [", b"- 1\n", b"PK\x03\x04" + b"\0" * 100):
        (tmp_path / "s.yaml").write_bytes(content)
        refused(quick("verdict", "s.yaml"), 1, "error: s.yaml")


@pytest.mark.parametrize("command", ["simulate", "verdict"])
def test_a_platform_that_the_scenario_has_not(quick: Run, tiny: Path, command: str) -> None:
    refused(quick(command, tiny, "--platform", "cloud"), 2, "no platform 'cloud'; it has alike, same, slower")


def profile_with(change: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "kind": "rpo-sim profile", "entries": [], **change})


BAD_PROFILES = [None, "", "{", "[]", "{}", "null", "[" * 100_000, '{"version": NaN}']


@pytest.mark.parametrize("content", [*BAD_PROFILES, profile_with({"version": 99})])
def test_a_profile_that_cannot_be_used(quick: Run, tiny: Path, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "p.json"
    path.mkdir() if content is None else path.write_text(content)
    for command in ("simulate", "verdict"):
        refused(quick(command, tiny, *ONE, "--profile", "p.json"), 1, "error: ", "p.json")


def test_a_profile_that_is_not_there(quick: Run, tiny: Path) -> None:
    refused(quick("simulate", tiny, *ONE, "--profile", "absent.json"), 1, "absent.json", "rpo-sim fit")


@pytest.fixture
def profile(tmp_path: Path) -> str:
    """Twenty restores of 20 GiB, fitted."""
    restores = [
        Observation(
            operation="restore",
            stage="data",
            lower_seconds=600.0 + i,
            upper_seconds=600.0 + i,
            bytes_moved=20 * 2**30,
            concurrency=1,
            platform="alike",
            started_at=datetime(2026, 3, 2, tzinfo=UTC),
            observed_at=datetime(2026, 3, 2, tzinfo=UTC),
            clock="monotonic, 1ns",
            source="test",
            event_id=str(i),
            verified=True,
        )
        for i in range(20)
    ]
    save_profile(fit(restores), tmp_path / "p.json")
    return "p.json"


def test_a_good_profile_and_bind_are_taken(quick: Run, tiny: Path, profile: str) -> None:
    bind = ("--profile", profile, "--bind", "restore.data=restore.data")
    text = quick("simulate", tiny, *ONE, *bind).stdout
    assert "25 runs, 20 observations" in text
    assert "% measured" in text


@pytest.mark.parametrize(
    ("bind", "code", "remedy"),
    [
        ("restore.data", 1, "write NAME=OPERATION.STAGE"),
        ("=", 1, "write NAME=OPERATION.STAGE"),
        ("restore.data=", 1, "write NAME=OPERATION.STAGE"),
        ("restore.data=restore", 1, "write NAME=OPERATION.STAGE"),
        ("restore.data=restore.data,extrapolate=wild", 1, "extrapolate=wild"),
        ("nowhere=restore.data", 2, "nothing is `measured: nowhere` in the scenario; it has restore.data"),
    ],
)
def test_a_bind_that_says_nothing(
    quick: Run, tiny: Path, profile: str, bind: str, code: int, remedy: str
) -> None:
    refused(quick("simulate", tiny, *ONE, "--bind", bind, "--profile", profile), code, "--bind", remedy)


def test_a_bind_without_a_profile_is_not_passed_over(quick: Run, tiny: Path) -> None:
    for command in ("simulate", "verdict"):
        refused(
            quick(command, tiny, *ONE, "--bind", "restore.data=restore.data"),
            2,
            "name that file with --profile",
        )


@pytest.fixture
def saved(quick: Run, tiny: Path, tmp_path: Path) -> dict[str, Any]:
    assert quick("simulate", tiny, *ONE, "--out", "r.json").returncode == 0
    document: dict[str, Any] = json.loads((tmp_path / "r.json").read_text())
    return document


def cut(document: dict[str, Any]) -> str:
    return json.dumps(document)[:-100]


def changed(*path: Any, to: Any) -> Callable[[dict[str, Any]], str]:
    def change(document: dict[str, Any]) -> str:
        part: Any = document
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = to
        return json.dumps(document)

    return change


FIRST = ("results", 0)
TIER = (*FIRST, "tiers", 0)


@pytest.mark.parametrize(
    ("damage", "remedy"),
    [
        (cut, "is not JSON"),
        (lambda _: "", "is not JSON"),
        (lambda _: "[]", "holds no results"),
        (lambda _: "[" * 100_000, "is not JSON"),
        (changed("kind", to="rpo-sim profile"), "rpo-sim simulate"),
        (changed("schema_version", to=3), "upgrade rpo-sim"),
        (changed("results", to=[]), "simulate again"),
        (changed("results", to=7), "is damaged"),
        (changed("results", to=[[]]), "is damaged"),
        (changed(*FIRST, "tiers", to=[]), "is damaged"),
        (changed(*FIRST, "age", to=[0.0]), "is damaged"),
        (changed(*FIRST, "vm_rta", to=[[1.0]]), "vm_rta does not hold one number per run"),
        (changed(*FIRST, "extra", to=1), "is damaged"),
        (changed(*FIRST, "inputs", 0, "evidence", to=3), "is damaged"),
        (changed(*TIER, "rta", 3, to="nan"), "rta does not hold one number per run"),
        (changed(*TIER, "rta", 3, to="late"), "is damaged"),
        (changed(*TIER, "tier", "rpo_seconds", to="soon"), "is damaged (rpo_seconds: "),
        (changed(*FIRST, "seed", to="lucky"), "is damaged"),
        (changed(*TIER, "rpa", to=[]), "is damaged"),
        (changed(*TIER, "tier", "drill_every_seconds", to=None), "is damaged"),
    ],
)
def test_results_that_are_damaged(
    quick: Run, saved: dict[str, Any], tmp_path: Path, damage: Callable[[dict[str, Any]], str], remedy: str
) -> None:
    (tmp_path / "r.json").write_text(damage(saved))
    refused(quick("verdict", "r.json"), 1, "error: r.json: ", remedy)


def test_results_that_are_not_there_or_no_text(quick: Run, tmp_path: Path) -> None:
    refused(quick("verdict", "absent.json"), 1, "absent.json: cannot be read")
    (tmp_path / "d.json").mkdir()
    refused(quick("verdict", "d.json"), 1, "d.json: cannot be read")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00\x01")
    refused(quick("verdict", "b.json"), 1, "b.json: is not JSON")


@pytest.mark.parametrize("words", [("--runs", "0"), ("--runs", "1e9"), ("--seed", "-1"), ("-o", "xml")])
def test_options_out_of_range(quick: Run, tiny: Path, words: tuple[str, str]) -> None:
    refused(quick("simulate", tiny, *words), 2, words[0].lstrip("-"))


def test_a_bind_to_what_was_not_measured(quick: Run, tiny: Path, profile: str) -> None:
    for entry in ("restore.boot", "restore.data,colour=red", "restore.data,backend=other"):
        words = ("--profile", profile, "--bind", f"restore.data={entry}")
        refused(quick("simulate", tiny, *ONE, *words), 2, "no such entry; it has restore.data")
