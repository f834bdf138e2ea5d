"""The mechanism of bursts against the engine, against simulated truth, and against held-out real bursts."""

import dataclasses
import functools
import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.burst import burst_text
from benchmarks.lab_data import observations as lab_observations
from rpo_sim.distributions.fit import fit
from rpo_sim.distributions.mechanism import (
    PUBLISHED_LIMITS,
    Candidate,
    Estimate,
    KnownLimit,
    Limit,
    Mechanism,
)
from rpo_sim.distributions.mechanism_burst import Chain, Pass, burst
from rpo_sim.distributions.mechanism_chain import Targets, figures, fit_chain
from rpo_sim.distributions.mechanism_fit import fit_mechanism
from rpo_sim.distributions.mechanism_levels import costs_rise
from rpo_sim.distributions.mechanism_sweeps import read_sweeps
from rpo_sim.distributions.mechanism_words import binding_text
from rpo_sim.distributions.profile import Profile, dump_profile, parse_profile
from rpo_sim.errors import NoDataError
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.experiment import simulate
from rpo_sim.records import Observation
from rpo_sim.results import Evidence
from rpo_sim.scenario.load import load_scenario_text
from rpo_sim.scenario.schema import Bind

MOMENT = datetime(2026, 11, 22, 15, tzinfo=UTC)
FIVE = KnownLimit(name="five", rate=5.0, burst=10.0, source="given")
MEGABYTE = 1_000_000


@functools.cache
def fitted(operation: str, backend: str, up_to: int = 12) -> Mechanism:
    """The mechanism behind the real bursts of up to so many; fitted once."""
    return fit_mechanism(lab_observations(operation, backend, up_to=up_to))


def real_profile(operation: str, backend: str) -> Profile:
    """The profile of the real objects, its mechanism not fitted again."""
    some = [dataclasses.replace(item, labels={}) for item in lab_observations(operation, backend)]
    profile = fit(some)
    entry = dataclasses.replace(profile.entries[0], mechanism=fitted(operation, backend))
    return dataclasses.replace(profile, entries=(entry,))


def exactly(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value)


def mechanism_of(chain: Chain, service: float) -> Mechanism:
    """A chain as a fitted mechanism without noise."""
    limits = tuple(
        Limit(
            name=f"limit-{i}",
            rate=each.rate,
            burst=each.burst,
            source="given",
            counted=False,
            tokens=exactly(each.head + each.tail),
            tail=exactly(each.tail),
        )
        for i, each in enumerate(chain.passes)
    )
    return Mechanism(
        limits=limits,
        servers=chain.servers,
        latency_seconds=exactly(chain.latency_seconds),
        service_seconds=exactly(service),
        seconds_per_byte=exactly(0.0),
        covariance=((0.0, 0.0), (0.0, 0.0)),
        sigma=0.0,
        n=100,
        bursts=20,
        largest=12,
        sizes_bytes=(MEGABYTE,),
    )


def profile_with(mechanism: Mechanism) -> Profile:
    """A profile whose one entry has this mechanism."""
    profile = fit([observation(0.0, 1.0 + i / 100, 1, f"s{i}") for i in range(10)])
    return dataclasses.replace(
        profile,
        entries=(dataclasses.replace(profile.entries[0], mechanism=mechanism, concurrency_range=(1, 12)),),
    )


def observation(start: float, seconds: float, n: int, event: str, burst: str = "") -> Observation:
    return Observation(
        operation="restore",
        stage="bound",
        backend="truth",
        lower_seconds=seconds,
        upper_seconds=seconds,
        bytes_moved=MEGABYTE,
        concurrency=n,
        started_at=MOMENT + timedelta(seconds=start),
        observed_at=MOMENT + timedelta(hours=5),
        clock="monotonic, 1ns",
        source="truth",
        event_id=event,
        labels={"burst": burst} if burst else {},
    )


# Nothing, or something: who asks for less than a rounding waits for another's debt, but not in a profile
tokens = st.just(0.0) | st.floats(0.01, 12.0)
passes = st.builds(Pass, rate=st.floats(1.0, 50.0), burst=st.floats(1.0, 40.0), head=tokens, tail=tokens)
chains = st.builds(
    Chain,
    passes=st.lists(passes, max_size=3).map(tuple),
    latency_seconds=st.floats(0.0, 2.0),
    servers=st.integers(1, 5),
)


@settings(max_examples=60, deadline=None)
@given(chains, st.integers(1, 20), st.floats(0.001, 3.0))
def test_the_fit_and_the_engine_compute_the_same_burst(chain: Chain, n: int, service: float) -> None:
    loaded = load_scenario_text(burst_text(n, "1MB"))
    bind = Bind(operation="restore", stage="bound", extrapolate="linear")
    mechanism = mechanism_of(chain, service)
    plan = compile_plan(loaded.scenario, "kubernetes", profile_with(mechanism), {"burst.operation": bind})
    engine = np.sort(simulate(plan, runs=25).vm_rta[0])
    np.testing.assert_allclose(
        engine, burst(chain, n, service), rtol=1e-4
    )  # the driver's least noise is 1e-6


def test_a_burst_by_hand() -> None:
    """10 tokens at once, then 5 a second: heads of 4 are there at 0, 0 and 0.4 s; tails of 1 follow."""
    chain = Chain(passes=(Pass(rate=5.0, burst=10.0, head=4.0, tail=1.0),), latency_seconds=0.0, servers=1)
    assert burst(chain, 3, 1.0).tolist() == pytest.approx([1.0, 2.0, 3.0])
    assert burst(chain, 3, 0.01).tolist() == pytest.approx([0.6, 0.8, 1.0])


def truth(chain: Chain, service: float, noise: float) -> list[Observation]:
    """Singles and sweeps of a known chain, with lognormal noise."""
    generator = np.random.default_rng(3)
    found, at = list[Observation](), 0.0
    for n in (1, 2, 4, 8, 12):
        for repetition in range(12 if n == 1 else 4):
            name = f"{n}-{repetition}"
            for i, seconds in enumerate(burst(chain, n, service)):
                noisy = float(seconds * np.exp(noise * generator.standard_normal()))
                found.append(observation(at, noisy, n, f"{name}-{i}", name))
            at += 100.0
    return found


def test_a_known_chain_is_found_again() -> None:
    chain = Chain(passes=(Pass(rate=5.0, burst=10.0, head=4.0, tail=2.0),), latency_seconds=0.05, servers=1)
    seen = truth(chain, 0.1, 0.02)
    (entry,) = fit(seen, limits=(FIVE, KnownLimit(name="twenty", rate=20.0, burst=30.0))).entries
    found = entry.mechanism
    assert found is not None
    assert [limit.name for limit in found.limits] == ["five"]
    assert found.limits[0].tokens.value == pytest.approx(6.0, rel=0.02)
    assert found.limits[0].tokens.low <= 6.0 * 1.01
    for n in (24, 48):
        predicted, true = figures(found.burst(n, MEGABYTE)), figures(burst(chain, n, 0.1))
        np.testing.assert_allclose(predicted, true, rtol=0.04)


def test_parallel_servers_are_told_from_one() -> None:
    chain = Chain(passes=(), latency_seconds=0.1, servers=4)
    (entry,) = fit(truth(chain, 1.0, 0.01), limits=()).entries
    assert entry.mechanism is not None
    assert entry.mechanism.servers == 4
    assert figures(entry.mechanism.burst(48, MEGABYTE))[2] == pytest.approx(12.1, rel=0.03)


def test_a_limit_that_never_bound_is_named_with_what_it_could_cost() -> None:
    chain = Chain(passes=(), latency_seconds=0.01, servers=1)
    (entry,) = fit(truth(chain, 0.02, 0.01), limits=(FIVE,)).entries
    assert entry.mechanism is not None
    assert entry.mechanism.limits == ()
    (text,) = (text for text in entry.mechanism.warnings if text.startswith("five"))
    assert "was not seen" in text
    assert "sweep more at once" in text


def test_counted_tokens_are_kept() -> None:
    chain = Chain(passes=(Pass(rate=5.0, burst=10.0, head=4.0, tail=2.0),), latency_seconds=0.05, servers=1)
    counted = dataclasses.replace(FIVE, tokens=6.0)
    found = fit_mechanism(truth(chain, 0.1, 0.02), limits=(counted,))
    assert found.limits[0].counted
    assert found.limits[0].tokens == exactly(6.0)


@pytest.mark.parametrize(
    ("keep", "asks"),
    [
        (lambda item: item.concurrency == 1, "sweep 2, 4, 8 and 12 at once"),
        (lambda item: item.concurrency in (1, 8), "a mechanism needs 2 concurrencies"),
        (lambda item: item.concurrency != 1, "no singles"),
    ],
)
def test_too_little_data_says_what_to_measure(keep: object, asks: str) -> None:
    some = [item for item in truth(Chain(passes=(), latency_seconds=0.0, servers=1), 1.0, 0.1) if keep(item)]  # type: ignore[operator]
    with pytest.raises(NoDataError, match=asks):
        fit_mechanism(some)
    (entry,) = fit(some).entries
    assert entry.mechanism is None
    assert any(text.startswith("no mechanism: ") for text in entry.warnings)


def test_a_burst_with_a_failure_is_left_out() -> None:
    seen = truth(Chain(passes=(), latency_seconds=0.1, servers=1), 1.0, 0.01)
    broken = next(i for i, item in enumerate(seen) if item.concurrency == 8)
    seen[broken] = dataclasses.replace(seen[broken], upper_seconds=math.inf, outcome="running")  # type: ignore[arg-type]
    found = fit_mechanism(seen, limits=())
    assert found.bursts == 15
    assert any("1 bursts left out" in text for text in found.warnings)


def test_a_burst_that_others_disturbed_is_left_out() -> None:
    seen = truth(Chain(passes=(), latency_seconds=0.1, servers=1), 1.0, 0.01)
    shared = next(i for i, item in enumerate(seen) if item.concurrency == 8)
    seen[shared] = dataclasses.replace(seen[shared], concurrency=9)
    found = fit_mechanism(seen, limits=())
    assert found.bursts == 15
    assert any("others were at work" in text for text in found.warnings)


def test_a_limit_of_which_operations_would_cost_more_under_load_is_another() -> None:
    """A bucket of 30 explains bursts; one without depth could, at 3 tokens for four and 16 for twelve."""
    chain = Chain(passes=(Pass(rate=20.0, burst=30.0, head=4.0, tail=2.0),), latency_seconds=0.05, servers=1)
    shallow = KnownLimit(name="shallow", rate=100.0, burst=1.0, source="given")
    targets = Targets.of(read_sweeps(truth(chain, 0.02, 0.01)))
    assert costs_rise(fit_chain([shallow], 1, targets), targets)
    deep = KnownLimit(name="deep", rate=20.0, burst=30.0, source="given")
    assert not costs_rise(fit_chain([deep], 1, targets), targets)


# The real data set: fitted on the smaller bursts, held against the larger.


@pytest.mark.parametrize(
    ("backend", "operation", "up_to", "worst"),
    [
        ("A", "snapshot", 4, 0.10),
        ("A", "snapshot", 8, 0.05),
        ("A", "restore", 4, 0.15),
        ("A", "restore", 8, 0.05),
        ("B", "snapshot", 4, 0.05),
        ("B", "snapshot", 8, 0.05),
    ],
)
def test_larger_bursts_are_predicted_from_smaller(
    backend: str, operation: str, up_to: int, worst: float
) -> None:
    found = fitted(operation, backend, up_to)
    for n in (8, 12):
        if n > up_to:
            measured = [
                item.lower_seconds for item in lab_observations(operation, backend, fewest=n, up_to=n)
            ]
            errors = figures(found.burst(n, 20 * MEGABYTE))[:2] / np.quantile(measured, [0.5, 0.95]) - 1
            assert np.abs(errors).max() < worst


def test_a_limit_that_first_binds_at_twelve_cannot_be_known_from_eight_but_is_named() -> None:
    """Restores on B: the controller manager's bucket of 30 lasts for eight of them."""
    found = fitted("restore", "B", 8)
    measured = [item.lower_seconds for item in lab_observations("restore", "B", fewest=12)]
    assert figures(found.burst(12, 20 * MEGABYTE))[1] < 0.8 * np.quantile(measured, 0.95)
    assert any("kube-controller-manager" in text and "sweep more at once" in text for text in found.warnings)


@pytest.mark.parametrize(
    ("backend", "operation", "what"),
    [
        ("A", "snapshot", "snapshot-controller"),
        ("A", "restore", "csi-provisioner"),
        ("B", "snapshot", "driver"),
        ("B", "restore", "kube-controller-manager"),
    ],
)
def test_which_limit_binds_twelve_at_once(backend: str, operation: str, what: str) -> None:
    found = fitted(operation, backend)
    assert [each.what for each in found.binding if each.concurrency == 12] == [what]
    assert what in binding_text(found)
    chosen = [each for each in found.candidates if each.chosen]
    assert [type(each) for each in chosen] == [Candidate]
    held_out = chosen[0].held_out_error
    assert (held_out is None) == (what == "kube-controller-manager")  # it binds at twelve only
    assert held_out is None or held_out < 0.05
    assert any("smaller size" in text for text in found.warnings)


def test_requests_per_operation_fall_under_load() -> None:
    """Snapshots on A: 13 requests alone (0.6 s over a bucket of 10), 9 each among twelve."""
    (limit,) = fitted("snapshot", "A").limits
    assert limit.tokens.value == pytest.approx(9.0, rel=0.03)
    assert limit.tokens_for(1) > 1.2 * limit.tokens_for(12)
    assert limit.tokens_for(100) == limit.tokens_for(12)


def test_a_profile_keeps_it_and_an_older_one_still_loads() -> None:
    profile = real_profile("restore", "B")
    text = dump_profile(profile)
    assert dump_profile(parse_profile(text)) == text
    assert parse_profile(text).entries[0].mechanism == profile.entries[0].mechanism
    document = json.loads(text)
    del document["entries"][0]["mechanism"]
    assert parse_profile(json.dumps(document)).entries[0].mechanism is None


def test_seconds_of_a_burst_are_booked_as_measured_or_extrapolated() -> None:
    profile = real_profile("snapshot", "B")
    loaded = load_scenario_text(burst_text(24, "20MB", "snapshot", "ready"))
    plan = compile_plan(loaded.scenario, "kubernetes", profile)
    assert {item.evidence for item in plan.inputs() if item.key.startswith("recovery.")} == {
        Evidence.MEASURED
    }
    loaded = load_scenario_text(burst_text(48, "20MB", "snapshot", "ready"))
    plan = compile_plan(loaded.scenario, "kubernetes", profile)
    assert Evidence.EXTRAPOLATED in {item.evidence for item in plan.inputs()}


def test_published_limits_name_their_operation() -> None:
    assert {limit.operation for limit in PUBLISHED_LIMITS} == {"snapshot", "restore"}
