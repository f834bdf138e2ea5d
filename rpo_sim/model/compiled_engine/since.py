"""Bytes that the restored point decides, looked up by the kernel: computed as the SimPy engine has them."""

import math

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.choices import Choices
from rpo_sim.model.plan import GroupPlan, Plan, StagePlan
from rpo_sim.model.since_point import bytes_since


def points_of_step(given: Choices) -> int:
    """The most points that a VM may try of one step: the tainted ones, and the newest usable one."""
    return 1 + max((len(ages) for ages in given.suspects), default=0)


def bytes_by_point(plan: Plan, stage: StagePlan, given: Choices) -> FloatArray:
    """The bytes that a stage moves, shape (runs, steps, points, members of its unit); 0 where is no point.

    Of the points the tainted ones come first, the newest of them at 0; the last is the newest usable one.
    """
    values = _chains(given) if stage.since_point == "chain" else _windows(given)
    parts = []
    for g, group in enumerate(plan.groups):
        of_group = values[..., group.first : group.first + group.count]
        kinds = [group.first_kind + d for d in range(group.disks)] if stage.unit == "disk" else [g]
        each = np.stack([_bytes_of(stage, group, kind, of_group) for kind in kinds], axis=-1)
        parts.append(each.reshape(*of_group.shape[:3], -1))
    return np.concatenate(parts, axis=3).transpose(2, 1, 0, 3)


def _windows(given: Choices) -> FloatArray:
    """From each point to the failure, seconds, shape (points, steps, runs, VMs); inf where there is none."""
    found = np.full((points_of_step(given), *given.rpa.shape), np.inf)
    for step, ages in enumerate(given.suspects):
        found[: len(ages), step] = ages
    found[-1] = given.rpa
    return found


def _chains(given: Choices) -> FloatArray:
    """What must be read to reach each point, bytes, shape (points, steps, runs, VMs)."""
    found = np.zeros((points_of_step(given), *given.rpa.shape))
    for step, chain in enumerate(given.chains):
        if given.suspects:
            found[: len(chain) - 1, step] = chain[:-1]
        found[-1, step] = chain[-1]
    return found


def _bytes_of(stage: StagePlan, group: GroupPlan, kind: int, values: FloatArray) -> FloatArray:
    """Once for each window or chain: VMs that are protected together have the same."""
    several, which = np.unique(values, return_inverse=True)
    found = [
        bytes_since(stage, group, kind, each, each) if each < math.inf else 0.0 for each in several.tolist()
    ]
    return np.array(found)[which.reshape(values.shape)]
