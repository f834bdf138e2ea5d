"""One run as an engine sees it: numbers to look up, and what comes back."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.journal import Job
from rpo_sim.model.plan import Plan, StagePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputs:
    """The numbers of one run.

    Attributes
    ----------
    detect_seconds, declare_seconds : float, seconds
    options : tuple, one per VM, of tuples of path step indices
        The steps whose copy has a usable point for the VM, in the order in which they are tried.
    """

    block: BlockDraws
    row: int
    detect_seconds: float
    declare_seconds: float
    options: tuple[tuple[int, ...], ...]

    def stage_seconds(self, stage: StagePlan, attempt: int) -> list[float]:
        """Durations of that attempt, one per member of the stage's unit."""
        values: list[float] = self.block.stage_seconds(stage, attempt)[self.row].tolist()
        return values

    def stage_succeeds(self, stage: StagePlan, attempt: int) -> list[bool] | None:
        """Whether that attempt succeeds, per member; None where it always does."""
        table = self.block.stage_succeeds(stage, attempt)
        if table is None:
            return None
        values: list[bool] = table[self.row].tolist()
        return values

    def repair_seconds(self, attempt: int) -> list[float]:
        """How long the repair after failure number ``attempt`` takes, one per VM."""
        values: list[float] = self.block.repair_seconds(attempt)[self.row].tolist()
        return values


def run_inputs(plan: Plan, block: BlockDraws, options: npt.NDArray[np.int32], row: int) -> RunInputs:
    """The numbers of one run of a block; ``options`` as `rpo_sim.model.choices.options` gives them."""
    failure = plan.failure
    return RunInputs(
        block=block,
        row=row,
        detect_seconds=float(block.single("failure.detect", failure.detect)[row]),
        declare_seconds=float(block.single("failure.declare", failure.declare)[row]),
        options=tuple(tuple(step for step in steps if step >= 0) for steps in options[row].tolist()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What came of one run; times in seconds since the failure.

    Attributes
    ----------
    recovered_at : list of float, one per VM
        When its service was usable and confirmed; inf where it never was.
    step : list of int, one per VM
        The path step that recovered it; -1 where none did.
    confirmed_by : list of int, one per VM
        The job at whose end the VM counts as recovered: where its critical path starts.
    declared_at : float
    jobs : list of Job
    """

    recovered_at: list[float]
    step: list[int]
    confirmed_by: list[int]
    declared_at: float
    jobs: list[Job]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recoveries:
    """What came of the runs of a block, as `Recovery` has it for one; times in seconds since the failure.

    ``recovered_at``, ``step`` and ``confirmed_by`` have shape (runs, VMs), ``declared_at`` (runs,).
    ``evidence`` and ``activities``, of shape (runs, tiers, …), are the seconds along the critical path of
    each tier's last VM, by what they rest on and by what was done; 0 where a VM of the tier was lost.
    """

    recovered_at: FloatArray
    step: npt.NDArray[np.int32]
    confirmed_by: npt.NDArray[np.int32]
    declared_at: FloatArray
    evidence: FloatArray
    activities: FloatArray
