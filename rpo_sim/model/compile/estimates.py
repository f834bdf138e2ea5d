"""How long each step of a path takes one VM alone, on average: good enough to rank them."""

from rpo_sim.model.block import mean_seconds
from rpo_sim.model.plan import CopyPlan, Input, Plan, StagePlan
from rpo_sim.model.protection.incident import period
from rpo_sim.model.since_point import bytes_since


def estimated_seconds(plan: Plan, copy: CopyPlan, stages: list[StagePlan], g: int) -> float:
    """Mean seconds of the stages of one VM of a group, one after the other; its disks go side by side."""
    group = plan.groups[g]
    kinds = range(group.first_kind, group.first_kind + group.disks)
    return sum(
        max(_seconds(plan, copy, stage, g, kind) for kind in (kinds if stage.unit == "disk" else (g,)))
        for stage in stages
    )


def _seconds(plan: Plan, copy: CopyPlan, stage: StagePlan, g: int, kind: int) -> float:
    """One stage of one VM or disk: no faster than its duration, nor than its bytes alone on their link."""
    bytes_ = _bytes(plan, copy, stage, g, kind)
    seconds = 0.0
    if stage.duration is not None:
        seconds = _mean(stage.duration, kind)
        if stage.duration_twice is not None:
            ratio = bytes_ / (stage.bytes_[kind] or 1)
            seconds = max(seconds + (_mean(stage.duration_twice, kind) - seconds) * (ratio - 1), 0.0)
        seconds *= stage.times if isinstance(stage.times, int) else stage.times[0]
    seconds += bytes_ * stage.scan_seconds_per_byte
    link = None if stage.link is None else plan.links[stage.link]
    if link is None or link.paced:
        return seconds
    alone = link.totals[0] if link.totals else link.bytes_per_second
    return max(seconds, bytes_ * stage.link_factor / min(link.per_stream, alone))


def _bytes(plan: Plan, copy: CopyPlan, stage: StagePlan, g: int, kind: int) -> float:
    """What it moves; from a point as old as the copy's interval where a run decides."""
    if not stage.since_point:
        return float(stage.bytes_[kind]) if stage.bytes_ else 0.0
    group = plan.groups[g]
    whole = float(sum(group.used)) if copy.cycle is None else copy.cycle.full_bytes[g]
    return bytes_since(stage, group, kind, 0.0 if copy.synchronous else period(copy), whole)


def _mean(item: Input, kind: int) -> float:
    kinds = item.drawn(None)
    return mean_seconds(kinds[kind if len(kinds) > 1 else 0])
