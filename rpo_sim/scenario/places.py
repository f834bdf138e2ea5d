"""Where in a scenario file something is written: the paths that messages turn into lines."""

from rpo_sim.scenario.copies import PlatformCopy
from rpo_sim.scenario.nodes import Path
from rpo_sim.scenario.schema import Scenario


def copy_path(scenario: Scenario, platform: str, copy: str, field: str | None = None) -> Path:
    """Where a platform's copy, or a field of it, is written: with the platform, else in the shared list."""
    own = scenario.platforms[platform].copies.get(copy)
    shared = next((i for i, candidate in enumerate(scenario.copies) if candidate.name == copy), None)
    written = (
        {PlatformCopy.model_fields[name].alias or name for name in own.model_fields_set} if own else set()
    )
    with_platform = own is not None and (field is None or field in written)
    if with_platform or shared is None:
        path: Path = ("platforms", platform, "copies", copy)
    else:
        path = ("copies", shared)
    return path if field is None else (*path, field)


def recovery_path(platform: str, *parts: str | int) -> Path:
    """A path below a platform's recovery."""
    return ("platforms", platform, "recovery", *parts)


def stage_path(platform: str, index: int, *parts: str | int) -> Path:
    """A path below a stage of a platform's recovery."""
    return recovery_path(platform, "stages", index, *parts)
