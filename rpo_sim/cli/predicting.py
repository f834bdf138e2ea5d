"""What `simulate`, `verdict`, `parity` and `demo` do alike: load, bind, and simulate with a progress bar."""

import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

from rpo_sim.cli.progress import run_progress
from rpo_sim.cli.simulation import Simulation

if TYPE_CHECKING:
    from rpo_sim.analysis.prediction import Prediction, Where
    from rpo_sim.distributions.profile import Profile
    from rpo_sim.model.checkpoint import Checkpoint
    from rpo_sim.model.engines import Asked
    from rpo_sim.scenario.load import LoadedScenario
    from rpo_sim.scenario.schema import Bind


def chosen_platforms(loaded: "LoadedScenario", asked: Sequence[str] | None) -> list[str]:
    """The platforms to simulate: those asked for, else all of the scenario."""
    known = list(loaded.scenario.platforms)
    for platform in asked or ():
        if platform not in known:
            raise typer.BadParameter(
                f"{loaded.scenario.scenario} has no platform {platform!r}; it has {', '.join(known)}",
                param_hint="--platform",
            )
    return list(asked or known)


def read_binds(
    texts: Sequence[str] | None, scenarios: "Sequence[LoadedScenario]", profile: "Profile | None"
) -> "dict[str, Bind]":
    """The bindings of the command line, by name; one that could not matter is refused."""
    from rpo_sim.scenario.binds import parse_bind
    from rpo_sim.scenario.lint.facts import measured_names

    binds = dict(parse_bind(text) for text in texts or ())
    known = sorted({str(node["measured"]) for each in scenarios for _, node in measured_names(each)})
    for name, bind in binds.items():
        if name not in known:
            has = ", ".join(known) or "no `measured:` at all"
            raise _bad_bind(f"nothing is `measured: {name}` in the scenario; it has {has}")
        if profile is None:
            raise _bad_bind(f"{name} is bound to what was measured: name that file with --profile")
        if not profile.find(**bind.model_dump(exclude={"extrapolate"})):
            has = "; ".join(entry.name for entry in profile.entries) or "none"
            raise _bad_bind(f"{name}: the profile has no such entry; it has {has}")
    return binds


def _bad_bind(text: str) -> typer.BadParameter:
    return typer.BadParameter(text, param_hint="--bind")


def read_profile(path: Path | None) -> "Profile | None":
    """The profile, if one was named."""
    from rpo_sim.distributions.profile import load_profile

    return None if path is None else load_profile(path)


@contextmanager
def worker_pool(workers: int, runs: int, address: str | None = None) -> "Iterator[Where]":
    """Where to simulate: on a cluster, or by as many workers as asked for (0: one per processor)."""
    from rpo_sim.model.block import RUNS_PER_BLOCK
    from rpo_sim.model.workers import pools

    if address is None:
        with pools(min(workers or os.cpu_count() or 1, runs // RUNS_PER_BLOCK)) as where:
            yield where
        return
    from rpo_sim.model.cluster import SCHEME, cluster, is_address

    if not is_address(address):
        raise typer.BadParameter(
            f"{address!r}: write {SCHEME}HOST:PORT, the address of a Dask scheduler", param_hint="--executor"
        )
    if workers:
        raise typer.BadParameter(
            "the cluster has its own workers; leave out --workers", param_hint="--executor"
        )
    with cluster(address) as executor:
        yield lambda _: executor


@contextmanager
def kept_in(path: Path | None, scenarios: "Sequence[LoadedScenario]") -> "Iterator[Checkpoint | None]":
    """The checkpoint file, if one was named; it is said how many runs of these scenarios it has."""
    if path is None:
        yield None
        return
    from rpo_sim.model.block import RUNS_PER_BLOCK
    from rpo_sim.model.checkpoint import open_checkpoint

    names = {loaded.scenario.scenario for loaded in scenarios}
    with open_checkpoint(path) as checkpoint:
        if found := checkpoint.blocks(names) * RUNS_PER_BLOCK:
            typer.echo(f"{path}: {found:,} finished runs found; what is there is not run again", err=True)
        yield checkpoint


class Predicted(Protocol):
    """Simulates a scenario on platforms, and with ``vary`` also with the assumptions halved and doubled."""

    def __call__(
        self, loaded: "LoadedScenario", platforms: Sequence[str], *, vary: bool
    ) -> "list[Prediction]":
        """A prediction per platform."""


@contextmanager
def simulating(how: Simulation, scenarios: "Sequence[LoadedScenario]") -> Iterator[Predicted]:
    """Everything that these scenarios are simulated with: profile, bindings, checkpoint and workers."""
    profile = read_profile(how.profile)
    binds = read_binds(how.bind, scenarios, profile)
    with (
        kept_in(how.checkpoint, scenarios) as checkpoint,
        worker_pool(how.workers, how.runs, how.executor) as where,
    ):
        yield functools.partial(
            predictions,
            profile=profile,
            binds=binds,
            seed=how.seed,
            runs=how.runs,
            engine=how.engine,
            where=where,
            checkpoint=checkpoint,
        )


def predictions(
    loaded: "LoadedScenario",
    platforms: Sequence[str],
    *,
    profile: "Profile | None",
    binds: "dict[str, Bind]",
    seed: int,
    runs: int,
    vary: bool,
    engine: "Asked",
    where: "Where",
    checkpoint: "Checkpoint | None" = None,
) -> "list[Prediction]":
    """A prediction per platform; after Ctrl-C those that were finished, and the one that was begun."""
    from rpo_sim.analysis.prediction import predict

    made: list[Prediction] = []
    for platform in platforms:
        try:
            with run_progress() as bar:
                prediction = predict(
                    loaded,
                    platform,
                    profile=profile,
                    binds=binds,
                    seed=seed,
                    runs=runs,
                    vary=vary,
                    engine=engine,
                    say=_say_once,
                    where=where,
                    checkpoint=checkpoint,
                    progress=lambda what, done, of: bar(done, of, what),
                )
        except KeyboardInterrupt:
            if not made:
                raise
            made[-1] = replace(made[-1], interrupted=True)
            break
        made.append(prediction)
        if prediction.interrupted:
            break
    return made


@functools.cache
def _say_once(text: str) -> None:
    """What holds for many predictions is said with the first."""
    typer.echo(text, err=True)


def interrupted(made: "Sequence[Prediction]") -> bool:
    """Whether Ctrl-C left a part out."""
    return any(prediction.interrupted for prediction in made)


def note_interruption(made: "Sequence[Prediction]") -> None:
    """Say what an interrupted result holds, and end with 130."""
    if interrupted(made):
        runs = ", ".join(f"{p.base.scenario} on {p.base.platform}: {p.base.runs} runs" for p in made)
        typer.echo(f"interrupted; the output holds what was finished ({runs})", err=True)
        raise typer.Exit(130)
