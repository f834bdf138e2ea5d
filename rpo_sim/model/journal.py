"""What a run of the recovery leaves behind: who did what, when, and what each wait was ended by."""

from dataclasses import dataclass, field
from typing import NamedTuple

from rpo_sim.model.plan import Plan
from rpo_sim.results import Evidence

WAIT = -1
NEXT_SHIFT = "next shift"  # what somebody waits for whom no operator will serve before it


class Segment(NamedTuple):
    """A stretch of one job's time.

    ``evidence`` is `WAIT` for a wait, whose ``cause`` is then the job that ended it.
    """

    start: float
    end: float
    what: str
    evidence: int
    cause: int = -1


@dataclass(slots=True, eq=False)
class Job:
    """Something that takes part in the recovery: the incident, a wave, a group, a VM, a disk …

    ``rank`` breaks ties between requests of the same instant; ``parent`` is the job that started it, ``step``
    the step of the path that it is on, ``point`` how many points of that step were found bad; ``root`` is
    the job that all began with, and ``label`` what it is called after its parent.
    """

    index: int
    rank: int
    parent: int = -1
    step: int = -1
    point: int = 0
    root: int = -1
    label: str = "disk"
    segments: list[Segment] = field(default_factory=list)

    @property
    def origin(self) -> int:
        """The VM, application or incident that the job works for."""
        return self.index if self.root < 0 else self.root


class Share(NamedTuple):
    """One stretch of a critical path: what took how long, resting on what."""

    what: str
    evidence: Evidence
    seconds: float


def critical_path(jobs: list[Job], job: int, until: float) -> list[Share]:
    """The stretches that add up to ``until``: back from a job's end, each wait followed to its cause.

    A wait is replaced by what the job that ended it was doing, so that only work is left; the seconds of
    the shares sum to ``until`` (seconds since the failure).
    """
    shares: list[Share] = []
    now = until
    while now > 0:
        segment = _covering(jobs[job].segments, now)
        if segment is None:
            job = jobs[job].parent
            if job < 0:
                raise AssertionError(f"nothing accounts for the time before {now} s")
        elif segment.evidence == WAIT:
            job = segment.cause
        else:
            shares.append(Share(segment.what, Evidence(segment.evidence), now - segment.start))
            now = segment.start
    return shares[::-1]


def _covering(segments: list[Segment], at: float) -> Segment | None:
    """The segment with start < at ≤ end; the last ones are looked at first."""
    for segment in reversed(segments):
        if segment.start < at <= segment.end:
            return segment
    return None


def job_names(plan: Plan) -> list[str]:
    """Names of the VMs, then of the incident, waves, groups and applications, then of the release."""
    names = [f"{group.name}/{i}" for group in plan.groups for i in range(group.count)]
    names.append("incident")
    names += [f"wave {w + 1}" for w in range(plan.waves)]
    names += [f"group {group.name}" for group in plan.groups]
    names += [f"application {name}" for name in plan.applications]
    return [*names, "incident, last"]
