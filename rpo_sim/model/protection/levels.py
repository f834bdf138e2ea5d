"""Levels of copies: points made from points, incrementals that need their full, members cut together.

A run of a level takes what its source holds at that moment: its point carries the source's cut, however
old (recovery points propagate from level to level: Keeton and Merchant, DSN 2004).
"""

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BoolArray
from rpo_sim.model.plan import GroupPlan

PointArrays = tuple[FloatArray, FloatArray]  # cut, availability; shape (dues, runs, VMs); inf: no point


def inherited(
    taken_at: FloatArray,
    available_at: FloatArray,
    source: PointArrays,
    *,
    kept_seconds: float | None,
    since: FloatArray,
) -> PointArrays:
    """The points of a level whose runs took the newest point of their source.

    Parameters
    ----------
    taken_at, available_at : ndarray, shape (dues, runs, VMs), float seconds
        When each run took it, and when its own point became usable.
    source : tuple of ndarray, shape (dues of the source, runs, VMs)
    kept_seconds : float or None
        How long after its cut the source keeps a point; None where the newest is always kept.
    since : ndarray, shape (runs,)
        From when on the source's history is known; runs before give no point here and matter to nobody.
    """
    source_cut, source_ready = source
    known = np.where(np.isfinite(source_cut), source_cut, -np.inf)
    cut_at = np.full(taken_at.shape, np.inf)
    for j, now in enumerate(taken_at):
        asks = np.isfinite(now) & (now >= since[:, None])
        if not asks.any():
            continue
        held = known.max(axis=0, where=source_ready <= now, initial=-np.inf)
        if kept_seconds is not None:
            held = np.where(held + kept_seconds > now, held, -np.inf)
        cut_at[j] = np.where(asks & np.isfinite(held), held, np.inf)
    return cut_at, np.where(np.isfinite(cut_at), available_at, np.inf)


def asked_since(taken_at: FloatArray, available_at: FloatArray, by: FloatArray) -> FloatArray:
    """From when on what a source held matters to a level, shape (runs,), float seconds.

    The newest run that was usable `by` a moment hides all runs before it; where a VM has none, all matter.
    """
    usable = available_at <= by[:, None]
    newest = np.where(usable, taken_at, -np.inf).max(axis=0)
    first = np.where(np.isfinite(taken_at), taken_at, np.inf).min(axis=0)
    earliest: FloatArray = np.where(np.isfinite(newest), newest, first).min(axis=1)
    return earliest


def chained(points: PointArrays, full: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cut, availability and the cut of the full of each point of a cycle.

    An incremental needs its full and all incrementals between; it is usable when the last of these is. A
    run that failed leaves no gap: the next moves what it did not. Where a full failed, the chain before goes
    on; before the first full there is no point.

    Parameters
    ----------
    points : tuple of ndarray, shape (dues, runs, VMs)
    full : ndarray of bool, shape (dues, runs)
    """
    cut_at, available_at = points[0].copy(), points[1].copy()
    root_at = np.full(cut_at.shape, np.inf)
    ready, root = np.full(cut_at.shape[1:], np.inf), np.full(cut_at.shape[1:], np.inf)
    for j, is_full in enumerate(full):
        made = np.isfinite(cut_at[j])
        begins = made & is_full[:, None]
        root = np.where(begins, cut_at[j], root)
        ready = np.where(begins, available_at[j], np.where(made, np.maximum(ready, available_at[j]), ready))
        usable = made & np.isfinite(root)
        cut_at[j] = np.where(usable, cut_at[j], np.inf)
        available_at[j] = np.where(usable, ready, np.inf)
        root_at[j] = np.where(usable, root, np.inf)
    return cut_at, available_at, root_at


def cut_together(points: PointArrays, groups: tuple[GroupPlan, ...]) -> PointArrays:
    """Points at which all VMs of an application have one and the same cut, usable when all are."""
    cut_at, available_at = points[0].copy(), points[1].copy()
    for application in {group.application for group in groups}:
        vms = [vm for group in groups if group.application == application for vm in group.vms]
        cuts, ready = cut_at[:, :, vms], available_at[:, :, vms]
        one = np.isfinite(cuts).all(axis=2) & (cuts == cuts[:, :, :1]).all(axis=2)
        cut_at[:, :, vms] = np.where(one[:, :, None], cuts, np.inf)
        available_at[:, :, vms] = np.where(one, ready.max(axis=2), np.inf)[:, :, None]
    return cut_at, available_at
