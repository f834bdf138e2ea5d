"""A block of runs in the kernel."""

from typing import Any

import numpy as np

from rpo_sim.errors import ModelError
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.choices import IntArray
from rpo_sim.model.compiled_engine import layout
from rpo_sim.model.compiled_engine.kernel import run_block
from rpo_sim.model.compiled_engine.lower import lower
from rpo_sim.model.compiled_engine.memory import address
from rpo_sim.model.compiled_engine.state import Tables, outcome, run_state
from rpo_sim.model.plan import Plan
from rpo_sim.model.run import Recoveries

_ENDLESS = (
    "the recovery never ends: a stage lasts for ever (give it a `timeout`), or stages that take slots in "
    "different orders hold each other up"
)


def recover_block(plan: Plan, block: BlockDraws, options: IntArray) -> Recoveries:
    """All runs of a block.

    Parameters
    ----------
    plan : Plan
    block : BlockDraws
    options : ndarray of int32, shape (runs, VMs, steps)
        Per VM the steps of its path in the order in which it tries them, then -1.

    Raises
    ------
    ModelError
        If the recovery of a run never ends.
    """
    tables = lower(plan)
    runs, room, drawn = len(block.runs), 1, _Drawn(plan, block, options)
    state, out = run_state(tables.row), outcome(tables.row, runs)
    row = run_block(tables.record, state.record, drawn.tables().record, 0, out.record)
    while row < runs:
        status = state.row.status
        if status == layout.NOT_DRAWN:
            drawn.known.add((int(state.row.stage), int(state.row.attempt)))
        elif status == layout.NO_ROOM:
            room *= 2
            state = run_state(tables.row, room)
        else:
            raise ModelError(f"{plan.scenario} on {plan.platform}: {_ENDLESS}")
        row = run_block(tables.record, state.record, drawn.tables().record, row, out.record)
    return Recoveries(**out.tables)


class _Drawn:
    """What was drawn of a block, laid out for the kernel: first attempts now, others when asked for."""

    def __init__(self, plan: Plan, block: BlockDraws, options: IntArray) -> None:
        self.plan, self.block = plan, block
        self.known: set[tuple[int, int]] = {(stage.index, 0) for stage in plan.stages}
        self.made = Tables(layout.DRAWS)
        self.made.put("options", np.ascontiguousarray(options, dtype=np.int32))
        totals = [total for link in range(len(plan.links)) for total in block.link_totals(link)]
        self.made.put("totals", np.array(totals, dtype=np.float64))
        self.made.put("detect", block.single("failure.detect", plan.failure.detect))
        self.made.put("declare", block.single("failure.declare", plan.failure.declare))

    def tables(self) -> Tables:
        """Attempts by stage, and their addresses."""
        block, stages, made = self.block, self.plan.stages, self.made
        attempts = 1 + max((attempt for _, attempt in self.known), default=0)
        seconds = np.zeros((max(len(stages), 1), attempts), dtype=np.int64)
        succeeds, repairs = np.zeros_like(seconds), np.zeros(attempts, dtype=np.int64)
        made.row.runs, made.row.attempts = len(block.runs), attempts
        for stage, attempt in self.known:
            if stage == layout.REPAIRS:
                repairs[attempt] = self._kept("repair", attempt, block.repair_seconds(attempt))
                continue
            name, stage_plan = f"stage {stage}", stages[stage]
            seconds[stage, attempt] = self._kept(name, attempt, block.stage_seconds(stage_plan, attempt))
            ok = block.stage_succeeds(stage_plan, attempt)
            if ok is not None:
                succeeds[stage, attempt] = self._kept(f"success of {name}", attempt, ok.view(np.uint8))
        made.put("seconds", seconds)
        made.put("succeeds", succeeds)
        made.put("repairs", repairs)
        return made

    def _kept(self, name: str, attempt: int, table: Any) -> int:
        kept = self.made.tables[f"{name}, {attempt}"] = np.ascontiguousarray(table)
        return address(kept)
