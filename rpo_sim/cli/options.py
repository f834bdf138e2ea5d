"""Options that several commands share: each is worded once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rpo_sim.store import Selection

Output = Literal["table", "json", "csv", "md"]

OutputOption = Annotated[
    Output,
    typer.Option(
        "--output", "-o", help="table and md for people, json and csv for programs (exact, in seconds)."
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH",
        help="The measurement store: a file or sqlite:///PATH. Unset: $RPO_SIM_STORE, else the user's data "
        "folder.",
        show_default=False,
    ),
]
OperationOption = Annotated[
    str | None,
    typer.Option(help="Only this operation, such as snapshot, backup, restore.", show_default=False),
]
StageOption = Annotated[
    str | None, typer.Option(help="Only this stage, such as cut, ready, data, boot.", show_default=False)
]
BackendOption = Annotated[
    str | None,
    typer.Option(help="Only this backend: driver and storage class, or file system.", show_default=False),
]
PlatformOption = Annotated[str | None, typer.Option(help="Only this platform.", show_default=False)]
SourceOption = Annotated[
    str | None, typer.Option(help="Only what this probe measured, such as local_disk.", show_default=False)
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only what started at or after this: 2025-01-31, 2025-01-31T10:00Z (UTC unless it says "
        "otherwise), or an age such as 7d.",
        show_default=False,
    ),
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only what started before this.", show_default=False)
]
ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A scenario file, or a shipped one by its name.")
]
PlatformsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--platform",
        help="Only this platform of the scenario (repeatable). Default: all.",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    Path | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        help="What was measured: the profile that `rpo-sim fit` wrote. Without it all stages are assumed.",
        show_default=False,
    ),
]
BindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bind",
        metavar="NAME=ENTRY",
        help="Let the scenario's `measured: NAME` stand for an entry of the profile, OPERATION.STAGE and "
        "what else tells it apart (repeatable): `restore.data=restore.data,platform=local`. Add "
        "`extrapolate=linear` to use it far beyond the sizes measured.",
        show_default=False,
    ),
]
RunsOption = Annotated[
    int,
    typer.Option(
        min=1, max=10_000_000, metavar="N", help="Simulated incidents, in blocks of 25. Verdicts need 2,000."
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="Same seed and inputs, same bytes of output, for any number of workers."
    ),
]
Engine = Literal["simpy", "compiled", "auto"]
EngineOption = Annotated[
    Engine,
    typer.Option(
        help="What runs the recoveries: simpy, which a person can read; compiled, many times as fast, with "
        "the extra `fast`; auto compiles where there is much to do. The numbers are the same.",
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Processes to simulate in. Default: one per processor.",
        show_default=False,
    ),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="dask://HOST:PORT",
        help="Simulate on the Dask cluster of this scheduler instead of in processes here: the same bytes of "
        "output. Needs pip install 'rpo-sim[dask]', and rpo-sim on its workers.",
        show_default=False,
    ),
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Keep finished runs in this file, and take from it what an interrupted command with the same "
        "inputs and seed has finished: the same bytes of output as in one go. More --runs than before go on "
        "from there. It grows to the size of the results; delete it when it has served.",
        show_default=False,
    ),
]


def selection(
    operation: str | None,
    stage: str | None,
    backend: str | None,
    platform: str | None,
    source: str | None,
    since: str | None,
    until: str | None,
) -> "Selection":
    """The observations that the filters name."""
    from rpo_sim.store import Selection

    return Selection(
        operation=operation,
        stage=stage,
        backend=backend,
        platform=platform,
        source=source,
        since=_time("--since", since),
        until=_time("--until", until),
    )


def _time(option: str, text: str | None) -> datetime | None:
    from rpo_sim.errors import UnitError
    from rpo_sim.units import parse_duration

    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (UnitError, OverflowError) as error:
        raise typer.BadParameter(
            f"{option} {text!r} is no time: write 2025-01-31, 2025-01-31T10:00Z, or an age such as 7d"
        ) from error
