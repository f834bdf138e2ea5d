"""Which recovery points a VM tries, in which order: the steps of its path whose copy has a usable point."""

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.plan import Plan

IntArray = npt.NDArray[np.int32]


def options(plan: Plan, failed_at: FloatArray, newest: FloatArray) -> IntArray:
    """The steps that each VM may try, first choice first, then -1; shape (runs, VMs, steps).

    Parameters
    ----------
    plan : Plan
    failed_at : ndarray, shape (runs,), float seconds
    newest : ndarray, shape (copies, runs, VMs), float seconds
        The newest usable cut of each copy; -inf where none is.
    """
    copies = [step.copy for step in plan.path]
    rpa = np.moveaxis(failed_at[:, None] - newest[copies], 0, -1)
    usable = rpa < np.inf
    if len(plan.path) == 1:
        return np.where(usable, 0, -1).astype(np.int32)
    order = np.lexsort(_ranked(plan, rpa, usable), axis=-1)
    ordered = np.where(np.take_along_axis(usable, order, axis=-1), order, -1)
    return np.ascontiguousarray(ordered, dtype=np.int32)


def _ranked(plan: Plan, rpa: FloatArray, usable: npt.NDArray[np.bool_]) -> tuple[FloatArray, ...]:
    """Keys to order steps by, the last one first; equals stay as the path lists them."""
    unusable = (~usable).astype(np.float64)
    if plan.choose == "freshest-clean":
        return rpa, unusable
    if plan.choose == "fastest-within-rpo":
        rpo = [plan.tiers[group.tier].rpo_seconds for group in plan.groups]
        counts = [group.count for group in plan.groups]
        limit = np.repeat([np.inf if each is None else each for each in rpo], counts)
        estimates = np.array([step.estimate_seconds for step in plan.path])
        late = rpa > limit[:, None]
        return np.where(late, rpa, np.repeat(estimates, counts, axis=1).T), late.astype(np.float64), unusable
    return (unusable,)
