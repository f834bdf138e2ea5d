"""Many runs of a plan: in blocks, on any executor, the same bytes whatever it is."""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import fields

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ModelError
from rpo_sim.model.block import RUNS_PER_BLOCK
from rpo_sim.model.block_runs import BlockResult, run_block
from rpo_sim.model.checkpoint import Checkpoint
from rpo_sim.model.engines import Engine
from rpo_sim.model.figures import activity_names, also_names
from rpo_sim.model.plan import Chance, Input, Plan
from rpo_sim.model.scatter import in_order
from rpo_sim.model.worst_case import worst_cases
from rpo_sim.results import InputNote, ResultSet, TierRuns

LEAST_BLOCKS = 80
DEFAULT_RUNS = LEAST_BLOCKS * RUNS_PER_BLOCK

Progress = Callable[[int, int], None]


def simulate(
    plan: Plan,
    *,
    seed: int = 1,
    runs: int = DEFAULT_RUNS,
    engine: Engine = "simpy",
    executor: Executor | None = None,
    progress: Progress | None = None,
    digests: dict[str, str] | None = None,
    checkpoint: Checkpoint | None = None,
) -> ResultSet:
    """Simulate many runs.

    Parameters
    ----------
    plan : Plan
    seed : int
    runs : int
        Rounded up to whole blocks of 25. Fewer than 2,000 give wider intervals than they claim.
    engine : {"simpy", "compiled"}
        Which of the two runs the recoveries (see `rpo_sim.model.engines`); the results do not depend on it.
    executor : concurrent.futures.Executor, optional
        Where blocks run; here, if None. Any will do, and the results do not depend on it: that of
        `rpo_sim.pool`, ``dask_client.get_executor()``, or ``mpi4py.futures.MPIPoolExecutor()`` in a program
        started with ``mpiexec -n 64 python -m mpi4py.futures program.py``. A block that is lost with its
        worker is run again.
    progress : callable (runs done, runs in all), optional
    digests : mapping, optional
        Digests of the files that went in, to be kept with the result.
    checkpoint : Checkpoint, optional
        Where finished blocks are kept, and taken from if they are there (see `open_checkpoint`).

    Returns
    -------
    ResultSet
        Interrupted by Ctrl-C, with the blocks finished so far: a contiguous prefix.

    Raises
    ------
    ModelError
        If the plan cannot be run, workers are lost over and over, or the checkpoint is of other inputs.
    KeyboardInterrupt
        If it was interrupted before its first block.
    """
    blocks = -(-runs // RUNS_PER_BLOCK)
    if blocks < 1:
        raise ModelError(f"{runs} runs: ask for at least one")
    if engine == "compiled":
        from rpo_sim.model import compiled_engine

        compiled_engine.prepare(plan, seed)
    done: list[BlockResult] = []
    interrupted = False
    try:
        for result in _blocks(plan, seed, range(blocks), engine, executor, checkpoint):
            done.append(result)
            if progress is not None:
                progress(len(done) * RUNS_PER_BLOCK, blocks * RUNS_PER_BLOCK)
    except KeyboardInterrupt:
        if not done:
            raise
        interrupted = True
    return _result_set(plan, seed, done, interrupted, digests or {})


def _blocks(
    plan: Plan,
    seed: int,
    blocks: range,
    engine: Engine,
    executor: Executor | None,
    checkpoint: Checkpoint | None,
) -> Iterator[BlockResult]:
    """The blocks in order, those that are kept first."""
    if checkpoint is not None:
        experiment, kept = checkpoint.experiment(plan, seed), 0
        for arrays in checkpoint.kept(experiment, len(blocks)):
            kept += 1
            yield BlockResult(**arrays)
        rest = _blocks(plan, seed, blocks[kept:], engine, executor, None)
        for block, result in enumerate(rest, start=kept):
            checkpoint.keep(experiment, block, {f.name: getattr(result, f.name) for f in fields(result)})
            yield result
        return
    calls = ((plan, seed, block, engine) for block in blocks)
    if executor is None:
        yield from itertools.starmap(run_block, calls)
    else:
        yield from in_order(executor, run_block, calls, in_flight=_in_flight(plan))


def _in_flight(plan: Plan) -> int:
    """Blocks that may wait for their turn: enough for a large cluster, in some 256 MiB at most."""
    block_bytes = RUNS_PER_BLOCK * plan.n_vms * 3 * 8
    return max(2 * (os.cpu_count() or 1), min(1024, 2**28 // block_bytes))


def _result_set(
    plan: Plan, seed: int, done: list[BlockResult], interrupted: bool, digests: dict[str, str]
) -> ResultSet:
    def joined(name: str) -> FloatArray:
        return np.concatenate([getattr(block, name) for block in done])

    vm_rpa, vm_rta, vm_best = joined("vm_rpa"), joined("vm_rta"), joined("vm_rpa_best")
    also = joined("also")
    evidence, activities, declared_at = joined("evidence"), joined("activities"), joined("declared_at")
    copy_rpa = joined("copy_rpa")
    tiers = []
    for t, tier in enumerate(plan.tiers):
        vms = [vm for group in plan.groups if group.tier == t for vm in group.vms]
        rta = vm_rta[:, vms].max(axis=1)
        tiers.append(
            TierRuns(
                tier=tier,
                vms=len(vms),
                rpa=vm_rpa[:, vms].max(axis=1),
                rpa_best=vm_best[:, vms].max(axis=1),
                rta=rta,
                rta_from_declaration=rta - declared_at,
                evidence=evidence[:, t],
                activities=activities[:, t],
                also={name: also[:, t, i] for i, name in enumerate(also_names(plan))},
                worst_cases=worst_cases(plan, t),
                copy_rpa=copy_rpa[:, t],
            )
        )
    return ResultSet(
        scenario=plan.scenario,
        platform=plan.platform,
        seed=seed,
        runs_per_block=RUNS_PER_BLOCK,
        assumed_factor=plan.assumed_factor,
        interrupted=interrupted,
        tiers=tuple(tiers),
        activities=activity_names(plan),
        inputs=tuple(_note(item) for item in plan.inputs()),
        groups=tuple((group.name, group.count) for group in plan.groups),
        age=joined("age"),
        vm_rpa=vm_rpa,
        vm_rta=vm_rta,
        digests=digests,
    )


def _note(item: Input | Chance) -> InputNote:
    restores = item.restores if isinstance(item, Input) else 0
    return InputNote(key=item.key, evidence=item.evidence, n=item.n, source=item.source, restores=restores)
