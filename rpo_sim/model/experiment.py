"""Many runs of a plan: in blocks, over processes, the same bytes for any number of them."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ModelError
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import RUNS_PER_BLOCK, BlockDraws
from rpo_sim.model.choices import IntArray, options
from rpo_sim.model.draws import Draws
from rpo_sim.model.engines import Engine
from rpo_sim.model.journal import critical_path
from rpo_sim.model.plan import Chance, Input, Plan
from rpo_sim.model.protection import recovery_points, strike
from rpo_sim.model.run import Recoveries, Recovery, run_inputs
from rpo_sim.model.workers import Workers
from rpo_sim.results import InputNote, ResultSet, TierRuns

LEAST_BLOCKS = 80
DEFAULT_RUNS = LEAST_BLOCKS * RUNS_PER_BLOCK

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockResult:
    """The arrays of one block; rows are runs. ``evidence`` and ``activities`` are per tier."""

    age: FloatArray
    vm_rpa: FloatArray
    vm_rpa_best: FloatArray
    vm_rta: FloatArray
    declared_at: FloatArray
    evidence: FloatArray
    activities: FloatArray


def activity_names(plan: Plan) -> tuple[str, ...]:
    """All that can stand on a critical path, in the order of an incident."""
    tokens = (f"tokens of {bucket.name}" for bucket in plan.buckets)
    return ("detect", "declare", *(stage.key for stage in plan.stages), "repair", *tokens)


def run_block(plan: Plan, seed: int, block: int, engine: Engine = "simpy") -> BlockResult:
    """Simulate one block of runs in this process."""
    draws = BlockDraws(plan, Draws(seed), block)
    incident = strike(plan, draws)
    newest = recovery_points(plan, draws, incident, simpy_engine.protect)
    found = recoveries(plan, draws, options(plan, incident.failed_at, newest), engine)
    failed_at = incident.failed_at[:, None]
    copies = np.array([step.copy for step in plan.path], dtype=np.intp)
    used = np.where(found.step >= 0, copies[found.step], -1)
    restored = np.take_along_axis(newest, used[None], axis=0)[0]
    recovered = np.isfinite(found.recovered_at)
    return BlockResult(
        age=incident.failed_at - incident.onset_at,
        vm_rpa=np.where(recovered, failed_at - restored, np.inf),
        vm_rpa_best=failed_at - newest.max(axis=0, initial=-np.inf),
        vm_rta=found.recovered_at,
        declared_at=found.declared_at,
        evidence=found.evidence,
        activities=found.activities,
    )


def replay(plan: Plan, seed: int, run: int) -> Recovery:
    """One run again, with its journal: always by the engine that a person can read."""
    block, row = divmod(run, RUNS_PER_BLOCK)
    draws = BlockDraws(plan, Draws(seed), block)
    incident = strike(plan, draws)
    newest = recovery_points(plan, draws, incident, simpy_engine.protect)
    choices = options(plan, incident.failed_at, newest)
    return simpy_engine.recover(plan, run_inputs(plan, draws, choices, row))


def recoveries(plan: Plan, draws: BlockDraws, choices: IntArray, engine: Engine) -> Recoveries:
    """All runs of a block, by either engine: the same numbers."""
    if engine == "compiled":
        from rpo_sim.model import compiled_engine

        return compiled_engine.recover_block(plan, draws, choices)
    runs = [
        simpy_engine.recover(plan, run_inputs(plan, draws, choices, row)) for row in range(len(draws.runs))
    ]
    books = [_critical(plan, recovery) for recovery in runs]
    return Recoveries(
        recovered_at=np.array([recovery.recovered_at for recovery in runs]),
        step=np.array([recovery.step for recovery in runs], dtype=np.int32),
        confirmed_by=np.array([recovery.confirmed_by for recovery in runs], dtype=np.int32),
        declared_at=np.array([recovery.declared_at for recovery in runs]),
        evidence=np.stack([evidence for evidence, _ in books]),
        activities=np.stack([activities for _, activities in books]),
    )


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
    engine: Engine = "simpy",
    workers: Workers | None = None,
    progress: Progress | None = None,
    digests: dict[str, str] | None = None,
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
    workers : Workers, optional
        Where blocks run (see `pool`); here, if None. The results do not depend on it.
    progress : callable (runs done, runs in all), optional
    digests : mapping, optional
        Digests of the files that went in, to be kept with the result.

    Returns
    -------
    ResultSet
        Interrupted by Ctrl-C, with the blocks finished so far: a contiguous prefix.

    Raises
    ------
    ModelError
        If the plan cannot be run, or was interrupted before its first block.
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
        for result in _blocks(plan, seed, blocks, engine, workers):
            done.append(result)
            if progress is not None:
                progress(len(done) * RUNS_PER_BLOCK, blocks * RUNS_PER_BLOCK)
    except KeyboardInterrupt:
        if not done:
            raise
        interrupted = True
    return _result_set(plan, seed, done, interrupted, digests or {})


def _blocks(
    plan: Plan, seed: int, blocks: int, engine: Engine, workers: Workers | None
) -> Iterator[BlockResult]:
    calls = [(plan, seed, block, engine) for block in range(blocks)]
    return workers.in_order(run_block, calls) if workers else itertools.starmap(run_block, calls)


def _result_set(
    plan: Plan, seed: int, done: list[BlockResult], interrupted: bool, digests: dict[str, str]
) -> ResultSet:
    def joined(name: str) -> FloatArray:
        return np.concatenate([getattr(block, name) for block in done])

    vm_rpa, vm_rta, vm_best = joined("vm_rpa"), joined("vm_rta"), joined("vm_rpa_best")
    evidence, activities, declared_at = joined("evidence"), joined("activities"), joined("declared_at")
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
