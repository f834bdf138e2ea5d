"""Chains of a cycle: what must be read to reach a point, its full and every incremental since.

The rule that a recovery reads both is that of Keeton and Merchant, DSN 2004.
"""

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BoolArray
from rpo_sim.model.plan import CopyPlan, GroupPlan


def chain_bytes(
    copy: CopyPlan, groups: tuple[GroupPlan, ...], cut_at: FloatArray, full: BoolArray
) -> FloatArray:
    """Bytes to read to reach each point of a copy with a cycle, shape (dues, runs, VMs); 0 where none is.

    Parameters
    ----------
    copy : CopyPlan
    groups : tuple of GroupPlan
    cut_at : ndarray, shape (dues, runs, VMs), float seconds
        Of each run that was made; inf where it was not: the next then moves what it did not.
    full : ndarray of bool, shape (dues, runs)
    """
    assert copy.cycle is not None, "asked of cycles only"
    found = np.zeros(cut_at.shape)
    for g, group in enumerate(groups):
        vms = slice(group.first, group.first + group.count)
        rule, whole = copy.cycle.moved[g], copy.cycle.full_bytes[g]
        before, so_far = np.zeros(cut_at[0][:, vms].shape), np.zeros(cut_at[0][:, vms].shape)
        for j, is_full in enumerate(full):
            cuts = cut_at[j][:, vms]
            made = np.isfinite(cuts)
            more = rule if isinstance(rule, float) else rule.within(np.where(made, cuts - before, 0.0))
            so_far = np.where(made, np.where(is_full[:, None], whole, so_far + more), so_far)
            before = np.where(made, cuts, before)
            found[j][:, vms] = np.where(made, so_far, 0.0)
    return found
