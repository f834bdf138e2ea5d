"""Runs simulated together: the failure strikes, points are found, and an engine recovers from them."""

from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import RUNS_PER_BLOCK, BlockDraws
from rpo_sim.model.choices import Choices, Seen, choices, seen
from rpo_sim.model.draws import Draws
from rpo_sim.model.engines import Engine
from rpo_sim.model.figures import also, copy_rpa, critical
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import Incident, strike
from rpo_sim.model.protection.records import Points, SlotEngine
from rpo_sim.model.run import Recoveries, Recovery, run_inputs
from rpo_sim.model.tokens import with_drawn_tokens


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockResult:
    """The arrays of some runs, one row each; ``evidence``, ``activities`` and ``also`` are per tier."""

    age: FloatArray
    vm_rpa: FloatArray
    vm_rpa_best: FloatArray
    vm_rta: FloatArray
    declared_at: FloatArray
    evidence: FloatArray
    activities: FloatArray
    also: FloatArray
    copy_rpa: FloatArray


def run_block(plan: Plan, seed: int, block: int, engine: Engine = "simpy") -> BlockResult:
    """Simulate one block of runs in this process."""
    return run_some(plan, seed, range(block * RUNS_PER_BLOCK, (block + 1) * RUNS_PER_BLOCK), engine)


def run_some(plan: Plan, seed: int, runs: range, engine: Engine) -> BlockResult:
    """Simulate some runs in this process: to the bit what they are in their blocks."""
    keyed = _draws(seed, engine)
    draws = BlockDraws.some_runs(plan, keyed, runs)
    incident = strike(plan, draws)
    newest, given = points_of(plan, draws, incident, engine)
    drawn = with_drawn_tokens(plan, keyed, runs.start // RUNS_PER_BLOCK)
    found = recoveries(drawn, draws, given, engine)
    failed_at = incident.failed_at[:, None]
    return BlockResult(
        age=incident.failed_at - incident.onset_at,
        vm_rpa=_vm_rpa(plan, given, found),
        vm_rpa_best=failed_at - newest.max(axis=0, initial=-np.inf),
        vm_rta=found.recovered_at,
        declared_at=found.declared_at,
        evidence=found.evidence,
        activities=found.activities,
        also=found.also,
        copy_rpa=copy_rpa(plan, newest, incident.failed_at),
    )


def _vm_rpa(plan: Plan, given: Choices, found: Recoveries) -> FloatArray:
    """From the newest usable point of the step that recovered a VM to the failure; inf where none did."""
    rpa = given.rpa[0]
    for step in range(1, len(plan.path)):
        rpa = np.where(found.step == step, given.rpa[step], rpa)
    return np.where(np.isfinite(found.recovered_at), rpa, np.inf)


def _draws(seed: int, engine: Engine) -> Draws:
    """The same numbers whatever the engine; a compiled one has a faster way to them."""
    if engine != "compiled":
        return Draws(seed)
    from rpo_sim.model import compiled_engine

    return Draws(seed, compiled_engine.fill)


def replay(plan: Plan, seed: int, run: int) -> Recovery:
    """One run again, with its journal: always by the engine that a person can read."""
    from rpo_sim.model import simpy_engine

    keyed = Draws(seed)
    draws = BlockDraws.some_runs(plan, keyed, range(run, run + 1))
    _, given = points_of(plan, draws, strike(plan, draws))
    drawn = with_drawn_tokens(plan, keyed, run // RUNS_PER_BLOCK)
    return simpy_engine.recover(drawn, run_inputs(drawn, draws, given, 0))


def points_of(
    plan: Plan, draws: BlockDraws, incident: Incident, engine: Engine = "simpy"
) -> tuple[FloatArray, Choices]:
    """The newest usable cut of each copy, shape (copies, runs, VMs), and what the VMs choose from."""
    found: dict[int, Seen] = {}

    def look(copy: int, points: Points) -> None:
        found[copy] = seen(plan.copies[copy], points, incident)

    asks = plan.tried or plan.asks_chain
    newest = recovery_points(plan, draws, incident, _protect(engine), look if asks else None)
    return newest, choices(plan, incident, newest, found)


def _protect(engine: Engine) -> SlotEngine:
    """Who has copies compete with each other: the same points."""
    if engine != "compiled":
        from rpo_sim.model import simpy_engine

        return simpy_engine.protect
    from rpo_sim.model import compiled_engine

    return compiled_engine.protect


def recoveries(plan: Plan, draws: BlockDraws, given: Choices, engine: Engine) -> Recoveries:
    """All runs of a block, by either engine: the same numbers."""
    if engine == "compiled":
        from rpo_sim.model import compiled_engine

        return compiled_engine.recover_block(plan, draws, given)
    from rpo_sim.model import simpy_engine

    runs = [simpy_engine.recover(plan, run_inputs(plan, draws, given, row)) for row in range(len(draws.runs))]
    books = [critical(plan, recovery) for recovery in runs]
    return Recoveries(
        recovered_at=np.array([recovery.recovered_at for recovery in runs]),
        step=np.array([recovery.step for recovery in runs], dtype=np.int32),
        confirmed_by=np.array([recovery.confirmed_by for recovery in runs], dtype=np.int32),
        declared_at=np.array([recovery.declared_at for recovery in runs]),
        evidence=np.stack([evidence for evidence, _ in books]),
        activities=np.stack([activities for _, activities in books]),
        also=np.stack([also(plan, recovery) for recovery in runs]),
    )
