"""Bytes that a run decides: what was written between the point that is restored and the failure.

Changed blocks are unique bytes, by the group's change curve; a journal holds every write, so its bytes are
those of the rate of writes. Both are split over the disks of a VM in proportion to the bytes in use.
"""

from rpo_sim.model.change import changed_bytes
from rpo_sim.model.plan import GroupPlan, StagePlan


def bytes_since(stage: StagePlan, group: GroupPlan, kind: int, window_seconds: float) -> float:
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
    """
    used = sum(group.used)
    if stage.since_point == "changed":
        whole = float(changed_bytes(group.change, used, window_seconds))
    else:
        whole = group.writes * window_seconds
    if stage.unit == "vm":
        return whole
    return whole * group.used[kind - group.first_kind] / used if used else 0.0
