"""`rpo-sim simulate`: the predicted RPA and RTA of a scenario."""

from pathlib import Path
from typing import Annotated

import typer

from rpo_sim.cli.options import OutputOption, ScenarioArgument
from rpo_sim.cli.simulation import Simulation, with_simulation


def register(app: typer.Typer) -> None:
    """Add `simulate` to the application."""
    app.command("simulate")(simulate)


@with_simulation
def simulate(
    scenario: ScenarioArgument,
    how: Simulation,
    vary: Annotated[
        bool,
        typer.Option(
            "--vary/--no-vary",
            help="Simulate also with all assumed durations halved and doubled, so that the file written by "
            "--out can be judged.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Also save every run, for `verdict` and `parity`.",
            show_default=False,
        ),
    ] = None,
    output: OutputOption = "table",
) -> None:
    """Predict the RPA and RTA of a scenario, with intervals, and show where the time goes.

    The failure strikes at a random moment of the schedules; what survives is recovered through the waves,
    slots and links of the scenario. Stages that nothing was measured for rest on the scenario's
    assumptions, and the output says which share of the RTA that is. `replay` tells a single run.

    Examples:

        rpo-sim simulate single-vm-restore --runs 500
        rpo-sim simulate site-failure --vary --out site.json
    """
    from rpo_sim.cli.predicting import chosen_platforms, note_interruption, simulating
    from rpo_sim.report.predictions import render_predictions
    from rpo_sim.results_file import check_writable, save_results
    from rpo_sim.scenario.load import load_scenario

    loaded = load_scenario(scenario)
    platforms = chosen_platforms(loaded, how.platform)
    if out is not None:
        check_writable(out)
    with simulating(how, [loaded]) as predicted:
        made = predicted(loaded, platforms, vary=vary)
    typer.echo(render_predictions([prediction.base for prediction in made], output), nl=False)
    for prediction in made:
        for factor, why in prediction.impossible.items():
            typer.echo(f"not simulated: all assumed durations times {factor:g}, for then {why}", err=True)
    if out is not None:
        save_results([result for prediction in made for result in prediction.results()], out)
        typer.echo(f"every run written to {out}; judge it with: rpo-sim verdict {out}", err=True)
    note_interruption(made)
