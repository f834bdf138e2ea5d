"""Rules about levels: copies made from copies, cycles, links and replication."""

from collections.abc import Iterator

from rpo_sim.scenario.copies import CopyFields
from rpo_sim.scenario.failure import Scope
from rpo_sim.scenario.lint.facts import copy_bytes, interval, path_copies, seconds_at, surviving_copies
from rpo_sim.scenario.lint.registry import Hit, rule
from rpo_sim.scenario.lint.rules_schedule import kept_seconds
from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.places import copy_path, recovery_path
from rpo_sim.scenario.schema import Scenario
from rpo_sim.units import format_duration


def _copies(scenario: Scenario) -> Iterator[tuple[str, str, CopyFields]]:
    """Platform, name and copy of each."""
    for platform in scenario.platforms:
        for name, copy in scenario.copies_of(platform).items():
            yield platform, name, copy


def _levels(scenario: Scenario) -> Iterator[tuple[str, str, CopyFields, CopyFields]]:
    """Platform, name, copy and source of each copy that is made from another."""
    for platform, name, copy in _copies(scenario):
        if copy.from_ is not None:
            yield platform, name, copy, scenario.copies_of(platform)[copy.from_]


def _hit(scenario: Scenario, platform: str, copy: str, field: str, message: str) -> Hit:
    """At a field of a copy."""
    return Hit(platform=platform, path=copy_path(scenario, platform, copy, field), message=message)


def _propagation(scenario: Scenario, copy: CopyFields) -> float:
    """The median time (float, seconds) that the largest VM's run takes: the full's in a cycle."""
    takes = []
    for group in scenario.estate.groups:
        size = copy_bytes(copy, group)
        duration = copy.duration
        if copy.cycle is not None:
            size = copy.cycle.full_bytes(group)
            duration = copy.cycle.duration or copy.duration
        if copy.by_link and copy.over is not None:
            link = scenario.shared.links[copy.over]
            takes.append((size or 0) / min(link.per_stream or link.available, link.available))
        else:
            takes.append(seconds_at(duration, 0.5, size_bytes=size))
    return max(takes)


@rule(
    "propagation-longer-than-accumulation",
    severity="warning",
    why="When sending a point takes longer than the time between points (propW ≤ accW), they queue up, are "
    "skipped, or overlap: the interval that was planned is not the one that is reached.",
    remedy="Lengthen `every`, or send less or faster; the full of a cycle counts too.",
)
def propagation_longer_than_accumulation(loaded: LoadedScenario) -> Iterator[Hit]:
    """A run of a level, its full included, takes longer than `every`."""
    scenario = loaded.scenario
    for platform, name, copy in _copies(scenario):
        every = interval(copy)
        levelled = copy.from_ is not None or copy.cycle is not None or copy.by_link
        if every is None or not levelled:
            continue
        takes = _propagation(scenario, copy)
        if takes > every:
            message = (
                f"a run of level `{name}` takes {format_duration(takes)}, but the next is due after "
                f"{format_duration(every)}"
            )
            yield _hit(scenario, platform, name, "every", message)


@rule(
    "level-more-often-than-its-source",
    severity="warning",
    why="A level that is copied more often than its source is made sends the same point again "
    "(accW must not fall from level to level).",
    remedy="Copy it as often as its source is made, or less.",
)
def level_more_often(loaded: LoadedScenario) -> Iterator[Hit]:
    """A copy has a shorter `every` than what it is made from."""
    for platform, name, copy, source in _levels(loaded.scenario):
        every, of_source = interval(copy), interval(source)
        if every is not None and of_source is not None and every < of_source:
            message = (
                f"level `{name}` is made each {format_duration(every)} from `{copy.from_}`, which is "
                f"made each {format_duration(of_source)}"
            )
            yield _hit(loaded.scenario, platform, name, "every", message)


@rule(
    "level-keeps-less-than-its-source",
    severity="warning",
    why="A level behind another is there for what the first no longer has (retCnt must not fall from level "
    "to level): if it keeps less, its points are all in its source too.",
    remedy="Keep more points, or for longer, than in the source.",
)
def level_keeps_less(loaded: LoadedScenario) -> Iterator[Hit]:
    """A copy keeps fewer points than what it is made from, or for less time."""
    for platform, name, copy, source in _levels(loaded.scenario):
        mine, theirs = copy.retention, source.retention
        fewer = mine and theirs and mine.count and theirs.count and mine.count < theirs.count
        if fewer or kept_seconds(copy) < kept_seconds(source):
            message = f"level `{name}` keeps less than `{copy.from_}`, from which it is made"
            yield _hit(loaded.scenario, platform, name, "retention", message)


@rule(
    "source-expires-while-copied",
    severity="warning",
    why="A point must outlive the hold and the propagation of the level that is made from it.",
    remedy="Keep the source's points longer than the hold and the duration of the level behind it.",
)
def source_expires(loaded: LoadedScenario) -> Iterator[Hit]:
    """A source's points are kept for less time than it takes to copy them."""
    scenario = loaded.scenario
    for platform, name, copy, source in _levels(scenario):
        needs = (copy.hold or 0.0) + _propagation(scenario, copy)
        kept = kept_seconds(source)
        if source.retention is not None and source.retention.count == 1:
            kept = interval(source) or 0.0  # it goes when the next arrives
        if kept < needs:
            message = (
                f"level `{name}` needs a point of `{copy.from_}` for {format_duration(needs)}, which is "
                f"surely kept for {format_duration(kept)} only"
            )
            yield _hit(scenario, platform, copy.from_ or name, "retention", message)


@rule(
    "immutable-shorter-than-cycle",
    severity="warning",
    why="An incremental is worth nothing without its full: when the full may be deleted, so may they all.",
    remedy="Make `immutable` longer than the cycle and the time until the next full is there.",
)
def immutable_shorter_than_cycle(loaded: LoadedScenario) -> Iterator[Hit]:
    """The lock of a cycle's full ends before the last incremental that needs it is replaced."""
    scenario = loaded.scenario
    for platform, name, copy in _copies(scenario):
        if copy.cycle is not None and copy.immutable and copy.immutable < copy.cycle.full:
            message = (
                f"copy `{name}` is immutable for {format_duration(copy.immutable)}, but its fulls are "
                f"{format_duration(copy.cycle.full)} apart"
            )
            yield _hit(scenario, platform, name, "immutable", message)


@rule(
    "replication-copies-corruption",
    severity="warning",
    why="Synchronous replication has every write at once, the bad ones too: it does not protect from "
    "corruption, deletion or encryption.",
    remedy="Put a copy with points in time (snapshot, backup, vault) in the path.",
)
def replication_copies_corruption(loaded: LoadedScenario) -> Iterator[Hit]:
    """A corruption, and all that is left is synchronous."""
    scenario = loaded.scenario
    for platform in scenario.platforms:
        left = surviving_copies(scenario, platform)
        if scenario.failure.age is not None and left and all(c.synchronous for c in left.values()):
            message = f"all copies that are left are synchronous: {', '.join(left)}"
            yield Hit(
                platform=platform, path=recovery_path(platform, "path"), message=message, severity="error"
            )


@rule(
    "application-cut-apart",
    severity="warning",
    why="An application spread over VMs is as old as its oldest member, and members cut at different moments "
    "may not fit together.",
    remedy="Cut its VMs at once (`cut_together: true`), or have the application reconcile what differs.",
)
def application_cut_apart(loaded: LoadedScenario) -> Iterator[Hit]:
    """An application of several groups is recovered from staggered copies, and nobody reconciles."""
    scenario = loaded.scenario
    groups = scenario.estate.groups
    spread = {g.application for g in groups if g.application} & {
        g.application for i, g in enumerate(groups) for h in groups[:i] if g.application == h.application
    }
    for platform, parts in scenario.platforms.items():
        if not spread or any(stage.stage == "reconcile" for stage in parts.recovery.stages):
            continue
        for name, copy in path_copies(scenario, platform).items():
            if copy.stagger == "uniform" and not copy.cut_together:
                message = f"copy `{name}` is staggered over the VMs of {', '.join(sorted(map(str, spread)))}"
                yield _hit(scenario, platform, name, "stagger", message)


@rule(
    "outages-without-effect",
    severity="warning",
    why="Outages of a link delay the copies that the link times; a copy with a `duration` takes that, "
    "whatever happens to the link.",
    remedy="Leave out the copy's `duration`, so that its bytes over the link decide, or the outages.",
)
def outages_without_effect(loaded: LoadedScenario) -> Iterator[Hit]:
    """A link has outages, but no copy's time depends on it."""
    scenario = loaded.scenario
    for name, link in scenario.shared.links.items():
        timed = any(copy.by_link and copy.over == name for _, _, copy in _copies(scenario))
        if link.outages is not None and not timed:
            path = ("shared", "links", name, "outages")
            yield Hit(path=path, message=f"no copy takes as long as link `{name}` needs for its bytes")


@rule(
    "partition-without-fence",
    severity="error",
    why="A partition leaves the primary running: promoting the other side before the primary is fenced gives "
    "two writers, and one of the two histories is lost.",
    remedy="Add a stage `fence` (or a quorum that does it) before the first `promote`.",
)
def partition_without_fence(loaded: LoadedScenario) -> Iterator[Hit]:
    """After a partition something is promoted that was not fenced from the other side."""
    scenario = loaded.scenario
    if Scope.PARTITION not in scenario.failure.scopes:
        return
    for platform, parts in scenario.platforms.items():
        stages = parts.recovery.stages
        for index, stage in enumerate(stages):
            fenced = any(s.stage == "fence" and s.when in ((), stage.when) for s in stages[:index])
            if stage.stage == "promote" and not fenced:
                message = f"stage `{stage.key}` promotes while the primary may still write"
                path = recovery_path(platform, "stages", index)
                yield Hit(platform=platform, path=path, message=message)
                break


@rule(
    "control-plane-not-restored",
    severity="warning",
    why="Without its control plane a cluster runs what it runs and starts nothing: its API comes first.",
    remedy="Add a stage `services`, once per incident, that brings the control plane back.",
)
def control_plane_not_restored(loaded: LoadedScenario) -> Iterator[Hit]:
    """The control plane is lost, and no stage brings services back."""
    scenario = loaded.scenario
    if Scope.CONTROL_PLANE not in scenario.failure.scopes:
        return
    for platform, parts in scenario.platforms.items():
        if not any(s.stage == "services" and s.once_per == "incident" for s in parts.recovery.stages):
            message = "the control plane is lost, and no stage `services` brings it back"
            yield Hit(platform=platform, path=recovery_path(platform), message=message)
