"""The shared link against a naive fluid simulation that recomputes every rate at every event."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.model.sharing import SharedLink, Stream


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """A transfer that starts at ``at`` and is given up ``patience`` seconds later if it still runs."""

    at: float
    bytes_: float
    cap: float
    patience: float = math.inf


Ends = list[tuple[float, bool]]  # per transfer: when, and whether it finished


def water_filled(caps: dict[int, float], bandwidth: float) -> dict[int, float]:
    """Rates: the lowest caps first, each gets its cap or an equal share of what is left."""
    rates, left = {}, bandwidth
    order = sorted(caps, key=lambda i: caps[i])
    for place, i in enumerate(order):
        rates[i] = min(caps[i], left / (len(order) - place))
        left -= rates[i]
    return rates


def naive(transfers: list[Transfer], bandwidth: float, totals: Sequence[float] = ()) -> Ends:
    """Every stream's rest, from event to event."""
    ends: Ends = [(math.nan, False)] * len(transfers)
    rest: dict[int, float] = {}
    coming = sorted(range(len(transfers)), key=lambda i: transfers[i].at)
    now = 0.0
    while rest or coming:
        if totals and rest:
            bandwidth = totals[min(len(rest), len(totals)) - 1]
        rates = water_filled({i: transfers[i].cap for i in rest}, bandwidth)
        finish = {i: now + rest[i] / rates[i] for i in rest}
        leave = {i: transfers[i].at + transfers[i].patience for i in rest}
        arrival = transfers[coming[0]].at if coming else math.inf
        then = min([*finish.values(), *leave.values(), arrival])
        for i in rest:
            rest[i] -= rates[i] * (then - now)
        now = then
        for i in list(rest):
            if rest[i] <= 1e-9 * transfers[i].bytes_:
                ends[i] = (now, True)
                del rest[i]
            elif leave[i] <= now:
                ends[i] = (now, False)
                del rest[i]
        while coming and transfers[coming[0]].at <= now:
            i = coming.pop(0)
            rest[i] = transfers[i].bytes_
    return ends


def on_the_link(transfers: list[Transfer], bandwidth: float, totals: Sequence[float] = ()) -> Ends:
    """The same through `SharedLink`, as a caller with a clock uses it."""
    link = SharedLink(bandwidth, totals)
    ends: Ends = [(math.nan, False)] * len(transfers)
    streams: dict[int, Stream] = {}
    coming = sorted(range(len(transfers)), key=lambda i: transfers[i].at)
    while streams or coming:
        arrival = transfers[coming[0]].at if coming else math.inf
        leaving = min((transfers[i].at + transfers[i].patience for i in streams), default=math.inf)
        finish = link.next_finish()
        now = min(finish, arrival, leaving)
        for stream in link.finished(now) if finish <= now else ():
            ends[stream.job] = (now, True)
            del streams[stream.job]
        for i in [i for i in streams if transfers[i].at + transfers[i].patience <= now]:
            link.remove(now, streams.pop(i))
            ends[i] = (now, False)
        while coming and transfers[coming[0]].at <= now:
            i = coming.pop(0)
            streams[i] = link.add(now, i, transfers[i].bytes_, transfers[i].cap)
    return ends


smooth = st.floats(0.1, 1000.0)
whole = st.integers(1, 6).map(float)


def transfers_of(
    number: st.SearchStrategy[float], patience: st.SearchStrategy[float]
) -> st.SearchStrategy[list[Transfer]]:
    return st.lists(
        st.builds(
            Transfer, at=number, bytes_=number, cap=st.one_of(number, st.just(math.inf)), patience=patience
        ),
        min_size=1,
        max_size=12,
    )


for_ever = st.just(math.inf)


@settings(max_examples=1000)
@given(
    transfers=st.one_of(
        transfers_of(smooth, for_ever),
        transfers_of(whole, for_ever),
        transfers_of(smooth, st.one_of(for_ever, smooth)),
    ),
    bandwidth=st.one_of(smooth, whole),
)
def test_ends_as_the_naive_simulation(transfers: list[Transfer], bandwidth: float) -> None:
    for (at, done), (expected, was_done) in zip(
        on_the_link(transfers, bandwidth), naive(transfers, bandwidth), strict=True
    ):
        assert at == pytest.approx(expected, rel=1e-8)
        assert done is was_done


@settings(max_examples=300)
@given(transfers=transfers_of(whole, st.integers(1, 4).map(float)), bandwidth=whole)
def test_ties_of_finishing_and_giving_up_end_at_the_same_time(
    transfers: list[Transfer], bandwidth: float
) -> None:
    ends, expected = on_the_link(transfers, bandwidth), naive(transfers, bandwidth)
    assert [at for at, _ in ends] == pytest.approx([at for at, _ in expected], rel=1e-8)


@settings(max_examples=300)
@given(
    caps=st.lists(st.one_of(smooth, whole, st.just(math.inf)), min_size=1, max_size=20),
    bandwidth=st.one_of(smooth, whole),
)
def test_the_level_fills_the_link(caps: list[float], bandwidth: float) -> None:
    """Rates sum to the bandwidth, or every stream runs at its cap."""
    link = SharedLink(bandwidth)
    for job, cap in enumerate(caps):
        link.add(0.0, job, 1e9, cap)
    link.next_finish()  # each is given its share
    rates = [min(cap, link.level) for cap in caps]
    assert sum(rates) == pytest.approx(min(bandwidth, sum(caps)))


@settings(max_examples=300)
@given(
    now=st.floats(1e3, 1e7) | st.floats(-1e7, -1e3),
    seconds=st.lists(st.floats(1e-7, 0.1), min_size=1, max_size=6),
)
def test_short_transfers_end_however_late(now: float, seconds: list[float]) -> None:
    """What is left may be less than the clock can tell, and more than nothing."""
    link, looks, done = SharedLink(1e9), 0, 0
    for job, each in enumerate(seconds):
        link.add(now, job, each * 1e9, math.inf)
    begin = now
    while (at := link.next_finish()) < math.inf:
        now, looks = now + (at - now), looks + 1
        done += len(link.finished(now))
        assert looks <= 3 * len(seconds)
    assert done == len(seconds)
    assert now - begin == pytest.approx(sum(seconds), rel=1e-6, abs=1e-8)


@settings(max_examples=300)
@given(transfers=transfers_of(st.one_of(smooth, whole), for_ever), bandwidth=smooth)
def test_bytes_are_neither_lost_nor_made(transfers: list[Transfer], bandwidth: float) -> None:
    """The link carries no more than it can while anything is on it, and exactly that without caps."""
    ends = on_the_link(transfers, bandwidth)
    assert all(done for _, done in ends)
    free = [Transfer(at=t.at, bytes_=t.bytes_, cap=math.inf) for t in transfers]
    busy = 0.0  # work-conserving: a single server's busy time, whoever is served first
    for transfer in sorted(free, key=lambda t: t.at):
        busy = max(busy, transfer.at) + transfer.bytes_ / bandwidth
    assert max(at for at, _ in on_the_link(free, bandwidth)) == pytest.approx(busy)
    assert max(at for at, _ in ends) >= busy * (1 - 1e-9)
    for transfer, (at, _) in zip(transfers, ends, strict=True):
        fastest = min(transfer.cap, bandwidth)
        assert at - transfer.at >= transfer.bytes_ / fastest * (1 - 1e-6) - 1e-6


@settings(max_examples=1000)
@given(
    transfers=st.one_of(
        transfers_of(smooth, for_ever),
        transfers_of(whole, for_ever),
        transfers_of(smooth, st.one_of(for_ever, smooth)),
    ),
    totals=st.lists(st.one_of(smooth, whole), min_size=1, max_size=8),
)
def test_any_contention_curve_as_the_naive_simulation(transfers: list[Transfer], totals: list[float]) -> None:
    """Totals that rise and fall with each stream, caps above and below the level."""
    for (at, done), (expected, was_done) in zip(
        on_the_link(transfers, totals[0], totals), naive(transfers, totals[0], totals), strict=True
    ):
        assert at == pytest.approx(expected, rel=1e-7)
        assert done is was_done
