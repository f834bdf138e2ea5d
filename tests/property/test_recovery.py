"""Recoveries of random scenarios: against an independent scheduler, and laws that hold for all of them."""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.model.block_runs import replay, run_block
from rpo_sim.model.experiment import simulate
from rpo_sim.model.journal import WAIT, Job, critical_path
from rpo_sim.model.plan import Plan
from rpo_sim.model.run import Ending
from rpo_sim.results import ResultSet
from tests.property.recovery_plans import compiled, plans

# Waves and slots, by an independent scheduler


@dataclass(order=True)
class Ready:
    """A VM that asks for a slot."""

    at: float
    rank: int
    vm: int = field(compare=False)


def list_scheduled(waves: list[list[int]], work: list[float], slots: int) -> list[float]:
    """When each VM ends: waves in order, each VM takes the first free slot, in the order of the VMs."""
    ends = [0.0] * len(work)
    opens = 0.0
    for wave in waves:
        waiting = [Ready(opens, rank, vm) for rank, vm in enumerate(wave)]
        heapq.heapify(waiting)
        free = [opens] * slots
        while waiting:
            ready = heapq.heappop(waiting)
            start = max(ready.at, heapq.heappop(free))
            ends[ready.vm] = start + work[ready.vm]
            heapq.heappush(free, ends[ready.vm])
        opens = max(ends[vm] for vm in wave)
    return ends


counts = st.lists(st.integers(1, 4), min_size=1, max_size=5)
seconds = st.one_of(st.integers(1, 5).map(float), st.floats(0.5, 50))


@settings(max_examples=150)
@given(data=st.data(), counts=counts, slots=st.integers(1, 4), whole=st.booleans())
def test_waves_and_slots_as_list_scheduling(
    data: st.DataObject, counts: list[int], slots: int, whole: bool
) -> None:
    """The order within a wave is that in which its groups are listed."""
    names = data.draw(st.permutations([f"g{i}" for i in range(len(counts))]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(names) - 1))) if len(names) > 1 else [])
    order = [names[a:b] for a, b in zip([0, *cuts], [*cuts, len(names)], strict=True)]
    value = {"values": ["1s", "2s", "3s"]}
    shape = {"empirical": value} if whole else {"exponential": {"mean": "10s"}}
    limit = data.draw(st.sampled_from(["slots", "concurrency"]))
    stage: dict[str, Any] = {"stage": "boot", "duration": {"assumed": shape}}
    recovery: dict[str, Any] = {"waves": {"order": order}}
    if limit == "slots":
        stage["slots"] = {"hosts": slots}
    else:
        recovery["concurrency"] = {"limit": slots}
    groups = [{"name": f"g{i}", "count": count} for i, count in enumerate(counts)]
    plan = compiled(groups, [stage], **recovery)
    recovery_ = replay(plan, 1, data.draw(st.integers(0, 24)))
    work = [job.segments[-1].end - job.segments[-1].start for job in recovery_.jobs[: plan.n_vms]]
    vms = {group.name: list(group.vms) for group in plan.groups}
    waves = [[vm for name in wave for vm in vms[name]] for wave in order]
    ends = [job.segments[-1].end for job in recovery_.jobs[: plan.n_vms]]
    assert ends == pytest.approx(list_scheduled(waves, work, slots), rel=1e-9)


# Laws of every recovery


def spent(job: Job) -> Iterator[tuple[float, float]]:
    yield from ((segment.start, segment.end) for segment in job.segments)


def at_most(stretches: list[tuple[float, float]], limit: int) -> bool:
    """Whether never more than so many overlap; one that ends makes room for one that starts."""
    events = sorted([(start, 1) for start, _ in stretches] + [(end, -1) for _, end in stretches])
    inside = 0
    for _, change in events:
        inside += change
        if inside > limit:
            return False
    return True


@settings(max_examples=250)
@given(plan=plans() | plans(rich=True), run=st.integers(0, 24))
def test_laws_of_a_recovery(plan: Plan, run: int) -> None:
    recovery = replay(plan, 1, run)
    for job in recovery.jobs:  # segments follow each other without overlap
        ends = [edge for segment in job.segments for edge in (segment.start, segment.end)]
        assert ends == sorted(ends)
    for vm, at in enumerate(recovery.recovered_at):
        if at < math.inf:
            shares = critical_path(recovery.jobs, recovery.confirmed_by[vm], at)
            assert sum(share.seconds for share in shares) == pytest.approx(at, rel=1e-9)
            assert recovery.step[vm] >= 0
            assert at >= recovery.declared_at
            assert recovery.ending[vm] is Ending.RECOVERED
        assert all(ends[vm] >= at for ends in recovery.after.values())
    _gates_hold(plan, recovery.jobs)
    _pools_hold(plan, recovery.jobs)


def _gates_hold(plan: Plan, jobs: list[Job]) -> None:
    """No VM starts before the wave before has ended or passed the barrier."""
    if plan.barrier < len(plan.stages):
        return
    for wave in range(plan.waves - 1):
        before = [vm for group in plan.groups if group.wave == wave for vm in group.vms]
        after = [vm for group in plan.groups if group.wave == wave + 1 for vm in group.vms]
        opened = max((jobs[vm].segments[-1].end for vm in before if jobs[vm].segments), default=0.0)
        for vm in after:
            work = [segment.start for segment in jobs[vm].segments if segment.evidence != WAIT]
            assert not work or work[0] >= opened


def _pools_hold(plan: Plan, jobs: list[Job]) -> None:
    """Work of stages that take slots, and people's repairs, never exceed the capacity of the pool."""
    for index, pool in enumerate(plan.pools):
        holding = {stage.key for stage in (*plan.stages, *plan.after) if index in stage.pools}
        if plan.repair_pool == index:
            holding.add("repair")
        work = [
            (segment.start, segment.end)
            for job in jobs
            for segment in job.segments
            if segment.what in holding
        ]
        assert at_most(work, pool.capacity)
    if plan.job_pool is not None:
        limit = plan.pools[plan.job_pool].capacity
        assert at_most(_in_flight(plan, jobs), limit)


def _in_flight(plan: Plan, jobs: list[Job]) -> list[tuple[float, float]]:
    """Per VM its work under the limit; later stages no longer count."""
    under = {s.key for s in plan.stages if s.unit == "vm" and s.index <= plan.job_until}
    return [
        (segment.start, segment.end)
        for job in jobs[: plan.n_vms]
        for segment in job.segments
        if segment.what in under
    ]


@settings(max_examples=25)
@given(plan=plans() | plans(rich=True))
def test_books_balance_and_runs_stand_alone(plan: Plan) -> None:
    """Evidence and activities sum to the RTA; a run is the same alone, in its block, and after others."""
    block = run_block(plan, 7, 1)
    for t in range(len(plan.tiers)):
        vms = [vm for group in plan.groups if group.tier == t for vm in group.vms]
        rta = block.vm_rta[:, vms].max(axis=1)
        ended = np.isfinite(rta)
        np.testing.assert_allclose(block.evidence[ended, t].sum(axis=1), rta[ended], rtol=1e-9)
        np.testing.assert_allclose(block.activities[ended, t].sum(axis=1), rta[ended], rtol=1e-9)
    assert replay(plan, 7, 28).recovered_at == block.vm_rta[3].tolist()
    longer = simulate(plan, seed=7, runs=75)
    np.testing.assert_array_equal(longer.vm_rta[25:50], block.vm_rta)
    np.testing.assert_array_equal(longer.vm_rpa[25:50], block.vm_rpa)


@settings(max_examples=40)
@given(plan=plans(), run=st.integers(0, 24))
def test_twice_the_time_for_everything_takes_twice_as_long(plan: Plan, run: int) -> None:
    def slower(item: Any) -> Any:
        return None if item is None else replace(item, factor=2.0)

    twice = replace(
        plan,
        failure=replace(
            plan.failure, detect=slower(plan.failure.detect), declare=slower(plan.failure.declare)
        ),
        repair=slower(plan.repair),
        stages=tuple(
            replace(s, duration=slower(s.duration), link_factor=2.0, timeout=2 * s.timeout)
            for s in plan.stages
        ),
        buckets=tuple(replace(bucket, rate=bucket.rate / 2) for bucket in plan.buckets),
    )
    # the link carries twice the bytes of each stage at the same rates
    expected = [2 * at for at in replay(plan, 1, run).recovered_at]
    assert replay(twice, 1, run).recovered_at == pytest.approx(expected, rel=1e-9)


@settings(max_examples=100)
@given(counts=counts, slots=st.integers(1, 5), run=st.integers(0, 24))
def test_more_slots_never_slow_independent_jobs(counts: list[int], slots: int, run: int) -> None:
    """True without dependencies, where list scheduling has no anomalies."""
    groups = [{"name": f"g{i}", "count": count} for i, count in enumerate(counts)]
    duration = {"assumed": {"exponential": {"mean": "10s"}}}

    def ends(of: int) -> list[float]:
        plan = compiled(groups, [{"stage": "boot", "duration": duration, "slots": {"hosts": of}}])
        return replay(plan, 1, run).recovered_at

    assert all(more <= less for more, less in zip(ends(slots + 1), ends(slots), strict=True))


# What must not move


def small(count: int = 3, **stage: Any) -> Plan:
    boot = {"stage": "boot", "duration": {"assumed": {"lognormal": {"p50": "1m", "p95": "4m"}}}, **stage}
    return compiled([{"name": "web", "count": count}, {"name": "db", "count": 2}], [boot])


def same(one: ResultSet, other: ResultSet) -> bool:
    names = ("age", "vm_rpa", "vm_rta")
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in names) and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in zip(one.tiers, other.tiers, strict=True)
        for name in ("rpa", "rpa_best", "rta", "rta_from_declaration", "evidence", "activities")
    )


def test_another_vm_moves_nobody_elses_draws() -> None:
    """VMs are told apart by their journals: the RTA of an application is that of its last VM."""
    for run in range(25):
        few, many = replay(small(3), 1, run), replay(small(4), 1, run)
        ends = [job.segments[-1].end for job in few.jobs[:5]]
        others = [job.segments[-1].end for job in many.jobs[:6]]
        assert ends == others[:3] + others[4:]


def test_another_seed_moves_everything() -> None:
    one, other = simulate(small(), seed=1, runs=25), simulate(small(), seed=2, runs=25)
    assert (one.vm_rta != other.vm_rta).all()
    assert (one.vm_rpa != other.vm_rpa).all()


def test_the_two_platforms_share_their_luck() -> None:
    plan = small()
    other = replace(plan, platform="openshift-virtualization")
    assert same(simulate(plan, runs=50), simulate(other, runs=50))
