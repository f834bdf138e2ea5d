"""Rules about what a recovery uses: links that are still there, tools that can do what is asked."""

from collections.abc import Iterator

from rpo_sim.scenario.lint.registry import Hit, rule
from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.places import recovery_path, stage_path
from rpo_sim.scenario.procedure import Waves
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.survival import destroyed

_VMWARE = ("vmware", "vsphere")
_KUBEVIRT = ("openshift-virtualization", "kubevirt")
_PRIORITY_GROUPS = 5  # of Site Recovery Manager


@rule(
    "link-in-failed-scope",
    severity="error",
    why="A link in the failed place is lost with it, however wide it was.",
    remedy="Name the link that is left at the recovery site, or correct its `location`.",
)
def link_in_failed_scope(loaded: LoadedScenario) -> Iterator[Hit]:
    """A stage moves data over a link in the failed scope."""
    scenario = loaded.scenario
    for platform, parts in scenario.platforms.items():
        for index, stage in enumerate(parts.recovery.stages):
            link = scenario.shared.links[stage.over] if stage.over is not None else None
            if link is not None and link.location is not None and destroyed(scenario, link.location):
                message = (
                    f"link `{stage.over}` at `{link.location}` is lost with the {scenario.failure.scope_text}"
                )
                yield Hit(platform=platform, path=stage_path(platform, index, "over"), message=message)


@rule(
    "ordering-tool-cannot",
    severity="error",
    why="Each tool orders in its own way: Site Recovery Manager has five priority groups and ignores "
    "dependencies across them; Velero and the DR operators of OpenShift have no waves.",
    remedy="Give the order `by: script` or `by: people`, with their time, or use no more than the tool can.",
)
def ordering_tool_cannot(loaded: LoadedScenario) -> Iterator[Hit]:
    """An order is left to a tool that does not have it."""
    scenario = loaded.scenario
    for platform, parts in scenario.platforms.items():
        waves = parts.recovery.waves
        if platform in _KUBEVIRT and waves is not None and waves.by == "orchestrator":
            message = "waves by the orchestrator, but no DR or backup operator of this platform has waves"
            yield Hit(platform=platform, path=recovery_path(platform, "waves", "by"), message=message)
        if platform in _KUBEVIRT and waves is None and any(g.needs for g in scenario.estate.groups):
            message = "groups need each other, but nothing here orders them: there are no waves"
            yield Hit(platform=platform, path=recovery_path(platform), message=message, severity="warning")
        if platform in _VMWARE and waves is not None and waves.by == "orchestrator":
            yield from _priority_groups(scenario, platform, waves)


def _priority_groups(scenario: Scenario, platform: str, waves: Waves) -> Iterator[Hit]:
    path = recovery_path(platform, "waves", "order")
    if len(waves.order) > _PRIORITY_GROUPS:
        message = (
            f"{len(waves.order)} waves by the orchestrator, which has {_PRIORITY_GROUPS} priority groups"
        )
        yield Hit(platform=platform, path=path, message=message)
    wave_of = {name: wave for wave, names in enumerate(waves.order) for name in names}
    for group in scenario.estate.groups:
        needs = [need.group for need in group.needs]
        across = [needed for needed in needs if wave_of[needed] != wave_of[group.name]]
        if across:
            message = (
                f"`{group.name}` needs {', '.join(across)} in an earlier priority group: the groups keep the "
                "order, but the orchestrator goes on when what is needed has failed"
            )
            yield Hit(platform=platform, path=path, message=message, severity="warning")
