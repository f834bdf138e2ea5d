"""`rpo-sim simulate`: the predicted RPA and RTA of a scenario."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rpo_sim.cli.options import (
    BindOption,
    CheckpointOption,
    ExecutorOption,
    OutputOption,
    PlatformsOption,
    ProfileOption,
    RunsOption,
    ScenarioArgument,
    SeedOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from rpo_sim.distributions.profile import Profile
    from rpo_sim.scenario.load import LoadedScenario
    from rpo_sim.scenario.schema import Bind


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
    from rpo_sim.results import check_writable, save_results
    from rpo_sim.scenario.load import load_scenario

    loaded = load_scenario(scenario)
    platforms = chosen_platforms(loaded, platform)
    measured = read_profile(profile)
    binds = read_binds(bind, [loaded], measured)
    if trace:
        for name in platforms:
            typer.echo(_trace(loaded, name, measured, binds, seed, run), nl=False)
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
            executor=where,
            checkpoint=kept,
        )
    typer.echo(render_predictions([prediction.base for prediction in made], output), nl=False)
    if out is not None:
        save_results([result for prediction in made for result in prediction.results()], out)
        typer.echo(f"every run written to {out}; judge it with: rpo-sim verdict {out}", err=True)
    note_interruption(made)


def _trace(
    loaded: "LoadedScenario",
    platform: str,
    profile: "Profile | None",
    binds: "dict[str, Bind]",
    seed: int,
    run: int,
) -> str:
    from rpo_sim.model.compile import compile_plan
    from rpo_sim.model.experiment import replay
    from rpo_sim.report.trace import render_trace

    plan = compile_plan(loaded.scenario, platform, profile, binds)
    return render_trace(plan, replay(plan, seed, run), run)
