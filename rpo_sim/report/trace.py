"""One run, told event by event."""

import math
import re
from collections.abc import Sequence

from rpo_sim.model.journal import WAIT, Segment, job_names
from rpo_sim.model.plan import Plan
from rpo_sim.model.run import Recovery
from rpo_sim.results import Evidence
from rpo_sim.units import format_duration

_MEMBER = re.compile(r"(.*)/(\d+)((?: \w+)*)")


def render_trace(plan: Plan, recovery: Recovery, run: int) -> str:
    """What each job did, from when to when, what it rests on, and what each wait was ended by.

    VMs of a group that did the same at the same time share a line.
    """
    names = job_names(plan)
    for job in recovery.jobs[len(names) :]:
        names.append(f"{names[job.parent]} {job.label}")
    alike: dict[tuple[float, float, str], list[str]] = {}
    order: dict[tuple[float, float, str], int] = {}
    for job in recovery.jobs:
        for segment in job.segments:
            event = (segment.start, segment.end, _what(segment, names))
            order.setdefault(event, job.index)
            alike.setdefault(event, []).append(names[job.index])
    rows = [("from", "to", "took", "who", "what it did")]
    for event in sorted(alike, key=lambda event: (event[0], order[event])):
        start, end, what = event
        times = (_clock(start), _clock(end), format_duration(end - start))
        rows += [(*times, who, what) for who in _folded(alike[event])]
    title = f"{plan.scenario} on {plan.platform}, run {run}: one incident; times since the failure"
    return "\n".join([title, "", *_aligned(rows), "", *_outcomes(plan, recovery, names)]) + "\n"


def _what(segment: Segment, names: Sequence[str]) -> str:
    if segment.evidence == WAIT:
        return f"waits for {segment.what}; {names[segment.cause]} ends it"
    return f"{segment.what} ({Evidence(segment.evidence).label})"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _folded(names: Sequence[str]) -> list[str]:
    """Names with runs of neighbours joined: web/0, web/1, web/2 become web/0-2.

    >>> _folded(["web/0", "web/1", "web/2", "db/0", "incident"])
    ['web/0-2', 'db/0', 'incident']
    """
    runs: list[tuple[str, int, int, str]] = []
    for name in dict.fromkeys(names):
        found = _MEMBER.fullmatch(name)
        head, index, tail = (found[1], int(found[2]), found[3] or "") if found else (name, -1, "")
        if runs and index > 0 and (runs[-1][0], runs[-1][2], runs[-1][3]) == (head, index - 1, tail):
            runs[-1] = (head, runs[-1][1], index, tail)
        else:
            runs.append((head, index, index, tail))
    return [
        head if first < 0 else f"{head}/{first}" + (f"-{last}" if last > first else "") + tail
        for head, first, last, tail in runs
    ]


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns, the three times to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = []
    for row in rows:
        cells = [row[i].rjust(widths[i]) if i < 3 else row[i].ljust(widths[i]) for i in range(4)]
        lines.append("  ".join([*cells, row[4]]))
    return lines


def _outcomes(plan: Plan, recovery: Recovery, names: Sequence[str]) -> list[str]:
    """How and when each VM came back; VMs that did alike share a line."""
    alike: dict[str, list[str]] = {}
    for vm in range(plan.n_vms):
        alike.setdefault(_outcome(plan, recovery, vm), []).append(names[vm])
    return [f"{who}: {outcome}" for outcome, vms in alike.items() for who in _folded(vms)]


def _outcome(plan: Plan, recovery: Recovery, vm: int) -> str:
    at, step = recovery.recovered_at[vm], recovery.step[vm]
    if math.isinf(at):
        return f"never recovered: {recovery.ending[vm].reason}"
    chosen = plan.path[step]
    after = "".join(f", {kind} done {format_duration(ends[vm])}" for kind, ends in recovery.after.items())
    how = f"recovered from {plan.copies[chosen.copy].name} by {chosen.method}"
    bad = recovery.jobs[vm].point
    how += f" after {bad} bad point{'s' if bad > 1 else ''}" if bad else ""
    return f"{how}, RTA {format_duration(at)}{after}"
