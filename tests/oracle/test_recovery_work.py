"""Achieved RTO against exact answers: retries, time-outs, buckets, sums, barriers, arrivals."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.block_runs import replay
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]


BLOCKS = 40


def rta(plan: Plan) -> FloatArray:
    """RTA of every VM, one row per run of the first block."""
    return simulate(plan, runs=1).vm_rta


def drawn(plan: Plan, blocks: int = BLOCKS) -> list[BlockDraws]:
    """The numbers of the first blocks, without the engine."""
    return [BlockDraws(plan, Draws(1), block) for block in range(blocks)]


def exponential(minutes: int) -> dict[str, Any]:
    return {"assumed": {"exponential": {"mean": f"{minutes}m"}}}


def stage(duration: Any, name: str = "boot", **fields: Any) -> dict[str, Any]:
    return {"stage": name, "duration": duration, **fields}


def alone(count: int) -> list[dict[str, Any]]:
    """VMs that are back when they are, whatever becomes of the others: each an application of its own."""
    return [{"name": f"vm{i}"} for i in range(count)]


# Retries and time-outs: the engine follows the path of each run; the paths have the known mean


def tried(plan: Plan, draws: BlockDraws, repair_seconds: float = 0.0) -> FloatArray:
    """What the attempts at the only stage cost each VM, one after the other; inf if none succeeds."""
    (one,) = plan.stages
    spent = np.zeros((len(draws.runs), plan.n_vms))
    trying = np.ones(spent.shape, dtype=np.bool_)
    for attempt in range(one.retries + 1):
        seconds, ok = draws.stage_seconds(one, attempt), draws.stage_succeeds(one, attempt)
        spent += trying * np.minimum(seconds, one.timeout)
        trying &= (seconds > one.timeout) | (False if ok is None else ~ok)
        spent += trying * repair_seconds
    return np.where(trying, np.inf, spent)


def paths(plan_of: PlanOf, one: dict[str, Any], repair_seconds: int = 0) -> FloatArray:
    """What 2,500 VMs spent in each of 25 runs, one row per block, after the engine spent it with twenty."""
    more = {"repair": {"assumed": f"{repair_seconds}s"}} if repair_seconds else {}
    few = plan_of(groups=alone(20), stages=[one], **more)
    np.testing.assert_allclose(rta(few), tried(few, drawn(few, 1)[0], repair_seconds), rtol=1e-12)
    many = plan_of(count=2500, stages=[one], **more)
    return np.array([tried(many, draws, repair_seconds).ravel() for draws in drawn(many)])


def test_a_repair_between_attempts(plan_of: PlanOf, agrees: Agrees) -> None:
    """Failures before the first success: (1 − p)/p on average; each costs its attempt and a repair."""
    p = 0.8
    one = stage({"assumed": "1m"}, success={"assumed": "80%"}, retries=10)
    agrees(paths(plan_of, one, repair_seconds=30).mean(axis=1), 60 / p + 30 * (1 - p) / p)


def test_few_attempts_may_all_fail(plan_of: PlanOf, agrees: Agrees) -> None:
    """p = 0.6 and 3 retries: lost with (1 − p)⁴; else a truncated geometric number of minutes."""
    p, attempts = 0.6, np.arange(1, 5)
    times = paths(plan_of, stage({"assumed": "1m"}, success={"assumed": "60%"}, retries=3))
    chances = p * (1 - p) ** (attempts - 1)
    agrees(np.isfinite(times).mean(axis=1), 1 - (1 - p) ** 4)
    mean = np.array([row[np.isfinite(row)].mean() for row in times])
    agrees(mean, 60 * float((attempts * chances).sum() / chances.sum()))


def test_restart_from_scratch_at_a_time_out(plan_of: PlanOf, agrees: Agrees) -> None:
    """D ~ U(0, b), restarted at θ: p = θ/b, so E = θ (1 − p)/p + θ/2, and 2 + 9 min for b = 20, θ = 18 min.

    (Preemptive repeat different: Conway, Maxwell and Miller, Theory of
    Scheduling, 1967, § 8.)
    """
    duration = {"assumed": {"uniform": {"low": "0s", "high": "20m"}}}
    agrees(paths(plan_of, stage(duration, timeout="18m", retries=10)).mean(axis=1), 660)


def test_restarting_what_has_no_memory_gains_nothing(plan_of: PlanOf, agrees: Agrees) -> None:
    """Exp(10 min) restarted at 20 min is Exp(10 min): mean and 95th percentile."""
    times = paths(plan_of, stage(exponential(10), timeout="20m", retries=10))
    agrees(times.mean(axis=1), 600)
    agrees((times <= -600 * math.log(0.05)).mean(axis=1), 0.95)


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


# Sums: the engine's makespans are those of a list that idle slots take from; they have the known mean


def makespans(seconds: FloatArray, slots: int) -> FloatArray:
    """When the last of the jobs of each row ends: whichever slot is free first takes the next."""
    free = np.zeros((len(seconds), slots))
    rows = np.arange(len(seconds))
    for job in seconds.T:
        free[rows, free.argmin(axis=1)] += job
    return np.asarray(free.max(axis=1))


def test_one_slot_sums_to_an_erlang_time(plan_of: PlanOf, agrees: Agrees) -> None:
    """12 jobs of Exp(10 min), one at a time: the last ends at a Gamma(12) time; mean and 90th percentile."""
    one = stage(exponential(10), slots={"workers": 1})
    plan, many = (plan_of(count=count, stages=[one]) for count in (12, 1200))
    jobs = drawn(plan, 1)[0].stage_seconds(plan.stages[0], 0)
    np.testing.assert_allclose(rta(plan).max(axis=1), makespans(jobs, 1), rtol=1e-12)
    dozens = np.array([draws.stage_seconds(many.stages[0], 0).reshape(-1, 12) for draws in drawn(many)])
    last = dozens.sum(axis=2)
    agrees(last.mean(axis=1), 7200)
    agrees((last <= stats.gamma(12, scale=600).ppf(0.9)).mean(axis=1), 0.9)


def test_priority_groups_of_exponential_jobs(plan_of: PlanOf, agrees: Agrees) -> None:
    """Barriers between three groups of 6 with 2 at once: Σ over groups of m ((6 − 2)/2 + 1 + 1/2).

    Each makespan: both slots busy until the last two are left, then the slower of two (memorylessness).
    """
    groups: list[dict[str, Any]] = [{"name": f"priority{i}", "count": 6} for i in range(3)]
    order = [[group["name"]] for group in groups]
    plan = plan_of(groups=groups, stages=[stage(exponential(10))], waves={"order": order},
                   concurrency={"limit": 2})  # fmt: skip

    def last(draws: BlockDraws) -> FloatArray:
        jobs = draws.stage_seconds(plan.stages[0], 0)
        return sum((makespans(jobs[:, first : first + 6], 2) for first in (0, 6, 12)), np.zeros(len(jobs)))

    blocks = drawn(plan, 600)
    np.testing.assert_allclose(rta(plan).max(axis=1), last(blocks[0]), rtol=1e-12)
    agrees(np.array([last(draws) for draws in blocks]).reshape(BLOCKS, -1).mean(axis=1), 3 * 600 * 3.5)


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


@pytest.mark.parametrize("used", ["1B", "0%"])
def test_a_transfer_of_nothing_takes_as_long_as_alone(plan_of: PlanOf, used: str) -> None:
    """What is left of a stage when its bytes go to nothing is its stated duration: the limit is met."""
    groups = [{"name": "empty", "disks": [{"capacity": "1GB", "used": used}]}]
    data = stage({"assumed": "2m"}, "data", bytes="used", over="wire", timeout="1h")
    plan = plan_of(groups=groups, stages=[data], shared={"links": {"wire": {"bandwidth": "1MB/s"}}})
    assert rta(plan)[0] == pytest.approx(120.0)


@pytest.mark.parametrize("minutes", [1, 3])
def test_a_transfer_of_nothing_times_out_as_any_other(plan_of: PlanOf, minutes: int) -> None:
    groups = [{"name": "empty", "disks": [{"capacity": "1GB", "used": "0%"}]}]
    data = stage({"assumed": "2m"}, "data", bytes="used", over="wire", timeout=f"{minutes}m")
    plan = plan_of(groups=groups, stages=[data], shared={"links": {"wire": {"bandwidth": "1MB/s"}}})
    assert np.isfinite(rta(plan)[0]).all() == (minutes == 3)


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
