"""A block of runs in the kernel."""

import threading
from typing import Any

import numpy as np

from rpo_sim.errors import ModelError
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.choices import Choices
from rpo_sim.model.compiled_engine import layout
from rpo_sim.model.compiled_engine.addresses import address
from rpo_sim.model.compiled_engine.entries import run_block
from rpo_sim.model.compiled_engine.lower import lower
from rpo_sim.model.compiled_engine.since import bytes_by_point, points_of_step
from rpo_sim.model.compiled_engine.state import Tables, outcome, run_state
from rpo_sim.model.plan import Plan
from rpo_sim.model.run import Recoveries

_ENDLESS = (
    "the recovery never ends: a stage lasts for ever (give it a `timeout`), or stages that take slots in "
    "different orders hold each other up"
)


def recover_block(plan: Plan, block: BlockDraws, given: Choices) -> Recoveries:
    """All runs of a block.

    Parameters
    ----------
    plan : Plan
    block : BlockDraws
    given : Choices
        What the VMs choose from.

    Raises
    ------
    ModelError
        If the recovery of a run never ends.
    """
    tables, state = _lowered(plan)
    runs, room, drawn = len(block.runs), 1, _Drawn(plan, block, given)
    out = outcome(tables.row, runs)
    row = run_block(tables.at, state.at, drawn.tables().at, 0, out.at)
    while row < runs:
        status = state.row.status
        if status == layout.NOT_DRAWN:
            drawn.known.add((int(state.row.stage), int(state.row.attempt)))
        elif status == layout.NO_ROOM:
            room *= 2
            state = _last.state = run_state(tables.row, room)
        else:
            raise ModelError(f"{plan.scenario} on {plan.platform}: {_ENDLESS}")
        row = run_block(tables.at, state.at, drawn.tables().at, row, out.at)
    return Recoveries(**out.tables)


_last = threading.local()  # a run's memory belongs to one thread

# glibc gives freed memory back to the system, and so each block's tables would be zeroed page by page again,
# which takes a tenth of the time of a large estate. It keeps more once it has seen a table as large as this.
np.empty(2**25 - 2**16, dtype=np.uint8)


def _lowered(plan: Plan) -> tuple[Tables, Tables]:
    """The plan's tables and memory for its runs: those of the block before, if it was of the same plan."""
    if getattr(_last, "plan", None) is not plan:
        _last.plan, _last.tables = plan, lower(plan)
        _last.state = run_state(_last.tables.row)
    return _last.tables, _last.state


class _Drawn:
    """What was drawn of a block, laid out for the kernel: first attempts now, others when asked for."""

    def __init__(self, plan: Plan, block: BlockDraws, given: Choices) -> None:
        self.plan, self.block = plan, block
        self.stages = (*plan.stages, *plan.after)
        self.known: set[tuple[int, int]] = {(stage.index, 0) for stage in self.stages}
        self.made = Tables(layout.DRAWS)
        self.made.put("options", np.ascontiguousarray(given.steps, dtype=np.int32))
        totals = [total for link in range(len(plan.links)) for total in block.link_totals(link)]
        self.made.put("totals", np.array(totals, dtype=np.float64))
        since = np.zeros(max(len(self.stages), 1), dtype=np.int64)
        for stage in self.stages:
            if stage.since_point:
                name = f"bytes of stage {stage.index}"
                since[stage.index] = self._kept(name, bytes_by_point(plan, stage, given))
        self.made.put("since", since)
        self.made.record["points"] = points_of_step(given)
        if plan.tried:
            tainted = np.stack([(ages < np.inf).sum(axis=0) for ages in given.suspects], axis=1)
            self.made.put("tainted", np.ascontiguousarray(tainted, dtype=np.int32))
            self.made.put("clean", np.ascontiguousarray(np.moveaxis(given.rpa < np.inf, 0, 1)).view(np.uint8))
        self.made.put("time_of_day", np.ascontiguousarray(given.time_of_day))
        self.made.put("detect", block.single("failure.detect", plan.failure.detect))
        self.made.put("declare", block.single("failure.declare", plan.failure.declare))

    def tables(self) -> Tables:
        """Attempts by stage, and their addresses."""
        block, stages, made = self.block, self.stages, self.made
        attempts = 1 + max((attempt for _, attempt in self.known), default=0)
        seconds = np.zeros((max(len(stages), 1), attempts), dtype=np.int64)
        succeeds, slopes = np.zeros(seconds.shape, np.int64), np.zeros(seconds.shape, np.int64)
        repairs = np.zeros(attempts, dtype=np.int64)
        made.record["runs"], made.record["attempts"] = len(block.runs), attempts
        for stage, attempt in self.known:
            if stage == layout.REPAIRS:
                repairs[attempt] = self._kept("repair", block.repair_seconds(attempt), attempt)
                continue
            name, stage_plan = f"stage {stage}", stages[stage]
            seconds[stage, attempt] = self._kept(name, block.stage_seconds(stage_plan, attempt), attempt)
            ok = block.stage_succeeds(stage_plan, attempt)
            if ok is not None:
                succeeds[stage, attempt] = self._kept(f"success of {name}", ok.view(np.uint8), attempt)
            if stage_plan.duration_twice is not None:
                longer = block.stage_slopes(stage_plan, attempt)
                slopes[stage, attempt] = self._kept(f"slopes of {name}", longer, attempt)
        made.put("seconds", seconds)
        made.put("slopes", slopes)
        made.put("succeeds", succeeds)
        made.put("repairs", repairs)
        return made

    def _kept(self, name: str, table: Any, attempt: int = 0) -> int:
        kept = self.made.tables[f"{name}, {attempt}"] = np.ascontiguousarray(table)
        return address(kept)
