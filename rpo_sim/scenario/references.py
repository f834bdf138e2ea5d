"""Whether the names in a scenario refer to something, and its parts fit together.

Everything found here would make a simulation impossible or ambiguous. What is possible but unwise is
lint's business.
"""

from collections.abc import Iterator
from itertools import pairwise

from rpo_sim import units
from rpo_sim.errors import UnitError
from rpo_sim.scenario.estate import Group
from rpo_sim.scenario.inputs import Duration
from rpo_sim.scenario.messages import Problem, duplicates, unknown
from rpo_sim.scenario.nodes import Path
from rpo_sim.scenario.references_copies import copy_problems, rate_problems
from rpo_sim.scenario.references_levels import level_problems
from rpo_sim.scenario.references_recovery import recovery_problems
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.survival import PRIMARY

MAX_VMS = 1_000_000


def reference_problems(scenario: Scenario) -> Iterator[Problem]:
    """Everything that does not fit together, in no particular order."""
    yield from _locations(scenario)
    yield from _groups(scenario.estate.groups)
    yield from _objectives(scenario)
    yield from _failure(scenario)
    if PRIMARY not in scenario.locations:
        return  # the rest speaks of where copies lie
    for platform in scenario.platforms:
        yield from copy_problems(scenario, platform)
        yield from level_problems(scenario, platform)
        yield from recovery_problems(scenario, platform)


def _locations(scenario: Scenario) -> Iterator[Problem]:
    if PRIMARY not in scenario.locations:
        yield Problem(path=("locations",), what=f"`{PRIMARY}` is missing: say where the VMs run")
    for name, link in scenario.shared.links.items():
        if link.location is not None and link.location not in scenario.locations:
            path = ("shared", "links", name, "location")
            yield Problem(path=path, what=unknown("location", link.location, scenario.locations))
        if link.outages is not None:
            yield from rate_problems(link.outages.duration, ("shared", "links", name, "outages", "duration"))
    for name in duplicates(copy.name for copy in scenario.copies):
        index = max(i for i, copy in enumerate(scenario.copies) if copy.name == name)
        yield Problem(path=("copies", index, "name"), what=f"a second copy `{name}`: names are unique")


def _groups(groups: tuple[Group, ...]) -> Iterator[Problem]:
    names = [group.name for group in groups]
    for name in duplicates(names):
        index = max(i for i, other in enumerate(names) if other == name)
        yield Problem(path=_group_path(index, "name"), what=f"a second group `{name}`: names are unique")
    total = sum(group.count for group in groups)
    if total > MAX_VMS:
        yield Problem(path=("estate", "groups"), what=f"{total} VMs in all; at most {MAX_VMS} are simulated")
    for index, group in enumerate(groups):
        for need in group.needs:
            if need.group not in names:
                yield Problem(path=_group_path(index, "needs"), what=unknown("group", need.group, names))
            elif (need.at_least or 0) > (has := groups[names.index(need.group)].count):
                what = f"at least {need.at_least} of `{need.group}`, which has {has}; ask for no more"
                yield Problem(path=_group_path(index, "needs"), what=what)
        yield from _changes(group, index)
    yield from _cycles(groups)


def _group_path(index: int, key: str) -> Path:
    return ("estate", "groups", index, key)


def _changes(group: Group, index: int) -> Iterator[Problem]:
    """Windows must read as durations; unique bytes cannot shrink in a longer window."""
    windows: list[tuple[float, str]] = []
    for window in group.change:
        try:
            windows.append((units.parse_duration(window), window))
        except UnitError as error:
            yield Problem(path=(*_group_path(index, "change"), window), what=str(error))
    windows.sort()
    if windows and windows[0][0] <= 0:
        path = (*_group_path(index, "change"), windows[0][1])
        yield Problem(path=path, what="a window must be longer than 0s")
    for (short, before), (long, after) in pairwise(windows):
        path = (*_group_path(index, "change"), after)
        if short == long:
            yield Problem(path=path, what=f"the same window as `{before}`: keep one")
        elif group.change[after] < group.change[before]:
            yield Problem(
                path=path, what=f"fewer bytes than within {before}: a longer window holds the shorter"
            )


def _cycles(groups: tuple[Group, ...]) -> Iterator[Problem]:
    """One problem per group from which `needs` lead back to it, at its first such group only."""
    needs = {group.name: tuple(need.group for need in group.needs) for group in groups}
    done: set[str] = set()
    for index, group in enumerate(groups):
        chain = _way_back(group.name, needs)
        if chain and group.name not in done:
            done.update(chain)
            what = f"a circle: {' needs '.join(chain)}; remove one of these"
            yield Problem(path=_group_path(index, "needs"), what=what)


def _way_back(start: str, needs: dict[str, tuple[str, ...]]) -> list[str]:
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        for needed in needs.get(name, ()):
            if needed == start:
                chain = [start, name]
                while chain[-1] != start:
                    chain.append(came_from[chain[-1]])
                return chain[::-1] if name != start else [start, start]
            if needed not in came_from:
                came_from[needed] = name
                waiting.append(needed)
    return []


def _objectives(scenario: Scenario) -> Iterator[Problem]:
    tiers = {group.tier for group in scenario.estate.groups}
    for tier in scenario.objectives:
        if tier not in tiers:
            yield Problem(path=("objectives", tier), what=unknown("tier of a group", tier, sorted(tiers)))


def _failure(scenario: Scenario) -> Iterator[Problem]:
    failure = scenario.failure
    for scope in duplicates(failure.scopes):
        yield Problem(path=("failure", "scope"), what=f"`{scope}` is there twice; keep one")
    timed: list[tuple[Path, Duration | None]] = [
        (("failure", "detect"), failure.detect),
        (("failure", "declare"), failure.declare),
        (("failure", "kind", "corruption", "age"), failure.age),
    ]
    for path, duration in timed:
        yield from rate_problems(duration, path)
