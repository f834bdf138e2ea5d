"""`rpo-sim observations`: look at what was measured, take it elsewhere, bring it in, remove it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rpo_sim.cli.options import (
    BackendOption,
    OperationOption,
    Output,
    PlatformOption,
    SinceOption,
    SourceOption,
    StageOption,
    StoreOption,
    UntilOption,
    selection,
)

if TYPE_CHECKING:
    from rpo_sim.records import Observation
    from rpo_sim.store import Selection

FileFormat = Literal["jsonl", "csv", "parquet"]

_SHOWN = 50  # rows of a table for people, unless --limit says otherwise

FormatOption = Annotated[
    FileFormat | None,
    typer.Option("--format", help="Format of the file. Default: by its suffix.", show_default=False),
]

commands = typer.Typer(
    name="observations",
    help="List, delete, export and import what was measured.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add `observations` to the application."""
    app.add_typer(commands)


@commands.command("list")
def list_observations(
    store: StoreOption = None,
    operation: OperationOption = None,
    stage: StageOption = None,
    backend: BackendOption = None,
    platform: PlatformOption = None,
    source: SourceOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    output: Annotated[
        Output,
        typer.Option(
            "--output", "-o", help="table and md for people; json and csv hold every field, exactly."
        ),
    ] = "table",
    limit: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Only the latest N; 0 for all. Default: 50 in a table, all in json and csv.",
            metavar="N",
        ),
    ] = None,
) -> None:
    """List observations, the latest last.

    A duration reads "12.3s" when exact, "5m..6m" when known to lie between, ">10m" when it was still
    running or timed out after that.
    """
    _list(store, selection(operation, stage, backend, platform, source, since, until), output, limit)


def _list(location: str | None, where: "Selection", output: Output, limit: int | None) -> None:
    from rpo_sim.report.rows import render_rows
    from rpo_sim.store import open_store
    from rpo_sim.store.codec import to_plain

    with open_store(location, read_only=True) as opened:
        total = opened.count(where)
        if limit is None:
            limit = _SHOWN if output in ("table", "md") else 0
        records = list(opened.observations(where, latest=limit or None))
        stored = total if where.everything else opened.count()
    person = output in ("table", "md")
    rows = [_summary(record) if person else to_plain(record) for record in records]
    sys.stdout.write(render_rows(rows, output, meta={"total": total}))
    shown = f"the latest {len(records)} of {total}" if len(records) < total else f"{total}"
    typer.echo(f"{shown} observations match, {stored} in {opened.path}", err=True)
    if stored == 0:
        typer.echo("Nothing was measured yet: start with `rpo-sim measure local_disk`.", err=True)


@commands.command("delete")
def delete_observations(
    store: StoreOption = None,
    operation: OperationOption = None,
    stage: StageOption = None,
    backend: BackendOption = None,
    platform: PlatformOption = None,
    source: SourceOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all observations of the store.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete the observations that match, after asking.

    Deleted measurements cannot be brought back: export them first.
    """
    from rpo_sim.store import open_store

    where = selection(operation, stage, backend, platform, source, since, until)
    if where.everything != everything:
        raise typer.BadParameter("state which observations (such as --source local_disk), or --all, not both")
    with open_store(store, read_only=True) as opened:
        matching = opened.count(where)
    if matching == 0:
        typer.echo(f"no observation matches in {opened.path}: nothing deleted", err=True)
        return
    if not yes:
        typer.confirm(f"Delete {matching} observations from {opened.path}?", abort=True, err=True)
    with open_store(store) as opened:
        typer.echo(f"deleted {opened.delete(where)} observations from {opened.path}")


@commands.command("export")
def export(
    path: Annotated[str, typer.Argument(help="File to write, or - for standard output (needs --format).")],
    store: StoreOption = None,
    operation: OperationOption = None,
    stage: StageOption = None,
    backend: BackendOption = None,
    platform: PlatformOption = None,
    source: SourceOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    file_format: FormatOption = None,
) -> None:
    """Write observations to a JSON lines, CSV or Parquet file, exactly.

    The file is complete or not there at all. Parquet needs: pip install 'rpo-sim[parquet]'.
    """
    from rpo_sim.errors import StoreError
    from rpo_sim.store import export_observations, format_of, open_store, write_observations

    where = selection(operation, stage, backend, platform, source, since, until)
    if path == "-" and file_format is None:
        raise typer.BadParameter("standard output has no suffix: add --format jsonl, csv or parquet")
    chosen = format_of(path, file_format)
    with open_store(store, read_only=True) as opened:
        records = opened.observations(where)
        if path == "-":
            written = write_observations(records, sys.stdout.buffer, chosen)
        elif Path(path).exists() and opened.path.samefile(path):
            raise StoreError(f"{path} is the store itself: export to another file")
        else:
            written = export_observations(records, Path(path), chosen)
    typer.echo(f"exported {written} observations from {opened.path}", err=True)


@commands.command("import")
def import_observations(
    path: Annotated[Path, typer.Argument(help="JSON lines, CSV or Parquet file to read.")],
    store: StoreOption = None,
    file_format: FormatOption = None,
) -> None:
    """Read observations from a file into the store: all of them, or none if a line is wrong.

    An observation that is known already (same source and event_id) is not doubled, so importing a file
    twice changes nothing.
    """
    from rpo_sim.store import format_of, open_store, read_observations

    chosen = format_of(path, file_format)
    with open_store(store) as opened:
        added = opened.add_all(read_observations(path, chosen))
    typer.echo(
        f"imported into {opened.path}: {added.new} new, {added.updated} updated, {added.unchanged} unchanged"
    )


def _summary(record: "Observation") -> dict[str, object]:
    """What a person wants to see of an observation at a glance."""
    from rpo_sim.units import format_bytes

    size = record.bytes_moved if record.bytes_moved is not None else record.bytes_capacity
    return {
        "started": record.started_at or record.observed_at,
        "operation": record.operation,
        "stage": record.stage,
        "duration": _duration(record),
        "count": record.count,
        "outcome": record.outcome.value,
        "size": None if size is None else format_bytes(size),
        "concurrency": record.concurrency,
        "backend": record.backend,
        "platform": record.platform,
        "source": record.source,
    }


def _duration(record: "Observation") -> str:
    from rpo_sim.units import format_duration

    lower, upper = format_duration(record.lower_seconds), format_duration(record.upper_seconds)
    if record.exact:
        return lower
    return f">{lower}" if upper == "inf" else f"{lower}..{upper}"
