"""Overlap policies: when a run that is due starts, if at all, while earlier ones of its VM are busy."""

import functools
from collections.abc import Callable

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BoolArray
from rpo_sim.model.protection.records import Attempts

Starts = tuple[FloatArray, BoolArray | None]  # inf where none; and which were cancelled, if any can be


def _allow(runs: Attempts) -> Starts:
    return runs.due, None


def _replace(runs: Attempts) -> Starts:
    """A run still working when the next is due is cancelled."""
    following = np.concatenate([runs.due[1:], np.full_like(runs.due[:1], np.inf)])
    return runs.due, runs.due + runs.busy > following


def _one_after_the_other(
    runs: Attempts, begin: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
) -> Starts:
    """Starts under a policy ``begin(due, start of the last run, end of the last run)``, inf to drop it.

    A run that ends at the instant when the next is due has ended: it does not hold that one up. Where all
    end in time, whatever the policy, each starts when it is due.
    """
    if ((runs.due[:-1] + runs.busy[:-1] <= runs.due[1:]) | np.isinf(runs.due[:-1])).all():
        return runs.due, None
    last_start = np.full(runs.due.shape[1:], -np.inf)
    last_end = last_start.copy()
    start = np.full(runs.due.shape, np.inf)
    for j, due in enumerate(runs.due):
        start[j] = np.where(np.isfinite(due), begin(due, last_start, last_end), np.inf)
        started = np.isfinite(start[j])
        last_start = np.where(started, start[j], last_start)
        last_end = np.where(started, start[j] + runs.busy[j], last_end)
    return start, None


def _skip(due: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    del start
    return np.where(due >= end, due, np.inf)


def _queue(due: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    del start
    return np.maximum(due, end)


def _coalesce(due: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """One run may wait for the end of the running one; while it waits, further due runs are dropped."""
    return np.where(due >= start, np.maximum(due, end), np.inf)


BEGIN = {"skip": _skip, "queue": _queue, "coalesce": _coalesce}
STARTS = {"allow": _allow, "replace": _replace} | {
    overlap: functools.partial(_one_after_the_other, begin=begin) for overlap, begin in BEGIN.items()
}
