"""`rpo-sim parity`: side by side, and as a gate."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ALIKE = ("--platform", "alike", "--platform", "same")
UNLIKE = ("--platform", "alike", "--platform", "slower")
FEW = ("--runs", "500")


def test_platforms_that_are_alike_show_no_difference_at_all(quick: Run, tiny: Path) -> None:
    rows = json.loads(quick("parity", tiny, *ALIKE, *FEW, "-o", "json").stdout)["rows"]
    assert len(rows) == 5
    for row in rows:
        assert (row["difference"], row["difference_low"], row["difference_high"]) == (0, 0, 0)
        assert (row["first"], row["second"], row["reading"]) == ("alike", "same", "no difference")


def test_the_slower_platform_is_worse_whichever_stands_first(quick: Run, tiny: Path) -> None:
    for platforms, reading in (
        (UNLIKE, "worse"),
        (("--platform", "slower", "--platform", "alike"), "better"),
    ):
        rows = json.loads(quick("parity", tiny, *platforms, *FEW, "-o", "json").stdout)["rows"]
        readings = {row["figure"]: row["reading"] for row in rows}
        assert (readings["RTA p50"], readings["RPA p50"]) == (reading, "no difference")
        assert abs(next(row for row in rows if row["figure"] == "RTA p50")["difference"]) > 200


@pytest.mark.parametrize(
    ("rto", "platforms", "margin", "code"),
    [("4h", UNLIKE, "5%", 0), ("30m", UNLIKE, "5%", 3), ("30m", UNLIKE, "95%", 0), ("30m", ALIKE, "0%", 0)],
)
def test_the_gate(
    quick: Run, tiny: Path, rto: str, platforms: tuple[str, ...], margin: str, code: int
) -> None:
    tiny.write_text(tiny.read_text().replace("rto: 4h", f"rto: {rto}"))
    assert quick("parity", tiny, *platforms, *FEW, "--gate", "--margin", margin).returncode == code
    assert quick("parity", tiny, *platforms, "--runs", "25").returncode == 0


def test_a_gate_that_cannot_tell_says_4(quick: Run, tiny: Path) -> None:
    assert quick("parity", tiny, *ALIKE, "--runs", "25", "--gate").returncode == 4


def test_several_scenarios_go_in_one_report(quick: Run, tiny: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(tiny.read_text().replace("scenario: tiny", "scenario: other"))
    text = quick("parity", tiny, other, *UNLIKE, "--runs", "250").stdout
    assert "tiny: slower less alike, the same 250 incidents, no measurement at all" in text
    assert "\n\nother: slower less alike" in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ((), "has the platforms alike, same, slower; choose two of them"),
        (("--platform", "alike"), "choose two of them"),
        (("--platform", "alike", "--platform", "alike"), "choose two of them"),
        (("--platform", "alike", "--platform", "cloud"), "no platform 'cloud'; it has alike, same, slower"),
    ],
)
def test_it_takes_two(quick: Run, tiny: Path, arguments: tuple[str, ...], remedy: str) -> None:
    ran = quick("parity", tiny, *arguments)
    assert ran.returncode == 2
    assert remedy in ran.stderr


def test_a_margin_is_a_percentage(quick: Run, tiny: Path) -> None:
    ran = quick("parity", tiny, *ALIKE, "--gate", "--margin", "0.05")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "write a number and a unit, such as 95%" in ran.stderr


@pytest.mark.parametrize("columns", [80, 140])
def test_both_platforms_fit_the_terminal(in_terminal: Callable[..., str], columns: int) -> None:
    shown = in_terminal("parity", "single-vm-restore", "--runs", "250", columns=columns)
    page = shown[shown.index("single-vm-restore: ") :].replace("\r", "")
    assert max(map(len, page.splitlines())) <= columns
    assert "virtualization" in page
    assert "cannot tell" not in page
