"""Checkpoints: killed at any moment, an experiment goes on; what does not belong together is refused."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rpo_sim.distributions import Empirical
from rpo_sim.errors import ModelError
from rpo_sim.model import kept
from rpo_sim.model.block import RUNS_PER_BLOCK
from rpo_sim.model.block_runs import BlockResult, run_some
from rpo_sim.model.checkpoint import digest, open_checkpoint
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.engines import Engine
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.results import ResultSet
from rpo_sim.scenario.load import load_scenario
from rpo_sim.scenario.shipped import shipped_names

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = Path(sys.executable).with_name("rpo-sim")


@pytest.fixture
def plan(tiny: Path) -> Plan:
    return compile_plan(load_scenario(tiny).scenario, "alike")


def bytes_of(result: ResultSet) -> bytes:
    tiers = (part for tier in result.tiers for part in (tier.rta, tier.evidence, tier.activities))
    return b"".join(array.tobytes() for array in (result.age, result.vm_rta, result.vm_rpa, *tiers))


def simulate_kept(plan: Plan, path: Path, runs: int, seed: int = 1) -> ResultSet:
    with open_checkpoint(path) as checkpoint:
        return simulate(plan, runs=runs, seed=seed, checkpoint=checkpoint)


def test_what_is_kept_is_not_computed_again(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def counted(plan: Plan, seed: int, runs: range, engine: Engine) -> BlockResult:
        computed.append(runs.start // RUNS_PER_BLOCK)
        return run_some(plan, seed, runs, engine)

    monkeypatch.setattr(kept, "run_some", counted)
    whole = bytes_of(simulate(plan, runs=200))
    computed.clear()
    assert simulate_kept(plan, tmp_path / "kept", 75).runs == 75
    assert bytes_of(simulate_kept(plan, tmp_path / "kept", 200)) == whole
    assert computed == list(range(8))
    assert bytes_of(simulate_kept(plan, tmp_path / "kept", 200)) == whole
    assert simulate_kept(plan, tmp_path / "kept", 50).runs == 50
    assert computed == list(range(8))


def test_a_damaged_block_and_what_follows_are_computed_again(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    whole = bytes_of(simulate_kept(plan, path, 200))
    for damage in ("substr(arrays, 1, length(arrays) / 2)", "x''", "replace(arrays, x'00', x'01')"):
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute(f"UPDATE blocks SET arrays = CAST({damage} AS BLOB) WHERE block = 3")
        assert bytes_of(simulate_kept(plan, path, 200)) == whole


def test_a_flipped_bit_of_a_number_is_noticed(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    whole = bytes_of(simulate_kept(plan, path, 50))
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        (data,) = database.execute("SELECT arrays FROM blocks WHERE block = 1").fetchone()
        for at in range(0, len(data), len(data) // 40):
            flipped = data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]
            database.execute("UPDATE blocks SET arrays = ? WHERE block = 1", (flipped,))
            database.commit()
            assert bytes_of(simulate_kept(plan, path, 50)) == whole


@pytest.mark.parametrize("difference", ["seed", "version", "inputs"])
def test_other_inputs_are_refused(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, difference: str
) -> None:
    simulate_kept(plan, tmp_path / "kept", 25)
    words = {"seed": "with seed 1, and this is seed 2", "version": "made by rpo-sim", "inputs": "other ones"}
    seed = 1
    if difference == "seed":
        seed = 2
    elif difference == "version":
        monkeypatch.setattr("rpo_sim.__version__", "99")
    else:
        plan = replace(plan, stages=(replace(plan.stages[0], timeout=77.0), *plan.stages[1:]))
    with pytest.raises(ModelError, match=rf"kept: keeps runs of tiny on alike .*{words[difference]}.*delete"):
        simulate_kept(plan, tmp_path / "kept", 25, seed)


def test_other_platforms_and_variations_find_room_in_one_file(tiny: Path, tmp_path: Path) -> None:
    scenario = load_scenario(tiny).scenario
    for platform in ("alike", "slower"):
        for factor in (1.0, 0.5):
            plan = compile_plan(scenario, platform, assumed_factor=factor)
            kept = simulate_kept(plan, tmp_path / "kept", 50)
            assert bytes_of(kept) == bytes_of(simulate(plan, runs=50))
            assert bytes_of(simulate_kept(plan, tmp_path / "kept", 50)) == bytes_of(kept)


def test_a_digest_tells_plans_apart_and_nothing_else() -> None:
    """Twice compiled they are equal; what was cached on the way does not count."""
    seen = set()
    for name in shipped_names():
        scenario = load_scenario(name).scenario
        for platform in scenario.platforms:
            one, other = compile_plan(scenario, platform), compile_plan(scenario, platform)
            assert (one.n_vms, len(one.ranks)) >= (1, 1)
            assert digest(one) == digest(other)
            seen.add(digest(one))
    assert len(seen) == 2 * len(shipped_names())


def test_a_digest_sees_every_value_that_was_measured(plan: Plan) -> None:
    """Also the two thousandth of a sample, which its text may leave out."""

    def digest_with(last: float) -> str:
        sample = Empirical(values=(*map(float, range(1, 3000)), last))
        duration = plan.copies[0].duration
        return digest(
            replace(plan, copies=(replace(plan.copies[0], duration=replace(duration, base=sample)),))
        )

    assert digest_with(4000.0) == digest_with(4000.0)
    assert digest_with(4000.0) != digest_with(4000.0000001)


def test_files_that_are_no_checkpoint_are_refused(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("runs: 100\n" * 100)
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("CREATE TABLE observations (id)")
    before = (tmp_path / "other.db").read_bytes()
    for name, words in (("text", "not a database"), ("other.db", "no checkpoint"), (".", "unable to open")):
        with pytest.raises(ModelError, match=words), open_checkpoint(tmp_path / name):
            pass
    assert (tmp_path / "other.db").read_bytes() == before


def test_a_checkpoint_of_another_layout_is_refused(plan: Plan, tmp_path: Path) -> None:
    simulate_kept(plan, tmp_path / "kept", 25)
    with contextlib.closing(sqlite3.connect(tmp_path / "kept")) as database, database:
        database.execute("PRAGMA user_version = 0")  # as it was before blocks were reduced
    words = r"kept: keeps blocks as another version of rpo-sim did \(layout 0, here 2\); .* delete this one"
    with pytest.raises(ModelError, match=words):
        simulate_kept(plan, tmp_path / "kept", 25)


def test_one_at_a_time(tmp_path: Path) -> None:
    with (
        open_checkpoint(tmp_path / "kept"),
        pytest.raises(ModelError, match="another rpo-sim is at work"),
        open_checkpoint(tmp_path / "kept"),
    ):
        pass


def test_a_full_disk_is_said_in_words(plan: Plan, tmp_path: Path) -> None:
    with (  # noqa: PT012
        pytest.raises(ModelError, match=r"cannot be used as a checkpoint: .*full"),
        open_checkpoint(tmp_path / "kept") as checkpoint,
    ):
        checkpoint._connection.execute("PRAGMA max_page_count = 6")
        simulate(plan, runs=2000, checkpoint=checkpoint)
    assert bytes_of(simulate_kept(plan, tmp_path / "kept", 50)) == bytes_of(simulate(plan, runs=50))


def blocks_in(path: Path) -> int:
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM blocks").fetchone()[0])
    return 0


def test_killed_at_random_moments_it_still_gives_the_same_bytes(
    tmp_path: Path, quick: Run, tiny: Path
) -> None:
    """The real command with two workers, killed twice with all its processes; then it gets through."""
    few = ["simulate", str(tiny), "--platform", "alike", "--runs", "8000"]
    chance, seen = random.Random(6), [0]
    for _ in range(2):
        process = subprocess.Popen(
            [COMMAND, *few, "--workers", "2", "--checkpoint", "kept", "--out", "parts.json"],
            cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for_a_change(process, tmp_path / "kept")
            time.sleep(chance.random())
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seen.append(blocks_in(tmp_path / "kept"))
    assert seen == sorted(seen)
    assert quick(*few, "--checkpoint", "kept", "--out", "parts.json").returncode == 0
    assert quick(*few, "--out", "whole.json").returncode == 0
    assert (tmp_path / "parts.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def wait_for_a_change(process: "subprocess.Popen[bytes]", path: Path) -> None:
    """Until the command has written something, or ended."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
        time.sleep(0.01)


def test_verdict_and_parity_go_on_as_well(quick: Run, tiny: Path, tmp_path: Path) -> None:
    for command in (["verdict", tiny, "--platform", "alike"], ["parity", tiny, "--platform", "alike",
                    "--platform", "slower"]):  # fmt: skip
        alone = quick(*command, "--runs", "100", "-o", "json").stdout
        for _ in range(2):
            found = blocks_in(tmp_path / "kept") * 25
            ran = quick(*command, "--runs", "100", "-o", "json", "--checkpoint", "kept")
            assert ran.stdout == alone
            assert ran.stderr == f"kept: {found} finished runs found; what is there is not run again\n" * (
                found > 0
            )
    assert blocks_in(tmp_path / "kept") == 4 * (3 + 1)
    other = tmp_path / "other.yaml"
    other.write_text(tiny.read_text().replace("scenario: tiny", "scenario: other"))
    ran = quick("parity", other, "--platform", "alike", "--platform", "slower", "--runs", "100",
                "--checkpoint", "kept")  # fmt: skip
    assert "found" not in ran.stderr  # those are of another scenario
