"""Points that look good and are not: cut after a corruption began, and tried before a clean one is found."""

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.plan import CopyPlan
from rpo_sim.model.protection.incident import Incident
from rpo_sim.model.protection.points import held
from rpo_sim.model.protection.records import Points


def suspects(copy: CopyPlan, points: Points, incident: Incident) -> tuple[FloatArray, FloatArray]:
    """Cuts of the tainted points of a copy, newest first, then -inf; and what must be read to reach each.

    Both have shape (most of any VM, runs, VMs). All are newer than the newest clean point, so whoever goes
    back from the newest meets them first. The bytes are 0 where no stage asks.
    """
    tainted = held(copy, points, incident)
    if incident.corrupt:
        tainted = tainted & (points.cut_at >= incident.onset_at[:, None])
    else:
        tainted = np.zeros_like(tainted)
    most = int(tainted.sum(axis=0).max(initial=0))
    cuts = np.where(tainted, points.cut_at, -np.inf)
    order = np.argsort(-cuts, axis=0, kind="stable")[:most]
    read = np.zeros_like(cuts) if points.chain_bytes is None else points.chain_bytes
    return np.take_along_axis(cuts, order, axis=0), np.take_along_axis(read, order, axis=0)
