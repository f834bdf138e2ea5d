"""The whole plan, and what follows from its parts."""

import functools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rpo_sim.model.draws import Streams
from rpo_sim.model.plan.copies import CopyPlan
from rpo_sim.model.plan.inputs import Chance, Input
from rpo_sim.model.plan.recovery import FailurePlan, GroupPlan, PathStepPlan, Program, StagePlan
from rpo_sim.model.plan.shared import BucketPlan, LinkPlan, Pool
from rpo_sim.results import Tier


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One scenario on one platform, compiled.

    ``target`` names what the recovery site has of each resource for all VMs. ``job_until`` and ``barrier``
    are stage indices: the last under the limit of jobs in flight, and the one after which a VM no longer
    holds up the next wave. ``after`` are stages that follow the recovery: those of a VM or disk begin when
    the VM is usable, those of an application when it is back and its VMs are through with theirs, those of
    the incident when all applications are through; their indices follow those of `stages`.
    ``tried`` says that nobody knows which points are clean: they are restored and scanned one by one, the
    newest first.
    """

    scenario: str
    platform: str
    groups: tuple[GroupPlan, ...]
    tiers: tuple[Tier, ...]
    applications: tuple[str, ...]
    waves: int
    pools: tuple[Pool, ...]
    links: tuple[LinkPlan, ...]
    buckets: tuple[BucketPlan, ...]
    copies: tuple[CopyPlan, ...]
    failure: FailurePlan
    path: tuple[PathStepPlan, ...]
    choose: str
    stages: tuple[StagePlan, ...]
    job_pool: int | None
    job_until: int
    barrier: int
    repair: Input | None
    repair_pool: int | None
    target: tuple[tuple[str, float], ...] = ()
    after: tuple[StagePlan, ...] = ()
    tried: bool = False
    assumed_factor: float = 1.0

    @functools.cached_property
    def n_vms(self) -> int:
        """VMs in the plan; also the index of the incident among the jobs."""
        return sum(group.count for group in self.groups)

    @functools.cached_property
    def tier_groups(self) -> tuple[list[int], ...]:
        """The groups of each tier."""
        groups = tuple(enumerate(self.groups))
        return tuple([g for g, group in groups if group.tier == t] for t in range(len(self.tiers)))

    @functools.cached_property
    def vm_streams(self) -> Streams:
        """The columns of a table of draws for VMs: a stream per group."""
        return Streams.of(*((group.name, group.count) for group in self.groups))

    @functools.cached_property
    def disk_streams(self) -> Streams:
        """The same for disks: a stream per disk of a group."""
        disks = ((group, disk) for group in self.groups for disk in range(group.disks))
        return Streams.of(*((f"{group.name}/disk{disk}", group.count) for group, disk in disks))

    @functools.cached_property
    def disk_columns(self) -> npt.NDArray[np.intp]:
        """Where the disks of VM 0, of VM 1, … stand in a table of `disk_streams`."""
        found, at = [], 0
        for group in self.groups:
            columns = at + np.arange(group.disks * group.count).reshape(group.disks, group.count)
            found.append(columns.T.ravel())
            at += columns.size
        return np.concatenate(found)

    @functools.cached_property
    def one_per_group(self) -> "Plan":
        """The same estate with one VM per group: for what all VMs of a group have alike."""
        groups = tuple(replace(group, first=g, count=1) for g, group in enumerate(self.groups))
        return replace(self, groups=groups)

    @property
    def incident(self) -> int:
        """The index of the incident's job; then come waves, groups, applications and the last job."""
        return self.n_vms

    @property
    def n_jobs(self) -> int:
        """Jobs that exist from the start: VMs, incident, waves, groups, applications, the last."""
        return self.n_vms + 1 + self.waves + len(self.groups) + len(self.applications) + 1

    @functools.cached_property
    def group_order(self) -> tuple[int, ...]:
        """The groups by wave, then by their place in it."""
        groups = self.groups
        return tuple(sorted(range(len(groups)), key=lambda g: (groups[g].wave, groups[g].place, g)))

    @functools.cached_property
    def ranks(self) -> tuple[int, ...]:
        """Per job: VMs by wave, then place of the group, then index; all others go before them."""
        ranks = [-1] * self.n_jobs
        for rank, vm in enumerate(vm for g in self.group_order for vm in self.groups[g].vms):
            ranks[vm] = rank
        return tuple(ranks)

    def contending(self, copy: int) -> tuple[int, ...]:
        """The copies that it competes with for slots or a link, directly or through others; itself too."""
        asks = [each.competes_for for each in self.copies]
        found, wanted = {copy}, asks[copy]
        while more := {c for c, things in enumerate(asks) if things & wanted} - found:
            found |= more
            wanted = wanted.union(*(asks[c] for c in more))
        return tuple(sorted(found))

    def stands_alone(self, copy: int) -> bool:
        """Whether a copy neither competes with others, nor is made from one, nor has one made from it."""
        mine = self.copies[copy]
        needed = any(each.source == copy for each in self.copies)
        apart = mine.source is None and mine.transfer is None and mine.cycle is None and not mine.together
        return apart and not needed and not mine.competes_for

    @property
    def after_kinds(self) -> tuple[str, ...]:
        """The kinds of stages that follow the recovery, each once."""
        return tuple(dict.fromkeys(stage.kind for stage in self.after))

    @functools.cached_property
    def asks_chain(self) -> bool:
        """Whether a stage reads the full and the incrementals that lead to a point."""
        return any(stage.since_point == "chain" for stage in (*self.stages, *self.after))

    @property
    def has_shifts(self) -> bool:
        """Whether the time of day matters to the recovery."""
        return any(pool.shifts for pool in self.pools)

    def stages_once_per(self, unit: str) -> tuple[StagePlan, ...]:
        """The stages done once per wave, group or application, in order."""
        return self._by_unit[unit]

    @functools.cached_property
    def _by_unit(self) -> dict[str, tuple[StagePlan, ...]]:
        units = ("wave", "group", "application")
        return {unit: tuple(stage for stage in self.stages if stage.unit == unit) for unit in units}

    @functools.cached_property
    def leading(self) -> tuple[StagePlan, ...]:
        """Incident stages before the first stage of any other unit."""
        return tuple(stage for stage in self.stages[: self._others[0]])

    @functools.cached_property
    def trailing(self) -> tuple[StagePlan, ...]:
        """Incident stages after the last stage of any other unit: they wait for everyone."""
        return tuple(stage for stage in self.stages[self._others[1] :])

    @functools.cached_property
    def _others(self) -> tuple[int, int]:
        at = [i for i, stage in enumerate(self.stages) if stage.unit != "incident"]
        return (at[0], at[-1] + 1) if at else (len(self.stages), len(self.stages))

    @functools.cached_property
    def programs(self) -> tuple[Program, ...]:
        """What a VM goes through, per step of the path."""
        return tuple(self._program(step) for step in range(len(self.path)))

    def _program(self, step: int) -> Program:
        stages = tuple(s for s in self.stages if s.unit in ("vm", "disk") and step in s.steps)

        def last_until(limit: int) -> int:
            return max((s.index for s in stages if s.index <= limit), default=-1)

        return Program(
            stages=stages,
            release_after=last_until(self.job_until),
            safe_after=last_until(self.barrier),
            scan_after=max((s.index for s in stages if s.scan_seconds_per_byte), default=-1),
        )

    def inputs(self) -> tuple[Input | Chance, ...]:
        """Every uncertain number, in the order of the plan."""
        found: list[Input | Chance | None] = [self.failure.age, self.failure.detect, self.failure.declare]
        for copy in self.copies:
            found += [copy.duration, copy.lag, copy.success]
            found.append(copy.cycle.duration if copy.cycle is not None else None)
        for stage in (*self.stages, *self.after):
            found += [stage.duration, stage.success]
        found += [self.repair, *(link.measured for link in self.links)]
        sent = {copy.transfer.link for copy in self.copies if copy.transfer is not None}
        outages = (self.links[link].outages for link in sorted(sent))
        found += [outage.duration for outage in outages if outage is not None]
        return tuple(item for item in found if item is not None)
