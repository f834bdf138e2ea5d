"""Which recovery points a VM tries, in which order: the steps of its path whose copy has a usable point."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.plan import CopyPlan, Plan
from rpo_sim.model.protection.incident import Incident
from rpo_sim.model.protection.points import newest_chain
from rpo_sim.model.protection.records import Points
from rpo_sim.model.protection.suspects import suspects
from rpo_sim.model.time_of_day import DAY_SECONDS

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the VMs of a block of runs have to choose from.

    Attributes
    ----------
    steps : ndarray of int32, shape (runs, VMs, steps)
        The steps that each VM may try, first choice first, then -1.
    rpa : ndarray, shape (steps, runs, VMs), float seconds
        From the newest usable point of each step's copy to the failure; inf where there is none.
    suspects : tuple of ndarray, one per step, shape (points, runs, VMs), float seconds
        From each tainted point to the failure, newest first, then inf; empty unless points are tried one
        by one.
    chains : tuple of ndarray, one per step, shape (points + 1, runs, VMs), float bytes
        What must be read to reach each of those points, and last the newest usable one; empty unless a
        stage asks.
    time_of_day : ndarray, shape (runs,), float seconds since midnight
    """

    steps: IntArray
    rpa: FloatArray
    suspects: tuple[FloatArray, ...]
    chains: tuple[FloatArray, ...]
    time_of_day: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What else than the newest usable cut is asked of a copy's points.

    ``tainted`` are the cuts of its tainted points, newest first, then -inf, shape (points, runs, VMs);
    ``chains`` the bytes to read to reach these, and last the newest usable one.
    """

    tainted: FloatArray
    chains: FloatArray


def seen(copy: CopyPlan, points: Points, incident: Incident) -> Seen:
    """Look at all points of a copy."""
    tainted, read = suspects(copy, points, incident)
    newest = (
        np.zeros(points.cut_at.shape[1:])
        if points.chain_bytes is None
        else newest_chain(copy, points, incident)
    )
    return Seen(tainted=tainted, chains=np.concatenate([read, newest[None]]))


def choices(plan: Plan, incident: Incident, newest: FloatArray, seen: dict[int, Seen]) -> Choices:
    """The choices of all VMs.

    Parameters
    ----------
    plan : Plan
    incident : Incident
    newest : ndarray, shape (copies, runs, VMs), float seconds
        The newest usable cut of each copy; -inf where none is.
    seen : mapping of copy to Seen
        Of the copies that keep points, where points are tried one by one or a stage reads chains.
    """
    failed_at = incident.failed_at[:, None]
    rpa = np.empty((len(plan.path), *newest.shape[1:]))
    for step, ages in zip(plan.path, rpa, strict=True):
        np.subtract(failed_at, newest[step.copy], out=ages)
    none = np.zeros((0, *rpa.shape[1:]))  # a synchronous copy keeps no points to go back to
    tainted = [seen[step.copy].tainted if step.copy in seen else none for step in plan.path]
    bad = tuple(failed_at - cuts for cuts in tainted) if plan.tried else ()
    usable = rpa < np.inf
    if bad:
        usable |= np.stack([(ages < np.inf).any(axis=0) for ages in bad])
    return Choices(
        steps=_ordered(plan, rpa, usable),
        rpa=rpa,
        suspects=bad,
        chains=_chains(plan, seen, rpa.shape[1:]) if plan.asks_chain else (),
        time_of_day=incident.failed_at % DAY_SECONDS,
    )


def _chains(plan: Plan, seen: dict[int, Seen], shape: tuple[int, ...]) -> tuple[FloatArray, ...]:
    """Where each point stands alone, all bytes in use are read."""
    used = np.repeat(
        [float(sum(group.used)) for group in plan.groups], [group.count for group in plan.groups]
    )

    def chain(copy: int) -> FloatArray:
        if copy in seen and plan.copies[copy].cycle is not None:
            return seen[copy].chains
        points = len(seen[copy].chains) if copy in seen else 1
        return np.broadcast_to(used, (points, *shape))

    return tuple(chain(step.copy) for step in plan.path)


def _ordered(plan: Plan, rpa: FloatArray, usable: npt.NDArray[np.bool_]) -> IntArray:
    """The steps of each VM; what is given has shape (steps, runs, VMs)."""
    if len(plan.path) == 1:
        only: IntArray = usable[0][:, :, None].astype(np.int32) - np.int32(1)
        return only
    rpa, usable = np.moveaxis(rpa, 0, -1), np.moveaxis(usable, 0, -1)
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
