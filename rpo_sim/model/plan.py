"""The plan: what a scenario compiles to, and all that an engine needs to know.

Plain frozen data. Entities are addressed by index: VMs in the order of their groups, pools, links,
buckets, stages. Times are float seconds; probabilities and durations are `Input`s whose numbers are drawn
outside of the engines.
"""

import functools
from dataclasses import dataclass

import numpy as np

from rpo_sim.distributions.base import Distribution
from rpo_sim.model.change import ChangeCurve
from rpo_sim.results import Evidence, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One uncertain number of the plan.

    Attributes
    ----------
    key : str
        Where it stands in the scenario, such as ``"recovery.data.duration"``.
    evidence : Evidence
    n : int
        Observations behind it; 0 for an assumption.
    source : str
        The measurement it is bound to, or ``"assumed"``.
    base : Distribution
        As fitted or assumed, before size and concurrency.
    sizes_bytes : tuple of (int or None)
        One per kind of member (group or disk): what `base` is asked for; None where size does not matter.
    concurrency : int
        Like transfers that may be in flight at once.
    factor : float
        1, or the factor under which an assumption is tried.
    restores : int
        Verified restores on the plan's own platform among the ``n``.
    """

    key: str
    evidence: Evidence
    n: int
    source: str
    base: Distribution
    sizes_bytes: tuple[int | None, ...] = (None,)
    concurrency: int = 1
    factor: float = 1.0
    restores: int = 0

    def drawn(self, generator: np.random.Generator | None) -> tuple[Distribution, ...]:
        """One distribution per kind of member, parameters drawn once from their posterior if given."""
        base = self.base if generator is None else self.base.posterior_draw(generator)
        sized = {size: base.at(size_bytes=size, concurrency=self.concurrency) for size in self.sizes_bytes}
        if self.factor != 1.0:
            sized = {size: distribution.scaled(self.factor) for size, distribution in sized.items()}
        return tuple(sized[size] for size in self.sizes_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """The probability that an attempt succeeds; ``n_failed`` of ``n`` attempts failed if it was measured."""

    key: str
    evidence: Evidence
    source: str
    probability: float
    n: int = 0
    n_failed: int = 0

    def drawn(self, generator: np.random.Generator | None) -> float:
        """The probability; where measured and a generator is given, from its Jeffreys posterior."""
        if generator is None or self.evidence is not Evidence.MEASURED:
            return self.probability
        return float(generator.beta(self.n - self.n_failed + 0.5, self.n_failed + 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """VMs that are alike: indices ``first`` to ``first + count - 1``.

    ``used`` are the bytes in use on each disk, ``change`` (window seconds, unique bytes that one VM writes
    within it) in order, ``writes`` bytes per second, rewritten ones included.

    ``place`` is its position within its wave. ``needs`` are other groups, ``needs_least`` how many VMs of
    each; ``demand`` is what a VM takes of each resource of the target. ``first_disk`` counts the disks of
    all VMs before, ``first_kind`` the kinds of disk of all groups before.
    """

    name: str
    first: int
    count: int
    tier: int
    application: int
    wave: int
    place: int = 0
    needs: tuple[int, ...] = ()
    needs_least: tuple[int, ...] = ()
    demand: tuple[float, ...] = ()
    used: tuple[int, ...] = ()
    change: tuple[tuple[float, int], ...] = ()
    writes: float = 0.0
    disks: int = 1
    first_disk: int = 0
    first_kind: int = 0

    @property
    def vms(self) -> range:
        """The indices of its VMs."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Slots that are held and given back; ``capacity`` at once, first come, first served.

    People come and go: ``shifts`` are (second of the day, capacity from then on), in order, or empty; then
    ``capacity`` is the most of them. Who holds a slot when a shift ends keeps it until he gives it back.
    """

    name: str
    capacity: int
    shifts: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutagePlan:
    """When a link stands still for copies: for `duration`, after ``up_seconds`` on average (exponential)."""

    up_seconds: float
    duration: Input


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlan:
    """A shared pipe in bytes per second, split by processor sharing with a cap per stream.

    Attributes
    ----------
    totals : tuple of float
        Where the throughput depends on the streams in flight: the total of k of them is ``totals[k - 1]``,
        of more than are listed the last; empty where it is ``bytes_per_second`` whatever k is.
    paced : bool
        No pipe but a stage whose jobs slow each other: what it moves are seconds of each job's duration
        when alone, at most one per second; `totals` are then seconds per second.
    measured : Input or None
        A measured curve, whose totals are drawn anew in each block (`totals` hold its best estimate).
    evidence : Evidence
        What the curve rests on.
    """

    name: str
    bytes_per_second: float
    per_stream: float
    totals: tuple[float, ...] = ()
    paced: bool = False
    measured: Input | None = None
    evidence: Evidence = Evidence.ASSUMED
    outages: OutagePlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPlan:
    """A token bucket: ``rate`` tokens per second, at most ``burst``; full at the start.

    Waits for its tokens are booked under ``evidence``: of rate, burst and what an operation costs together.
    """

    name: str
    rate: float
    burst: float
    evidence: Evidence = Evidence.ASSUMED


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPlan:
    """A copy whose runs take as long as their bytes take on a link.

    Attributes
    ----------
    link : int
    rate : float or None
        Bytes per second of each stream where the link is wide enough for all at once; None where streams
        share it, which an engine must simulate.
    moved : tuple of (ChangeCurve or float)
        Per group: the bytes that one run moves, or how they follow from the time since the last cut.
    full_bytes : tuple of float
        Per group: the bytes of a full.
    factor : float
        Scales the bytes where assumptions are under trial: the bandwidth is one.
    settled_seconds : float
        The window before the first run; for back-to-back, what the runs settle at.
    """

    link: int
    rate: float | None
    moved: tuple[ChangeCurve | float, ...]
    full_bytes: tuple[float, ...]
    factor: float
    settled_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclePlan:
    """A full every so many ``runs``, incrementals between; ``duration`` of a full, None if a link says.

    ``full_bytes`` and ``moved`` have, per group, the bytes of a full and those of an incremental, or how
    these follow from the time since the last cut; empty where they are not known.
    """

    runs: int
    duration: Input | None
    full_bytes: tuple[float, ...] = ()
    moved: tuple[ChangeCurve | float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """One level of protection.

    ``every`` is the period in seconds, or None for back-to-back; an attempt that takes longer than
    ``timeout`` fails at it; ``calendar`` lists (period seconds, points kept) of calendar retention;
    ``survives`` says whether the failure leaves the copy standing; with ``locked_seconds`` it leaves the
    points younger than that. ``source`` is the copy that it is made from, None for the VM itself; data is
    held for ``hold`` seconds between its cut and its sending. ``together``: the VMs of an application have
    a common cut, or no point.
    """

    name: str
    every: float | None
    offset: float
    stagger: bool
    overlap: str
    pool: int | None
    cut_before_slot: bool
    duration: Input
    lag: Input
    timeout: float
    success: Chance | None
    retries: int
    keep_count: int | None
    keep_seconds: float | None
    calendar: tuple[tuple[float, int], ...]
    survives: bool
    synchronous: bool = False
    source: int | None = None
    hold: float = 0.0
    cycle: CyclePlan | None = None
    transfer: TransferPlan | None = None
    together: bool = False
    locked_seconds: float | None = None

    @property
    def competes_for(self) -> set[tuple[str, int]]:
        """The pool of slots and the link that it shares; none where its runs wait for nobody."""
        things = {("pool", self.pool)} if self.pool is not None else set()
        if self.transfer is not None and (things or self.transfer.rate is None):
            things.add(("link", self.transfer.link))
        return things


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage of the recovery, for any unit (incident, wave, group, vm, disk, application).

    ``steps`` are the path steps it applies to. ``bytes_`` has one entry per kind of member, as the sizes
    of its duration; ``link_factor`` scales the bytes when the transfer itself is an assumption under trial.
    ``scan_seconds_per_byte`` is added for each of its bytes: it reads them, and tells whether they are clean.
    ``kind`` is what the scenario calls such a stage, such as "boot". ``since_point`` says which bytes a run
    decides: "changed" or "written" between the point that is restored and the failure, or the "chain" of
    full and incrementals that leads to the point; `bytes_` are then those in use, the size that `duration`
    is asked for, and ``duration_twice`` is the same asked for twice of them (durations grow by a straight
    line in size).
    ``curve_evidence`` is what a contention curve rests on that is not the duration's own.
    """

    index: int
    key: str
    unit: str
    by: str
    steps: tuple[int, ...]
    duration: Input | None
    success: Chance | None
    times: int | tuple[float, float]
    pools: tuple[int, ...]
    link: int | None
    bytes_: tuple[int, ...]
    link_factor: float
    tokens: tuple[tuple[int, float], ...]
    timeout: float
    retries: int
    curve_evidence: Evidence | None = None
    since_point: str = ""
    kind: str = ""
    scan_seconds_per_byte: float = 0.0
    duration_twice: Input | None = None

    @property
    def evidence(self) -> Evidence:
        """Under which class its seconds are booked: the weakest of what they rest on."""
        own = self.duration.evidence if self.duration is not None else None
        known = [each for each in (own, self.curve_evidence) if each is not None]
        return max(known, default=Evidence.ASSUMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStepPlan:
    """Restore the newest usable point of a copy by a method; `estimate_seconds` per group ranks steps.

    Where points are tried one by one, ``at_most`` so many are; None for no limit.
    """

    copy: int
    method: str
    estimate_seconds: tuple[float, ...]
    at_most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePlan:
    """When and how the incident starts; ``hours`` are the seconds of the day between which it does."""

    scope: str
    detect: Input | None
    declare: Input | None
    age: Input | None
    hours: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The VM and disk stages of one path step, and after which stage a job slot or a barrier is passed.

    After ``scan_after`` it is known whether the point is clean; -1 where nothing scans.
    """

    stages: tuple[StagePlan, ...]
    release_after: int
    safe_after: int
    scan_after: int = -1


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

    @property
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
