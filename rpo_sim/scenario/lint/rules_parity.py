"""The rule about differences between platforms: each has a reason, or the comparison is unfair."""

from collections.abc import Iterator, Mapping

from rpo_sim.scenario.copies import CopyFields
from rpo_sim.scenario.lint.registry import Hit, rule
from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.places import copy_path, recovery_path, stage_path
from rpo_sim.scenario.procedure import Waves
from rpo_sim.scenario.quantities import Part
from rpo_sim.scenario.schema import Scenario

_IGNORED = {"name", "differs_because"}


@rule(
    "difference-without-reason",
    severity="warning",
    why="A difference that nobody can explain is mostly an oversight; the comparison is then of authors.",
    remedy="Write it once for both, or add `differs_because: …` where it differs.",
)
def difference_without_reason(loaded: LoadedScenario) -> Iterator[Hit]:
    """A copy, a stage or the waves differ between the platforms without a reason."""
    scenario = loaded.scenario
    first, *others = scenario.platforms
    for platform in others:
        yield from _copies(scenario, first, platform)
        yield from _stages(scenario, first, platform)
        yield from _waves(scenario, first, platform)


def _copies(scenario: Scenario, first: str, second: str) -> Iterator[Hit]:
    one, other = scenario.copies_of(first), scenario.copies_of(second)
    for name in one | other:
        overrides = (scenario.platforms[p].copies.get(name) for p in (first, second))
        if any(override is not None and override.differs_because for override in overrides):
            continue
        difference = _difference(name, one, other, first, second, tuple(CopyFields.model_fields))
        if difference:
            place = second if name in other else first
            message = f"copy `{name}` {difference}"
            yield Hit(platform=place, path=copy_path(scenario, place, name), message=message)


def _stages(scenario: Scenario, first: str, second: str) -> Iterator[Hit]:
    one, other = ({s.key: s for s in scenario.platforms[p].recovery.stages} for p in (first, second))
    for key in one | other:
        if any(key in stages and stages[key].differs_because for stages in (one, other)):
            continue
        fields = tuple(type((one | other)[key]).model_fields)
        difference = _difference(key, one, other, first, second, fields)
        if difference:
            place, stages = (second, other) if key in other else (first, one)
            path = stage_path(place, list(stages).index(key))
            yield Hit(platform=place, path=path, message=f"stage `{key}` {difference}")


def _waves(scenario: Scenario, first: str, second: str) -> Iterator[Hit]:
    found = {p: w for p in (first, second) if (w := scenario.platforms[p].recovery.waves) is not None}
    if any(waves.differs_because for waves in found.values()):
        return
    one, other = ({"waves": found[p]} if p in found else {} for p in (first, second))
    difference = _difference("waves", one, other, first, second, tuple(Waves.model_fields))
    if difference:
        place = second if second in found else first
        yield Hit(platform=place, path=recovery_path(place, "waves"), message=f"the order {difference}")


def _difference(
    key: str,
    one: Mapping[str, Part],
    other: Mapping[str, Part],
    first: str,
    second: str,
    fields: tuple[str, ...],
) -> str:
    """In which fields two parts differ, in words; empty if in none."""
    if key not in one and key not in other:
        return ""
    if key not in one or key not in other:
        return f"is on {second if key in other else first} only"
    unlike = [f for f in fields if f not in _IGNORED and getattr(one[key], f) != getattr(other[key], f)]
    return f"differs from {first} in {', '.join(unlike)}" if unlike else ""
