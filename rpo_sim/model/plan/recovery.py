"""What fails, what must come back, and the ways to it."""

from dataclasses import dataclass

from rpo_sim.model.plan.inputs import Chance, Input
from rpo_sim.results import Evidence


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
