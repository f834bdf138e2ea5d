"""`rpo-sim verdict`: are the objectives met, in the share of incidents that was asked for?"""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rpo_sim.cli.options import OutputOption, PlatformsOption, StoreOption
from rpo_sim.cli.simulation import Simulation, with_simulation

if TYPE_CHECKING:
    from rpo_sim.analysis.prediction import Prediction
    from rpo_sim.records import Observation


def register(app: typer.Typer) -> None:
    """Add `verdict` to the application."""
    app.command("verdict")(verdict)


@with_simulation
def verdict(
    context: typer.Context,
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A scenario file, a shipped one by its name, or results that `simulate --vary --out` wrote.",
        ),
    ],
    how: Simulation,
    store: StoreOption = None,
    output: OutputOption = "table",
) -> None:
    """Judge a scenario: predicted by simulation, demonstrated by drills, the worse of both as the headline.

    Predicted is MET only if the whole interval reaches the share of incidents that the objective asks for,
    no assumption turns it, and the path was restored for real. Demonstrated is what the latest drill showed.

    A drill is two observations in the store, one with its RTA and one with its RPA; a row of each in a CSV
    file, and `rpo-sim observations import drills.csv`, records it. Columns:

        operation                     drill
        stage                         rta in one row, rpa in the other
        lower_seconds, upper_seconds  the time; equal, or bounds of it
        platform                      as in the scenario, such as vmware
        labels                        {"scenario": "site-failure", "tier": "gold"}
        operation_id                  names the drill; the same in both rows
        event_id                      names the row, such as drill-7-rta
        started_at, observed_at       such as 2026-03-02T09:00:00Z
        clock, source                 such as: wall, 1m; people
        outcome                       succeeded (if left out), or failed

    Exit code: 0 all met, 3 one is missed, else 4: one is inconclusive.

    Examples:

        rpo-sim verdict single-vm-restore
        rpo-sim verdict my.yaml --profile p.json --bind restore.data=restore.data
    """
    from rpo_sim.analysis.verdict import exit_code, judge
    from rpo_sim.cli.predicting import note_interruption
    from rpo_sim.report.verdicts import render_verdicts

    drills = _drills(store)
    if scenario.endswith(".json"):
        _refuse_options(context)
        made = _saved(scenario, how.platform)
    else:
        made = _predict(scenario, how)
    verdicts = [judged for prediction in made for judged in judge(prediction, drills)]
    typer.echo(render_verdicts(verdicts, output), nl=False)
    note_interruption(made)
    raise typer.Exit(exit_code([judged.headline for judged in verdicts]))


def _refuse_options(context: typer.Context) -> None:
    """Saved results cannot be simulated otherwise; a platform of them can be chosen."""
    for name in (field.name for field in fields(Simulation) if field.name != "platform"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(
                "saved results are judged as they are; name the scenario to simulate it anew",
                param_hint=f"--{name}",
            )


def _saved(path: str, platform: PlatformsOption) -> "list[Prediction]":
    from rpo_sim.analysis.prediction import gather
    from rpo_sim.results_file import load_results

    results = load_results(Path(path))
    known = {result.platform for result in results}
    for name in platform or ():
        if name not in known:
            raise typer.BadParameter(
                f"{path} has no platform {name!r}; it has {', '.join(sorted(known))}", param_hint="--platform"
            )
    return gather([result for result in results if not platform or result.platform in platform])


def _predict(scenario: str, how: Simulation) -> "list[Prediction]":
    from rpo_sim.cli.predicting import chosen_platforms, simulating
    from rpo_sim.scenario.load import load_scenario

    loaded = load_scenario(scenario)
    platforms = chosen_platforms(loaded, how.platform)
    with simulating(how, [loaded]) as predicted:
        return predicted(loaded, platforms, vary=True)


def _drills(store: StoreOption) -> "list[Observation]":
    """Drills in the store; none if there is no store yet and none was named."""
    from rpo_sim.analysis.drills import OPERATION
    from rpo_sim.store import Selection, default_location, open_store

    if store is None and not default_location().exists():
        return []
    with open_store(store, read_only=True) as opened:
        return list(opened.observations(Selection(operation=OPERATION)))
