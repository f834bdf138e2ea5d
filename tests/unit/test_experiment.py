"""Experiments: the same bytes for any number of workers, prefixes, interruption, posteriors, choices."""

import json
import math
import os
import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rpo_sim.distributions import Exponential, LogNormal
from rpo_sim.distributions.posterior import JeffreysPosterior
from rpo_sim.errors import ModelError
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.block_runs import replay, run_block
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.draws import Draws
from rpo_sim.model.experiment import simulate
from rpo_sim.model.figures import activity_names
from rpo_sim.model.journal import critical_path, job_names
from rpo_sim.model.plan import Chance, Plan
from rpo_sim.model.workers import pool
from rpo_sim.results import Evidence, ResultSet
from rpo_sim.scenario.load import load_scenario, load_scenario_text


def scenario(**changes: Any) -> Plan:
    """Two groups, two copies, lognormal boots; ``changes`` replace parts of the recovery or the file."""
    copy = {"kind": "backup", "location": "vault", "retention": {"count": 99}}
    recovery = {
        "path": [{"copy": "replica", "method": "promote"}, {"copy": "backup", "method": "full"}],
        "stages": [{"stage": "boot", "duration": {"assumed": {"lognormal": {"p50": "1m", "p95": "4m"}}}}],
    }
    document = {
        "version": 1,
        "scenario": "small",
        "summary": "Two groups",
        "locations": {
            "primary": {"site": "here", "cluster": "here", "backend": "here"},
            "vault": {"site": "there", "cluster": "there", "backend": "there"},
        },
        "estate": {
            "groups": [
                {"name": "web", "count": 3, "tier": "gold", "disks": [{"capacity": "1GB"}]},
                {"name": "db", "count": 2, "tier": "silver", "disks": [{"capacity": "1GB"}]},
            ]
        },
        "failure": {"scope": "site"},
        "copies": [
            {"name": "replica", "every": "15m", "duration": {"assumed": "1m"}, **copy},
            {"name": "backup", "every": "24h", "duration": {"assumed": "1h"}, **copy},
        ],
    }
    document |= {
        key: changes.pop(key) for key in list(changes) if key in document or key in ("shared", "objectives")
    }
    document["platforms"] = {"vmware": {"recovery": recovery | changes}}
    return compile_plan(load_scenario_text(json.dumps(document)).scenario, "vmware")


def same_bytes(one: ResultSet, other: ResultSet) -> bool:
    tiers = ("rpa", "rpa_best", "rta", "rta_from_declaration", "evidence", "activities")
    return all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in ("age", "vm_rpa", "vm_rta")
    ) and all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes()
        for a, b in zip(one.tiers, other.tiers, strict=True)
        for name in tiers
    )


def fixed(stage: str, duration: str, **fields: Any) -> dict[str, Any]:
    return {"stage": stage, "duration": {"assumed": duration}, **fields}


# Runs, blocks, workers


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_gives_the_same_bytes(workers: int) -> None:
    plan = compile_plan(load_scenario("site-failure").scenario, "vmware")
    alone = simulate(plan, seed=5, runs=100)
    with pool(workers) as processes:
        assert processes is not None
        assert same_bytes(alone, simulate(plan, seed=5, runs=100, executor=processes))


def test_runs_are_rounded_up_to_blocks_and_keep_their_prefix() -> None:
    plan = scenario()
    few, many = simulate(plan, runs=26), simulate(plan, runs=100)
    assert (few.runs, many.runs) == (50, 100)
    np.testing.assert_array_equal(few.vm_rta, many.vm_rta[:50])
    np.testing.assert_array_equal(few.tiers[1].rpa, many.tiers[1].rpa[:50])


def test_no_runs_are_refused() -> None:
    with pytest.raises(ModelError, match="0 runs: ask for at least one"):
        simulate(scenario(), runs=0)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_experiment_keeps_a_contiguous_prefix(workers: int) -> None:
    """A real Ctrl-C, while the third block is reported."""
    plan = scenario()

    def press(done: int, of: int) -> None:
        assert of == 500
        if done == 75:
            os.kill(os.getpid(), signal.SIGINT)

    with pool(workers) as processes:
        result = simulate(plan, runs=500, progress=press, executor=processes)
    assert result.interrupted
    assert result.runs == 75
    np.testing.assert_array_equal(result.vm_rta, simulate(plan, runs=75).vm_rta)


def test_interrupted_before_the_first_block(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(BlockDraws, "uniforms", press)
    with pytest.raises(KeyboardInterrupt):
        simulate(scenario(), runs=25)


def test_replay_is_the_run_of_the_experiment() -> None:
    plan = scenario()
    result = simulate(plan, seed=9, runs=50)
    for run in (0, 24, 25, 49):
        assert replay(plan, 9, run).recovered_at == result.vm_rta[run].tolist()


# Draws


def test_uniforms_know_their_place() -> None:
    """By run, attempt and index alone: not by what was asked for before."""
    one, other = Draws(3), Draws(3)
    table = one.uniforms("duration", "boot", "web", runs=range(4), attempt=0, n=6)
    other.uniforms("duration", "boot", "web", runs=range(7, 9), attempt=5, n=100)
    again = other.uniforms("duration", "boot", "web", runs=range(2, 4), attempt=0, n=4)
    np.testing.assert_array_equal(again, table[2:, :4])
    keys = [("duration", "boot", "db"), ("duration", "attach", "web"), ("success", "boot", "web")]
    for key in keys:
        assert not np.isin(one.uniforms(*key, runs=range(4), attempt=0, n=6), table).any()
    assert not np.isin(one.uniforms("duration", "boot", "web", runs=range(4), attempt=1, n=6), table).any()
    assert ((table > 0) & (table < 1)).all()


def test_parameters_are_drawn_once_per_block_from_their_posterior() -> None:
    """Medians differ between blocks as the posterior says, and agree within a block."""
    plan = scenario(stages=[fixed("boot", "1m"), fixed("verify", "1m")])
    n, sd = 9, 0.5
    posterior = JeffreysPosterior(n=n, mean=math.log(60.0), sd=sd)
    fitted = LogNormal(mu=posterior.mean, sigma=sd, posterior=posterior)
    stages = tuple(
        replace(s, duration=replace(s.duration, base=fitted, n=n, source="boot", evidence=Evidence.MEASURED))
        for s in plan.stages
        if s.duration is not None
    )
    plan = replace(plan, stages=stages)
    logs = []
    for block in range(300):
        draws = BlockDraws(plan, Draws(1), block)
        boot, verify = (draws._distributions(s.duration)[0] for s in plan.stages if s.duration is not None)
        assert boot == verify  # one measurement, one draw, wherever it is bound
        assert isinstance(boot, LogNormal)
        u = draws.vm_uniforms("duration", "boot")
        np.testing.assert_array_equal(draws.stage_seconds(plan.stages[0], 0), boot.ppf(u))
        logs.append(boot.mu)
    means = np.array(logs)
    assert len(set(logs)) == 300
    # Student's t with n − 1 degrees of freedom
    assert means.var(ddof=1) == pytest.approx(sd**2 / n * (n - 1) / (n - 3), rel=0.35)
    assert abs(means.mean() - math.log(60.0)) < 4 * means.std() / 300**0.5
    assert simulate(plan, runs=25).inputs[-1].n == n


def test_chances_are_drawn_from_their_posterior() -> None:
    """Nine of ten attempts succeeded: Beta(9.5, 1.5) by Jeffreys, once per block."""
    measured = Chance(key="c", evidence=Evidence.MEASURED, source="s", probability=0.9, n=10, n_failed=1)
    plan = scenario()
    stage = replace(plan.stages[0], success=measured)
    shares = []
    for block in range(300):
        draws = BlockDraws(replace(plan, stages=(stage,)), Draws(1), block, runs=40)
        table = draws.stage_succeeds(stage, 0)
        assert table is not None
        shares.append(table.mean())
    within = np.mean([share * (1 - share) for share in shares]) / 200
    between = np.var(shares, ddof=1) - within
    assert np.mean(shares) == pytest.approx(9.5 / 11, abs=0.03)
    assert between == pytest.approx(9.5 * 1.5 / (11**2 * 12), rel=0.35)


# What one run means


def test_books_and_clocks() -> None:
    plan = scenario(
        failure={"scope": "site", "detect": {"assumed": "10m"}, "declare": {"assumed": "20m"}},
        stages=[
            fixed("services", "5m", once_per="incident"),
            fixed("boot", "3m"),
            fixed("verify", "7m", once_per="application"),
        ],
    )
    result = simulate(plan, runs=25)
    gold = result.tiers[0]
    assert (gold.rta == 45 * 60).all()
    assert (gold.rta_from_declaration == 15 * 60).all()
    names = activity_names(plan)
    shares = dict(zip(names, gold.activities.mean(axis=0).tolist(), strict=True))
    assert shares["detect"] == 600
    assert shares["declare"] == 1200
    assert shares["services"] == 300
    assert shares["boot"] == 180
    assert shares["verify"] == 420
    assert gold.evidence_shares()[Evidence.ASSUMED] == 1


def test_rpa_is_that_of_the_point_restored_and_best_that_of_the_newest() -> None:
    """The replica is newer, but the backup is tried first."""
    path = [{"copy": "backup", "method": "full"}, {"copy": "replica", "method": "promote"}]
    result = simulate(scenario(path=path), runs=200)
    gold = result.tiers[0]
    assert gold.rpa_best.max() <= 16 * 60
    assert (gold.rpa >= gold.rpa_best).all()
    assert gold.rpa.mean() > 10 * 3600
    fresh = simulate(scenario(path=path, choose="freshest-clean"), runs=200).tiers[0]
    np.testing.assert_array_equal(fresh.rpa, fresh.rpa_best)


def test_fastest_within_rpo_takes_the_fast_one_while_it_is_fresh_enough() -> None:
    objectives = {"gold": {"rpo": "12h", "rto": "4h", "share_of_incidents": "95%"}}
    stages = [fixed("data", "1m", when="full"), fixed("promote", "9m", when="promote")]
    plan = scenario(objectives=objectives, stages=stages, choose="fastest-within-rpo")
    gold = simulate(plan, runs=200).tiers[0]
    late = gold.rta == 9 * 60
    assert 0 < late.mean() < 1
    assert (gold.rpa[late] <= 16 * 60).all()
    assert (gold.rpa[~late] <= 12 * 3600).all()
    assert (gold.rta[~late] == 60).all()


def test_a_failed_copy_costs_its_time_and_the_next_is_tried_after_a_repair() -> None:
    stages = [
        fixed("promote", "5m", when="promote", success={"assumed": "0%"}, retries=1),
        fixed("data", "30m", when="full"),
    ]
    plan = scenario(stages=stages, repair={"assumed": "10m", "by": "people"})
    result = simulate(plan, runs=50)
    # promote, repair, promote again, repair, data
    assert (result.vm_rta == (5 + 10 + 5 + 10 + 30) * 60).all()
    assert (result.tiers[0].rpa > result.tiers[0].rpa_best).any()


def test_a_vm_that_nothing_recovers_has_no_rpa_either() -> None:
    stages = [fixed("boot", "5m", success={"assumed": "50%"})]
    result = simulate(scenario(stages=stages), runs=200)
    lost = np.isinf(result.vm_rta)
    assert 0 < lost.mean() < 1
    np.testing.assert_array_equal(np.isinf(result.vm_rpa), lost)


def test_a_slow_stage_fails_at_its_timeout() -> None:
    stages = [fixed("promote", "20m", when="promote", timeout="15m"), fixed("data", "30m", when="full")]
    assert (simulate(scenario(stages=stages), runs=25).vm_rta == 45 * 60).all()
    assert (simulate(scenario(stages=[fixed("boot", "15m", timeout="15m")]), runs=25).vm_rta == 900).all()


def test_a_lost_lead_leaves_nobody_recovered() -> None:
    stages = [fixed("services", "5m", once_per="incident", success={"assumed": "0%"}), fixed("boot", "3m")]
    for waves in ({}, {"waves": {"order": [["web"], ["db"]]}}):
        assert np.isinf(simulate(scenario(stages=stages, **waves), runs=25).vm_rta).all()


def test_dependents_of_a_failed_vm_fail_at_once() -> None:
    """`late` needs `db`, which takes an hour, and `web`, which takes a minute and may fail."""
    groups = [
        {"name": name, "tier": "gold", "disks": [{"capacity": size}], "needs": needs}
        for name, size, needs in (("db", "60GB", []), ("web", "1GB", []), ("late", "1GB", ["db", "web"]))
    ]
    shared = {"links": {"wire": {"bandwidth": "1GB/s", "per_stream": "16666666.666666666B/s"}}}
    stage = {"stage": "data", "bytes": "used", "over": "wire", "timeout": "2h", "success": {"assumed": "50%"}}
    path = [{"copy": "backup", "method": "full"}]
    plan = scenario(estate={"groups": groups}, shared=shared, stages=[stage], path=path)
    seen = set()
    for run in range(25):
        recovery = replay(plan, 1, run)
        db, web, _ = (at < math.inf for at in recovery.recovered_at)
        waited = recovery.jobs[2].segments[0]
        assert waited.what == "needs db, web"
        assert waited.end == pytest.approx(3600 if web else 60)
        assert len(recovery.jobs[2].segments) == (2 if db and web else 1)
        seen.add((db, web))
    assert len(seen) == 4


def test_critical_path_names_what_was_waited_for() -> None:
    """Two VMs and one slot: the second one's path is the first one's boot and its own."""
    plan = scenario(stages=[fixed("boot", "5m", slots={"hosts": 1}), fixed("verify", "1m")])
    recovery = replay(plan, 1, 0)
    shares = critical_path(recovery.jobs, 4, recovery.recovered_at[4])
    assert [share.what for share in shares] == ["boot"] * 5 + ["verify"]
    assert math.isclose(sum(share.seconds for share in shares), 26 * 60)
    assert len(job_names(plan)) == plan.n_jobs


def test_a_recovery_without_an_end_is_refused() -> None:
    plan = scenario()
    stage = plan.stages[0]
    assert stage.duration is not None

    class Never(Exponential):
        """A tail that was never observed."""

        def ppf(self, u: Any) -> Any:
            return np.full(np.shape(u), np.inf)

        @property
        def censored_end(self) -> bool:
            return True

    endless = replace(stage.duration, base=Never(mean=1.0))
    with pytest.raises(ModelError, match="timeout"):
        run_block(replace(plan, stages=(replace(stage, duration=endless),)), 1, 0)


# What is competed for


def ends(plan: Plan, run: int = 0) -> list[float]:
    """When each VM's own work ended."""
    return [job.segments[-1].end for job in replay(plan, 1, run).jobs[: plan.n_vms]]


def test_slots_go_to_who_asked_first() -> None:
    """Ready after 3, 2 and 1 minutes; one slot of 10 minutes."""
    groups = [
        {"name": name, "tier": "gold", "disks": [{"capacity": size}]}
        for name, size in (("a", "3GB"), ("b", "2GB"), ("c", "1GB"))
    ]
    shared = {"links": {"wire": {"bandwidth": "1GB/s", "per_stream": "16666666.666666666B/s"}}}
    data = {"stage": "data", "bytes": "used", "over": "wire", "timeout": "2h"}
    stages = [data, fixed("boot", "10m", slots={"hosts": 1})]
    plan = scenario(estate={"groups": groups}, shared=shared, stages=stages)
    assert ends(plan) == pytest.approx([31 * 60, 21 * 60, 11 * 60])


def test_tokens_gather_up_to_the_burst_and_are_waited_for() -> None:
    shared = {"buckets": {"api": {"rate": "1/m", "burst": 2}}}
    stages = [fixed("services", "10m", once_per="incident"), fixed("attach", "1s", tokens={"api": 1})]
    assert ends(scenario(shared=shared, stages=stages)) == [601, 601, 661, 721, 781]


def test_a_job_slot_is_held_until_the_stage_named() -> None:
    stages = [fixed("boot", "5m"), fixed("verify", "30m")]
    plan = scenario(stages=stages, concurrency={"limit": 1, "until": "boot"})
    assert ends(plan) == [60 * (5 * k + 30) for k in range(1, 6)]


def test_one_failed_vm_of_a_needed_group_decides() -> None:
    """Two VMs take turns of 5 minutes; when the first fails, who needs them fails then."""
    groups = [
        {"name": name, "count": n, "tier": "gold", "disks": [{"capacity": "1GB"}], "needs": needs}
        for name, n, needs in (("web", 2, []), ("late", 1, ["web"]))
    ]
    boot = fixed("boot", "5m", slots={"hosts": 1}, success={"assumed": "50%"})
    path = [{"copy": "backup", "method": "full"}]
    plan = scenario(estate={"groups": groups}, stages=[boot], path=path)
    firsts = set()
    for run in range(25):
        recovery = replay(plan, 1, run)
        firsts.add(recovery.step[0] >= 0)
        assert recovery.jobs[2].segments[0].end == (600 if recovery.step[0] >= 0 else 300)
    assert firsts == {True, False}


def test_a_transfer_that_timed_out_leaves_the_link() -> None:
    """Two VMs share 1 GB/s: 90 GB each are not done after 100 s, 40 GB of the next copy 80 s later."""
    groups = [{"name": "web", "count": 2, "tier": "gold", "disks": [{"capacity": "1GB"}]}]
    shared = {"links": {"wire": {"bandwidth": "1GB/s"}}}
    stages = [
        {"stage": "data", "name": name, "bytes": size, "over": "wire", "timeout": "100s", "when": method}
        for name, size, method in (("sync", "90GB", "promote"), ("restore", "40GB", "full"))
    ]
    assert ends(scenario(estate={"groups": groups}, shared=shared, stages=stages)) == pytest.approx(
        [180, 180]
    )
