"""The time of day of the failure: that of its phase in the schedules, unless the scenario states one."""

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.plan import Plan

DAY_SECONDS = 86400.0


def knows_the_time(plan: Plan) -> bool:
    """Whether the time of day matters; the failure is then spread over whole days."""
    return plan.has_shifts or plan.failure.hours is not None


def at_its_time_of_day(plan: Plan, block: BlockDraws, failed_at: FloatArray) -> FloatArray:
    """Failures (seconds since a midnight) moved, within their day, into the stated hours."""
    if plan.failure.hours is None:
        return failed_at
    start, end = plan.failure.hours
    width = (end - start) % DAY_SECONDS
    within = block.uniforms("time-of-day", "failure", "", 1)[:, 0] * width if width else 0.0
    moved: FloatArray = np.floor(failed_at / DAY_SECONDS) * DAY_SECONDS + (start + within) % DAY_SECONDS
    return moved
