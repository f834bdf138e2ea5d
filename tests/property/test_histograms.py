"""Histograms of VMs: near the exact quantile, equal bytes in any order, counters that never overflow."""

import base64
import math
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rpo_sim.histograms import FINEST_SECONDS, INFINITE, RELATIVE_ERROR, Histograms, codes_of, values_of
from rpo_sim.per_vm import EveryRun, quantiles

durations = st.one_of(
    st.floats(0, 1e9), st.floats(0, 1e-2), st.integers(0, 90000).map(float), st.just(math.inf)
)
any_number = st.one_of(durations, st.floats(-1e9, 0), st.just(-math.inf))


@st.composite
def tables(draw: st.DrawFn, values: st.SearchStrategy[float] = durations, runs: int = 60) -> Any:
    """Values of some runs of some VMs."""
    shape = draw(st.integers(1, runs)), draw(st.integers(1, 4))
    cells = draw(st.lists(values, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return np.array(cells).reshape(shape)


def histograms_of(*blocks: Any) -> Histograms:
    made = Histograms(blocks[0].shape[1])
    for block in blocks:
        made.add(codes_of(block))
    return made


def near(found: Any, exact: Any) -> bool:
    """Within half a bin; below the finest, within the finest; infinite alike."""
    finite = np.isfinite(exact)
    size = np.abs(exact[finite])
    allowed = np.where(size < FINEST_SECONDS, FINEST_SECONDS, RELATIVE_ERROR * size)
    close = np.abs(found[finite] - exact[finite]) <= allowed
    return bool(close.all() and (found[~finite] == exact[~finite]).all())


@settings(max_examples=300)
@given(table=tables(any_number), data=st.data())
def test_every_order_statistic_is_near_the_exact_one(table: Any, data: st.DataObject) -> None:
    runs = len(table)
    ranks = data.draw(st.lists(st.integers(1, runs + 1), min_size=1, max_size=8))
    found = histograms_of(table).at_ranks(ranks)
    ordered = np.vstack([np.sort(table, axis=0), np.full(table.shape[1], np.inf)])
    assert near(found, ordered[np.array(ranks) - 1])
    np.testing.assert_array_equal(EveryRun(table).at_ranks(ranks), ordered[np.array(ranks) - 1])


@settings(max_examples=100)
@given(table=tables(runs=200), p=st.floats(0.01, 0.99))
def test_quantiles_and_their_intervals_are_near_the_exact_ones(table: Any, p: float) -> None:
    blocks = -(-len(table) // 25)
    for found, exact in zip(
        quantiles(histograms_of(table), p, blocks), quantiles(EveryRun(table), p, blocks), strict=True
    ):
        assert near(found, exact)


@given(values=st.lists(any_number, min_size=2, max_size=50))
def test_order_is_kept(values: list[float]) -> None:
    codes = codes_of(np.sort(np.array(values)))
    assert all(one <= other for one, other in pairwise(codes.tolist()))
    np.testing.assert_array_equal(codes_of(values_of(codes)), codes)  # a bin holds its own middle


def test_edges_by_hand() -> None:
    """A bin begins at each 128th of a power of two; the one below the finest is zero's."""
    for power in (2.0**-10, 1.0, 4096.0):
        for step in (0, 1, 127):
            edge = power * (1 + step / 128)
            around = [math.nextafter(edge, 0), edge, math.nextafter(edge, math.inf)]
            below, at, above = codes_of(np.array(around)).tolist()
            assert (at - below, above - at) == (1, 0)
    assert codes_of(np.array([0.0, -0.0, math.nextafter(FINEST_SECONDS, 0), 5e-324])).tolist() == [0] * 4
    assert codes_of(np.array([1.2e74, 1e300, math.inf, -math.inf])).tolist() == [INFINITE] * 3 + [-INFINITE]
    assert codes_of(np.array([1e74]))[0] < INFINITE
    with pytest.raises(ValueError, match="NaN is no duration"):
        codes_of(np.array([1.0, math.nan]))


@settings(max_examples=200)
@given(data=st.data(), vms=st.integers(1, 3), parts=st.integers(1, 6))
def test_the_same_bytes_whatever_the_order(data: st.DataObject, vms: int, parts: int) -> None:
    """One after the other, in another order, and merged as any tree of any order."""
    row = st.lists(any_number, min_size=vms, max_size=vms)
    blocks = [np.array(data.draw(st.lists(row, min_size=1, max_size=5))) for _ in range(parts)]
    whole = histograms_of(*blocks).to_plain()
    shuffled = data.draw(st.permutations(blocks))
    assert histograms_of(*shuffled).to_plain() == whole
    heap = [histograms_of(block) for block in shuffled]
    while len(heap) > 1:
        one, other = (heap.pop(data.draw(st.integers(0, len(heap) - 1))) for _ in range(2))
        heap.append(one.merged(other))
    assert heap[0].to_plain() == whole
    assert Histograms(vms).merged(heap[0]).to_plain() == whole
    assert Histograms.from_plain(whole).to_plain() == whole


def test_counters_grow_before_they_overflow() -> None:
    """2^16 + 11 runs one block at a time; then doubled past 2^32 and 2^40, all in one bin."""
    made = Histograms(2)
    block = codes_of(np.array([[60.0, 5.0]] * 4681))
    for _ in range(14):
        made.add(block)
    made.add(codes_of(np.array([[60.0, math.inf]] * 13)))
    assert made.runs == 2**16 + 11
    assert made.at_ranks([2**16 - 2, 2**16 - 1, made.runs])[:, 1].tolist() == [
        values_of(codes_of(np.array([5.0])))[0], math.inf, math.inf,
    ]  # fmt: skip
    for power in range(17, 41):
        made = made.merged(made)
        assert made.runs == 2 ** (power - 1) * 2 + 11 * 2 ** (power - 16)
        plain = made.to_plain()
        counts = np.frombuffer(base64.b64decode(plain["counts"]), dtype=f"<u{plain['counter_bytes']}")
        assert counts.reshape(2, -1).sum(axis=1, dtype=np.uint64).tolist() == [made.runs] * 2
        assert plain["counter_bytes"] == (4 if made.runs < 2**32 else 8)
    assert reduce(lambda n, _: 2 * n, range(24), 2**16 + 11) == made.runs


def test_two_wide_counters_of_unlike_ranges() -> None:
    """Windows that do not touch, and one with nothing finite."""
    seconds, days, never = (histograms_of(np.full((9, 1), x)) for x in (1.0, 1e6, math.inf))
    made = never.merged(days).merged(seconds)
    assert made.runs == 27
    assert near(made.at_ranks([1, 9, 10, 18, 19, 27])[:, 0], np.array([1, 1, 1e6, 1e6, math.inf, math.inf]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "t-digest"), ("relative_error", 0.5), ("runs", 3), ("runs", -1), ("runs", 10**40),
        ("vms", 0), ("vms", 3), ("first", 40000), ("first", "x"), ("counts", ""), ("counts", "!"),
        ("counts", "AAAA"), ("counts", 7), ("finest_seconds", None),
    ],
)  # fmt: skip
def test_damaged_ones_are_refused(name: str, value: Any) -> None:
    plain = histograms_of(np.array([[1.0, 2.0], [3.0, math.inf]])).to_plain()
    with pytest.raises((ValueError, TypeError, OverflowError)):
        Histograms.from_plain(plain | {name: value})


@pytest.mark.parametrize(("p", "shift"), [(0.5, 0.0), (0.95, 0.0), (0.5, 1.0), (0.95, 1.0)])
def test_intervals_hold_the_truth(p: float, shift: float) -> None:
    """Whether the runs of a block have nothing or everything in common: at least in 95 of 100 trials."""
    generator, trials = np.random.default_rng(3), 400
    truth = math.exp(stats.norm.ppf(p))
    together = generator.standard_normal((80, 1, trials))
    apart = generator.standard_normal((80, 25, trials))
    table = np.exp(shift * together + (1 - shift) * apart).reshape(2000, trials)
    _, low, high = quantiles(histograms_of(table), p, 80)
    held = ((low <= truth * (1 + RELATIVE_ERROR)) & (truth <= high * (1 + RELATIVE_ERROR))).mean()
    assert held >= 0.93


@pytest.mark.parametrize(("p", "blocks"), [(0.5, 80), (0.95, 80), (0.95, 400), (0.5, 6)])
def test_the_interval_is_that_of_order_statistics(p: float, blocks: int) -> None:
    """The least ranks beyond which fewer than one in forty samples of blocks would have the quantile."""

    def below(k: int) -> float:
        return sum(math.comb(blocks, i) * p**i * (1 - p) ** (blocks - i) for i in range(k))

    low = max(k for k in range(blocks) if below(k) < 0.025)
    high = min(k for k in range(1, blocks + 1) if below(k) >= 0.975)
    ordered = np.arange(1.0, 25 * blocks + 1)[:, None]
    _, lower, upper = quantiles(EveryRun(ordered), p, blocks)
    assert (lower[0], upper[0]) == (25 * low, 25 * high)


def test_what_so_few_blocks_cannot_bound_is_infinite() -> None:
    _, _, upper = quantiles(EveryRun(np.arange(1000.0)[:, None]), 0.95, 40)
    assert upper.tolist() == [math.inf]
