"""`rpo-sim simulate`, as it is met: in a shell, a pipe, a terminal, and with Ctrl-C."""

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rpo_sim.results_file import load_results
from rpo_sim.units import format_duration

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = Path(sys.executable).with_name("rpo-sim")
LONG = ("simulate", "site-failure", "--runs", "100000", "--engine", "simpy", "--workers", "2")


def test_all_formats_and_every_number_of_workers_tell_the_same(rpo_sim: Run, tiny: Path) -> None:
    made = [rpo_sim("simulate", tiny, "--runs", "100", "--workers", n, "-o", "json") for n in ("1", "2")]
    assert [ran.returncode for ran in made] == [0, 0]
    assert made[0].stdout == made[1].stdout
    assert made[0].stderr == ""
    document = json.loads(made[0].stdout)
    assert [each["platform"] for each in document["predictions"]] == ["alike", "same", "slower"]


def test_one_run_told_has_the_rta_that_the_many_runs_have(quick: Run, tmp_path: Path) -> None:
    one = ("single-vm-restore", "--platform", "vmware", "--seed", "3")
    assert quick("simulate", *one, "--runs", "50", "--out", "out.json").returncode == 0
    (result,) = load_results(tmp_path / "out.json")
    for run in (0, 31):
        told = quick("replay", *one, "--run", str(run)).stdout
        assert f"run {run}: one incident" in told
        assert told.endswith(f"RTA {format_duration(float(result.vm_rta[run, 0]))}\n")


def test_both_engines_tell_the_same(rpo_sim: Run, tiny: Path) -> None:
    pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")
    made = [
        rpo_sim("simulate", tiny, "--runs", "50", "--engine", engine, "-o", "json")
        for engine in ("simpy", "compiled", "auto")
    ]
    assert {ran.returncode for ran in made} == {0}
    assert len({ran.stdout for ran in made}) == 1


def test_a_told_run_can_be_read(quick: Run) -> None:
    told = quick("replay", "site-failure", "--platform", "vmware").stdout
    lines = told.splitlines()
    assert lines[2].split() == ["from", "to", "took", "who", "what", "it", "did"]
    column = lines[2].index("what it did")
    events = lines[3 : lines.index("", 3)]
    assert all(line[column - 2 : column] == "  " and line[column] != " " for line in events)
    assert max(map(len, lines)) <= 120
    assert any("app/0-11" in line and "waits for its group's turn" in line for line in events)
    times = [line.split()[0] for line in events]
    assert times == sorted(times, key=lambda text: [int(part) for part in text.split(":")])


def test_nobody_sees_a_progress_bar_in_a_pipe(rpo_sim: Run, tiny: Path) -> None:
    ran = rpo_sim("simulate", tiny, "--runs", "100")
    assert ran.stderr == ""
    assert "━" not in ran.stdout
    assert "\x1b" not in ran.stdout


def test_a_log_gets_a_line_now_and_then(quick: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpo_sim.cli.progress.LINE_EVERY_SECONDS", 0.0)
    lines = quick("simulate", tiny, "--platform", "alike", "--runs", "100").stderr.splitlines()
    assert len(lines) == 3
    for line, done in zip(lines, (25, 50, 75), strict=True):
        assert re.fullmatch(rf"tiny on alike: {done} of 100 runs, [\d,.]+/s, \d+\w+ left", line)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_progress_and_then_tables_that_fit(
    in_terminal: Callable[..., str], columns: int
) -> None:
    shown = in_terminal("simulate", "single-vm-restore", "--runs", "200", columns=columns)
    assert "━" in shown
    assert "single-vm-restore on vmware" in shown
    assert re.search(r"\d/s", shown)
    page = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.split("predicted from")[-1]).replace("\r", "")
    assert max(map(len, page.splitlines())) <= columns
    assert "silver RTA" in page


def test_a_reader_that_has_seen_enough_ends_it_quietly(tiny: Path) -> None:
    """One reader takes a line, one nothing at all."""
    for reader, lines in (("head -1", 1), ("true", 0)):
        shell = f"'{COMMAND}' simulate '{tiny}' --runs 25 --workers 1 -o json | {reader}"
        ran = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True)
        assert (ran.stderr, ran.returncode, len(ran.stdout.splitlines())) == ("", 0, lines)


def test_a_full_disk_behind_stdout_is_said_in_words(tiny: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [COMMAND, "simulate", tiny, "--runs", "25"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in ran.stderr


@pytest.mark.parametrize("place", ["missing/out.json", ".", "file/out.json", "/proc/out.json"])
def test_a_place_that_cannot_be_written_is_refused_before_simulating(
    quick: Run, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    began = time.monotonic()
    ran = quick(*LONG, "--out", place)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert time.monotonic() - began < 10
    assert f"error: {place}: cannot be written" in ran.stderr
    assert "choose another place" in ran.stderr


def test_a_disk_that_fills_leaves_the_old_file_and_prints_the_result(
    rpo_sim: Run, tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.json").write_text("old")

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    ran = rpo_sim("simulate", tiny, "--runs", "100", "--workers", "1", "--out", "out.json", preexec_fn=full)
    assert ran.returncode == 1
    assert "out.json: cannot be written: File too large" in ran.stderr
    assert "tiny on alike: predicted from 100 runs" in ran.stdout
    assert (tmp_path / "out.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "tiny.yaml"]


def test_results_go_through_a_link_and_to_a_device(quick: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("real.json")
    assert quick("simulate", tiny, "--runs", "25", "--out", "link.json").returncode == 0
    assert (tmp_path / "link.json").is_symlink()
    assert len(load_results(tmp_path / "real.json")) == 3
    assert quick("simulate", tiny, "--runs", "25", "--out", "/dev/null").returncode == 0


def descendants(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):  # whichever thread started them
            for child in children.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


@contextlib.contextmanager
def simulating(
    folder: Path, *arguments: str, what: Sequence[str | Path] = LONG
) -> Iterator["subprocess.Popen[bytes]"]:
    """The command in a process group of its own, as a shell starts it; killed at the end of the test."""
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            [COMMAND, *what, *arguments],
            cwd=folder,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_workers(process: "subprocess.Popen[bytes]") -> list[int]:
    """All processes of it, once both workers are at work."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        every = descendants(process.pid)
        if len([pid for pid in workers_of(every) if cpu_seconds(pid) > 0.5]) >= 2:
            return every
        time.sleep(0.1)
    raise AssertionError("no two workers")


def workers_of(every: list[int]) -> list[int]:
    """Those that another helper process has forked: the workers, not who forks them."""
    return [pid for pid in every if parent_of(pid) in every]


def parent_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def cpu_seconds(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def gone(pids: list[int]) -> bool:
    """Whether all have ended, at once or nearly so."""
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_ctrl_c_prints_and_saves_what_was_finished_and_leaves_nobody_behind(
    tmp_path: Path, quick: Run
) -> None:
    with simulating(tmp_path, "--out", "part.json", "-o", "json") as process:
        every = wait_for_workers(process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=120) == 130
        assert gone(every)
    (shown,) = json.loads((tmp_path / "out").read_text())["predictions"]
    assert shown["interrupted"] is True
    assert 25 <= shown["n_runs"] < 100_000
    error = (tmp_path / "err").read_text()
    assert (
        f"interrupted; the output holds what was finished (site-failure on vmware: {shown['n_runs']}" in error
    )
    assert "Traceback" not in error
    (result,) = load_results(tmp_path / "part.json")
    assert result.runs == shown["n_runs"]
    judged = quick("verdict", "part.json", "-o", "json")
    assert judged.returncode == 130
    row = json.loads(judged.stdout)["rows"][0]
    assert row["n_runs"] == result.runs
    assert row["predicted"] == "INCONCLUSIVE"


def test_ctrl_c_before_the_first_block_ends_without_a_result(tmp_path: Path, tiny: Path) -> None:
    """So many VMs that no block is done when both workers are seen to be at work."""
    tiny.write_text(tiny.read_text().replace("{name: web,", "{name: web, count: 20000,"))
    huge = ("simulate", tiny, "--runs", "100000", "--workers", "2", "--engine", "simpy")
    with simulating(tmp_path, what=huge) as process:
        wait_for_workers(process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=120) == 130, (tmp_path / "err").read_text()
    assert (tmp_path / "out").read_text() == ""
    assert (tmp_path / "err").read_text() == "interrupted\n"


def test_a_worker_that_is_killed_costs_time_and_no_byte(tmp_path: Path, quick: Run) -> None:
    few = ("--platform", "vmware", "--runs", "1000")
    with simulating(tmp_path, *few, "--out", "part.json") as process:
        every = wait_for_workers(process)
        os.kill(workers_of(every)[0], signal.SIGKILL)
        assert process.wait(timeout=120) == 0
        assert gone(every)
    error = (tmp_path / "err").read_text()
    assert "a worker was lost (a worker process was killed, perhaps for want of memory)" in error
    assert "Traceback" not in error
    assert quick("simulate", "site-failure", *few, "--out", "whole.json").returncode == 0
    assert (tmp_path / "part.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
