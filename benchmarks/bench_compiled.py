"""The compiled engine against the SimPy engine, end to end.

Ratios and sizes are of whole experiments (`simulate`) on one core: draws, recovery points, recovery,
critical paths, and what is kept of each VM as in an experiment of any size. SimPy simulates fewer runs and is
scaled per run; both engines' blocks give the same bytes, which is checked here too. `parts` says what the
compiled engine's nanoseconds are spent on; two threads run blocks.
"""

import dataclasses
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.estate import plan_of
from benchmarks.timing import Row, interleaved
from rpo_sim.model import compiled_engine
from rpo_sim.model.block import RUNS_PER_BLOCK, BlockDraws
from rpo_sim.model.block_runs import points_of, run_block, run_some
from rpo_sim.model.draws import Draws
from rpo_sim.model.engines import Engine
from rpo_sim.model.experiment import DEFAULT_RUNS, simulate
from rpo_sim.model.kept import Gathered, keep
from rpo_sim.model.pieces import blocks_together
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.incident import strike

COMMAND = "python -m benchmarks.bench_compiled"
SIZES = (100, 1_000, 10_000, 30_000)


def blocks(plan: Plan, count: int, engine: Engine) -> None:
    """So many blocks of runs."""
    for block in range(count):
        run_block(plan, 1, block, engine)


def same(plan: Plan) -> bool:
    """Whether both engines give the same bytes for a block."""
    one, other = (run_block(plan, 1, 0, engine) for engine in ("simpy", "compiled"))
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(one)
    )


def ratio(vms: int, runs: int, rounds: int) -> Row:
    """VM-restores per CPU second of both engines, in experiments of so many runs; SimPy does two blocks."""
    plan, few = plan_of(vms), 2 * RUNS_PER_BLOCK
    fast, slow = interleaved(
        lambda: simulate(plan, runs=runs, engine="compiled", exact_cells=0),
        lambda: simulate(plan, runs=few, engine="simpy", exact_cells=0),
        rounds=rounds,
    )
    return Row(
        name=f"engine-ratio-{vms}-vms",
        value=vms * runs / fast,
        unit="VM-restores per CPU second",
        baseline=vms * few / slow,
        command=COMMAND,
    )


def flatness() -> Row:
    """Nanoseconds per VM-restore at the dearest size against the cheapest.

    Experiments have as many runs as by default; small ones are repeated, so that each takes half a second.
    """
    times = {vms: max(2_000_000 // (vms * DEFAULT_RUNS), 1) for vms in SIZES}

    def whole(vms: int) -> Callable[[], None]:
        plan = plan_of(vms)

        def work() -> None:
            for _ in range(times[vms]):
                simulate(plan, runs=DEFAULT_RUNS, engine="compiled", exact_cells=0)

        return work

    works = [whole(vms) for vms in SIZES]
    works[0]()
    seconds = interleaved(*works, rounds=4)
    each = [1e9 * s / (vms * DEFAULT_RUNS * n) for s, (vms, n) in zip(seconds, times.items(), strict=True)]
    shown = ", ".join(f"{vms:,}: {ns:.0f}" for vms, ns in zip(SIZES, each, strict=True))
    return Row(
        name=f"ns per VM-restore by VMs ({shown}), dearest; baseline: cheapest",
        value=max(each),
        unit="CPU ns per VM-restore",
        baseline=min(each),
        command=COMMAND,
    )


def two_threads(vms: int = 1_000, count: int = 80) -> Row:
    """Wall seconds of two threads against one; honest only on two idle cores."""
    plan, best = plan_of(vms), [float("inf")] * 2
    for _ in range(3):
        for i, threads in enumerate((1, 2)):
            with ThreadPoolExecutor(threads) as pool:
                start = time.perf_counter()
                list(pool.map(lambda block: run_block(plan, 1, block, "compiled"), range(count)))
                best[i] = min(best[i], time.perf_counter() - start)
    return Row(
        name=f"two threads, {vms:,} VMs x {count * RUNS_PER_BLOCK:,} runs; baseline: one thread",
        value=count * RUNS_PER_BLOCK * vms / best[1],
        unit="VM-restores per second",
        baseline=count * RUNS_PER_BLOCK * vms / best[0],
        command=COMMAND,
    )


def overhead() -> list[Row]:
    """What a process pays before it simulates; a whole command, of 25 runs, beside the same with SimPy."""
    block = "from benchmarks.bench_compiled import *; blocks(plan_of(100), 1, 'compiled')"
    command = ("-m", "rpo_sim.cli.app", "simulate", "single-vm-restore", "--runs", "25", "--engine")
    with TemporaryDirectory() as bytecode:
        loading, nothing, compiled, simpy = (
            _child_seconds(bytecode, *arguments)
            for arguments in (("-c", block), ("-c", "pass"), (*command, "compiled"), (*command, "simpy"))
        )
    return [
        Row(
            name="import and load the kept kernel; baseline: python -c pass",
            value=loading,
            unit="CPU seconds",
            baseline=nothing,
            command=COMMAND,
        ),
        Row(
            name="simulate single-vm-restore --runs 25 --engine compiled; baseline: --engine simpy",
            value=compiled,
            unit="CPU seconds",
            baseline=simpy,
            command=COMMAND,
        ),
    ]


def parts(vms: int = 1_000) -> list[Row]:
    """What a VM-restore of the compiled engine is spent on; baseline: all of it."""
    plan = plan_of(vms)
    runs = range(blocks_together(plan, "compiled") * RUNS_PER_BLOCK)

    def fresh() -> BlockDraws:
        return BlockDraws.some_runs(plan, Draws(1, compiled_engine.fill), runs)

    draws = fresh()
    _, given = points_of(plan, draws, strike(plan, draws))
    compiled_engine.recover_block(plan, draws, given)  # all is drawn now
    found = run_some(plan, 1, runs, "compiled")
    gathered = Gathered(plan, 40 * len(runs), exact=False)

    def find_points() -> None:
        block = fresh()
        points_of(plan, block, strike(plan, block))

    def draw() -> None:
        block = fresh()
        for stage in plan.stages:
            block.stage_seconds(stage, 0)

    works = {
        "simulation, nothing kept": lambda: run_some(plan, 1, runs, "compiled"),
        "recovery points": find_points,
        "draws of stages": draw,
        "kernel, critical paths included": lambda: compiled_engine.recover_block(plan, draws, given),
        "what is kept": lambda: gathered.add(keep(plan, found).coded()),
    }
    several = 10 * len(runs)
    whole, *each = interleaved(
        lambda: simulate(plan, runs=several, engine="compiled", exact_cells=0), *works.values(), rounds=20
    )
    restore, whole = 1e9 / (vms * len(runs)), whole / 10
    return [
        Row(
            name=f"{name}, {vms:,} VMs; baseline: all",
            value=seconds * restore,
            unit="CPU ns per VM-restore",
            baseline=whole * restore,
            command=COMMAND,
        )
        for name, seconds in zip(works, each, strict=True)
    ]


def _child_seconds(bytecode: str, *arguments: str) -> float:
    """CPU seconds of an interpreter that finds compiled bytecode, as installed packages have it."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

    return min(once() for _ in range(4))


def rows() -> list[Row]:
    """Ratios at two sizes, cost by size, threads, overhead."""
    assert same(plan_of(1_000)), "the engines differ"
    ratios = [ratio(1_000, 10_000, 3), ratio(10_000, 2_000, 2)]
    return [*ratios, flatness(), *parts(), two_threads(), *overhead()]


if __name__ == "__main__":
    for row in rows():
        print(row.to_dict())
