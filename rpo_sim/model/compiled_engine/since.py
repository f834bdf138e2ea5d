"""Bytes that the restored point decides, looked up by the kernel: computed as the SimPy engine has them."""

import math

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.plan import GroupPlan, Plan, StagePlan
from rpo_sim.model.since_point import bytes_since


def bytes_by_step(plan: Plan, stage: StagePlan, windows: FloatArray) -> FloatArray:
    """The bytes that a stage moves, shape (runs, steps, members of its unit); 0 where there is no point.

    ``windows`` (steps, runs, VMs) are the seconds from the newest usable point of a step to the failure.
    """
    parts = []
    for g, group in enumerate(plan.groups):
        within = windows[:, :, group.first : group.first + group.count]
        kinds = [group.first_kind + d for d in range(group.disks)] if stage.unit == "disk" else [g]
        each = np.stack([_bytes_within(stage, group, kind, within) for kind in kinds], axis=-1)
        parts.append(each.reshape(*within.shape[:2], -1))
    return np.moveaxis(np.concatenate(parts, axis=2), 0, 1)


def _bytes_within(stage: StagePlan, group: GroupPlan, kind: int, windows: FloatArray) -> FloatArray:
    """Once for each length of window: VMs that are protected together have the same."""
    lengths, which = np.unique(windows, return_inverse=True)
    found = [bytes_since(stage, group, kind, each) if each < math.inf else 0.0 for each in lengths.tolist()]
    return np.array(found)[which.reshape(windows.shape)]
