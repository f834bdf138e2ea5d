"""`rpo-sim simulate`: the predicted RPA and RTA of a scenario."""

from pathlib import Path
from typing import Annotated

import typer

from rpo_sim.cli.options import (
    BindOption,
    CheckpointOption,
    EngineOption,
    ExecutorOption,
    OutputOption,
    PlatformsOption,
    ProfileOption,
    RunsOption,
    ScenarioArgument,
    SeedOption,
    WorkersOption,
)


def register(app: typer.Typer) -> None:
    """Add `simulate` to the application."""
    app.command("simulate")(simulate)


def simulate(
    scenario: ScenarioArgument,
    platform: PlatformsOption = None,
    profile: ProfileOption = None,
    bind: BindOption = None,
    runs: RunsOption = 2000,
    seed: SeedOption = 1,
    engine: EngineOption = "auto",
    workers: WorkersOption = 0,
    executor: ExecutorOption = None,
    checkpoint: CheckpointOption = None,
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
    trace: Annotated[
        bool, typer.Option("--trace", help="Tell one run, event by event, instead of simulating many.")
    ] = False,
    run: Annotated[int, typer.Option(min=0, metavar="N", help="Which run --trace tells.")] = 0,
    output: OutputOption = "table",
) -> None:
    """Predict the RPA and RTA of a scenario, with intervals, and show where the time goes.

    The failure strikes at a random moment of the schedules; what survives is recovered through the waves,
    slots and links of the scenario. Stages that nothing was measured for rest on the scenario's
    assumptions, and the output says which share of the RTA that is.

    Examples:

        rpo-sim simulate single-vm-restore --runs 500
        rpo-sim simulate site-failure --vary --out site.json
        rpo-sim simulate single-vm-restore --platform vmware --trace --run 7
    """
    from rpo_sim.cli.predicting import (
        chosen_platforms,
        kept_in,
        note_interruption,
        predictions,
        read_binds,
        read_profile,
        worker_pool,
    )
    from rpo_sim.report.predictions import render_predictions
    from rpo_sim.results_file import check_writable, save_results
    from rpo_sim.scenario.load import load_scenario

    loaded = load_scenario(scenario)
    platforms = chosen_platforms(loaded, platform)
    measured = read_profile(profile)
    binds = read_binds(bind, [loaded], measured)
    if trace:
        from rpo_sim.cli.replay import told

        for name in platforms:
            typer.echo(told(loaded, name, measured, binds, seed, run), nl=False)
        return
    if out is not None:
        check_writable(out)
    with kept_in(checkpoint) as kept, worker_pool(workers, runs, executor) as where:
        made = predictions(
            loaded,
            platforms,
            profile=measured,
            binds=binds,
            seed=seed,
            runs=runs,
            vary=vary,
            engine=engine,
            executor=where,
            checkpoint=kept,
        )
    typer.echo(render_predictions([prediction.base for prediction in made], output), nl=False)
    if out is not None:
        save_results([result for prediction in made for result in prediction.results()], out)
        typer.echo(f"every run written to {out}; judge it with: rpo-sim verdict {out}", err=True)
    note_interruption(made)
