"""From a scenario to a plan: names become indices, limits are checked, halves fit together."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from rpo_sim.distributions.profile import Profile, ProfileEntry
from rpo_sim.distributions.sized import SizeScaled
from rpo_sim.errors import ModelError, NoDataError, ScenarioError
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.compile.binding import Bindings
from rpo_sim.model.plan import Chance, Plan
from rpo_sim.results import Evidence
from rpo_sim.scenario.inputs import Duration
from rpo_sim.scenario.load import load_scenario, load_scenario_text
from rpo_sim.scenario.schema import Bind
from rpo_sim.scenario.shipped import shipped_names

COPY: dict[str, Any] = {
    "name": "backup", "kind": "backup", "every": "1h", "location": "vault", "retention": {"count": 9},
    "duration": {"assumed": "10m"},
}  # fmt: skip
GROUPS: list[dict[str, Any]] = [
    {"name": "web", "count": 3, "tier": "gold", "application": "shop", "disks": [{"capacity": "1GB"}]},
    {"name": "db", "count": 2, "tier": "silver", "application": "shop", "needs": ["web"],
     "disks": [{"capacity": "4GB", "used": "25%"}, {"capacity": "2GB"}], "change": {"1h": "50MB"}},
    {"name": "lone", "tier": "gold", "disks": [{"capacity": "8GB"}]},
]  # fmt: skip


def plan_of(
    copies: list[dict[str, Any]] | None = None,
    stages: list[dict[str, Any]] | None = None,
    *,
    top: dict[str, Any] | None = None,
    platform: str = "vmware",
    assumed_factor: float = 1.0,
    **recovery: Any,
) -> Plan:
    copies = copies or [COPY]
    document = {
        "version": 1,
        "scenario": "plan",
        "summary": "To compile",
        "locations": {
            "primary": {"site": "here", "cluster": "here", "backend": "here"},
            "vault": {"site": "there", "cluster": "there", "backend": "there"},
        },
        "estate": {"groups": GROUPS},
        "failure": {"scope": "site"},
        "copies": copies,
        "platforms": {
            "vmware": {
                "recovery": {
                    "path": [{"copy": copies[0]["name"], "method": "full"}],
                    "stages": stages or [{"stage": "boot", "duration": {"assumed": "1m"}}],
                    **recovery,
                }
            }
        },
        **(top or {}),
    }
    scenario = load_scenario_text(json.dumps(document)).scenario
    return compile_plan(scenario, platform, assumed_factor=assumed_factor)


def timed(stage: str, **fields: Any) -> dict[str, Any]:
    return {"stage": stage, "duration": {"assumed": "1m"}, **fields}


@pytest.mark.parametrize("name", list(shipped_names()))
def test_shipped_scenarios_compile_on_every_platform(name: str) -> None:
    scenario = load_scenario(name).scenario
    for platform in scenario.platforms:
        plan = compile_plan(scenario, platform)
        assert len(plan.ranks) == plan.n_jobs
        assert len({item.key for item in plan.inputs()}) == len(plan.inputs())


def test_an_unknown_platform_is_named_with_the_known() -> None:
    with pytest.raises(ScenarioError, match="no platform 'hyperv'; it has vmware"):
        plan_of(platform="hyperv")


def test_the_estate_by_index() -> None:
    plan = plan_of()
    web, db, lone = plan.groups
    assert [list(group.vms) for group in plan.groups] == [[0, 1, 2], [3, 4], [5]]
    assert [tier.name for tier in plan.tiers] == ["gold", "silver"]
    assert plan.applications == ("shop", "lone")
    assert (web.application, db.application, lone.application) == (0, 0, 1)
    assert db.needs == (0,)
    assert (db.first_disk, db.first_kind, db.disks) == (3, 1, 2)
    assert (lone.first_disk, lone.first_kind) == (7, 3)
    assert plan.n_jobs == 6 + 1 + 1 + 3 + 2 + 1


def test_ranks_follow_waves_then_the_listed_order() -> None:
    plan = plan_of(waves={"order": [["lone", "web"], ["db"]]})
    assert plan.waves == 2
    assert plan.ranks[:6] == (1, 2, 3, 4, 5, 0)
    assert set(plan.ranks[6:]) == {-1}


def test_bytes_per_vm_and_per_disk() -> None:
    shared = {"links": {"wire": {"bandwidth": "1GB/s"}}}
    over = {"over": "wire", "timeout": "1h"}
    stages = [
        {"stage": "data", "name": "all", "bytes": "used", **over},
        {"stage": "data", "name": "raw", "bytes": "capacity", "once_per": "disk", **over},
        {"stage": "data", "name": "flat", "bytes": "7MB", "once_per": "disk", **over},
    ]
    plan = plan_of(stages=stages, top={"shared": shared})
    giga = 10**9
    assert plan.stages[0].bytes_ == (giga, 3 * giga, 8 * giga)
    assert plan.stages[1].bytes_ == (giga, 4 * giga, 2 * giga, 8 * giga)
    assert plan.stages[2].bytes_ == (7 * 10**6,) * 4
    assert plan.links[0].per_stream == math.inf


def test_limits_and_barriers_fall_on_the_last_stage_that_applies() -> None:
    path = [{"copy": "backup", "method": "full"}, {"copy": "backup", "method": "file"}]
    stages = [timed("prepare"), timed("data", when="full"), timed("boot"), timed("verify")]
    plan = plan_of(
        stages=stages, path=path, concurrency={"limit": 2, "until": "data"},
        waves={"order": [["web", "db", "lone"]], "barrier": "boot"},
    )  # fmt: skip
    full, file = plan.programs
    assert [stage.key for stage in file.stages] == ["prepare", "boot", "verify"]
    assert (full.release_after, full.safe_after) == (1, 2)
    assert (file.release_after, file.safe_after) == (0, 2)
    endless = plan_of(stages=stages, path=path, concurrency={"limit": 2})
    assert [program.release_after for program in endless.programs] == [3, 3]


def test_incident_stages_lead_or_trail() -> None:
    stages = [timed("services", once_per="incident"), timed("boot"), timed("release", once_per="incident")]
    plan = plan_of(stages=stages)
    assert [stage.key for stage in plan.leading] == ["services"]
    assert [stage.key for stage in plan.trailing] == ["release"]


def test_people_are_a_pool_of_the_stages_they_do() -> None:
    stages = [
        timed("services", once_per="incident", by="people"),
        timed("boot", by="people"),
        timed("verify"),
    ]
    plan = plan_of(
        stages=stages, top={"shared": {"people": {"operators": 2}}},
        repair={"assumed": "5m", "by": "people"},
    )  # fmt: skip
    (people,) = [i for i, pool in enumerate(plan.pools) if pool.capacity == 2]
    assert [stage.pools for stage in plan.stages] == [(), (people,), ()]
    assert plan.repair_pool == people


def test_copies_and_stages_share_slots_of_one_name_within_their_kind() -> None:
    nodes = {"nodes": 2, "per_node": 2}
    copies = [COPY | {"slots": {"agents": nodes}}, COPY | {"name": "second", "slots": {"agents": nodes}}]
    plan = plan_of(copies=copies)
    assert plan.copies[0].pool == plan.copies[1].pool is not None
    assert plan.pools[plan.copies[0].pool or 0].capacity == 4


def test_a_slot_for_everyone_needs_no_simulation() -> None:
    def pool_of(slots: int, overlap: str) -> int | None:
        return plan_of(copies=[COPY | {"slots": {"agents": slots}, "overlap": overlap}]).copies[0].pool

    assert pool_of(6, "skip") is None
    assert pool_of(5, "skip") is not None
    assert pool_of(6, "allow") is not None


def test_what_survives() -> None:
    copies = [COPY, COPY | {"name": "near", "location": "primary"}]
    plan = plan_of(copies=copies)
    assert [copy.survives for copy in plan.copies] == [True, False]


@pytest.mark.parametrize("slots", [1, 2])
def test_a_queue_with_too_few_slots_is_refused(slots: int) -> None:
    """Six VMs of 30 minutes an hour keep three slots busy."""
    copy = COPY | {"overlap": "queue", "duration": {"assumed": "30m"}, "slots": {"agents": slots}}
    with pytest.raises(ModelError, match=f"{300 // slots}% load"):
        plan_of(copies=[copy])
    assert plan_of(copies=[copy | {"overlap": "skip"}]).copies[0].pool is not None
    assert plan_of(copies=[copy | {"slots": {"agents": 3}}]).copies[0].pool is not None


def test_a_link_asked_for_more_than_it_has_is_refused() -> None:
    copy = COPY | {"bytes": "used", "over": "wan"}

    def with_link(bandwidth: str) -> Plan:
        return plan_of(copies=[copy], top={"shared": {"links": {"wan": {"bandwidth": bandwidth}}}})

    with pytest.raises(ModelError, match=r"link 'wan' for 105% of its bandwidth"):
        with_link("4500kB/s")  # 3 + 2·3 + 8 GB an hour are 4.72 MB/s
    with_link("4800kB/s")


def test_nothing_measured_and_nothing_assumed() -> None:
    with pytest.raises(NoDataError, match=r"'boot\.guest'"):
        plan_of(stages=[{"stage": "boot", "duration": {"measured": "boot.guest"}}])


def test_assumptions_are_tried_at_half_and_double() -> None:
    shared = {"links": {"wire": {"bandwidth": "1GB/s"}}}
    stages = [timed("boot"), {"stage": "attach", "bytes": "1GB", "over": "wire", "timeout": "1h"}]
    plan = plan_of(stages=stages, top={"shared": shared}, assumed_factor=2.0)
    boot, attach = plan.stages
    assert boot.duration is not None
    assert float(boot.duration.drawn(None)[0].cdf(120.0)) == 1  # type: ignore[arg-type]
    assert float(boot.duration.drawn(None)[0].cdf(119.0)) == 0  # type: ignore[arg-type]
    assert attach.link_factor == 2.0
    assert plan.copies[0].lag.factor == 1.0  # no lag stays no lag


def test_estimates_rank_the_steps_of_the_path() -> None:
    path = [{"copy": "backup", "method": "full"}, {"copy": "backup", "method": "file"}]
    shared = {"links": {"wire": {"bandwidth": "100MB/s", "per_stream": "50MB/s"}}}
    data = {"stage": "data", "bytes": "used", "over": "wire", "timeout": "1h", "when": "full"}
    plan = plan_of(stages=[data, timed("boot")], path=path, top={"shared": shared})
    assert plan.path[0].estimate_seconds == (80.0, 120.0, 220.0)
    assert plan.path[1].estimate_seconds == (60.0, 60.0, 60.0)


def test_an_estimate_takes_the_slower_of_duration_and_link_and_all_that_a_point_asks() -> None:
    """One way each: 100 s by its link whatever its rate, a scan of 1 GB, three times a minute, a journal."""
    change = {"1h": "100MB"}
    one = {"name": "vm", "tier": "gold", "change": change, "writes": "100kB/s"}
    group = one | {"disks": [{"capacity": "1GB"}, {"capacity": "3GB"}]}
    shared = {"links": {"wire": {"bandwidth": "10MB/s"}}}
    methods: dict[str, dict[str, Any]] = {
        "full": {"bytes": "1GB", "over": "wire", "duration": {"assumed": "5s"}},
        "scan": {"bytes": "1GB", "scan_rate": "20MB/s"},
        "thrice": {"duration": {"assumed": "1m"}, "times": 3},
        "journal": {"bytes": "written", "over": "wire"},
        "blocks": {"bytes": "changed", "duration": {"assumed": {"rate": {"p50": "2MB/s", "p5": "1MB/s"}}}},
        "disks": {"bytes": "used", "over": "wire", "once_per": "disk"},
    }
    plan = plan_of(
        stages=[
            {"stage": "data", "name": name, "when": name, "timeout": "30d", **stage}
            for name, stage in methods.items()
        ],
        path=[{"copy": "backup", "method": name} for name in methods],
        top={"shared": shared, "estate": {"groups": [group]}},
    )
    found = [step.estimate_seconds[0] for step in plan.path]
    assert found[:4] == pytest.approx([100, 50, 180, 36])  # all that is written in an hour
    assert 50 < found[4] < 60  # 100 MB changed in an hour, at 2 MB/s in the middle
    assert found[5] == pytest.approx(300)


def test_success_is_drawn_from_the_jeffreys_posterior() -> None:
    measured = Chance(key="k", evidence=Evidence.MEASURED, source="s", probability=1.0, n=20, n_failed=0)
    generator = np.random.default_rng(1)
    drawn = [measured.drawn(generator) for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(20.5 / 21, abs=0.002)
    assumed = Chance(key="k", evidence=Evidence.ASSUMED, source="assumed", probability=0.9)
    assert assumed.drawn(generator) == 0.9


def test_a_measurement_that_depends_on_the_bytes_asks_for_them() -> None:
    entry = ProfileEntry(
        operation="restore", stage="bound", n=30, n_succeeded=30, n_failed=0, digest="0" * 64,
        failure_interval=(0.0, 0.116), clock="wall",
        distribution=SizeScaled(overhead_seconds=1.0, seconds_per_byte=1e-8, contention=0.0, sigma=0.1),
    )  # fmt: skip
    bindings = Bindings(
        platform="vmware",
        binds={"restore.bound": Bind(operation="restore", stage="bound")},
        profile=Profile(created_at=datetime(2026, 1, 1, tzinfo=UTC), entries=(entry,)),
    )
    stated = Duration(measured="restore.bound")
    with pytest.raises(ScenarioError, match=r"clone: restore\.bound = .*`bytes: used`"):
        bindings.duration("clone", stated)
    assert bindings.duration("clone", stated, (10**9,)).n == 30
