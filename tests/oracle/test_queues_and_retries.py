"""Queues with general service, and stages that are tried again: exact means, through scenario and plan."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import RUNS_PER_BLOCK, BlockDraws
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.journal import WAIT
from rpo_sim.model.plan import Plan, StagePlan
from rpo_sim.model.run import RunInputs

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]
Controlled = Callable[..., FloatArray]


# M/G/1


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic(RunInputs):
    """A run whose VMs arrive one after the other: their durations are given, per stage."""

    seconds: dict[str, FloatArray]

    def stage_seconds(self, stage: StagePlan, attempt: int) -> list[float]:
        values: list[float] = self.seconds[stage.key].tolist()
        return values


def single_server(plan_of: PlanOf, n: int) -> Plan:
    """One slot; the first stage lets the VMs arrive one after the other."""
    stages = [
        {"stage": "prepare", "duration": {"assumed": "0s"}},
        {"stage": "data", "duration": {"assumed": "0s"}, "slots": {"server": 1}},
    ]
    return plan_of(count=n, stages=stages)


def waits_for(plan: Plan, gaps: FloatArray, service: FloatArray) -> FloatArray:
    """How long each VM of a stream waits for the slot, from empty."""
    inputs = Traffic(
        block=BlockDraws(plan, Draws(1), 0), row=0, detect_seconds=0.0, declare_seconds=0.0,
        options=((0,),) * plan.n_vms, seconds={"prepare": gaps.cumsum(), "data": service},
    )  # fmt: skip
    jobs = simpy_engine.recover(plan, inputs).jobs[: plan.n_vms]
    return np.array([sum(s.end - s.start for s in job.segments if s.evidence == WAIT) for job in jobs])


def test_waits_follow_lindley(plan_of: PlanOf) -> None:
    """M/G/1, arrival by arrival: W(k + 1) = max(0, W(k) + S(k) − A(k + 1))."""
    generator = np.random.default_rng(3)
    gaps, service = generator.exponential(1000.0, 2000), generator.gamma(0.5, 1600.0, 2000)
    expected, wait = [0.0], 0.0
    for k in range(1, 2000):
        wait = max(0.0, wait + service[k - 1] - gaps[k])
        expected.append(wait)
    waits = waits_for(single_server(plan_of, 2000), gaps, service)
    np.testing.assert_allclose(waits, expected, rtol=1e-9, atol=1e-5)


def test_pollaczek_khinchine(plan_of: PlanOf, agrees: Agrees, controlled: Controlled) -> None:
    """E[W] = λ·E[S²] ÷ (2(1 − ρ)) with constant service at ρ = 0.1.

    Controls of known mean: what one service, and what two, leave for the next arrival, the square of the
    first, and how many wait at all (ρ, as arrivals see time averages).
    """
    service, between, n, rows = 600.0, 6000.0, 1280, 80
    generator, plan = np.random.default_rng(11), single_server(plan_of, 1280)
    waits, one, two = [], [], []
    for _ in range(rows):
        gaps = generator.exponential(between, n)
        waits.append(waits_for(plan, gaps, np.full(n, service))[80:])
        one.append(np.maximum(service - gaps[80:], 0.0))
        two.append(np.maximum(np.maximum(service - gaps[79:-1], 0.0) + service - gaps[80:], 0.0))

    def left(work: FloatArray) -> FloatArray:  # E[(work − A)+] for an exponential gap A
        return np.asarray(work - between * (1 - np.exp(-work / between)))

    first = left(np.array([service]))[0]
    gap = (np.arange(100_000) + 0.5) / 100_000 * service  # gaps that leave something of the first
    density = np.exp(-gap / between) / between * service / len(gap)
    second = (density * left(2 * service - gap)).sum() + math.exp(-service / between) * first
    square = service**2 - 2 * between * first
    flat = np.concatenate(waits)
    controls = [np.concatenate(one), np.concatenate(two), np.concatenate(one) ** 2, flat > 1e-6]
    load = service / between
    exact = service**2 / between / (2 * (1 - load))
    agrees(controlled(flat, controls, [first, second, square, load]), exact)


# Tried again


def first_attempts(plan: Plan, runs: int) -> FloatArray:
    blocks = [BlockDraws(plan, Draws(1), block) for block in range(runs // RUNS_PER_BLOCK)]
    return np.concatenate([draws.stage_seconds(plan.stages[0], 0) for draws in blocks])


def lone_vms(n: int) -> list[dict[str, Any]]:
    return [{"name": f"vm{i}"} for i in range(n)]


def test_retries_are_geometric(plan_of: PlanOf, agrees: Agrees, controlled: Controlled) -> None:
    """At most r + 1 attempts: P(recovered) = 1 − q^(r + 1), E[T; recovered] = m·Σ k·p·q^(k − 1)."""
    p, retries, mean = 0.6, 3, 600.0
    stage = {
        "stage": "boot", "duration": {"assumed": {"exponential": {"mean": "10m"}}}, "timeout": "30d",
        "success": {"assumed": "60%"}, "retries": retries,
    }  # fmt: skip
    plan, runs = plan_of(groups=lone_vms(20), stages=[stage]), 4000
    times = simulate(plan, runs=runs).vm_rta
    there = np.isfinite(times)
    first = first_attempts(plan, runs)
    q = 1 - p
    agrees(there.mean(axis=1).reshape(80, -1).mean(axis=1), 1 - q ** (retries + 1))
    spent = np.where(there, times, 0.0).mean(axis=1)
    exact = mean * sum(k * p * q ** (k - 1) for k in range(1, retries + 2))
    agrees(controlled(spent, [first.mean(axis=1), there.mean(axis=1)], [mean, 1 - q ** (retries + 1)]), exact)


def test_a_time_out_begins_anew(plan_of: PlanOf, agrees: Agrees, controlled: Controlled) -> None:
    """Restart from scratch: Exp(m) cut at τ, up to 11 attempts: E[T; done] = Σ q^(k−1)·((k − 1)·τ·p + I).

    p = 1 − e^(−τ/m), q = 1 − p, I = ∫ t f(t) dt to τ = m·p − τ·q: nothing of a failed attempt is kept.
    """
    mean, limit, attempts = 600.0, 300.0, 11
    stage = {
        "stage": "data", "duration": {"assumed": {"exponential": {"mean": "10m"}}}, "timeout": "5m",
        "retries": attempts - 1,
    }  # fmt: skip
    plan, runs = plan_of(groups=lone_vms(20), stages=[stage]), 4000
    times = simulate(plan, runs=runs).vm_rta
    q = math.exp(-limit / mean)
    p = 1 - q
    inside = mean * p - limit * q
    exact = sum(q ** (k - 1) * ((k - 1) * limit * p + inside) for k in range(1, attempts + 1))
    first = first_attempts(plan, runs)
    controls = [(first > limit).mean(axis=1), np.minimum(first, limit).mean(axis=1)]
    spent = np.where(np.isfinite(times), times, 0.0).mean(axis=1)
    agrees(controlled(spent, controls, [q, mean * p]), exact)


def test_a_transfer_begins_anew_on_a_busy_link(plan_of: PlanOf) -> None:
    """Two of 600 MB on 1 MB/s are cut at 960 s with 480 MB done each, and begin with all 600 again.

    Side by side both fail twice. Repaired one after the other, from 1,260 s and 1,560 s on, the first has
    300 MB alone and the other 300 MB at half speed by 2,160 s; the second, then at 300 MB, ends at 2,460 s.
    """
    stage = {"stage": "data", "bytes": "600MB", "over": "wire", "timeout": "16m", "retries": 1}
    shared = {"links": {"wire": {"bandwidth": "1MB/s"}}}
    plan = plan_of(groups=lone_vms(2), stages=[stage], shared=shared, repair={"assumed": "5m"})
    assert np.isinf(simulate(plan, runs=1).vm_rta).all()
    people = shared | {"people": {"operators": 1}}
    repair = {"assumed": "5m", "by": "people"}  # one after the other: 300 s apart
    plan = plan_of(groups=lone_vms(2), stages=[stage], shared=people, repair=repair)
    np.testing.assert_allclose(simulate(plan, runs=1).vm_rta[0], [2160.0, 2460.0])
