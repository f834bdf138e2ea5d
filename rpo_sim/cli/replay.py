"""`rpo-sim replay`: one simulated incident, event by event."""

from typing import TYPE_CHECKING, Annotated

import typer

from rpo_sim.cli.options import BindOption, PlatformsOption, ProfileOption, ScenarioArgument, SeedOption

if TYPE_CHECKING:
    from rpo_sim.distributions.profile import Profile
    from rpo_sim.scenario.load import LoadedScenario
    from rpo_sim.scenario.schema import Bind


def register(app: typer.Typer) -> None:
    """Add `replay` to the application."""
    app.command("replay")(replay)


def replay(
    scenario: ScenarioArgument,
    run: Annotated[int, typer.Option(min=0, metavar="N", help="Which run to tell.")] = 0,
    platform: PlatformsOption = None,
    profile: ProfileOption = None,
    bind: BindOption = None,
    seed: SeedOption = 1,
) -> None:
    """Tell one run, event by event: who did what, from when to when, and who waited for whom.

    It is the very run of `simulate` with the same seed and inputs, whichever engine ran it there: both give
    the same numbers, and this one is played by the engine that a person can read.

    Examples:

        rpo-sim replay single-vm-restore --run 7
        rpo-sim replay site-failure --run 4711 --platform vmware
    """
    from rpo_sim.cli.predicting import chosen_platforms, read_binds, read_profile
    from rpo_sim.scenario.load import load_scenario

    loaded = load_scenario(scenario)
    measured = read_profile(profile)
    binds = read_binds(bind, [loaded], measured)
    for name in chosen_platforms(loaded, platform):
        typer.echo(told(loaded, name, measured, binds, seed, run), nl=False)


def told(
    loaded: "LoadedScenario",
    platform: str,
    profile: "Profile | None",
    binds: "dict[str, Bind]",
    seed: int,
    run: int,
) -> str:
    """The trace of one run on one platform."""
    from rpo_sim.model.block_runs import replay as again
    from rpo_sim.model.compile import compile_plan
    from rpo_sim.report.trace import render_trace

    plan = compile_plan(loaded.scenario, platform, profile, binds)
    return render_trace(plan, again(plan, seed, run), run)
