"""Rules about what people do: it takes time, on every platform."""

from collections.abc import Iterator

from rpo_sim.scenario.lint.registry import Hit, rule
from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.places import stage_path


@rule(
    "human-step-without-duration",
    severity="warning",
    why="People detect, decide and approve, and that often takes longer than the machines.",
    remedy="State it: `declare: {assumed: {triangular: {low: 10m, mode: 30m, high: 2h}}, by: people}`.",
)
def human_step_without_duration(loaded: LoadedScenario) -> Iterator[Hit]:
    """Detection, declaration or a stage by people takes no time."""
    failure = loaded.scenario.failure
    if failure.detect is None and failure.age is None:
        yield Hit(path=("failure",), message="`detect` is missing: the loss is noticed at once")
    if failure.declare is None:
        yield Hit(path=("failure",), message="`declare` is missing: nobody needs to decide to recover")
    for platform, parts in loaded.scenario.platforms.items():
        for index, stage in enumerate(parts.recovery.stages):
            if stage.human and stage.duration is None:
                message = f"stage `{stage.key}` is by people but has no `duration` of theirs"
                yield Hit(platform=platform, path=stage_path(platform, index), message=message)


@rule(
    "human-on-one-platform",
    severity="warning",
    why="A step that people do on one platform only decides the comparison, not the platform.",
    remedy="Let the same hands do it on both, or say why not: `differs_because: …`.",
)
def human_on_one_platform(loaded: LoadedScenario) -> Iterator[Hit]:
    """A kind of stage is by people on some platforms but not on all, for no stated reason."""
    platforms = loaded.scenario.platforms
    by_people: dict[str, dict[str, int]] = {}  # kind of stage → platform → its first such stage
    explained = set()
    for platform, parts in platforms.items():
        for index, stage in enumerate(parts.recovery.stages):
            if stage.human:
                by_people.setdefault(stage.stage, {}).setdefault(platform, index)
            if stage.differs_because is not None:
                explained.add(stage.stage)
    for kind, places in by_people.items():
        if len(places) < len(platforms) and kind not in explained:
            others = ", ".join(name for name in platforms if name not in places)
            for platform, index in places.items():
                message = f"`{kind}` is done by people here, but not on {others}"
                yield Hit(platform=platform, path=stage_path(platform, index), message=message)
