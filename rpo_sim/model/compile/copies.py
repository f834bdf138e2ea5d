"""Protection: each copy of a platform as the plan needs it, with its load checked."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np

from rpo_sim.errors import ModelError
from rpo_sim.model.block import mean_seconds
from rpo_sim.model.change import ChangeCurve, unique_bytes
from rpo_sim.model.compile.binding import Bindings
from rpo_sim.model.compile.pools import PoolNames
from rpo_sim.model.plan import CopyPlan, CyclePlan, Input, TransferPlan
from rpo_sim.model.protection.transfers import settled_seconds
from rpo_sim.scenario.copies import CopyFields, Retention
from rpo_sim.scenario.estate import Group
from rpo_sim.scenario.inputs import Duration, Lag, Shape
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.shared import slot_count
from rpo_sim.scenario.survival import locked_seconds, survives

_CALENDAR_SECONDS = (("daily", 86400.0), ("weekly", 7 * 86400.0), ("monthly", 30 * 86400.0))
_SHORTEST = 1.0  # seconds between transfers back to back
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
        narrow = self._narrow_links(vms)
        plans = tuple(self._copy(name, copy, survive[name], narrow) for name, copy in self.copies.items())
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

    def _copy(self, name: str, copy: CopyFields, survives_: bool, narrow: set[str]) -> CopyPlan:
        assert copy.every is not None, "references are checked on loading"
        key, retention = f"copies.{name}", copy.retention or Retention(count=1)
        every = None if isinstance(copy.every, str) else copy.every
        names = list(self.copies)
        calendar = tuple(
            (seconds, count)
            for rule, seconds in _CALENDAR_SECONDS
            if (count := getattr(retention, rule)) is not None
        )
        sizes = tuple(self._copy_bytes(copy, group) for group in self.scenario.estate.groups)
        return CopyPlan(
            name=name,
            every=every,
            offset=copy.offset or 0.0,
            stagger=copy.stagger == "uniform",
            overlap=copy.overlap or "skip",
            pool=self.pools.of_slots(copy.slots, "protection")[0] if copy.slots else None,
            cut_before_slot=copy.cut == "before_slot",
            duration=self._duration(name, copy, copy.duration, sizes),
            lag=self.bindings.duration(f"{key}.lag", copy.lag or _NO_LAG),
            timeout=math.inf if copy.timeout is None else copy.timeout,
            success=self.bindings.chance(f"{key}.success", copy.success),
            retries=copy.retries or 0,
            keep_count=retention.count,
            keep_seconds=retention.keep,
            calendar=calendar,
            survives=survives_,
            synchronous=copy.synchronous,
            source=names.index(copy.from_) if copy.from_ is not None else None,
            hold=copy.hold or 0.0,
            cycle=self._cycle(name, copy),
            transfer=self._transfer(name, copy, narrow) if copy.by_link else None,
            together=bool(copy.cut_together),
            locked_seconds=locked_seconds(self.scenario, copy),
        )

    def _duration(
        self, name: str, copy: CopyFields, stated: Duration | None, sizes: tuple[int | None, ...]
    ) -> Input:
        """How long a run takes; nothing of its own where a link says, or where there are no runs."""
        if stated is None:
            key = f"copies.{name}.{'transfer' if copy.by_link else 'synchronous'}"
            return self.bindings.duration(key, Duration(assumed=Shape(fixed=0.0)))
        slots = sum(slot_count(count) for count in (copy.slots or {}).values())
        key = f"copies.{name}.duration" if stated is copy.duration else f"copies.{name}.cycle.duration"
        duration = self.bindings.duration(key, stated, sizes, max(slots, 1))
        self.bindings.require_timeout(duration, f"copy {name}", copy.timeout)
        return duration

    def _cycle(self, name: str, copy: CopyFields) -> CyclePlan | None:
        """Fulls and incrementals; unless stated, a full takes what the copy takes for the bytes of a full."""
        if copy.cycle is None:
            return None
        assert isinstance(copy.every, float), "references are checked on loading"
        duration = None
        if copy.duration is not None:
            stated = copy.cycle.duration or copy.duration.model_copy()  # another object: another key
            duration = self._duration(name, copy, stated, self._full_bytes(copy))
        groups = self.scenario.estate.groups
        known = copy.bytes is not None or all(group.change for group in groups)
        return CyclePlan(
            runs=round(copy.cycle.full / copy.every),
            duration=duration,
            full_bytes=tuple(float(copy.cycle.full_bytes(group)) for group in groups),
            moved=tuple(self._moved(copy, group) for group in groups) if known else (),
        )

    def _moved(self, copy: CopyFields, group: Group) -> ChangeCurve | float:
        """Bytes of a run, or how they follow from the time since the last; by the changes if not stated."""
        if copy.bytes in ("change", None) and group.change:
            return ChangeCurve.of(group)
        return float(self._copy_bytes(copy, group) or 0)

    def _full_bytes(self, copy: CopyFields) -> tuple[int | None, ...]:
        """Bytes of a full per group; None where the copy moves none that matter."""
        groups = self.scenario.estate.groups
        if copy.cycle is None or copy.bytes is None:
            return (None,) * len(groups)
        return tuple(copy.cycle.full_bytes(group) for group in groups)

    # Transfers over links

    def _narrow_links(self, vms: int) -> set[str]:
        """Links that cannot give every stream its cap at once: what they carry must be simulated."""
        streams = Counter(copy.over for copy in self.copies.values() if copy.by_link)
        narrow = set()
        for name, copies in streams.items():
            assert name is not None, "by link, so over one"
            link = self.scenario.shared.links[name]
            cap = min(link.per_stream or math.inf, link.available)
            if copies * vms * cap > link.available * (1 + 1e-12):
                narrow.add(name)
        return narrow

    def _transfer(self, name: str, copy: CopyFields, narrow: set[str]) -> TransferPlan:
        assert copy.over is not None, "by link, so over one"
        link, groups = self.scenario.shared.links[copy.over], self.scenario.estate.groups
        moved = tuple(self._moved(copy, group) for group in groups)
        cap = min(link.per_stream or math.inf, link.available)
        factor = self.bindings.assumed_factor
        settled = copy.every if isinstance(copy.every, float) else 0.0
        if not settled:
            settled = settled_seconds(
                moved,
                [group.count for group in groups],
                bandwidth=link.available / factor,
                cap=cap / factor,
                hold=copy.hold or 0.0,
            )
            self._check_settled(name, copy, settled, self._quickest(copy, moved, cap / factor))
        return TransferPlan(
            link=list(self.scenario.shared.links).index(copy.over),
            rate=None if copy.over in narrow else cap,
            moved=moved,
            full_bytes=tuple(float(size or 0) for size in self._full_bytes(copy)),
            factor=factor,
            settled_seconds=settled,
        )

    def _quickest(self, copy: CopyFields, moved: tuple[ChangeCurve | float, ...], cap: float) -> float:
        """The shortest time (seconds) in which runs of a VM follow each other, with its share of the link.

        A VM that changes less than its share can send, sends ever less, ever more often.
        """
        assert copy.over is not None, "by link, so over one"
        on_link = [each for each in self.copies.values() if each.by_link and each.over == copy.over]
        endless = sum(each.every == "back-to-back" for each in on_link)
        vms = sum(group.count for group in self.scenario.estate.groups)
        available = self.scenario.shared.links[copy.over].available / self.bindings.assumed_factor
        rate, hold = min(cap, available / (endless * vms)), copy.hold or 0.0
        alone = [settled_seconds([m], [1], bandwidth=rate, cap=rate, hold=hold) for m in moved]
        return min(*alone, math.inf if copy.timeout is None else hold + copy.timeout)

    def _check_settled(self, name: str, copy: CopyFields, seconds: float, quickest: float) -> None:
        """Refuse transfers back to back that fall behind for ever, or follow each other without end."""
        if seconds == math.inf:
            raise ModelError(
                f"{self.platform}: copy {name}: more changes than link {copy.over!r} can send, so that it "
                "falls behind for ever; widen the link, or copy less"
            )
        if min(seconds, quickest) < _SHORTEST:
            raise ModelError(
                f"{self.platform}: copy {name}: back to back over {copy.over!r}, runs of less than "
                f"{_SHORTEST:g} s follow each other, at least for the VMs that change least; write an "
                "interval in `every`, or `hold`, the time that each needs before it sends"
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
            if copy.transfer is not None:  # alone on its link: no more can be said without simulating it
                each = [self._alone_seconds(copy.transfer, copy.every, g) for g in range(len(counts))]
            busy += sum(n * s for n, s in zip(counts, each, strict=True)) / copy.every if copy.every else 0.0
        if busy > capacity:
            names = " and ".join(copy.name for copy in copies)
            raise ModelError(
                f"{self.platform}: {names} of {vms} VMs keep {busy:.1f} slots of "
                f"{self.pools.name(pool)!r} busy on average, but there are {capacity} "
                f"({busy / capacity:.0%} load): the queue only grows; add slots, lengthen `every`, or choose "
                "another overlap policy"
            )

    def _alone_seconds(self, transfer: TransferPlan, every: float | None, group: int) -> float:
        link = list(self.scenario.shared.links.values())[transfer.link]
        rule = transfer.moved[group]
        window = np.array(every or transfer.settled_seconds)
        size = rule if isinstance(rule, float) else float(rule.within(window))
        return size * transfer.factor / min(link.per_stream or math.inf, link.available)

    def _check_links(self) -> None:
        """Refuse copies that ask a link for more than it has on average."""
        asked: dict[str, float] = {}
        for copy in self.copies.values():
            if copy.over is not None and isinstance(copy.every, float):
                asked[copy.over] = asked.get(copy.over, 0.0) + self._asked_rate(copy, copy.every)
        for name, rate in asked.items():
            has = self.scenario.shared.links[name].available
            if rate > has:
                raise ModelError(
                    f"{self.platform}: copies ask link {name!r} for {rate / has:.0%} of its bandwidth on "
                    "average; widen it, copy less, or lengthen `every`"
                )

    def _asked_rate(self, copy: CopyFields, every: float) -> float:
        """Bytes per second that a copy sends on average: a delta that outlasts its interval sends fewer."""
        groups = self.scenario.estate.groups
        total = sum(g.count * (self._copy_bytes(copy, g) or 0) for g in groups)
        if not copy.by_link or copy.bytes != "change" or copy.over is None:
            return total / every
        link = self.scenario.shared.links[copy.over]
        window = settled_seconds(
            [ChangeCurve.of(group) for group in groups],
            [group.count for group in groups],
            bandwidth=link.available,
            cap=min(link.per_stream or math.inf, link.available),
            hold=0.0,
        )
        return total / every if window in (0, math.inf) else min(total / every, link.available)
