"""`rpo-sim demo`: the whole loop on this machine, from restores measured now to verdicts."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rpo_sim.cli.options import Engine, EngineOption, RunsOption, SeedOption, WorkersOption

if TYPE_CHECKING:
    from rpo_sim.analysis.prediction import Prediction
    from rpo_sim.distributions.profile import Profile, ProfileEntry
    from rpo_sim.records import Observation
    from rpo_sim.scenario.schema import Bind

_PROBE = "local_disk"
_BOUND = "restore.data"
_CACHES = ("cold", "cold_requested", "warm")  # as a restore would find it, the best evidence first


def register(app: typer.Typer) -> None:
    """Add `demo` to the application."""
    app.command("demo")(demo)


def demo(
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where the store, profile and results go.")
    ] = Path("rpo-sim-demo"),
    runs: RunsOption = 2000,
    seed: SeedOption = 1,
    engine: EngineOption = "auto",
    workers: WorkersOption = 0,
    max_duration: Annotated[str, typer.Option(help="How long to measure at most.")] = "30s",
) -> None:
    """Measure restores on this disk, then predict all five recovery scenarios on both platforms.

    Takes about two minutes and some hundred megabytes, needs no cluster. Only the stage that moves data is
    bound to what was measured, and it is this disk: not a VMware or OpenShift storage.

    Examples:

        rpo-sim demo
        rpo-sim demo --folder /mnt/nfs/demo --max-duration 1m
    """
    from rpo_sim.report.demo import render_demo
    from rpo_sim.results_file import save_results

    _make(folder)
    _say("1/4  measuring real snapshots and restores on this disk, each read back and verified")
    observations = _measure(folder, max_duration)
    _say("2/4  fitting what was measured")
    profile, entry = _fit(observations, folder / "profile.json")
    _say("3/4  simulating five scenarios on two platforms, also with every assumption halved and doubled")
    made = _predict(profile, entry, runs, seed, engine, workers)
    save_results([result for prediction in made for result in prediction.results()], folder / "results.json")
    _say("4/4  judging\n")
    typer.echo(render_demo(observations, entry, made), nl=False)
    typer.echo(_next_steps(folder))


def _say(text: str) -> None:
    typer.echo(text, err=True)
    sys.stderr.flush()


def _make(folder: Path) -> None:
    from rpo_sim.errors import StoreError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; name another with --folder") from error


def _measure(folder: Path, max_duration: str) -> "list[Observation]":
    from rpo_sim.cli.progress import progress_bar
    from rpo_sim.collect import collect
    from rpo_sim.probe import load_probe, settings_from_text
    from rpo_sim.store import Selection, open_store

    probe = load_probe(_PROBE)
    stated = {"path": str(folder), "max_duration": max_duration, "keep_free": "1Gi"}
    settings = settings_from_text(probe, stated)
    with open_store(folder / "observations.db") as store, progress_bar() as bar:
        collection = collect(probe, settings, store, progress=bar, state_folder=folder)
        for error in collection.errors:
            _say(f"     note: {error}")
        return list(store.observations(Selection(collection_id=collection.collection_id)))


def _fit(observations: "list[Observation]", path: Path) -> "tuple[Profile, ProfileEntry]":
    from rpo_sim.distributions.fit import fit
    from rpo_sim.distributions.profile import save_profile
    from rpo_sim.errors import NoDataError

    profile = fit(observations)
    save_profile(profile, path)
    for cache in _CACHES:
        found = profile.find(operation="restore", stage="data", platform="local", labels={"cache": cache})
        if found:
            return profile, found[0]
    raise NoDataError("too few restores were finished; measure longer with --max-duration 2m")


def _predict(
    profile: "Profile", entry: "ProfileEntry", runs: int, seed: int, engine: Engine, workers: int
) -> "list[Prediction]":
    from rpo_sim.cli.predicting import note_interruption, predictions, worker_pool
    from rpo_sim.scenario.load import load_scenario
    from rpo_sim.scenario.shipped import shipped_names

    made: list[Prediction] = []
    with worker_pool(workers, runs) as where:
        for name in shipped_names():
            loaded = load_scenario(name)
            made += predictions(
                loaded,
                list(loaded.scenario.platforms),
                profile=profile,
                binds={_BOUND: _bind(entry)},
                seed=seed,
                runs=runs,
                vary=True,
                engine=engine,
                where=where,
            )
            note_interruption(made)
    return made


def _bind(entry: "ProfileEntry") -> "Bind":
    """This disk, at sizes beyond what was measured: extrapolated, and said so in every result."""
    from rpo_sim.scenario.schema import Bind

    return Bind(
        operation=entry.operation,
        stage=entry.stage,
        platform=entry.platform,
        backend=entry.backend,
        labels={"cache": entry.labels["cache"]},
        extrapolate="linear",
    )


def _next_steps(folder: Path) -> str:
    steps = {
        f"rpo-sim verdict {folder / 'results.json'} -o md": "the same verdicts, as Markdown",
        f"rpo-sim check {folder / 'profile.json'}": "where this evidence is weak",
        "rpo-sim replay single-vm-restore --run 7": "one incident, event by event",
        "rpo-sim scenarios copy site-failure my-site": "your own estate, objectives and procedure",
    }
    width = max(map(len, steps))
    lines = [f"  {command:{width}}  {why}" for command, why in steps.items()]
    kept = f"\nKept in {folder}: observations.db, profile.json, results.json. Go on with"
    return "\n".join([kept, *lines])
