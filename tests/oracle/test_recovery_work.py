"""Achieved RTO against exact answers: retries, time-outs, buckets, order statistics, barriers, arrivals."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BlockDraws, BoolArray
from rpo_sim.model.block_runs import replay
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]


def rta(plan: Plan, runs: int = 1) -> FloatArray:
    """RTA of every VM, one row per run."""
    return simulate(plan, runs=runs).vm_rta


def batches(values: FloatArray | BoolArray, n: int = 40) -> FloatArray:
    return np.array([part.mean() for part in np.array_split(values, n)])


def exponential(minutes: int) -> dict[str, Any]:
    return {"assumed": {"exponential": {"mean": f"{minutes}m"}}}


def stage(duration: Any, name: str = "boot", **fields: Any) -> dict[str, Any]:
    return {"stage": name, "duration": duration, **fields}


def alone(count: int) -> list[dict[str, Any]]:
    """VMs that are back when they are, whatever becomes of the others: each an application of its own."""
    return [{"name": f"vm{i}"} for i in range(count)]


# Retries and time-outs


def test_geometric_retries(plan_of: PlanOf, agrees: Agrees) -> None:
    """p = 0.6 and 3 retries: lost with (1 − p)⁴; else N is a truncated geometric, each attempt a minute."""
    p, attempts = 0.6, np.arange(1, 5)
    one = stage({"assumed": "1m"}, success={"assumed": "60%"}, retries=3)
    times = rta(plan_of(groups=alone(100), stages=[one]), runs=500)
    chances = p * (1 - p) ** (attempts - 1)
    agrees(batches(np.isfinite(times)), 1 - (1 - p) ** 4)
    mean = [np.mean(rows[np.isfinite(rows)]) for rows in np.array_split(times, 40)]
    agrees(np.array(mean), 60 * float((attempts * chances).sum() / chances.sum()))


def test_a_repair_between_attempts(plan_of: PlanOf, agrees: Agrees) -> None:
    """Failures before the first success: (1 − p)/p on average; each costs its attempt and a repair."""
    p = 0.8
    one = stage({"assumed": "1m"}, success={"assumed": "80%"}, retries=10)
    repair = {"assumed": "30s"}
    times = rta(plan_of(groups=alone(100), stages=[one], repair=repair), runs=500)
    agrees(batches(times), 60 / p + 30 * (1 - p) / p)


def test_restart_from_scratch_at_a_time_out(plan_of: PlanOf, agrees: Agrees) -> None:
    """D ~ U(0, b), restarted at θ: p = θ/b, so E = θ (1 − p)/p + θ/2, and 5 + 7.5 min for b = 20, θ = 15 min.

    (Preemptive repeat different: Conway, Maxwell and Miller, Theory of
    Scheduling, 1967, § 8.)
    """
    duration = {"assumed": {"uniform": {"low": "0s", "high": "20m"}}}
    times = rta(plan_of(groups=alone(100), stages=[stage(duration, timeout="15m", retries=10)]), runs=1000)
    agrees(batches(times), 750)


def test_restarting_what_has_no_memory_gains_nothing(plan_of: PlanOf, agrees: Agrees) -> None:
    """Exp(10 min) restarted at 20 min is Exp(10 min): mean and 95th percentile."""
    times = rta(
        plan_of(groups=alone(100), stages=[stage(exponential(10), timeout="20m", retries=10)]), runs=1300
    )
    agrees(batches(times), 600)
    agrees(batches(times <= -600 * math.log(0.05)), 0.95)


# Token buckets


@pytest.mark.parametrize(("tokens", "rate", "burst"), [(1, 2, 10), (3, 2, 10), (4, 1, 4)])
def test_a_burst_of_requests_at_a_token_bucket(plan_of: PlanOf, tokens: int, rate: int, burst: int) -> None:
    """A full bucket of b tokens, r a second: the kth of n requests of c tokens passes at max(0, (kc − b)/r).

    What has passed by t is at most b + rt (the leaky bucket as a meter; Turner, 1986).
    """
    one = stage({"assumed": "10s"}, tokens={"api": tokens})
    shared = {"buckets": {"api": {"rate": f"{rate}/s", "burst": burst}}}
    k = np.arange(1, 41)
    exact = 10 + np.maximum(0.0, (k * tokens - burst) / rate)
    np.testing.assert_allclose(np.sort(rta(plan_of(groups=alone(40), stages=[one], shared=shared))[0]), exact)


def test_two_buckets_in_series(plan_of: PlanOf) -> None:
    """Full, 5 at 2/s, then 3 at 1/s: the kth leaves at the largest of a(k) and a(j) + k − j + 1 − 3, j ≤ k.

    Network calculus: the output of a bucket is the min-plus convolution of its input with b + rt (Le Boudec
    and Thiran, Network Calculus, 2001, ch. 1).
    """
    shared = {"buckets": {"first": {"rate": "2/s", "burst": 5}, "second": {"rate": "1/s", "burst": 3}}}
    stages = [
        stage({"assumed": "0s"}, "prepare", tokens={"first": 1}),
        stage({"assumed": "0s"}, "attach", tokens={"second": 1}),
    ]
    times = np.sort(rta(plan_of(groups=alone(30), stages=stages, shared=shared))[0])
    arrivals = [max(0.0, (k - 5) / 2) for k in range(1, 31)]
    exact = [max([arrivals[k], *(arrivals[j] + (k - j + 1 - 3) for j in range(k + 1))]) for k in range(30)]
    np.testing.assert_allclose(times, exact, atol=1e-9)


# Order statistics and sums


def test_k_of_five_are_back(plan_of: PlanOf, agrees: Agrees) -> None:
    """Of n exponential recoveries the kth ends at m Σ 1/i on average, i from n − k + 1 to n.

    Rényi's representation of exponential order statistics (David and Nagaraja, 2003, § 2.5). Twenty fives
    side by side in each run do not compete.
    """
    times = rta(plan_of(groups=alone(100), stages=[stage(exponential(10))]), runs=1700)
    kth = np.sort(times.reshape(-1, 5), axis=1)
    for k in (4, 5):
        agrees(batches(kth[:, k - 1]), 600 * sum(1 / i for i in range(5 - k + 1, 6)))


def test_one_slot_sums_to_an_erlang_time(plan_of: PlanOf, agrees: Agrees) -> None:
    """12 jobs of Exp(10 min), one at a time: the last ends at a Gamma(12) time; mean and 90th percentile."""
    one = stage(exponential(10), slots={"workers": 1})
    last = rta(plan_of(count=12, stages=[one]), runs=13000).max(axis=1)
    agrees(batches(last), 7200)
    agrees(batches(last <= stats.gamma(12, scale=600).ppf(0.9)), 0.9)


def test_priority_groups_of_exponential_jobs(plan_of: PlanOf, agrees: Agrees) -> None:
    """Barriers between three groups of 6 with 2 at once: Σ over groups of m ((6 − 2)/2 + 1 + 1/2).

    Each makespan: both slots busy until the last two are left, then the slower of two (memorylessness).
    """
    groups: list[dict[str, Any]] = [{"name": f"priority{i}", "count": 6} for i in range(3)]
    order = [[group["name"]] for group in groups]
    plan = plan_of(groups=groups, stages=[stage(exponential(10))], waves={"order": order},
                   concurrency={"limit": 2})  # fmt: skip
    times = rta(plan, runs=8000)
    agrees(batches(times.max(axis=1)), 3 * 600 * 3.5)


# Shared links and single servers


@pytest.mark.parametrize("slots", [None, 1, 2, 5])
def test_the_last_of_all_transfers_does_not_depend_on_their_order(plan_of: PlanOf, slots: int | None) -> None:
    """Work conservation: a link that is never idle is done at Σ S / B, whoever is served when."""
    sizes = [3, 50, 7, 22, 41, 1, 13, 30]
    groups = [{"name": f"vm{i}", "disks": [{"capacity": f"{size}GB"}]} for i, size in enumerate(sizes)]
    data: dict[str, Any] = {"stage": "data", "bytes": "used", "over": "wire", "timeout": "9d"}
    data |= {"slots": {"proxies": slots}} if slots else {}
    plan = plan_of(groups=groups, stages=[data], shared={"links": {"wire": {"bandwidth": "100MB/s"}}})
    assert rta(plan)[0].max() == pytest.approx(sum(sizes) * 10, rel=1e-9)


def test_shortest_first_has_the_least_mean(plan_of: PlanOf) -> None:
    """One slot, sizes p(1) ≤ … ≤ p(n): the mean of Σ (n − i + 1) p(i)/n is that of the order shortest first.

    Smith, 1956; every exchange of neighbours into the wrong order adds their difference.
    """
    minutes = [1, 2, 4, 7, 11]

    def mean(order: list[int]) -> float:
        groups = [{"name": f"vm{i}", "disks": [{"capacity": f"{m}MB"}]} for i, m in enumerate(order)]
        link = {"bandwidth": "1GB/s", "per_stream": "1MB/s"}
        data = {"stage": "data", "bytes": "used", "over": "wire", "timeout": "30d", "slots": {"one": 1}}
        return float(rta(plan_of(groups=groups, stages=[data], shared={"links": {"wire": link}}))[0].mean())

    least = sum((len(minutes) - i) * p for i, p in enumerate(minutes)) / len(minutes)
    assert mean(minutes) == pytest.approx(least, rel=1e-9)
    assert mean([2, 1, 4, 7, 11]) == pytest.approx(least + 1 / 5, rel=1e-9)
    assert mean(minutes[::-1]) == pytest.approx(sum((i + 1) * p for i, p in enumerate(minutes)) / 5, rel=1e-9)


@pytest.mark.parametrize(
    ("cap", "expected"),
    [(None, [500, 700, 750]), ("500kB/s", [650, 750, 850])],
)
def test_transfers_that_begin_one_after_the_other(
    plan_of: PlanOf, cap: str | None, expected: list[float]
) -> None:
    """Three of 250 MB begin at 0, 100, 200 s and share 1 MB/s.

    Without a cap: 150 MB are left at 100, 100 and 200 MB at 200; a third each until 500, then half, 50 s
    alone. At most 0.5 MB/s a stream: 200 MB left at 100, 150 and 200 at 200; a third each until the first
    is done at 650, half each until 750, and the last 50 MB take 100 s.
    """
    data = {"stage": "data", "bytes": "250MB", "over": "wire", "timeout": "9d"}
    link: dict[str, Any] = {"bandwidth": "1MB/s"} | ({"per_stream": cap} if cap else {})
    shared: dict[str, Any] = {"links": {"wire": link}, "buckets": {"start": {"rate": "0.01/s", "burst": 1}}}
    stages = [stage({"assumed": "0s"}, "prepare", tokens={"start": 1}), data]
    times = rta(plan_of(groups=alone(3), stages=stages, shared=shared))[0]
    np.testing.assert_allclose(times, expected, rtol=1e-9)


def test_waits_in_a_single_queue_follow_lindley(plan_of: PlanOf) -> None:
    """G/G/1: W(k + 1) = max(0, W(k) + S(k) − A(k + 1)), run by run (Lindley, 1952).

    Arrivals are what an earlier stage of random length ends with; the queue serves by time of request.
    """
    stages = [stage(exponential(60), "prepare"), stage(exponential(5), slots={"one": 1})]
    plan = plan_of(count=12, stages=stages)
    draws = BlockDraws(plan, Draws(1), 0)
    arrive, serve = (draws.stage_seconds(s, 0) for s in plan.stages)
    for run in range(25):
        ends = np.array([job.segments[-1].end for job in replay(plan, 1, run).jobs[:12]])
        free = 0.0
        for vm in np.argsort(arrive[run]):
            free = max(free, arrive[run, vm]) + serve[run, vm]
            assert ends[vm] == pytest.approx(free, rel=1e-12)
