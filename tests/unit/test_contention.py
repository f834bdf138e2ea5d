"""Contention in scenario files: what is refused, and what the plan holds."""

from collections.abc import Callable
from typing import Any

import pytest

from rpo_sim.errors import NoDataError, ScenarioError
from rpo_sim.model.plan import Plan
from rpo_sim.results import Evidence

PlanOf = Callable[..., Plan]
DATA = {"stage": "data", "bytes": "used", "over": "array", "timeout": "1d"}
BOOT = {"stage": "boot", "duration": {"assumed": "1m"}}


def link(**fields: Any) -> dict[str, Any]:
    return {"links": {"array": fields}}


@pytest.mark.parametrize(
    ("shared", "message"),
    [
        (link(), "a link needs a `bandwidth`, or a `contention` curve"),
        (link(contention={}), "give exactly one of usl, throughput, measured; found none"),
        (link(contention={"usl": {"sigma": "1%"}}), "one"),
        (link(contention={"throughput": {"0": "1MB/s"}}), "0"),
        (link(contention={"throughput": {"many": "1MB/s"}}), "many"),
        (link(contention={"throughput": {}}), "throughput"),
        (link(contention={"measured": "a.b", "extrapolate": "linear"}), "`extrapolate` belongs to a table"),
        (
            link(contention={"throughput": {"1": "1MB/s"}, "else": {"throughput": {"1": "1MB/s"}}}),
            "`else` only follows `measured`",
        ),
    ],
)
def test_a_link_that_makes_no_sense(any_plan: PlanOf, shared: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        any_plan(stages=[DATA], shared=shared)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            DATA | {"contention": {"usl": {"sigma": "1%"}}},
            "write the curve there, below `shared.links.array`",
        ),
        (BOOT | {"contention": "measured"}, "the duration's own measurement, but that is assumed"),
        (BOOT | {"contention": {"durations": {"1": "60"}}}, "60"),
        (BOOT | {"contention": {"durations": {"1": "0s"}}}, "0"),
    ],
)
def test_a_stage_that_makes_no_sense(any_plan: PlanOf, stage: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        any_plan(stages=[stage], shared=link(bandwidth="1MB/s"))


def test_a_table_reaches_twice_its_largest(any_plan: PlanOf) -> None:
    curve = {"throughput": {"1": "100MB/s", "5": "200MB/s"}}
    assert len(any_plan(count=10, stages=[DATA], shared=link(contention=curve)).links[0].totals) == 10
    with pytest.raises(NoDataError, match=r"up to 11 at once \(stated: 5\).*`extrapolate: linear`"):
        any_plan(count=11, stages=[DATA], shared=link(contention=curve))
    slots = DATA | {"slots": {"proxies": 4}}
    assert len(any_plan(count=11, stages=[slots], shared=link(contention=curve)).links[0].totals) == 4
    limit = {"limit": 3}
    limited = any_plan(count=11, stages=[DATA], shared=link(contention=curve), concurrency=limit)
    assert len(limited.links[0].totals) == 3


def test_a_bandwidth_caps_the_curve(any_plan: PlanOf) -> None:
    curve = {"usl": {"one": "100MB/s", "sigma": "0%"}}
    plan = any_plan(count=3, stages=[DATA], shared=link(contention=curve, bandwidth="250MB/s"))
    assert plan.links[0].totals == (1e8, 2e8, 2.5e8)


def test_a_curve_without_a_measurement_needs_an_assumption(any_plan: PlanOf) -> None:
    with pytest.raises(NoDataError, match=r"nothing is bound to 'restore\.data'; add an `else`"):
        any_plan(stages=[DATA], shared=link(contention={"measured": "restore.data"}))
    curve = {"measured": "restore.data", "else": {"throughput": {"1": "1MB/s"}}}
    assert any_plan(stages=[DATA], shared=link(contention=curve)).links[0].totals == (1e6,)


def test_a_measured_stage_contends_when_it_was_measured_to(any_plan: PlanOf) -> None:
    """While nothing is bound, nothing slows it; a stated curve is an assumption beside any duration."""
    duration = {"measured": "boot.guest", "else": {"assumed": "1m"}}
    plan = any_plan(stages=[BOOT | {"duration": duration, "contention": "measured"}])
    assert plan.links == ()
    assert plan.stages[0].link is None
    plan = any_plan(stages=[BOOT | {"contention": {"usl": {"sigma": "5%"}}}])
    assert plan.links[0].paced
    assert plan.stages[0].evidence is Evidence.ASSUMED
