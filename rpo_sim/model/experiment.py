"""Many runs of a plan: in blocks, on any executor, the same bytes whatever it is."""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

from rpo_sim.errors import ModelError
from rpo_sim.model.block import RUNS_PER_BLOCK
from rpo_sim.model.checkpoint import Checkpoint
from rpo_sim.model.engines import Engine
from rpo_sim.model.figures import activity_names, also_names
from rpo_sim.model.kept import Gathered, Kept, groups_of, kept_blocks
from rpo_sim.model.pieces import blocks_together
from rpo_sim.model.plan import Chance, Input, Plan
from rpo_sim.model.protection.worst_case import worst_cases
from rpo_sim.model.scatter import in_order
from rpo_sim.model.undisturbed import undisturbed
from rpo_sim.per_vm import EXACT_CELLS
from rpo_sim.results import InputNote, ResultSet, TierRuns

LEAST_BLOCKS = 80
DEFAULT_RUNS = LEAST_BLOCKS * RUNS_PER_BLOCK
_CALLS_PER_CORE = 4
_WAITING_BYTES = 2**26  # of finished blocks whose turn has not come

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
    exact_cells: int = EXACT_CELLS,
) -> ResultSet:
    """Simulate many runs.

    Memory does not grow with the runs but for a few numbers for each of them: some hundred bytes, whatever
    the number of VMs.

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
    exact_cells : int
        Runs times VMs up to which every VM's RPA and RTA of every run is kept; beyond, each VM has
        histograms of the two (see `rpo_sim.histograms`). All other figures are exact in either case.

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

        compiled_engine.prepare()
    gathered = Gathered(plan, blocks, exact=blocks * RUNS_PER_BLOCK * plan.n_vms <= exact_cells)
    interrupted = False
    try:
        for block in _blocks(plan, seed, range(blocks), engine, executor, checkpoint, gathered.exact):
            with undisturbed():
                gathered.add(block)
            if progress is not None:
                progress(gathered.runs, blocks * RUNS_PER_BLOCK)
    except KeyboardInterrupt:
        if not gathered.runs:
            raise
        interrupted = True
    return _result_set(plan, seed, gathered, interrupted, digests or {})


def _blocks(
    plan: Plan,
    seed: int,
    blocks: range,
    engine: Engine,
    executor: Executor | None,
    checkpoint: Checkpoint | None,
    exact: bool,
) -> Iterator[Kept]:
    """The blocks in order, small ones together; those that are kept first."""
    if checkpoint is not None:
        experiment, kept = checkpoint.experiment(plan, seed), 0
        for arrays in checkpoint.kept(experiment, len(blocks)):
            found = Kept(**arrays)
            if exact and not found.exact:  # of a larger experiment, which has less of each block
                break
            kept += 1
            yield found if exact else found.coded()
        rest = _blocks(plan, seed, blocks[kept:], engine, executor, None, exact)
        for result in rest:
            for block in result.blocks():
                checkpoint.keep(experiment, kept, block.arrays())
                kept += 1
            yield result
        return
    together = blocks_together(plan, engine)
    if executor is not None:  # every core has something to do until the end
        together = max(min(together, len(blocks) // (_CALLS_PER_CORE * (os.cpu_count() or 1))), 1)
    calls = (
        (plan, seed, blocks[first : first + together], engine, exact)
        for first in range(0, len(blocks), together)
    )
    if executor is None:
        yield from itertools.starmap(kept_blocks, calls)
    else:
        yield from in_order(executor, kept_blocks, calls, in_flight=_in_flight(plan, together, exact))


def _in_flight(plan: Plan, together: int, exact: bool) -> int:
    """Calls that may wait for their turn: enough for a large cluster, in some 64 MiB at most."""
    call_bytes = together * RUNS_PER_BLOCK * plan.n_vms * 2 * (8 if exact else 2)
    return max(2 * (os.cpu_count() or 1), min(1024, _WAITING_BYTES // call_bytes))


def _result_set(
    plan: Plan, seed: int, gathered: Gathered, interrupted: bool, digests: dict[str, str]
) -> ResultSet:
    return ResultSet(
        scenario=plan.scenario,
        platform=plan.platform,
        seed=seed,
        runs_per_block=RUNS_PER_BLOCK,
        assumed_factor=plan.assumed_factor,
        interrupted=interrupted,
        tiers=tuple(_tier_runs(plan, t, gathered) for t in range(len(plan.tiers))),
        activities=activity_names(plan),
        inputs=tuple(_note(item) for item in plan.inputs()),
        groups=tuple((group.name, group.count) for group in plan.groups),
        age=gathered.rows("age"),
        across=gathered.across(),
        per_vm_rpa=gathered.per_vm("vm_rpa"),
        per_vm_rta=gathered.per_vm("vm_rta"),
        digests=digests,
    )


def _tier_runs(plan: Plan, t: int, gathered: Gathered) -> TierRuns:
    groups, also = groups_of(plan, t), gathered.rows("also")
    rta = gathered.rows("last_rta")[:, groups].max(axis=1)
    return TierRuns(
        tier=plan.tiers[t],
        vms=sum(plan.groups[g].count for g in groups),
        rpa=gathered.rows("last_rpa")[:, groups].max(axis=1),
        rpa_best=gathered.rows("rpa_best")[:, t],
        rta=rta,
        rta_from_declaration=rta - gathered.rows("declared_at"),
        evidence=gathered.rows("evidence")[:, t],
        activities=gathered.rows("activities")[:, t],
        also={name: also[:, t, i] for i, name in enumerate(also_names(plan))},
        worst_cases=worst_cases(plan, t),
        copy_rpa=gathered.rows("copy_rpa")[:, t],
    )


def _note(item: Input | Chance) -> InputNote:
    restores = item.restores if isinstance(item, Input) else 0
    return InputNote(key=item.key, evidence=item.evidence, n=item.n, source=item.source, restores=restores)
