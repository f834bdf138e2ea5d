"""`rpo-sim parity`: two platforms side by side, on the same incidents."""

from typing import TYPE_CHECKING, Annotated

import typer

from rpo_sim.cli.options import OutputOption, PlatformsOption
from rpo_sim.cli.simulation import Simulation, with_simulation

if TYPE_CHECKING:
    from rpo_sim.analysis.prediction import Prediction
    from rpo_sim.scenario.load import LoadedScenario


def register(app: typer.Typer) -> None:
    """Add `parity` to the application."""
    app.command("parity")(parity)


@with_simulation
def parity(
    scenario: Annotated[
        list[str],
        typer.Argument(metavar="SCENARIO...", help="Scenario files, or shipped ones by their names."),
    ],
    how: Simulation,
    gate: Annotated[
        bool,
        typer.Option(
            "--gate",
            help="Judge: the second platform must meet the objectives in as many incidents as the first, "
            "less --margin. Exit code 3 if it does not, 4 if the runs cannot tell.",
        ),
    ] = False,
    margin: Annotated[
        str, typer.Option(help="How much smaller the share of incidents may be under --gate.")
    ] = "5%",
    output: OutputOption = "table",
) -> None:
    """Compare two platforms: RPA, RTA and the share of incidents that meet the objectives.

    Both see the same incidents with the same luck, so a difference comes from what differs between them.
    Differences are the second platform less the first, with 95 % intervals.

    Exit code: 0; with --gate 3 if the second platform does worse, 4 if the runs cannot tell.

    Examples:

        rpo-sim parity site-failure single-vm-restore
        rpo-sim parity site-failure --gate --margin 2%
    """
    from rpo_sim.analysis.parity import compare
    from rpo_sim.analysis.parity import gate as judge
    from rpo_sim.analysis.verdict import exit_code
    from rpo_sim.cli.predicting import interrupted, note_interruption, simulating
    from rpo_sim.report.verdicts import render_parity
    from rpo_sim.units import parse_ratio

    allowed = parse_ratio(margin)
    every, (first, second) = _loaded(scenario, how.platform)
    made: list[Prediction] = []
    with simulating(how, every) as predicted:
        for loaded in every:
            made += predicted(loaded, (first, second), vary=False)
            if interrupted(made):
                break
    compared = [compare(one.base, other.base) for one, other in zip(made[::2], made[1::2], strict=False)]
    differences = [difference for found in compared for difference in found]
    typer.echo(render_parity(differences, (first, second), output), nl=False)
    note_interruption(made)
    if gate:
        raise typer.Exit(exit_code([judge(found, allowed) for found in compared]))


def _loaded(
    scenarios: list[str], platform: PlatformsOption
) -> "tuple[list[LoadedScenario], tuple[str, str]]":
    """All scenarios, and the two platforms that each is simulated on."""
    from rpo_sim.cli.predicting import chosen_platforms
    from rpo_sim.scenario.load import load_scenario

    loaded = [load_scenario(name) for name in scenarios]
    pairs = set()
    for name, each in zip(scenarios, loaded, strict=True):
        platforms = chosen_platforms(each, platform)
        if len(set(platforms)) != 2:
            raise typer.BadParameter(
                f"{name} has the platforms {', '.join(each.scenario.platforms)}; choose two of them",
                param_hint="--platform",
            )
        pairs.add((platforms[0], platforms[1]))
    if len(pairs) > 1:
        raise typer.BadParameter("the scenarios differ in platforms; choose two", param_hint="--platform")
    return loaded, pairs.pop()
