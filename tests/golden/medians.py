"""A plan without luck: the real plan of a scenario, with each uncertain number at its median."""

from dataclasses import fields, replace

import numpy as np

from rpo_sim.distributions.assumed import Fixed
from rpo_sim.distributions.base import Distribution
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.plan import Chance, CopyPlan, Input, Plan, StagePlan
from rpo_sim.results import Evidence
from rpo_sim.scenario.load import load_scenario


class AtMedian(Input):
    """An input that always gives its median, at each of its sizes."""

    def drawn(self, generator: np.random.Generator | None) -> tuple[Distribution, ...]:
        """Fixed durations; the parameters are the best known ones, whatever the block."""
        del generator
        kinds = Input.drawn(self, None)
        return tuple(Fixed(seconds=float(kind.ppf(np.array([0.5]))[0])) for kind in kinds)


def median_plan(scenario: str, platform: str) -> Plan:
    """A shipped scenario's plan in which every attempt succeeds and takes its median."""
    plan = compile_plan(load_scenario(scenario).scenario, platform)
    failure = plan.failure
    return replace(
        plan,
        copies=tuple(_copy(copy) for copy in plan.copies),
        stages=tuple(_stage(stage) for stage in plan.stages),
        failure=replace(
            failure,
            detect=_fixed(failure.detect),
            declare=_fixed(failure.declare),
            age=_fixed(failure.age),
        ),
        repair=_fixed(plan.repair),
    )


def without_copy(plan: Plan, name: str) -> Plan:
    """The same plan, but the failure has destroyed one of the copies."""
    copies = tuple(replace(copy, survives=copy.survives and copy.name != name) for copy in plan.copies)
    assert copies != plan.copies, f"no copy {name} to lose"
    return replace(plan, copies=copies)


def where_all_fail(plan: Plan, stage: str) -> Plan:
    """The same plan, but no attempt at one of the stages succeeds."""
    (failing,) = (item for item in plan.stages if item.key == stage)
    never = Chance(key=f"{stage}.success", evidence=Evidence.ASSUMED, source="assumed", probability=0.0)
    stages = list(plan.stages)
    stages[failing.index] = replace(failing, success=never)
    return replace(plan, stages=tuple(stages))


def with_operators(plan: Plan, operators: int) -> Plan:
    """The same plan with so many people for what people do."""
    (people,) = {pool for stage in plan.stages if stage.by == "people" for pool in stage.pools}
    pools = list(plan.pools)
    pools[people] = replace(pools[people], capacity=operators)
    return replace(plan, pools=tuple(pools))


def _copy(copy: CopyPlan) -> CopyPlan:
    return replace(copy, duration=_at_median(copy.duration), lag=_at_median(copy.lag), success=None)


def _stage(stage: StagePlan) -> StagePlan:
    times = stage.times if isinstance(stage.times, int) else round(stage.times[0])
    return replace(stage, duration=_fixed(stage.duration), success=None, times=times)


def _fixed(item: Input | None) -> Input | None:
    return None if item is None else _at_median(item)


def _at_median(item: Input) -> Input:
    return AtMedian(**{field.name: getattr(item, field.name) for field in fields(Input)})
