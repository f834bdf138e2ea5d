"""Recovery: each stage of a platform's procedure as the plan needs it."""

import math
from dataclasses import replace

from rpo_sim.errors import ScenarioError
from rpo_sim.model.compile.binding import Bindings
from rpo_sim.model.compile.links import LinkCompiler, weaker
from rpo_sim.model.compile.mechanism import MeasuredChains
from rpo_sim.model.compile.pools import PoolNames
from rpo_sim.model.plan import Input, LinkPlan, StagePlan
from rpo_sim.results import Evidence
from rpo_sim.scenario.procedure import POINT_BYTES, Stage
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.shared import slot_count


class StageCompiler:
    """Turns the stages of one platform into plans; ``people`` is the pool of who does human steps."""

    def __init__(
        self, scenario: Scenario, platform: str, bindings: Bindings, pools: PoolNames, people: int | None
    ) -> None:
        self.scenario, self.platform, self.bindings = scenario, platform, bindings
        self.pools, self.people = pools, people
        self.recovery = scenario.platforms[platform].recovery
        self.path = self.recovery.path
        self.buckets = list(scenario.shared.buckets)
        self.vms = sum(group.count for group in scenario.estate.groups)
        self._linker = LinkCompiler(bindings)
        self.links = {name: self._link(name) for name in scenario.shared.links}
        self.chains = MeasuredChains(pools, len(self.buckets))
        self.last_part: dict[str, int] = {}

    def compile(self, vms: int) -> tuple[StagePlan, ...]:
        """The stages, in order; `links` are complete then, and `last_part` says where each stage ends."""
        plans: list[StagePlan] = []
        for stage in self.recovery.stages:
            plans += self._parts(len(plans), stage, vms)
            self.last_part[stage.key] = len(plans) - 1
        return tuple(plans)

    def _parts(self, index: int, stage: Stage, vms: int) -> list[StagePlan]:
        """The stage itself, or the parts of its measured mechanism."""
        if stage.tokens != "measured" or stage.duration is None:
            return [self._stage(index, stage, vms)]
        key, at_once = f"recovery.{stage.key}.duration", self._at_once(stage, vms)
        found = self.bindings.mechanism(key, stage.duration, self._stage_bytes(stage) or (None,), at_once)
        if found is None:
            return [self._stage(index, stage, vms)]
        mechanism, driver = found
        bare = self._stage(index, stage.model_copy(update={"duration": None}), vms)
        return self.chains.parts(bare, mechanism, driver, str(stage.duration.measured), at_once)

    def _link(self, name: str) -> LinkPlan:
        """A link with the most streams that stages could have in flight on it."""
        streams = sum(self._streams(stage) for stage in self.recovery.stages if stage.over == name)
        return self._linker.link(name, self.scenario.shared.links[name], min(streams, self._disks()))

    def _disks(self) -> int:
        return sum(group.count * len(group.disks) for group in self.scenario.estate.groups)

    def _streams(self, stage: Stage) -> int:
        """How many of a stage may be at work at once: its members, its slots, the limit of jobs."""
        members = {"vm": self.vms, "disk": self._disks(), "group": len(self.scenario.estate.groups)}
        waves, limit = self.recovery.waves, self.recovery.concurrency
        members["wave"] = len(waves.order) if waves else 1
        members["application"] = len(self.scenario.estate.groups)
        most = min([members.get(stage.once_per, 1), *map(slot_count, stage.slots.values())])
        if limit is not None and stage.once_per in ("vm", "disk") and self._under_limit(stage):
            disks = max(len(group.disks) for group in self.scenario.estate.groups)
            most = min(most, limit.limit * (disks if stage.once_per == "disk" else 1))
        return most

    def _under_limit(self, stage: Stage) -> bool:
        limit, keys = self.recovery.concurrency, [each.key for each in self.recovery.stages]
        if stage.afterwards:
            return False
        until = limit.until if limit else None
        return until is None or keys.index(stage.key) <= keys.index(until)

    def _shared(self, stage: Stage) -> int | None:
        """The number of the link that a stage is on; its own curve is one too."""
        if stage.over is not None:
            return list(self.links).index(stage.over)
        if stage.contention is None:
            return None
        plan = self._linker.stage(stage, self._streams(stage))
        if plan is None:
            return None
        self.links[f"stage {stage.key}"] = plan  # with a space: no link of a scenario has such a name
        return len(self.links) - 1

    def _stage(self, index: int, stage: Stage, vms: int) -> StagePlan:
        key = f"recovery.{stage.key}"
        pools = self.pools.of_slots(stage.slots, "recovery")
        sizes = self._stage_bytes(stage)
        link = self._shared(stage)
        curve = weaker(list(self.links.values())[link]) if link is not None else None
        duration = None
        if stage.duration is not None:
            known = sizes or (None,)
            at_once = self._at_once(stage, vms)
            duration = self.bindings.duration(f"{key}.duration", stage.duration, known, at_once)
            if curve is not None:  # the curve slows it, so it is drawn as if alone
                duration = replace(duration, concurrency=1)
            self.bindings.require_timeout(duration, f"stage {stage.key}", stage.timeout)
        if stage.human and self.people is not None and stage.once_per != "incident":
            pools = (*pools, self.people)
        return StagePlan(
            index=index,
            key=stage.key,
            unit=stage.once_per,
            kind=stage.stage,
            scan_seconds_per_byte=self.bindings.assumed_factor / stage.scan_rate if stage.scan_rate else 0.0,
            by=stage.by or "",
            steps=self._steps(stage),
            duration=duration,
            success=self.bindings.chance(f"{key}.success", stage.success),
            times=self._times(stage),
            pools=pools,
            link=link,
            bytes_=tuple(size or 0 for size in sizes),
            link_factor=self._link_factor(duration, curve),
            tokens=tuple((self.buckets.index(name), float(n)) for name, n in stage.stated_tokens.items()),
            timeout=math.inf if stage.timeout is None else stage.timeout,
            retries=stage.retries,
            curve_evidence=curve,
            since_point=str(stage.bytes) if stage.bytes in POINT_BYTES else "",
            duration_twice=self._twice(stage, duration),
        )

    def _stage_bytes(self, stage: Stage) -> tuple[int | None, ...]:
        """Bytes per group (or per disk of each group); empty where the stage moves none."""
        if stage.bytes is None:
            return ()
        groups = self.scenario.estate.groups
        if isinstance(stage.bytes, int):
            count = sum(len(g.disks) for g in groups) if stage.once_per == "disk" else len(groups)
            return (stage.bytes,) * count
        used = stage.bytes != "capacity"
        if stage.once_per == "disk":
            return tuple(disk.used_bytes if used else disk.capacity for g in groups for disk in g.disks)
        if stage.once_per == "vm":
            return tuple(g.used_bytes if used else g.capacity_bytes for g in groups)
        raise ScenarioError(
            f"{self.platform}: stage {stage.key} is done once per {stage.once_per}; `bytes: {stage.bytes}` "
            "belongs to a vm or disk; state a size"
        )

    def _at_once(self, stage: Stage, vms: int) -> int:
        """How many of this stage may run at once, as far as limits say."""
        limits = [slot_count(count) for count in stage.slots.values()]
        if self.recovery.concurrency is not None:
            limits.append(self.recovery.concurrency.limit)
        if stage.once_per == "disk":
            vms *= max(len(group.disks) for group in self.scenario.estate.groups)
        return min([vms if stage.once_per in ("vm", "disk") else 1, *limits])

    def _steps(self, stage: Stage) -> tuple[int, ...]:
        return tuple(
            i
            for i, step in enumerate(self.path)
            if not stage.when or step.copy_ in stage.when or step.method in stage.when
        )

    @staticmethod
    def _times(stage: Stage) -> int | tuple[float, float]:
        if stage.times is None or isinstance(stage.times, int):
            return stage.times or 1
        return float(stage.times.assumed.p50), float(stage.times.assumed.p95)

    @staticmethod
    def _twice(stage: Stage, duration: Input | None) -> Input | None:
        if duration is None or stage.bytes not in POINT_BYTES:
            return None
        sizes = tuple(2 * size if size else size for size in duration.sizes_bytes)
        return replace(duration, key=f"{duration.key}, twice", sizes_bytes=sizes)

    def _link_factor(self, duration: Input | None, curve: Evidence | None) -> float:
        """A stated bandwidth is assumed, so is its share of a transfer; else it goes with the duration."""
        if duration is not None:
            return duration.factor
        return 1.0 if curve is Evidence.MEASURED else self.bindings.assumed_factor
