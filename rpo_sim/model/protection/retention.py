"""Retention: which of the points that became available are still there."""

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BoolArray
from rpo_sim.model.plan import CopyPlan

IntArray = npt.NDArray[np.intp]


def retained(copy: CopyPlan, cut_at: FloatArray, failed: FloatArray) -> BoolArray:
    """Which of the available points (others are -inf) retention has kept until the failure."""
    here = np.isfinite(cut_at)
    if copy.keep_count is not None:
        # The oldest goes when one more arrives, so what is left are the newest cuts.
        if len(cut_at) <= copy.keep_count:
            return here
        oldest_kept = np.partition(cut_at, -copy.keep_count, axis=0)[-copy.keep_count]
        newest: BoolArray = cut_at >= oldest_kept
        return here & newest
    if copy.keep_seconds is not None:
        young: BoolArray = cut_at + copy.keep_seconds > failed
        return here & young
    kept = np.zeros(cut_at.shape, dtype=np.bool_)
    order = np.argsort(np.where(here, cut_at, np.inf), axis=0, kind="stable")
    for every, count in copy.calendar:
        kept |= _of_newest_buckets(np.where(here, np.floor(cut_at / every), np.inf), order, count)
    return kept & here


def _of_newest_buckets(bucket: FloatArray, order: IntArray, count: int) -> BoolArray:
    """The newest point of each of the last ``count`` days, weeks or months that have one.

    What is thinned out by calendar is never the newest point of all, however long no other was made.
    """
    ordered = np.take_along_axis(bucket, order, axis=0)
    newest = np.isfinite(ordered)
    newest[:-1] &= ordered[1:] != ordered[:-1]
    at_least_as_new = np.cumsum(newest[::-1], axis=0)[::-1]
    kept = np.empty_like(newest)
    np.put_along_axis(kept, order, newest & (at_least_as_new <= count), axis=0)
    return kept
