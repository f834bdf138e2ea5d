"""The failure: when it strikes, and from when on the data is bad."""

import math
from dataclasses import dataclass

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ModelError
from rpo_sim.model.block import BlockDraws, mean_seconds
from rpo_sim.model.plan import CopyPlan, Plan
from rpo_sim.model.time_of_day import DAY_SECONDS, at_its_time_of_day, knows_the_time

CYCLE = 12  # a multiple of 2, 3 and 4: deterministic overload patterns repeat within it


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """When the failure strikes and from when on the data is bad; shape (runs,), float seconds."""

    failed_at: FloatArray
    onset_at: FloatArray
    corrupt: bool


def period(copy: CopyPlan) -> float:
    """Seconds between due runs; for back-to-back the mean duration of a run."""
    if copy.every is not None:
        return copy.every
    if copy.transfer is not None:
        return copy.transfer.settled_seconds
    nominal = mean_seconds(copy.duration.undrawn[0])
    if not 0 < nominal < math.inf:
        raise ModelError(f"copy {copy.name}: back-to-back needs a finite mean duration above 0 s")
    return nominal


def strike(plan: Plan, block: BlockDraws) -> Incident:
    """The failure of each run: uniform over the cycle; a corruption began its age earlier."""
    scheduled = [copy for copy in plan.copies if not copy.synchronous]
    periods = [period(copy) * (copy.cycle.runs if copy.cycle else 1) for copy in scheduled]
    corrupt = plan.failure.age is not None
    if corrupt:  # which day of a week or month it is decides what calendar retention has kept
        periods += [every for copy in plan.copies for every, _ in copy.calendar]
    if knows_the_time(plan):
        periods.append(DAY_SECONDS)
    failed_at = block.uniforms("phase", "failure", "", 1)[:, 0] * CYCLE * max(periods, default=0.0)
    failed_at = at_its_time_of_day(plan, block, failed_at)
    age = block.single("failure.age", plan.failure.age)
    return Incident(failed_at=failed_at, onset_at=failed_at - age, corrupt=corrupt)
