"""The plan of a whole: estate, failure, what is shared, and the parts that others compile."""

import math
from collections.abc import Mapping
from dataclasses import replace

from rpo_sim.distributions.profile import Profile
from rpo_sim.errors import ModelError, ScenarioError
from rpo_sim.model.change import change_points
from rpo_sim.model.compile.binding import Bindings
from rpo_sim.model.compile.copies import CopyCompiler
from rpo_sim.model.compile.estimates import estimated_seconds
from rpo_sim.model.compile.pools import PoolNames
from rpo_sim.model.compile.stages import StageCompiler
from rpo_sim.model.plan import (
    BucketPlan,
    FailurePlan,
    GroupPlan,
    Input,
    PathStepPlan,
    Plan,
)
from rpo_sim.results import Tier
from rpo_sim.scenario.estate import Group
from rpo_sim.scenario.failure import Scope
from rpo_sim.scenario.inputs import Duration
from rpo_sim.scenario.procedure import AFTERWARDS, Recovery
from rpo_sim.scenario.schema import Bind, Scenario

_PEOPLE = "the operators"  # with a space: no slots of a scenario can have these names
_JOBS = "jobs in flight"


def compile_plan(
    scenario: Scenario,
    platform: str,
    profile: Profile | None = None,
    binds: Mapping[str, Bind] | None = None,
    *,
    assumed_factor: float = 1.0,
) -> Plan:
    """The plan of one platform.

    Parameters
    ----------
    scenario : Scenario
        As loaded: its references hold.
    platform : str
    profile : Profile, optional
        Where `bind:` looks for measurements; without it everything rests on assumptions.
    binds : mapping of str to Bind, optional
        Bindings on top of the scenario's own.
    assumed_factor : float
        All assumed and extrapolated durations are multiplied by it (semantics: verdict).

    Raises
    ------
    ScenarioError
        If the platform is unknown.
    NoDataError
        If a number has neither a measurement that reaches it nor an assumption.
    ModelError
        If slots or a link are asked for more than they have.
    """
    if platform not in scenario.platforms:
        known = ", ".join(scenario.platforms)
        raise ScenarioError(f"{scenario.scenario} has no platform {platform!r}; it has {known}")
    bindings = Bindings(
        platform=platform,
        binds={**scenario.bind, **(binds or {})},
        profile=profile,
        assumed_factor=assumed_factor,
    )
    return _Compiler(scenario, platform, bindings).plan()


class _Compiler:
    """Turns names into indices, once."""

    def __init__(self, scenario: Scenario, platform: str, bindings: Bindings) -> None:
        self.scenario, self.platform, self.bindings = scenario, platform, bindings
        self.recovery: Recovery = scenario.platforms[platform].recovery
        self.pools = PoolNames()
        self.buckets = list(scenario.shared.buckets)
        self.path = self.recovery.path
        people = scenario.shared.people
        self.people = self.pools.index(_PEOPLE, people.most, shifts=people.hands) if people else None

    def plan(self) -> Plan:
        self._check_fence()
        groups, tiers, applications, waves = self._estate()
        vms = sum(group.count for group in groups)
        limit = self.recovery.concurrency
        job_pool = self.pools.index(_JOBS, limit.limit) if limit else None
        parts = (self.scenario, self.platform, self.bindings, self.pools)
        compiler = StageCompiler(*parts, self.people)
        every_stage = compiler.compile(vms)
        stages = tuple(s for s in every_stage if s.kind not in AFTERWARDS)
        ends = compiler.last_part
        repair = self.recovery.repair
        plan = Plan(
            scenario=self.scenario.scenario,
            platform=self.platform,
            groups=groups,
            tiers=tiers,
            applications=applications,
            waves=waves,
            pools=(),
            links=tuple(compiler.links.values()),
            buckets=(*(self._bucket(name) for name in self.buckets), *compiler.chains.buckets),
            copies=CopyCompiler(*parts).compile(vms),
            failure=self._failure(),
            path=(),
            choose=self.recovery.choose,
            tried=self.recovery.points == "tried",
            stages=stages,
            after=every_stage[len(stages) :],
            job_pool=job_pool,
            job_until=_position(ends, len(stages), limit.until if limit else None),
            barrier=_position(
                ends, len(stages), self.recovery.waves.barrier if self.recovery.waves else None
            ),
            repair=self.bindings.duration("recovery.repair", repair) if repair else None,
            repair_pool=self.people if repair and repair.by == "people" else None,
            target=tuple((name, float(total)) for name, total in self.recovery.target.items()),
            assumed_factor=self.bindings.assumed_factor,
        )
        return replace(plan, pools=self.pools.all(), path=self._path(plan))

    # Estate and failure

    def _estate(self) -> tuple[tuple[GroupPlan, ...], tuple[Tier, ...], tuple[str, ...], int]:
        stated = self.scenario.estate.groups
        waves = self.recovery.waves.order if self.recovery.waves else (tuple(g.name for g in stated),)
        place_of = {name: (w, place) for w, names in enumerate(waves) for place, name in enumerate(names)}
        names = [group.name for group in stated]
        tiers = list(dict.fromkeys(group.tier for group in stated))
        applications = list(dict.fromkeys(_application(group) for group in stated))
        groups, first, disk, kind = [], 0, 0, 0
        for group in stated:
            groups.append(
                GroupPlan(
                    name=group.name,
                    first=first,
                    count=group.count,
                    tier=tiers.index(group.tier),
                    application=applications.index(_application(group)),
                    wave=place_of[group.name][0],
                    place=place_of[group.name][1],
                    needs=tuple(names.index(need.group) for need in group.needs),
                    needs_least=tuple(
                        need.at_least or stated[names.index(need.group)].count for need in group.needs
                    ),
                    demand=tuple(float(group.demand.get(name, 0)) for name in self.recovery.target),
                    used=tuple(d.used_bytes for d in group.disks),
                    change=change_points(group),
                    writes=group.writes or 0.0,
                    disks=len(group.disks),
                    first_disk=disk,
                    first_kind=kind,
                )
            )
            first += group.count
            disk += group.count * len(group.disks)
            kind += len(group.disks)
        return tuple(groups), tuple(map(self._tier, tiers)), tuple(applications), len(waves)

    def _tier(self, name: str) -> Tier:
        objective = self.scenario.objectives.get(name)
        return Tier(
            name=name,
            rpo_seconds=objective.rpo if objective else None,
            rto_seconds=objective.rto if objective else None,
            share=objective.share_of_incidents if objective else None,
            from_declaration=objective is not None and objective.clock == "declaration",
            drill_every_seconds=objective.drill_every if objective else math.inf,
            owner=objective.owner if objective else None,
        )

    def _failure(self) -> FailurePlan:
        failure = self.scenario.failure

        def take(name: str, stated: Duration | None) -> Input | None:
            return self.bindings.duration(f"failure.{name}", stated) if stated else None

        return FailurePlan(
            scope=failure.scope_text,
            detect=take("detect", failure.detect),
            declare=take("declare", failure.declare),
            age=take("age", failure.age),
            hours=(failure.time_of_day.from_, failure.time_of_day.to) if failure.time_of_day else None,
        )

    def _check_fence(self) -> None:
        """A partition leaves the primary writing: what is promoted must be fenced from it first."""
        stages = [stage.stage for stage in self.recovery.stages]
        if Scope.PARTITION not in self.scenario.failure.scopes or "promote" not in stages:
            return
        if "fence" not in stages[: stages.index("promote")]:
            raise ModelError(
                f"{self.platform}: a partition destroys nothing, so the primary may still write when the "
                "other side is promoted; add a stage `fence` before `promote`"
            )

    # What is competed for

    def _bucket(self, name: str) -> BucketPlan:
        bucket = self.scenario.shared.buckets[name]
        return BucketPlan(name=name, rate=bucket.tokens_per_second, burst=float(bucket.burst))

    # Recovery

    def _path(self, plan: Plan) -> tuple[PathStepPlan, ...]:
        names = [copy.name for copy in plan.copies]
        steps = []
        for i, step in enumerate(self.path):
            mine = [stage for stage in plan.stages if stage.unit in ("vm", "disk") and i in stage.steps]
            copy = plan.copies[names.index(step.copy_)]
            estimate = tuple(estimated_seconds(plan, copy, mine, g) for g in range(len(plan.groups)))
            steps.append(
                PathStepPlan(
                    copy=names.index(step.copy_),
                    method=step.method,
                    estimate_seconds=estimate,
                    at_most=step.at_most,
                )
            )
        return tuple(steps)


def _application(group: Group) -> str:
    """A group without an application is one of its own."""
    return group.application or group.name


def _position(ends: Mapping[str, int], n_stages: int, name: str | None) -> int:
    """The index of a stage, or of its last part; the end where none is named."""
    return n_stages if name is None else ends[name]
