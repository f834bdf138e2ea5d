"""Retention: which of the points that became available are still there."""

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BoolArray
from rpo_sim.model.plan import CopyPlan


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
    for every, count in copy.calendar:
        bucket = np.floor(np.where(here, cut_at, 0.0) / every)
        last = here & ~_followed(bucket, here, cut_at)
        kept |= last & (bucket > np.floor(failed / every) - count)
    return kept


def _followed(bucket: FloatArray, here: BoolArray, cut_at: FloatArray) -> BoolArray:
    """Whether a newer point stands in the same calendar bucket: the newest is the one that is kept."""
    order = np.argsort(np.where(here, cut_at, np.inf), axis=0, kind="stable")
    ordered = np.take_along_axis(np.where(here, bucket, np.inf), order, axis=0)
    again = np.zeros(bucket.shape, dtype=np.bool_)
    again[:-1] = ordered[1:] == ordered[:-1]
    followed = np.empty_like(again)
    np.put_along_axis(followed, order, again, axis=0)
    return followed
