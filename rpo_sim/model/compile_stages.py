"""Recovery: each stage of a platform's procedure as the plan needs it."""

import math

from rpo_sim.errors import ScenarioError
from rpo_sim.model.binding import Bindings
from rpo_sim.model.compile_mechanism import MeasuredChains
from rpo_sim.model.plan import Input, StagePlan
from rpo_sim.model.pools import PoolNames
from rpo_sim.scenario.procedure import Stage
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
        self.links, self.buckets = list(scenario.shared.links), list(scenario.shared.buckets)
        self.chains = MeasuredChains(pools, len(self.buckets))
        self.last_part: dict[str, int] = {}

    def compile(self, vms: int) -> tuple[StagePlan, ...]:
        """The stages, in order; `last_part` then says where each stage of the scenario ends."""
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

    def _stage(self, index: int, stage: Stage, vms: int) -> StagePlan:
        key = f"recovery.{stage.key}"
        pools = self.pools.of_slots(stage.slots, "recovery")
        sizes = self._stage_bytes(stage)
        duration = None
        if stage.duration is not None:
            known = sizes or (None,)
            at_once = self._at_once(stage, vms)
            duration = self.bindings.duration(f"{key}.duration", stage.duration, known, at_once)
            self.bindings.require_timeout(duration, f"stage {stage.key}", stage.timeout)
        if stage.human and self.people is not None and stage.once_per != "incident":
            pools = (*pools, self.people)
        return StagePlan(
            index=index,
            key=stage.key,
            unit=stage.once_per,
            by=stage.by or "",
            steps=self._steps(stage),
            duration=duration,
            success=self.bindings.chance(f"{key}.success", stage.success),
            times=self._times(stage),
            pools=pools,
            link=self.links.index(stage.over) if stage.over else None,
            bytes_=tuple(size or 0 for size in sizes),
            link_factor=self._link_factor(duration),
            tokens=tuple((self.buckets.index(name), float(n)) for name, n in stage.stated_tokens.items()),
            timeout=math.inf if stage.timeout is None else stage.timeout,
            retries=stage.retries,
        )

    def _stage_bytes(self, stage: Stage) -> tuple[int | None, ...]:
        """Bytes per group (or per disk of each group); empty where the stage moves none."""
        if stage.bytes is None:
            return ()
        groups = self.scenario.estate.groups
        if isinstance(stage.bytes, int):
            count = sum(len(g.disks) for g in groups) if stage.once_per == "disk" else len(groups)
            return (stage.bytes,) * count
        used = stage.bytes == "used"
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

    def _link_factor(self, duration: Input | None) -> float:
        """A link's bandwidth is stated, so its share of a transfer is assumed with the duration."""
        return self.bindings.assumed_factor if duration is None else duration.factor
