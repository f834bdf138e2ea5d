"""Rules about what a prediction rests on: objectives, restores, measurements."""

from collections.abc import Iterator

from rpo_sim.scenario.inputs import Probability
from rpo_sim.scenario.lint.facts import measured_names, path_copies, surviving_copies
from rpo_sim.scenario.lint.registry import Hit, rule
from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.places import copy_path, recovery_path


@rule(
    "tier-without-objectives",
    severity="warning",
    why="Without an RPO and RTO there is nothing to judge: a number alone is neither good nor bad.",
    remedy="Add the tier under `objectives`, with an owner who agreed to it.",
)
def tier_without_objectives(loaded: LoadedScenario) -> Iterator[Hit]:
    """A group's tier has no objectives."""
    scenario, seen = loaded.scenario, set()
    for index, group in enumerate(scenario.estate.groups):
        if group.tier not in scenario.objectives and group.tier not in seen:
            seen.add(group.tier)
            message = f"tier `{group.tier}` has no RPO and RTO"
            yield Hit(path=("estate", "groups", index, "tier"), message=message)


@rule(
    "never-restored",
    severity="warning",
    why="A copy that was never restored for real is a hope: its recovery cannot be judged MET.",
    remedy="Restore it regularly, measure that, and write `restore_test: {every: …}`.",
)
def never_restored(loaded: LoadedScenario) -> Iterator[Hit]:
    """A backup, replica or vault in the path without a restore test."""
    scenario = loaded.scenario
    for platform in scenario.platforms:
        for name, copy in path_copies(scenario, platform).items():
            if copy.kind != "snapshot" and copy.restore_test is None:
                message = f"copy `{name}` is in the recovery path but has no restore test"
                yield Hit(platform=platform, path=copy_path(scenario, platform, name), message=message)


@rule(
    "nothing-fails",
    severity="warning",
    why="Backups, promotions and restores do fail; a model in which they cannot promises too much.",
    remedy="State `success` for the copies and the stages that may fail; 98% will do until it is measured.",
)
def nothing_fails(loaded: LoadedScenario) -> Iterator[Hit]:
    """Every copy that is left and every stage always succeeds."""
    scenario = loaded.scenario
    for platform, parts in scenario.platforms.items():
        left = surviving_copies(scenario, platform)
        chances = [copy.success for copy in left.values()] + [s.success for s in parts.recovery.stages]
        if left and all(map(_certain, chances)):
            message = "no copy and no stage can fail: none has a `success` below 100%"
            yield Hit(platform=platform, path=recovery_path(platform), message=message)


def _certain(success: Probability | None) -> bool:
    return success is None or success.assumption() == 1


@rule(
    "nothing-measured",
    severity="warning",
    why="A prediction from assumptions alone tells what was assumed.",
    remedy="Measure at least the data stage, and name it: `measured: restore.data, else: {assumed: …}`.",
)
def nothing_measured(loaded: LoadedScenario) -> Iterator[Hit]:
    """No stage of a recovery can take a measurement."""
    for platform in loaded.scenario.platforms:
        path = recovery_path(platform)
        if next(measured_names(loaded, path), None) is None:
            yield Hit(
                platform=platform, path=path, message="every stage is assumed; none names a measurement"
            )


@rule(
    "measured-without-fallback",
    severity="warning",
    why="A name that nothing is bound to, and without an assumption, stops the simulation.",
    remedy="Add `else: {assumed: …}`, or bind the name under `bind`.",
)
def measured_without_fallback(loaded: LoadedScenario) -> Iterator[Hit]:
    """`measured` without `else` and without a binding in the file."""
    for path, node in measured_names(loaded):
        if "else" not in node and node["measured"] not in loaded.scenario.bind:
            yield Hit(path=path, message=f"`{node['measured']}` has no `else` and no binding")


@rule(
    "unused-binding",
    severity="warning",
    why="A binding that nothing uses is mostly a slip: the measurement meant is then not used.",
    remedy="Correct the name, or remove the binding.",
)
def unused_binding(loaded: LoadedScenario) -> Iterator[Hit]:
    """A name under `bind` that no `measured` has."""
    used = {node["measured"] for _, node in measured_names(loaded)}
    for name in loaded.scenario.bind:
        if name not in used:
            yield Hit(path=("bind", name), message=f"no `measured: {name}` uses this binding")
