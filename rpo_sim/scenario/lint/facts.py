"""What several rules ask of a scenario: which copies are left, how long something takes, how many bytes."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from rpo_sim import units
from rpo_sim.scenario.copies import CopyFields
from rpo_sim.scenario.estate import Group
from rpo_sim.scenario.inputs import Duration
from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.nodes import Path
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.survival import survives


def path_copies(scenario: Scenario, platform: str) -> dict[str, CopyFields]:
    """The copies in a platform's recovery path, each once, in path order."""
    copies = scenario.copies_of(platform)
    return {step.copy_: copies[step.copy_] for step in scenario.platforms[platform].recovery.path}


def surviving_copies(scenario: Scenario, platform: str) -> dict[str, CopyFields]:
    """Those of the path that the failure leaves."""
    left = survives(scenario, platform)
    return {name: copy for name, copy in path_copies(scenario, platform).items() if left[name]}


def seconds_at(duration: Duration | None, ratio: float, *, size_bytes: int | None = None) -> float:
    """A quantile (float, seconds) of what is assumed; 0 where nothing is."""
    shape = duration.assumption() if duration is not None else None
    if shape is None:
        return 0.0
    distribution = shape.distribution().at(size_bytes=size_bytes, concurrency=1)
    return float(distribution.ppf(np.array([ratio]))[0])


def copy_seconds(copy: CopyFields, group: Group) -> float:
    """The median time (float, seconds) that one run of a copy takes for a VM of the group."""
    return seconds_at(copy.duration, 0.5, size_bytes=copy_bytes(copy, group))


def interval(copy: CopyFields) -> float | None:
    """The copy's `every` (float, seconds); None where runs follow back to back."""
    return copy.every if isinstance(copy.every, float) else None


def copy_bytes(copy: CopyFields, group: Group) -> int | None:
    """Bytes that one run of a copy moves for a VM of the group."""
    if copy.bytes == "used":
        return group.used_bytes
    if copy.bytes == "capacity":
        return group.capacity_bytes
    if copy.bytes == "change":
        return round(_changed(group, interval(copy) or 0.0))
    return copy.bytes


def _changed(group: Group, window_seconds: float) -> float:
    """Unique bytes within a window: by straight lines between the windows given."""
    known = sorted((units.parse_duration(text), size) for text, size in group.change.items())
    for (short, fewer), (long, more) in pairwise([(0.0, 0), *known]):
        if window_seconds <= long:
            return fewer + (more - fewer) * (window_seconds - short) / (long - short)
    longest, most = known[-1]
    return min(most * window_seconds / longest, group.capacity_bytes)


def measured_names(loaded: LoadedScenario, below: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each mapping with a `measured` key below a path of the file, and where it is."""
    node: Any = loaded.document.content
    for part in below:
        node = node[part]
    waiting: list[tuple[Path, Any]] = [(below, node)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, dict) and "measured" in node:
            yield path, node
        if isinstance(node, dict | list):
            items = node.items() if isinstance(node, dict) else enumerate(node)
            waiting.extend(((*path, key), inner) for key, inner in items)
