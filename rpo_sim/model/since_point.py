"""Bytes that a run decides: what was written since the point that is restored, or what leads to the point.

Changed blocks are unique bytes, by the group's change curve; a journal holds every write, so its bytes are
those of the rate of writes; a chain is a full and its incrementals. All are split over the disks of a VM in
proportion to the bytes in use.
"""

from rpo_sim.model.change import changed_bytes
from rpo_sim.model.plan import GroupPlan, StagePlan


def bytes_since(
    stage: StagePlan, group: GroupPlan, kind: int, window_seconds: float, chain_bytes: float
) -> float:
    """Bytes that a stage moves for one VM or disk.

    Parameters
    ----------
    stage : StagePlan
        With ``since_point``.
    group : GroupPlan
    kind : int
        Of the member: its group's index, or its kind of disk.
    window_seconds : float, seconds
        From the point to the failure.
    chain_bytes : float
        What must be read to reach the point.
    """
    used = sum(group.used)
    if stage.since_point == "changed":
        whole = float(changed_bytes(group.change, used, window_seconds))
    elif stage.since_point == "written":
        whole = group.writes * window_seconds
    else:
        whole = chain_bytes
    if stage.unit == "vm":
        return whole
    return whole * group.used[kind - group.first_kind] / used if used else 0.0
