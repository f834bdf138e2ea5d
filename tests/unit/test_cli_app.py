"""The command as a whole: help that teaches, errors in words, quiet ends."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from rpo_sim import __version__
from rpo_sim.cli.app import app, main

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_no_arguments_and_help_say_where_to_start(rpo_sim: Run) -> None:
    ran = rpo_sim("--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Start with rpo-sim demo" in ran.stdout
    assert "3 objective missed, 4 inconclusive, 130 interrupted" in re.sub(r"\s+", " ", ran.stdout)


def test_the_version_is_printed(rpo_sim: Run) -> None:
    assert rpo_sim("--version").stdout == f"rpo-sim {__version__}\n"


@pytest.mark.parametrize("command", ["simulate", "verdict", "parity", "demo"])
def test_help_gives_examples_that_the_parser_takes(command: str, quick: Run) -> None:
    ran = quick(command, "--help")
    assert ran.returncode == 0
    parser = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    examples = [line.split()[2:] for line in ran.stdout.splitlines() if line.startswith("  rpo-sim ")]
    assert examples
    for words in examples:
        parser.make_context(command, words, resilient_parsing=False)


def test_help_of_verdict_tells_how_a_drill_is_recorded(quick: Run) -> None:
    text = quick("verdict", "--help").stdout
    labels = '{"scenario": "site-failure", "tier": "gold"}'
    for part in ("rpo-sim observations import", "operation_id", labels):
        assert part in text


@pytest.mark.parametrize("words", [("simulat",), ("simulate", "x", "--run", "-1"), ("--nope",)])
def test_wrong_usage_ends_with_2_and_points_to_the_help(rpo_sim: Run, words: tuple[str, ...]) -> None:
    ran = rpo_sim(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "help" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_with_v_an_error_says_what_lies_behind(rpo_sim: Run, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("{")
    words = ("simulate", "single-vm-restore", "--profile", "p.json")
    plain, told = rpo_sim(*words), rpo_sim("-v", *words)
    assert plain.returncode == told.returncode == 1
    assert plain.stderr.count("\n") == 1
    assert "caused by JSONDecodeError" in told.stderr


@pytest.mark.parametrize("words", [("--help",), ("scenarios", "schema"), ("verdict", "--help")])
def test_a_full_disk_behind_any_output_ends_in_one_line(rpo_sim: Run, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = rpo_sim(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == 1
    assert ran.stderr == "error: cannot read or write the output: No space left on device\n"


def test_out_of_memory_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_much(**_: object) -> None:
        raise MemoryError("unable to allocate 9 GiB")

    monkeypatch.setattr("rpo_sim.cli.app.app", too_much)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "error: out of memory (unable to allocate 9 GiB)" in capsys.readouterr().err
