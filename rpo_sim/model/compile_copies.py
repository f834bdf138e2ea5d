"""Protection: each copy of a platform as the plan needs it, with its load checked."""

import math
from dataclasses import replace

from rpo_sim.errors import ModelError
from rpo_sim.model.binding import Bindings
from rpo_sim.model.block import mean_seconds
from rpo_sim.model.change import unique_bytes
from rpo_sim.model.plan import CopyPlan
from rpo_sim.model.pools import PoolNames
from rpo_sim.scenario.copies import CopyFields
from rpo_sim.scenario.estate import Group
from rpo_sim.scenario.inputs import Lag, Shape
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.shared import slot_count
from rpo_sim.scenario.survival import survives

_CALENDAR_SECONDS = (("daily", 86400.0), ("weekly", 7 * 86400.0), ("monthly", 30 * 86400.0))
_NO_LAG = Lag(assumed=Shape(fixed=0.0))


class CopyCompiler:
    """Turns the copies of one platform into plans."""

    def __init__(self, scenario: Scenario, platform: str, bindings: Bindings, pools: PoolNames) -> None:
        self.scenario, self.platform, self.bindings, self.pools = scenario, platform, bindings, pools
        self.copies = scenario.copies_of(platform)

    def compile(self, vms: int) -> tuple[CopyPlan, ...]:
        """The copies, in order.

        Raises
        ------
        ModelError
            If slots with a queue, or a link, are asked for more than they have.
        """
        survive = survives(self.scenario, self.platform)
        plans = tuple(self._copy(name, copy, survive[name]) for name, copy in self.copies.items())
        sharing: dict[int, list[CopyPlan]] = {}
        for plan in plans:
            if plan.pool is not None:
                sharing.setdefault(plan.pool, []).append(plan)
        roomy = set()
        for pool, copies in sharing.items():
            capacity = self.pools.capacity(pool)
            self._check_load(pool, copies, vms, capacity)
            if capacity >= vms * len(copies) and all(copy.overlap != "allow" for copy in copies):
                roomy.add(pool)  # a slot for each that could ever ask: nobody waits
        self._check_links()
        return tuple(replace(plan, pool=None) if plan.pool in roomy else plan for plan in plans)

    def _copy(self, name: str, copy: CopyFields, survives_: bool) -> CopyPlan:
        assert copy.every is not None, "references are checked on loading"
        assert copy.duration is not None, "references are checked on loading"
        assert copy.retention is not None, "references are checked on loading"
        key, retention = f"copies.{name}", copy.retention
        every = None if isinstance(copy.every, str) else copy.every
        sizes = tuple(self._copy_bytes(copy, group) for group in self.scenario.estate.groups)
        slots = sum(slot_count(count) for count in (copy.slots or {}).values())
        calendar = tuple(
            (seconds, count)
            for rule, seconds in _CALENDAR_SECONDS
            if (count := getattr(retention, rule)) is not None
        )
        duration = self.bindings.duration(f"{key}.duration", copy.duration, sizes, max(slots, 1))
        self.bindings.require_timeout(duration, f"copy {name}", copy.timeout)
        return CopyPlan(
            name=name,
            every=every,
            offset=copy.offset or 0.0,
            stagger=copy.stagger == "uniform",
            overlap=copy.overlap or "skip",
            pool=self.pools.of_slots(copy.slots, "protection")[0] if copy.slots else None,
            cut_before_slot=copy.cut == "before_slot",
            duration=duration,
            lag=self.bindings.duration(f"{key}.lag", copy.lag or _NO_LAG),
            timeout=math.inf if copy.timeout is None else copy.timeout,
            success=self.bindings.chance(f"{key}.success", copy.success),
            retries=copy.retries or 0,
            keep_count=retention.count,
            keep_seconds=retention.keep,
            calendar=calendar,
            survives=survives_,
        )

    def _copy_bytes(self, copy: CopyFields, group: Group) -> int | None:
        if copy.bytes == "used":
            return group.used_bytes
        if copy.bytes == "capacity":
            return group.capacity_bytes
        if copy.bytes == "change":
            every = copy.every if isinstance(copy.every, float) else 0.0
            return unique_bytes(group, every)
        return copy.bytes

    def _check_load(self, pool: int, copies: list[CopyPlan], vms: int, capacity: int) -> None:
        """Refuse a queue that can only grow."""
        if not any(copy.overlap == "queue" for copy in copies):
            return
        busy = 0.0
        for copy in copies:
            kinds = copy.duration.drawn(None)
            counts = [group.count for group in self.scenario.estate.groups]
            each = [mean_seconds(kinds[g if len(kinds) > 1 else 0]) for g in range(len(counts))]
            busy += sum(n * s for n, s in zip(counts, each, strict=True)) / copy.every if copy.every else 0.0
        if busy > capacity:
            names = " and ".join(copy.name for copy in copies)
            raise ModelError(
                f"{self.platform}: {names} of {vms} VMs keep {busy:.1f} slots of "
                f"{self.pools.name(pool)!r} busy on average, but there are {capacity} "
                f"({busy / capacity:.0%} load): the queue only grows; add slots, lengthen `every`, or choose "
                "another overlap policy"
            )

    def _check_links(self) -> None:
        """Refuse copies that ask a link for more than it has on average."""
        asked: dict[str, float] = {}
        for copy in self.copies.values():
            if copy.over is not None and isinstance(copy.every, float):
                groups = self.scenario.estate.groups
                total = sum(g.count * (self._copy_bytes(copy, g) or 0) for g in groups)
                asked[copy.over] = asked.get(copy.over, 0.0) + total / copy.every
        for name, rate in asked.items():
            has = self.scenario.shared.links[name].bandwidth
            if rate > has:
                raise ModelError(
                    f"{self.platform}: copies ask link {name!r} for {rate / has:.0%} of its bandwidth on "
                    "average; widen it, copy less, or lengthen `every`"
                )
