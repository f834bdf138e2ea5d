"""Many runs of a plan: in blocks, on any executor, the same bytes whatever it is."""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, fields

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ModelError
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import RUNS_PER_BLOCK, BlockDraws
from rpo_sim.model.checkpoint import Checkpoint
from rpo_sim.model.draws import Draws
from rpo_sim.model.journal import NEXT_SHIFT, critical_path
from rpo_sim.model.plan import Chance, Input, Plan
from rpo_sim.model.protection import Incident, Points, recovery_points, strike
from rpo_sim.model.run import Ending, Recovery, RunInputs
from rpo_sim.model.scatter import in_order
from rpo_sim.model.suspects import suspects
from rpo_sim.model.time_of_day import DAY_SECONDS
from rpo_sim.model.worst_case import worst_cases
from rpo_sim.results import InputNote, ResultSet, TierRuns

LEAST_BLOCKS = 80
DEFAULT_RUNS = LEAST_BLOCKS * RUNS_PER_BLOCK

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockResult:
    """The arrays of one block; rows are runs. ``evidence``, ``activities``, ``copy_rpa`` are per tier."""

    age: FloatArray
    vm_rpa: FloatArray
    vm_rpa_best: FloatArray
    vm_rta: FloatArray
    declared_at: FloatArray | float
    evidence: FloatArray
    activities: FloatArray
    also: FloatArray
    copy_rpa: FloatArray


_AFTER = {
    "migrate": "full_performance_seconds",
    "failback": "failback_seconds",
    "reprotect": "unprotected_seconds",
    "cleanup": "cleanup_seconds",
}


def also_names(plan: Plan) -> tuple[str, ...]:
    """What else each tier is told of, beside its RPA and RTA."""
    counts = ("no_capacity_vms",) if plan.target else ()
    return (*counts, *(_AFTER[kind] for kind in plan.after_kinds))


def activity_names(plan: Plan) -> tuple[str, ...]:
    """All that can stand on a critical path, in the order of an incident."""
    tokens = (f"tokens of {bucket.name}" for bucket in plan.buckets)
    shifts = (NEXT_SHIFT,) if plan.has_shifts else ()
    return (
        "detect",
        "declare",
        *(stage.key for stage in (*plan.stages, *plan.after)),
        "repair",
        *tokens,
        *shifts,
    )


def run_block(plan: Plan, seed: int, block: int) -> BlockResult:
    """Simulate one block of runs in this process."""
    draws = BlockDraws(plan, Draws(seed), block)
    incident = strike(plan, draws)
    found = _find_points(plan, draws, incident)
    results = [_run(plan, draws, incident, found, row) for row in range(len(draws.runs))]
    return BlockResult(
        **{f.name: np.stack([getattr(result, f.name) for result in results]) for f in fields(BlockResult)}
    )


def replay(plan: Plan, seed: int, run: int) -> Recovery:
    """One run again, with its journal."""
    block, row = divmod(run, RUNS_PER_BLOCK)
    draws = BlockDraws(plan, Draws(seed), block)
    incident = strike(plan, draws)
    found = _find_points(plan, draws, incident)
    return simpy_engine.recover(plan, _inputs(plan, draws, incident, found, row))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Cuts of the newest clean points, shape (copies, runs, VMs), and of the tainted ones of each copy."""

    newest: FloatArray
    suspects: dict[int, FloatArray]


def _find_points(plan: Plan, draws: BlockDraws, incident: Incident) -> _Found:
    bad: dict[int, FloatArray] = {}

    def look(copy: int, points: Points) -> None:
        if plan.tried:
            bad[copy] = suspects(plan.copies[copy], points, incident)

    newest = recovery_points(plan, draws, incident, simpy_engine.protect, look)
    return _Found(newest=newest, suspects=bad)


def _inputs(plan: Plan, draws: BlockDraws, incident: Incident, found: _Found, row: int) -> RunInputs:
    failure, bad = plan.failure, _suspects(plan, incident, found, row)
    rpa = incident.failed_at[row] - found.newest[:, row]
    return RunInputs(
        block=draws,
        row=row,
        detect_seconds=float(draws.single("failure.detect", failure.detect)[row]),
        declare_seconds=float(draws.single("failure.declare", failure.declare)[row]),
        windows=_windows(plan, rpa),
        suspects=bad,
        time_of_day=float(incident.failed_at[row] % DAY_SECONDS),
        options=tuple(
            _choose(plan, g, rpa[:, vm].tolist(), [bool(of[vm]) for of in bad])
            for g, group in enumerate(plan.groups)
            for vm in group.vms
        ),
    )


def _suspects(
    plan: Plan, incident: Incident, found: _Found, row: int
) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """Per step and VM: seconds from each tainted point to the failure, newest first."""
    if not plan.tried:
        return ()
    ages = []
    for step in plan.path:
        if step.copy not in found.suspects:  # a synchronous copy keeps no points to go back to
            ages.append(((),) * plan.n_vms)
            continue
        columns = (incident.failed_at[row] - found.suspects[step.copy][:, row]).T.tolist()
        ages.append(tuple(tuple(age for age in column if age < np.inf) for column in columns))
    return tuple(ages)


def _windows(plan: Plan, rpa: FloatArray) -> tuple[tuple[float, ...], ...]:
    """Seconds from the point of each step to the failure, where a stage moves what was written since."""
    if not plan.tried and not any(stage.since_point for stage in (*plan.stages, *plan.after)):
        return ()
    return tuple(tuple(rpa[step.copy].tolist()) for step in plan.path)


def _choose(plan: Plan, group: int, rpa: list[float], suspect: list[bool]) -> tuple[int, ...]:
    """The steps of the path with a usable point, or one that looks so, in the order of the tries."""
    looks_good = suspect or [False] * len(plan.path)
    usable = [i for i, step in enumerate(plan.path) if rpa[step.copy] < np.inf or looks_good[i]]
    if plan.choose == "freshest-clean":
        usable.sort(key=lambda i: rpa[plan.path[i].copy])
    elif plan.choose == "fastest-within-rpo":
        rpo = plan.tiers[plan.groups[group].tier].rpo_seconds
        limit = np.inf if rpo is None else rpo

        def rank(i: int) -> tuple[bool, float]:
            late = rpa[plan.path[i].copy] > limit
            return late, rpa[plan.path[i].copy] if late else plan.path[i].estimate_seconds[group]

        usable.sort(key=rank)
    return tuple(usable)


def _run(plan: Plan, draws: BlockDraws, incident: Incident, found: _Found, row: int) -> BlockResult:
    recovery = simpy_engine.recover(plan, _inputs(plan, draws, incident, found, row))
    newest = found.newest
    failed_at = incident.failed_at[row]
    best = newest[:, row].max(axis=0, initial=-np.inf)
    used = np.array([plan.path[step].copy if step >= 0 else -1 for step in recovery.step])
    restored = newest[used, row, np.arange(plan.n_vms)]
    rta = np.array(recovery.recovered_at)
    recovered = np.isfinite(rta)
    evidence, activities = _critical(plan, recovery)
    return BlockResult(
        age=failed_at - incident.onset_at[row],
        vm_rpa=np.where(recovered, failed_at - restored, np.inf),
        vm_rpa_best=failed_at - best,
        vm_rta=rta,
        declared_at=recovery.declared_at,
        evidence=evidence,
        activities=activities,
        also=_also(plan, recovery),
        copy_rpa=_copy_rpa(plan, failed_at - newest[:, row]),
    )


def _also(plan: Plan, recovery: Recovery) -> FloatArray:
    """The figures of `also_names`, one row per tier."""
    rows = np.zeros((len(plan.tiers), len(also_names(plan))))
    for t in range(len(plan.tiers)):
        vms = [vm for group in plan.groups if group.tier == t for vm in group.vms]
        for i, name in enumerate(also_names(plan)):
            if name == "no_capacity_vms":
                rows[t, i] = sum(recovery.ending[vm] is Ending.NO_CAPACITY for vm in vms)
            else:
                (ends,) = (recovery.after[kind] for kind in plan.after_kinds if _AFTER[kind] == name)
                rows[t, i] = max(ends[vm] for vm in vms)
    return rows


def _copy_rpa(plan: Plan, rpa: FloatArray) -> FloatArray:
    """The RPA of each tier's worst VM, from each copy alone; shape (tiers, copies)."""
    of_tier = [[vm for g in plan.groups if g.tier == t for vm in g.vms] for t in range(len(plan.tiers))]
    return np.array([rpa[:, vms].max(axis=1) for vms in of_tier])


def _critical(plan: Plan, recovery: Recovery) -> tuple[FloatArray, FloatArray]:
    """Seconds by evidence and by activity along the critical path of each tier's last VM."""
    names = {name: i for i, name in enumerate(activity_names(plan))}
    evidence = np.zeros((len(plan.tiers), 3))
    activities = np.zeros((len(plan.tiers), len(names)))
    for t in range(len(plan.tiers)):
        vms = [vm for group in plan.groups if group.tier == t for vm in group.vms]
        last = max(vms, key=lambda vm: recovery.recovered_at[vm])
        if recovery.recovered_at[last] == np.inf:
            continue
        until = recovery.recovered_at[last]
        for share in critical_path(recovery.jobs, recovery.confirmed_by[last], until):
            evidence[t, share.evidence] += share.seconds
            activities[t, names[share.what]] += share.seconds
    return evidence, activities


def simulate(
    plan: Plan,
    *,
    seed: int = 1,
    runs: int = DEFAULT_RUNS,
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
    done: list[BlockResult] = []
    interrupted = False
    try:
        for result in _blocks(plan, seed, range(blocks), executor, checkpoint):
            done.append(result)
            if progress is not None:
                progress(len(done) * RUNS_PER_BLOCK, blocks * RUNS_PER_BLOCK)
    except KeyboardInterrupt:
        if not done:
            raise
        interrupted = True
    return _result_set(plan, seed, done, interrupted, digests or {})


def _blocks(
    plan: Plan, seed: int, blocks: range, executor: Executor | None, checkpoint: Checkpoint | None
) -> Iterator[BlockResult]:
    """The blocks in order, those that are kept first."""
    if checkpoint is not None:
        experiment, kept = checkpoint.experiment(plan, seed), 0
        for arrays in checkpoint.kept(experiment, len(blocks)):
            kept += 1
            yield BlockResult(**arrays)
        for block, result in enumerate(_blocks(plan, seed, blocks[kept:], executor, None), start=kept):
            checkpoint.keep(experiment, block, {f.name: getattr(result, f.name) for f in fields(result)})
            yield result
        return
    calls = ((plan, seed, block) for block in blocks)
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
