"""Bytes that the restored point decides, looked up by the kernel: computed as the SimPy engine has them."""

import math

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.choices import Choices
from rpo_sim.model.plan import GroupPlan, Plan, StagePlan
from rpo_sim.model.since_point import bytes_since


def bytes_by_step(plan: Plan, stage: StagePlan, given: Choices) -> FloatArray:
    """The bytes that a stage moves, shape (runs, steps, members of its unit); 0 where there is no point.

    They are those of the newest usable point of each step.
    """
    chain = stage.since_point == "chain"
    points = np.stack([each[-1] for each in given.chains]) if chain else given.rpa
    parts = []
    for g, group in enumerate(plan.groups):
        within = points[:, :, group.first : group.first + group.count]
        kinds = [group.first_kind + d for d in range(group.disks)] if stage.unit == "disk" else [g]
        each = np.stack([_bytes_of(stage, group, kind, within) for kind in kinds], axis=-1)
        parts.append(each.reshape(*within.shape[:2], -1))
    return np.moveaxis(np.concatenate(parts, axis=2), 0, 1)


def _bytes_of(stage: StagePlan, group: GroupPlan, kind: int, points: FloatArray) -> FloatArray:
    """Once for each window or chain: VMs that are protected together have the same."""
    values, which = np.unique(points, return_inverse=True)
    found = [
        bytes_since(stage, group, kind, each, each) if each < math.inf else 0.0 for each in values.tolist()
    ]
    return np.array(found)[which.reshape(points.shape)]
