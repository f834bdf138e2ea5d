"""Rules about what is left after the failure."""

from collections.abc import Iterator

from rpo_sim.scenario.lint.facts import path_copies, surviving_copies
from rpo_sim.scenario.lint.registry import Hit, rule
from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.places import copy_path, recovery_path


@rule(
    "nothing-survives",
    severity="error",
    why="A copy that shares the primary's fault domain is lost together with the primary.",
    remedy="Put a copy in the path at a location whose label at the failure's scope differs from primary's.",
)
def nothing_survives(loaded: LoadedScenario) -> Iterator[Hit]:
    """No copy in the path survives the scope."""
    scenario = loaded.scenario
    for platform in scenario.platforms:
        if not surviving_copies(scenario, platform):
            names = ", ".join(path_copies(scenario, platform))
            message = (
                f"a failure of scope {scenario.failure.scope_text} destroys every copy in the path: {names}"
            )
            yield Hit(platform=platform, path=recovery_path(platform, "path"), message=message)


@rule(
    "snapshots-only",
    severity="warning",
    why="Snapshots are not backups: they share the volume, the array and the administrator of the original.",
    remedy="Add a backup, replica or vault copy at another location.",
)
def snapshots_only(loaded: LoadedScenario) -> Iterator[Hit]:
    """All copies of a platform are snapshots."""
    for platform in loaded.scenario.platforms:
        copies = loaded.scenario.copies_of(platform)
        if copies and all(copy.kind == "snapshot" for copy in copies.values()):
            first = copy_path(loaded.scenario, platform, next(iter(copies)))
            message = f"the whole policy is snapshots: {', '.join(copies)}"
            yield Hit(platform=platform, path=first, message=message)


@rule(
    "mutable-copies",
    severity="warning",
    why="Who corrupts data on purpose, or an administrator's account in wrong hands, also deletes copies.",
    remedy="Give at least one copy in the path `immutable: <duration>` on storage that enforces it.",
)
def mutable_copies(loaded: LoadedScenario) -> Iterator[Hit]:
    """A corruption, and no immutable copy to recover from."""
    scenario = loaded.scenario
    if scenario.failure.age is None:
        return
    for platform in scenario.platforms:
        left = surviving_copies(scenario, platform)
        if left and not any(copy.immutable for copy in left.values()):
            message = f"no copy that is left is immutable: {', '.join(left)}"
            yield Hit(platform=platform, path=recovery_path(platform, "path"), message=message)


@rule(
    "crash-consistency-for-application",
    severity="warning",
    why="A crash-consistent point starts like a machine after a power cut: applications may have to repair, "
    "and data in memory or spread over disks may not fit together.",
    remedy="Take a copy with `consistency: application` (hooks, freeze and thaw) or `filesystem`, or let the "
    "application's own log recover and say so.",
)
def crash_consistency(loaded: LoadedScenario) -> Iterator[Hit]:
    """Applications are recovered from crash-consistent points only."""
    scenario = loaded.scenario
    for platform, parts in scenario.platforms.items():
        left = surviving_copies(scenario, platform)
        wanted = [s.key for s in parts.recovery.stages if s.stage in ("application", "reconcile")]
        if left and wanted and all((copy.consistency or "crash") == "crash" for copy in left.values()):
            message = f"stage `{wanted[0]}` follows a restore from crash-consistent points: {', '.join(left)}"
            yield Hit(platform=platform, path=recovery_path(platform, "path"), message=message)
