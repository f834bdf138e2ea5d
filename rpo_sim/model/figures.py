"""Figures of a recovery beside its times: where they went, and what else is told."""

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.journal import NEXT_SHIFT, critical_path
from rpo_sim.model.plan import Plan
from rpo_sim.model.run import Ending, Recovery

_AFTER = {
    "migrate": "full_performance_seconds",
    "failback": "failback_seconds",
    "reprotect": "unprotected_seconds",
    "cleanup": "cleanup_seconds",
}


def activity_names(plan: Plan) -> tuple[str, ...]:
    """All that can stand on a critical path, in the order of an incident."""
    tokens = (f"tokens of {bucket.name}" for bucket in plan.buckets)
    shifts = (NEXT_SHIFT,) if plan.has_shifts else ()
    return (
        "detect",
        "declare",
        *(stage.key for stage in (*plan.stages, *plan.after)),
        "repair",
        *tokens,
        *shifts,
    )


def also_names(plan: Plan) -> tuple[str, ...]:
    """What else each tier is told of, beside its RPA and RTA."""
    counts = ("no_capacity_vms",) if plan.target else ()
    return (*counts, *(_AFTER[kind] for kind in plan.after_kinds))


def critical(plan: Plan, recovery: Recovery) -> tuple[FloatArray, FloatArray]:
    """Seconds by evidence and by activity along the critical path of each tier's last VM."""
    names = {name: i for i, name in enumerate(activity_names(plan))}
    evidence = np.zeros((len(plan.tiers), 3))
    activities = np.zeros((len(plan.tiers), len(names)))
    for t in range(len(plan.tiers)):
        vms = [vm for group in plan.groups if group.tier == t for vm in group.vms]
        last = max(vms, key=lambda vm: recovery.recovered_at[vm])
        if recovery.recovered_at[last] == np.inf:
            continue
        until = recovery.recovered_at[last]
        for share in critical_path(recovery.jobs, recovery.confirmed_by[last], until):
            evidence[t, share.evidence] += share.seconds
            activities[t, names[share.what]] += share.seconds
    return evidence, activities


def also(plan: Plan, recovery: Recovery) -> FloatArray:
    """The figures of `also_names`, one row per tier."""
    rows = np.zeros((len(plan.tiers), len(also_names(plan))))
    for t in range(len(plan.tiers)):
        vms = [vm for group in plan.groups if group.tier == t for vm in group.vms]
        for i, name in enumerate(also_names(plan)):
            if name == "no_capacity_vms":
                rows[t, i] = sum(recovery.ending[vm] is Ending.NO_CAPACITY for vm in vms)
            else:
                (ends,) = (recovery.after[kind] for kind in plan.after_kinds if _AFTER[kind] == name)
                rows[t, i] = max(ends[vm] for vm in vms)
    return rows


def copy_rpa(plan: Plan, newest: FloatArray, failed_at: FloatArray) -> FloatArray:
    """The RPA of each tier's worst VM, from each copy alone: shape (runs, tiers, copies).

    ``newest`` is each VM's newest usable cut, shape (copies, runs, VMs).
    """
    of_group = np.minimum.reduceat(newest, [group.first for group in plan.groups], axis=2)
    found = np.empty((len(failed_at), len(plan.tiers), len(newest)))
    for t, groups in enumerate(plan.tier_groups):
        np.subtract(failed_at[:, None], of_group[:, :, groups].min(axis=2).T, out=found[:, t])
    return found
