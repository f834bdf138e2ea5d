"""Achieved RTO against exact answers: slots, shared links, queues, series and parallel work, waves.

Each exact value follows from queueing or scheduling theory; the numbers come out of whole runs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from rpo_sim.distributions import Distribution, Exponential, Fixed
from rpo_sim.distributions.base import FloatArray
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.block_runs import replay
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.journal import WAIT
from rpo_sim.model.plan import Plan, StagePlan
from rpo_sim.model.run import RunInputs

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]


def rta(plan: Plan, runs: int = 1) -> FloatArray:
    """RTA of every VM, one row per run."""
    return simulate(plan, runs=runs).vm_rta


def without_controlled(values: FloatArray, controls: FloatArray, exact: FloatArray) -> FloatArray:
    """Batch means with the part that regression explains by controls of known mean taken out."""
    centred = controls - controls.mean(axis=0)
    slopes = np.linalg.lstsq(centred, values - values.mean(), rcond=None)[0]
    return np.asarray(values - (controls - exact) @ slopes)


# Slots


def exponential_jobs(plan_of: PlanOf, jobs: int, workers: int) -> Plan:
    duration = {"assumed": {"exponential": {"mean": "10m"}}}
    return plan_of(
        count=jobs, stages=[{"stage": "data", "duration": duration, "slots": {"workers": workers}}]
    )


def test_exponential_jobs_on_four_workers(plan_of: PlanOf, agrees: Agrees) -> None:
    """20 jobs of Exp(600) on 4 workers: (N − c)·m/c + m·(1 + ½ + ⅓ + ¼)."""
    makespan = rta(exponential_jobs(plan_of, 20, 4), runs=8000).max(axis=1).reshape(80, -1)
    agrees(makespan.mean(axis=1), 3650)
    agrees((makespan <= 5335.144421).mean(axis=1), 0.95)


def list_schedule(plan_of: PlanOf, minutes: list[int], slots: int) -> float:
    """The makespan in minutes of VMs that take so long, in that order: 1 MB each minute, a stream each."""
    groups = [{"name": f"vm{i}", "disks": [{"capacity": f"{m}MB"}]} for i, m in enumerate(minutes)]
    link = {"bandwidth": "1GB/s", "per_stream": "1MB/s"}
    stage = {"stage": "data", "bytes": "used", "over": "wire", "timeout": "30d", "slots": {"workers": slots}}
    plan = plan_of(groups=groups, stages=[stage], shared={"links": {"wire": link}})
    return float(rta(plan)[0].max())


@pytest.mark.parametrize(
    ("minutes", "slots", "expected"),
    [
        ([1] * 12 + [4], 4, 7),  # Graham's worst case: (2 − 1/m) times the optimum
        ([4] + [1] * 12, 4, 4),
        ([5, 5, 4, 4, 3, 3, 3], 3, 11),  # longest first: (4/3 − 1/(3m)) times the optimum
        ([5, 4, 5, 4, 3, 3, 3], 3, 11),
        ([7, 3, 5, 2, 4, 6], 2, 15),
        ([7, 6, 5, 4, 3, 2], 2, 14),
        ([420] * 50, 8, 2940),
    ],
)  # fmt: skip
def test_list_scheduling(plan_of: PlanOf, minutes: list[int], slots: int, expected: float) -> None:
    assert list_schedule(plan_of, minutes, slots) == pytest.approx(expected, rel=1e-9)


def test_one_worker_ends_when_all_work_is_done(plan_of: PlanOf) -> None:
    """A single server with all jobs at time 0, in the order of the VMs: each ends with the work so far."""
    plan = exponential_jobs(plan_of, 12, 1)
    work = BlockDraws(plan, Draws(1), 0).stage_seconds(plan.stages[0], 0)
    ends = [[job.segments[-1].end for job in replay(plan, 1, run).jobs[:12]] for run in range(25)]
    np.testing.assert_allclose(ends, work.cumsum(axis=1), rtol=1e-12)


def test_a_wave_waits_for_the_slowest_of_the_one_before(plan_of: PlanOf) -> None:
    """SRM's priority groups: the finish is the sum of each group's makespan with so many at once.

    A VM that fails does not hold up the next group; one that hangs does, until its time-out.
    """
    groups = [{"name": f"priority{i}", "count": 5} for i in range(1, 6)]
    stage = {"stage": "boot", "duration": {"assumed": "7m"}, "timeout": "30m"}
    order = [[group["name"]] for group in groups]
    plan = plan_of(groups=groups, stages=[stage], waves={"order": order}, concurrency={"limit": 2})
    per_group = 3 * 420.0
    ends = [per_group * (i + 1) for i in range(5)]
    np.testing.assert_allclose(rta(plan)[0, ::5], ends)
    slow = replace(plan.stages[0], timeout=300.0)
    hung = rta(replace(plan, stages=(slow,)))  # all of them hang
    assert np.isinf(hung).all()
    jobs = replay(replace(plan, stages=(slow,)), 1, 0).jobs
    assert jobs[plan.n_vms - 1].segments[-1].end == pytest.approx(5 * 3 * 300.0)


# Shared links


@pytest.mark.parametrize(
    ("per_stream", "expected"),
    [(None, [100, 180, 300, 460, 700]), ("214748364.8B/s", [100, 180, 300, 500, 1100])],
)
def test_processor_sharing(plan_of: PlanOf, per_stream: str | None, expected: list[float]) -> None:
    """10, 20, 40, 80, 200 GiB over 0.5 GiB/s: C(i) = C(i−1) + (s(i) − s(i−1))/min(B/(n−i+1), cap)."""
    link = {"bandwidth": "512MiB/s"} | ({"per_stream": per_stream} if per_stream else {})
    groups = [{"name": f"vm{g}", "disks": [{"capacity": f"{g}Gi"}]} for g in (10, 20, 40, 80, 200)]
    stage = {"stage": "data", "bytes": "used", "over": "wire", "timeout": "1d"}
    plan = plan_of(groups=groups, stages=[stage], shared={"links": {"wire": link}})
    np.testing.assert_allclose(rta(plan)[0], expected, rtol=1e-9)


def test_equal_sharing_ends_all_at_once(plan_of: PlanOf) -> None:
    """n equal jobs finish at n·S/B, all of them."""
    stage = {"stage": "data", "bytes": "used", "over": "wire", "timeout": "1d"}
    shared = {"links": {"wire": {"bandwidth": "1MiB/s"}}}
    times = rta(plan_of(count=30, stages=[stage], shared=shared))[0]
    np.testing.assert_allclose(times, 30 * 1024, rtol=1e-9)


def test_a_stage_with_a_pace_of_its_own_leaves_the_rest_to_others(plan_of: PlanOf) -> None:
    """Two VMs of 600 MB that alone take 10 min and a link of 1.5 MB/s: 0.75 MB/s each."""
    stage = {"stage": "data", "bytes": "600MB", "over": "wire", "timeout": "1d",
             "duration": {"assumed": "10m"}}  # fmt: skip
    shared = {"links": {"wire": {"bandwidth": "1500kB/s"}}}
    np.testing.assert_allclose(rta(plan_of(count=2, stages=[stage], shared=shared))[0], 800)
    np.testing.assert_allclose(rta(plan_of(count=1, stages=[stage], shared=shared))[0], 600)


# Queues: M/M/4


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic(RunInputs):
    """A run whose VMs arrive one after the other: their durations are given, per stage."""

    seconds: dict[str, FloatArray]

    def stage_seconds(self, stage: StagePlan, attempt: int) -> list[float]:
        values: list[float] = self.seconds[stage.key].tolist()
        return values


SERVICE, LOAD, SERVERS = 600.0, 0.8, 4
BETWEEN = SERVICE / (SERVERS * LOAD)
WAITING = 0.596432  # Erlang C


def in_system(u: float) -> int:
    """How many a random moment finds in a stationary M/M/4."""
    a = LOAD * SERVERS
    weights = [a**n / math.factorial(n) for n in range(SERVERS)]
    weights += [a**SERVERS / math.factorial(SERVERS) * LOAD**k for k in range(200)]
    return int(np.searchsorted(np.cumsum(weights) / sum(weights), u))


def queue_waits(plan: Plan, generator: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Waits of the arrivals that find a stationary queue, and controls: what one fast server would do.

    Those already there at time 0 are served for a memoryless rest.
    """
    n, u = plan.n_vms, float(generator.random())
    there = in_system(u)
    gaps = generator.exponential(BETWEEN, n)
    gaps[: there + 1] = 0.0  # the first arrival finds them: arrivals see time averages
    service = generator.exponential(SERVICE, n)
    inputs = Traffic(
        block=BlockDraws(plan, Draws(1), 0), row=0, detect_seconds=0.0, declare_seconds=0.0,
        options=((0,),) * n, seconds={"prepare": gaps.cumsum(), "data": service},
    )  # fmt: skip
    jobs = simpy_engine.recover(plan, inputs).jobs[:n]
    seen = slice(there, there + n - 80)  # as many in each batch, whatever it started with
    waits = np.array([sum(s.end - s.start for s in job.segments if s.evidence == WAIT) for job in jobs[seen]])
    gaps, service = gaps[seen], service[seen]
    # M/M/1 of the same load in heavy traffic waits almost alike; Lindley's recursion from its stationary wait
    first = max(0.0, -SERVICE / SERVERS / (1 - LOAD) * math.log((1 - u) / LOAD)) if u > 1 - LOAD else 0.0
    steps = np.concatenate([[first], service[:-1] / SERVERS - gaps[1:]])
    walk = steps.cumsum()
    alone = walk - np.minimum(np.minimum.accumulate(walk), 0.0)
    controls = [alone.mean(), (alone > 0).mean(), gaps[1:].mean(), service.mean()]
    controls += [np.exp(-alone / 300).mean()]
    return waits, np.array(controls)


def test_waiting_for_four_workers(plan_of: PlanOf, agrees: Agrees) -> None:
    """Erlang C: P(W > 0); the queue is fed by a stationary stream."""
    stages = [
        {"stage": "prepare", "duration": {"assumed": "0s"}},
        {"stage": "data", "duration": {"assumed": "0s"}, "slots": {"workers": SERVERS}},
    ]
    plan = plan_of(count=1080, stages=stages)
    generator = np.random.default_rng(24)
    rows = [queue_waits(plan, generator) for _ in range(90)]
    mean = SERVICE / SERVERS / (1 - LOAD)  # of the wait in M/M/1, where it is not 0
    exact = np.array([LOAD * mean, LOAD, BETWEEN, SERVICE, 1 - LOAD + LOAD / (1 + mean / 300)])
    late = np.array([(waits > 0).mean() for waits, _ in rows])
    agrees(without_controlled(late, np.array([row[1] for row in rows]), exact), WAITING)


# Series and parallel


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialOfSize(Distribution):
    """A mean of as many seconds as bytes, so that groups may differ within one stage."""

    kind: ClassVar[str] = "exponential-of-size"

    def at(self, *, size_bytes: int | None, concurrency: int) -> Distribution:
        return Exponential(mean=size_bytes) if size_bytes else Fixed(seconds=0.0)

    def ppf(self, u: FloatArray) -> FloatArray:
        raise NotImplementedError

    def cdf(self, x: FloatArray) -> FloatArray:
        raise NotImplementedError

    def scaled(self, factor: float) -> Distribution:
        raise NotImplementedError

    def parameters(self) -> dict[str, object]:
        return {}


def with_means(plan: Plan, stage: str, means: list[int]) -> Plan:
    """The plan with exponential durations of these means in one stage, one per group."""

    def changed(of: StagePlan) -> StagePlan:
        if of.key != stage or of.duration is None:
            return of
        sized = replace(of.duration, base=ExponentialOfSize(), sizes_bytes=tuple(means))
        return replace(of, duration=sized)

    return replace(plan, stages=tuple(changed(of) for of in plan.stages))


def test_stages_in_series(plan_of: PlanOf, agrees: Agrees) -> None:
    """Exp(60) + Exp(300) + Exp(900): a hypoexponential RTA for each VM."""
    stages = [
        {"stage": stage, "duration": {"assumed": {"exponential": {"mean": mean}}}}
        for stage, mean in (("prepare", "1m"), ("boot", "5m"), ("application", "15m"))
    ]
    plan = plan_of(groups=[{"name": f"vm{i}"} for i in range(40)], stages=stages)
    times = rta(plan, runs=1600).reshape(64, -1)
    agrees(times.mean(axis=1), 1260)
    agrees((times <= 3122.832143).mean(axis=1), 0.95)


def test_parallel_branches_of_an_application(plan_of: PlanOf, agrees: Agrees) -> None:
    """max(Exp(300) + Exp(300), Exp(900)): E[X] + E[Y] − ∫ P(X > t) P(Y > t) dt."""
    pairs = 40
    groups = [{"name": f"{side}{i}", "application": f"app{i}"} for i in range(pairs) for side in ("x", "y")]
    stages = [{"stage": stage, "duration": {"assumed": "1s"}} for stage in ("prepare", "boot")]
    plan = plan_of(groups=groups, stages=stages)
    plan = with_means(with_means(plan, "prepare", [300, 900] * pairs), "boot", [300, 0] * pairs)
    times = rta(plan, runs=1500)
    assert (times[:, ::2] == times[:, 1::2]).all()
    rows = [BlockDraws(plan, Draws(1), block) for block in range(60)]
    work = [sum(row.stage_seconds(stage, 0) for stage in plan.stages) for row in rows]
    alone = np.array([np.asarray(both).reshape(-1, pairs, 2).mean(axis=(0, 1)) for both in work])
    means = times[:, ::2].reshape(60, -1).mean(axis=1)
    agrees(without_controlled(means, alone, np.array([600.0, 900.0])), 1106.25)
