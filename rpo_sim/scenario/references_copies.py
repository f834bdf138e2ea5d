"""Whether each platform's copies are complete, and what they name exists."""

from collections.abc import Iterator

from rpo_sim.scenario.copies import CopyFields
from rpo_sim.scenario.inputs import Duration
from rpo_sim.scenario.messages import Problem, unknown
from rpo_sim.scenario.nodes import Path
from rpo_sim.scenario.places import copy_path
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.shared import Slots, slot_count
from rpo_sim.scenario.survival import PRIMARY

_REQUIRED = ("kind", "every", "duration", "retention")
_NOT_NEEDED = {"synchronous": ("duration", "retention"), "by_link": ("duration",)}


def copy_problems(scenario: Scenario, platform: str) -> Iterator[Problem]:
    """What does not fit in the copies of a platform, shared ones included."""
    shared = {copy.name for copy in scenario.copies}
    for name, own in scenario.platforms[platform].copies.items():
        if own.omit and name not in shared:
            path = copy_path(scenario, platform, name, "omit")
            yield Problem(path=path, what=f"nothing to omit: `{name}` is not in the shared copies")
    pools: dict[str, int] = {}
    for name, copy in scenario.copies_of(platform).items():
        spared = {field for which, fields in _NOT_NEEDED.items() if getattr(copy, which) for field in fields}
        missing = [field for field in _REQUIRED if field not in spared and getattr(copy, field) is None]
        if missing:
            what = (
                f"copy `{name}` of {platform} has no {', '.join(missing)}; add it here or to the shared copy"
            )
            yield Problem(path=copy_path(scenario, platform, name), what=what)
        yield from _place(scenario, platform, name, copy)
        yield from _bytes(scenario, platform, name, copy)
        path = copy_path(scenario, platform, name, "slots")
        yield from slot_problems(copy.slots or {}, pools, path)


def _place(scenario: Scenario, platform: str, name: str, copy: CopyFields) -> Iterator[Problem]:
    path = copy_path(scenario, platform, name, "location")
    if copy.location is not None and copy.location not in scenario.locations:
        yield Problem(path=path, what=unknown("location", copy.location, scenario.locations))
    elif copy.inside is not None and (copy.location or PRIMARY) != PRIMARY:
        what = f"a copy inside the {copy.inside} lies at `{PRIMARY}`; remove `inside` or this location"
        yield Problem(path=path, what=what)


def _bytes(scenario: Scenario, platform: str, name: str, copy: CopyFields) -> Iterator[Problem]:
    if copy.over is not None:
        path = copy_path(scenario, platform, name, "over")
        if copy.over not in scenario.shared.links:
            yield Problem(path=path, what=unknown("link", copy.over, scenario.shared.links))
        if copy.bytes is None:
            yield Problem(path=path, what="`over` a link needs `bytes`: used, capacity, change or a size")
    if copy.bytes is None:
        yield from rate_problems(copy.duration, copy_path(scenario, platform, name, "duration"))
    yield from rate_problems(copy.lag, copy_path(scenario, platform, name, "lag"))
    unmapped = [group.name for group in scenario.estate.groups if not group.change]
    if copy.bytes == "change" and unmapped:
        what = f"`change` needs the `change` map of every group; missing for {', '.join(unmapped[:5])}"
        yield Problem(path=copy_path(scenario, platform, name, "bytes"), what=what)


def rate_problems(duration: Duration | None, path: Path) -> Iterator[Problem]:
    """A rate gives no duration where no bytes are known."""
    shape = duration.assumption() if duration is not None else None
    if shape is not None and shape.rate is not None:
        yield Problem(path=path, what="a `rate` needs `bytes` beside it; write another kind of duration")


def slot_problems(slots: dict[str, Slots], pools: dict[str, int], path: Path) -> Iterator[Problem]:
    """Slots of one name are one pool: they must agree on its size. Fills `pools`."""
    for name, slot in slots.items():
        size = slot_count(slot)
        if pools.setdefault(name, size) != size:
            what = f"{size} slots, but {pools[name]} elsewhere on this platform: one name, one size"
            yield Problem(path=(*path, name), what=what)
