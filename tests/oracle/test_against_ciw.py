"""The engine against Ciw, another queueing simulator: a tandem queue with several servers in each stage."""

import numpy as np

from benchmarks.tandem import by_ciw, plan_of
from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.experiment import simulate

JOBS, RUNS = 12, 2000


def z(ours: FloatArray, theirs: FloatArray) -> float:
    """The difference of two means in standard errors."""
    error = (ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs)) ** 0.5
    assert error <= 0.03 * theirs.mean(), "too few runs to tell right from wrong"
    return float((ours.mean() - theirs.mean()) / error)


def test_a_tandem_queue_ends_alike() -> None:
    """12 jobs at once, two at a time, then three at a time: the 6th and the last to leave, and the mean."""
    ours = np.sort(simulate(plan_of(JOBS), runs=RUNS, seed=1).vm_rta, axis=1)
    theirs = by_ciw(JOBS, RUNS, seed=1)
    assert ours.shape == theirs.shape == (RUNS, JOBS)
    for place in (5, JOBS - 1):
        assert abs(z(ours[:, place], theirs[:, place])) <= 4
        assert abs(z(ours[:, place] ** 2, theirs[:, place] ** 2)) <= 4
    assert abs(z(ours.mean(axis=1), theirs.mean(axis=1))) <= 4
