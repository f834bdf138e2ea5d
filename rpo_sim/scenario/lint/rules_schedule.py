"""Rules about when points are taken and how long they are kept."""

from collections.abc import Iterator

from rpo_sim import units
from rpo_sim.scenario.copies import CopyFields
from rpo_sim.scenario.estate import Group
from rpo_sim.scenario.lint.facts import copy_bytes, copy_seconds, interval, seconds_at, surviving_copies
from rpo_sim.scenario.lint.registry import Hit, rule
from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.places import copy_path
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.shared import slot_count

_DAY = 86400.0


@rule(
    "retention-shorter-than-age",
    severity="warning",
    why="A corruption is found late; when every point kept is younger than it, there is nothing clean left.",
    remedy="Keep at least one copy longer than the 95th percentile of the corruption's age.",
)
def retention_shorter_than_age(loaded: LoadedScenario) -> Iterator[Hit]:
    """The longest retention left ends before the age's 95th percentile (error: before its median)."""
    scenario = loaded.scenario
    if scenario.failure.age is None:
        return
    typical, late = (seconds_at(scenario.failure.age, ratio) for ratio in (0.5, 0.95))
    for platform in scenario.platforms:
        spans = {name: kept_seconds(copy) for name, copy in surviving_copies(scenario, platform).items()}
        if not spans:
            continue
        longest = max(spans, key=lambda name: spans[name])
        if spans[longest] < late:
            kept = units.format_duration(spans[longest])
            message = (
                f"the oldest point is {kept} old (copy `{longest}`), but a corruption may be "
                f"{units.format_duration(typical)} (median) to {units.format_duration(late)} (p95) old"
            )
            yield Hit(
                platform=platform,
                path=copy_path(scenario, platform, longest, "retention"),
                message=message,
                severity="error" if spans[longest] < typical else "warning",
            )


def kept_seconds(copy: CopyFields) -> float:
    """The age (float, seconds) up to which a point is surely kept."""
    retention = copy.retention
    if retention is None:  # synchronous: no point in time at all
        return 0.0
    if retention.keep is not None:
        return retention.keep
    if retention.count is not None:
        return (retention.count - 1) * (interval(copy) or seconds_at(copy.duration, 0.5, size_bytes=0))
    calendar = ((retention.daily, 1), (retention.weekly, 7), (retention.monthly, 30))
    return max(((count or 1) - 1) * days * _DAY for count, days in calendar)  # today's may be all there is


@rule(
    "interval-cannot-meet-rpo",
    severity="warning",
    why="A point is as old as the interval plus the time until it is usable: an RPO below that is luck.",
    remedy="Shorten `every`, the duration or the lag of a copy that survives, or agree on a longer RPO.",
)
def interval_cannot_meet_rpo(loaded: LoadedScenario) -> Iterator[Hit]:
    """No surviving copy is always young enough (error: not even in the share of incidents required)."""
    scenario = loaded.scenario
    if scenario.failure.age is not None:
        return  # the loss then depends on the corruption's age, not on the interval alone
    for platform in scenario.platforms:
        left = surviving_copies(scenario, platform)
        for tier, objective in scenario.objectives.items():
            groups = [group for group in scenario.estate.groups if group.tier == tier]
            worst = {name: _greatest_age(copy, groups) for name, copy in left.items()}
            if not worst or min(worst.values()) <= objective.rpo:
                continue
            best = min(worst, key=lambda name: worst[name])
            spared = (1 - objective.share_of_incidents) * (interval(left[best]) or 0.0)
            message = (
                f"tier {tier} allows {units.format_duration(objective.rpo)}, but the newest point of copy "
                f"`{best}` is up to {units.format_duration(worst[best])} old (every + median duration + lag)"
            )
            yield Hit(
                platform=platform,
                path=copy_path(scenario, platform, best, "every"),
                message=message,
                severity="error" if worst[best] - spared > objective.rpo else "warning",
            )


def _greatest_age(copy: CopyFields, groups: list[Group]) -> float:
    if copy.synchronous:
        return 0.0
    takes = max(copy_seconds(copy, group) for group in groups) + (copy.hold or 0.0)
    return (interval(copy) or takes) + takes + seconds_at(copy.lag, 0.5)


@rule(
    "overload",
    severity="warning",
    why="Slots or links that are asked for more than they have fall behind for ever: runs are late or lost.",
    remedy="Add slots or bandwidth, lengthen `every`, or move fewer bytes.",
)
def overload(loaded: LoadedScenario) -> Iterator[Hit]:
    """Copies need more than all of a pool or link (error where runs wait instead of being dropped)."""
    scenario = loaded.scenario
    for platform in scenario.platforms:
        loads: dict[tuple[str, str], list[tuple[str, float]]] = {}
        for name, copy in scenario.copies_of(platform).items():
            for demand, load in _loads(scenario, copy):
                loads.setdefault(demand, []).append((name, load))
        for (kind, resource), parts in loads.items():
            total = sum(load for _, load in parts)
            if total > 1:
                copies = scenario.copies_of(platform)
                waits = any(copies[name].overlap in ("queue", "allow") for name, _ in parts)
                names = ", ".join(f"`{name}`" for name, _ in parts)
                yield Hit(
                    platform=platform,
                    path=copy_path(scenario, platform, parts[0][0], kind),
                    message=f"{kind} `{resource}` is loaded to {units.format_ratio(total)} by copy {names}",
                    severity="error" if waits else "warning",
                )


def _loads(scenario: Scenario, copy: CopyFields) -> Iterator[tuple[tuple[str, str], float]]:
    """Each pool of slots and link that a copy uses, and the share of it that it needs."""

    every = interval(copy)
    if every is None:
        return
    groups = scenario.estate.groups
    for pool, slots in (copy.slots or {}).items():
        busy = sum(group.count * copy_seconds(copy, group) for group in groups)
        yield ("slots", pool), busy / (every * slot_count(slots))
    if copy.over is not None:
        moved = sum(group.count * (copy_bytes(copy, group) or 0) for group in groups)
        yield ("over", copy.over), moved / (every * scenario.shared.links[copy.over].available)
