"""Points that look good and are not: cut after a corruption began, and tried before a clean one is found."""

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.plan import CopyPlan
from rpo_sim.model.protection import Incident, Points, held


def suspects(copy: CopyPlan, points: Points, incident: Incident) -> FloatArray:
    """Cuts of the tainted points of a copy, newest first; shape (most of any VM, runs, VMs), then -inf.

    All of them are newer than the newest clean one, so whoever goes back from the newest meets them first.
    """
    tainted = held(copy, points, incident)
    if incident.corrupt:
        tainted = tainted & (points.cut_at >= incident.onset_at[:, None])
    else:
        tainted = np.zeros_like(tainted)
    cuts = -np.sort(-np.where(tainted, points.cut_at, -np.inf), axis=0)
    most = int(tainted.sum(axis=0).max(initial=0))
    return np.asarray(cuts[:most])
