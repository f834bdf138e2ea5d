"""One run as an engine sees it: numbers to look up, and what comes back."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.choices import Choices
from rpo_sim.model.journal import Job
from rpo_sim.model.plan import Plan, StagePlan


class Ending(IntEnum):
    """How it ended for a VM."""

    RECOVERED = 0
    NO_POINT = 1
    NO_CAPACITY = 2
    FAILED = 3
    NEEDS = 4
    UNCONFIRMED = 5

    @property
    def reason(self) -> str:
        """Why it did not recover, for people."""
        return {
            Ending.RECOVERED: "",
            Ending.NO_POINT: "no recovery point",
            Ending.NO_CAPACITY: "no capacity at the target",
            Ending.FAILED: "every way failed",
            Ending.NEEDS: "what it needs was not recovered",
            Ending.UNCONFIRMED: "its service was not confirmed",
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputs:
    """The numbers of one run.

    Attributes
    ----------
    detect_seconds, declare_seconds : float, seconds
    time_of_day : float, seconds since midnight
        Of the failure.
    windows : tuple, one per step of the path, of tuples of float, one per VM; seconds
        From the newest usable point of the step's copy to the failure; empty where no stage asks.
    suspects : tuple, one per step, of tuples, one per VM, of tuples of float, seconds
        From each tainted point to the failure, newest first; empty unless points are tried one by one.
    chains : tuple, one per step, of tuples, one per point, of tuples of float, one per VM; bytes
        What must be read to reach each tainted point, and last the newest usable one; empty where no stage
        asks.
    options : tuple, one per VM, of tuples of path step indices
        The steps whose copy has a usable point for the VM, in the order in which they are tried.
    """

    block: BlockDraws
    row: int
    detect_seconds: float
    declare_seconds: float
    options: tuple[tuple[int, ...], ...]
    time_of_day: float = 0.0
    windows: tuple[tuple[float, ...], ...] = ()
    suspects: tuple[tuple[tuple[float, ...], ...], ...] = ()
    chains: tuple[tuple[tuple[float, ...], ...], ...] = ()

    def stage_seconds(self, stage: StagePlan, attempt: int) -> list[float]:
        """Durations of that attempt, one per member of the stage's unit."""
        values: list[float] = self.block.stage_seconds(stage, attempt)[self.row].tolist()
        return values

    def suspects_of(self, step: int, vm: int) -> tuple[float, ...]:
        """From each tainted point of a step that a VM would try, to the failure; seconds, newest first."""
        return self.suspects[step][vm] if self.suspects else ()

    def window(self, step: int, vm: int, point: int) -> float:
        """From the point that a VM tries as its ``point``-th of a step to the failure, in seconds."""
        bad = self.suspects_of(step, vm)
        return bad[point] if point < len(bad) else self.windows[step][vm]

    def chain_bytes(self, step: int, vm: int, point: int) -> float:
        """What must be read to reach that point; 0 where no stage asks."""
        if not self.chains:
            return 0.0
        chain = self.chains[step]
        return chain[point if point < len(self.suspects_of(step, vm)) else -1][vm]

    def stage_slopes(self, stage: StagePlan, attempt: int) -> list[float]:
        """How much longer that attempt takes with twice the bytes in use, per member."""
        values: list[float] = self.block.stage_slopes(stage, attempt)[self.row].tolist()
        return values

    def stage_succeeds(self, stage: StagePlan, attempt: int) -> list[bool] | None:
        """Whether that attempt succeeds, per member; None where it always does."""
        table = self.block.stage_succeeds(stage, attempt)
        if table is None:
            return None
        values: list[bool] = table[self.row].tolist()
        return values

    def link_totals(self, link: int) -> tuple[float, ...]:
        """Throughput of a link with 1, 2, … streams; empty where it does not depend on them."""
        return self.block.link_totals(link)

    def repair_seconds(self, attempt: int) -> list[float]:
        """How long the repair after failure number ``attempt`` takes, one per VM."""
        values: list[float] = self.block.repair_seconds(attempt)[self.row].tolist()
        return values


def run_inputs(plan: Plan, block: BlockDraws, given: Choices, row: int) -> RunInputs:
    """The numbers of one run of a block."""
    failure = plan.failure
    asks = plan.tried or any(stage.since_point for stage in (*plan.stages, *plan.after))
    return RunInputs(
        block=block,
        row=row,
        detect_seconds=float(block.single("failure.detect", failure.detect)[row]),
        declare_seconds=float(block.single("failure.declare", failure.declare)[row]),
        options=tuple(tuple(step for step in steps if step >= 0) for steps in given.steps[row].tolist()),
        time_of_day=float(given.time_of_day[row]),
        windows=tuple(tuple(ages[row].tolist()) for ages in given.rpa) if asks else (),
        suspects=tuple(
            tuple(tuple(age for age in column if age < np.inf) for column in ages[:, row].T.tolist())
            for ages in given.suspects
        ),
        chains=tuple(tuple(tuple(row_.tolist()) for row_ in chain[:, row]) for chain in given.chains),
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
    ending : list of Ending, one per VM
    after : mapping of str to list of float, one per VM
        When what follows the recovery was done, by kind of stage; inf where it never was. A VM for which
        there is nothing to do is through when it has recovered.
    """

    recovered_at: list[float]
    step: list[int]
    confirmed_by: list[int]
    declared_at: float
    jobs: list[Job]
    ending: list[Ending]
    after: dict[str, list[float]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recoveries:
    """What came of the runs of a block, as `Recovery` has it for one; times in seconds since the failure.

    ``recovered_at``, ``step`` and ``confirmed_by`` have shape (runs, VMs), ``declared_at`` (runs,).
    ``evidence`` and ``activities``, of shape (runs, tiers, …), are the seconds along the critical path of
    each tier's last VM, by what they rest on and by what was done; 0 where a VM of the tier was lost.
    ``also``, shape (runs, tiers, figures), has the figures of `rpo_sim.model.figures.also_names`.
    """

    recovered_at: FloatArray
    step: npt.NDArray[np.int32]
    confirmed_by: npt.NDArray[np.int32]
    declared_at: FloatArray
    evidence: FloatArray
    activities: FloatArray
    also: FloatArray
