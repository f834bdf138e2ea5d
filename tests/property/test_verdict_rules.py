"""Verdicts, for whatever runs come."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.analysis.verdict import Verdict, exit_code, from_interval
from rpo_sim.intervals import Interval, share

RUNS = st.lists(st.integers(0, 25), min_size=1, max_size=100)  # successes per block
SHARES = st.floats(0.01, 1.0)


def hits(blocks: list[int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.concatenate([np.arange(25) < successes for successes in blocks])


@given(RUNS)
def test_an_interval_holds_its_share_and_stays_a_share(blocks: list[int]) -> None:
    found = share(hits(blocks), 25)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.n == 25 * len(blocks)


@given(RUNS, SHARES, SHARES)
def test_asking_for_more_never_makes_a_verdict_better(blocks: list[int], one: float, other: float) -> None:
    rank = [Verdict.MISSED, Verdict.INCONCLUSIVE, Verdict.MET].index
    found = share(hits(blocks), 25)
    less, more = sorted((one, other))
    assert rank(from_interval(found, more)) <= rank(from_interval(found, less))


@given(RUNS, SHARES)
def test_met_and_missed_agree_with_what_the_runs_showed(blocks: list[int], required: float) -> None:
    found = share(hits(blocks), 25)
    judged = from_interval(found, required)
    assert judged is not Verdict.MET or found.value >= required
    assert judged is not Verdict.MISSED or found.value < required


@settings(max_examples=50)
@given(st.lists(st.integers(0, 25), min_size=2, max_size=40))
def test_blocks_that_differ_widen_what_runs_alone_would_give(blocks: list[int]) -> None:
    apart = hits(blocks)
    alone = share(apart, 1)
    together = share(apart, 25)
    assert together.low <= alone.low + 1e-12
    assert together.high >= alone.high - 1e-12


@given(st.lists(st.sampled_from(list(Verdict))))
def test_the_exit_code_is_that_of_the_worst(verdicts: list[Verdict]) -> None:
    codes = {Verdict.MET: 0, Verdict.INCONCLUSIVE: 4, Verdict.MISSED: 3}
    worst = next((v for v in (Verdict.MISSED, Verdict.INCONCLUSIVE) if v in verdicts), Verdict.MET)
    assert exit_code(verdicts) == codes[worst]


@given(st.floats(0, 1), st.floats(0, 1), SHARES)
def test_exactly_one_verdict_holds(one: float, other: float, required: float) -> None:
    low, high = sorted((one, other))
    judged = from_interval(Interval(value=(low + high) / 2, low=low, high=high, n=2000), required)
    assert (judged is Verdict.MET) == (low >= required)
    assert (judged is Verdict.MISSED) == (high < required)
