"""`rpo-sim measure PROBE`: one subcommand per installed probe, its options made from the probe's settings."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from rpo_sim.cli.progress import progress_bar

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from rpo_sim.probe import CheckReport, Probe
    from rpo_sim.records import Observation

_HELP = """Measure real operations with a probe and keep every observation, failures included.

`rpo-sim measure PROBE --help` shows what a probe can be told; `--check` looks and measures nothing.
"""

_STORE_HELP = "Measurement store to add to. Unset: $RPO_SIM_STORE, else the user's data folder."
_CHECK_HELP = "Only look whether the probe could measure and what is missing; exit code 1 if anything is."
_OUTPUT_HELP = "How the summary is printed."


def register(app: typer.Typer) -> None:
    """Add the command group `measure`."""
    app.add_typer(typer.Typer(cls=ProbeGroup), name="measure", help=_HELP, no_args_is_help=True)


class ProbeGroup(TyperGroup):
    """Subcommands are the installed probes; they are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is the framework's
        """Names of the probes that can be loaded; those that cannot are named on stderr."""
        from rpo_sim.probe import discover_probes

        probes, broken = discover_probes()
        for probe in broken:
            typer.echo(f"warning: {probe.error}", err=True)
        return list(probes)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the signature is the framework's
        """The subcommand of one probe, or None if no such probe is installed."""
        from rpo_sim.probe import load_probe, probe_names

        return probe_command(load_probe(cmd_name)) if cmd_name in probe_names() else None


def probe_command(probe: "Probe") -> Any:
    """The command that measures with this probe."""
    app = typer.Typer(add_completion=False)
    app.command(probe.name, help=probe.summary)(_command_function(probe))
    return typer.main.get_command(app)


def _command_function(probe: "Probe") -> Callable[..., None]:
    def measure(store: str | None, check: bool, output: Any, **options: object) -> None:
        from rpo_sim.errors import ProbeError
        from rpo_sim.probe import settings_from_text

        stated = {name: value for name, value in options.items() if value is not None}
        try:
            settings = settings_from_text(probe, stated)
        except ProbeError as error:
            raise typer.BadParameter(str(error)) from error
        if check:
            _check(probe, settings, output)
        else:
            _measure(probe, settings, store, output)

    parameters = [_parameter(name, field) for name, field in probe.Settings.model_fields.items()]
    parameters += [
        _keyword("store", str | None, typer.Option(help=_STORE_HELP, metavar="PATH"), None),
        _keyword("check", bool, typer.Option("--check", help=_CHECK_HELP), False),
        _keyword(
            "output",
            Literal["table", "json", "csv", "md"],
            typer.Option("-o", "--output", help=_OUTPUT_HELP),
            "table",
        ),
    ]
    measure.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return measure


def _keyword(name: str, kind: Any, option: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def _parameter(name: str, field: "FieldInfo") -> inspect.Parameter:
    """The option of one settings field: text, read by the settings model; flags for booleans."""
    from rpo_sim.probe import option_name

    required = field.is_required()
    shown = "required" if required else _text(field.default)
    if field.annotation is bool:
        option = typer.Option(
            f"{option_name(name)}/--no-{name.replace('_', '-')}",
            help=field.description,
            show_default=shown or False,
        )
        return _keyword(name, bool | None, option, None)
    option = typer.Option(
        option_name(name), help=field.description, show_default=shown or False, metavar=_metavar(field)
    )
    return _keyword(name, str | None, option, inspect.Parameter.empty if required else None)


def _text(default: object) -> str:
    if default is None:
        return ""
    return ",".join(map(str, default)) if isinstance(default, list | tuple) else str(default)


def _metavar(field: "FieldInfo") -> str:
    from rpo_sim.probe import choices_of, is_list

    choices = choices_of(field)
    if choices:
        return "[" + "|".join(choices) + "]"
    return "A,B,…" if is_list(field) else "VALUE"


def _check(probe: "Probe", settings: "BaseModel", output: Any) -> None:
    from rpo_sim.collect import probe_context
    from rpo_sim.report.rows import render_rows

    report = probe.check(settings, probe_context(probe))
    meta = {"probe": probe.name, "probe_version": probe.version, "ok": report.ok}
    title = f"{probe.name} can measure" if report.ok else f"{probe.name} cannot measure"
    typer.echo(render_rows(_check_rows(report), output, title=title, meta=meta), nl=False)
    if not report.ok:
        raise typer.Exit(1)


def _check_rows(report: "CheckReport") -> list[dict[str, object]]:
    return [
        {"ok": found.ok, "what": found.what, "missing": found.missing, "remedy": found.remedy}
        for found in report.findings
    ]


def _measure(probe: "Probe", settings: "BaseModel", location: str | None, output: Any) -> None:
    from rpo_sim.collect import collect
    from rpo_sim.report.rows import render_rows
    from rpo_sim.store import Selection, open_store

    with open_store(location) as store:
        with _signals() as signals, progress_bar() as progress:
            collection = collect(probe, settings, store, progress=progress, cancelled=lambda: bool(signals))
        rows = summary_rows(store.observations(Selection(collection_id=collection.collection_id)))
    if output in ("table", "md"):
        rows = [_for_people(row) for row in rows]
    meta = {
        "probe": probe.name,
        "collection_id": collection.collection_id,
        "settings": collection.settings,
        "errors": collection.errors,
    }
    typer.echo(render_rows(rows, output, title=f"Measured by {probe.name}", meta=meta), nl=False)
    for text in collection.errors:
        typer.echo(f"note: {text}", err=True)
    if signals:
        raise typer.Exit(128 + signals[0])
    if rows:
        where = f" --store {location}" if location else ""
        typer.echo(f"next: rpo-sim fit{where}   turns these observations into a profile", err=True)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Numbers of the signals that asked for an end; the second one ends at once.

    The probe then stops by itself and cleans up, and what it has is stored.
    """
    import signal

    received: list[int] = []

    def receive(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) == 1:
            typer.echo("stopping and cleaning up; once more to stop at once", err=True)
        else:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, receive) for number in numbers]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def summary_rows(observations: "Iterator[Observation]") -> list[dict[str, object]]:
    """One row per kind of operation, stage, size, concurrency and cache state; failures counted beside.

    The median and the range are those of finished operations: where some failed or were cut off, it is the
    fit that weighs them in.
    """
    from collections import defaultdict

    groups: defaultdict[tuple[str, str, int, int, str, str], list[Observation]] = defaultdict(list)
    for seen in observations:
        size = -1 if seen.bytes_capacity is None else seen.bytes_capacity
        method, cache = seen.labels.get("method", ""), seen.labels.get("cache", "")
        groups[seen.operation, seen.stage, size, seen.concurrency or 0, method, cache].append(seen)
    return [_summary_row(groups[key]) for key in sorted(groups)]


def _summary_row(members: "list[Observation]") -> dict[str, object]:
    from statistics import median

    from rpo_sim.records import Outcome

    first = members[0]
    exact = [seen.lower_seconds for seen in members if seen.outcome is Outcome.SUCCEEDED and seen.exact]
    return {
        "operation": first.operation,
        "stage": first.stage,
        "size_bytes": first.bytes_capacity,
        "concurrency": first.concurrency,
        "method": first.labels.get("method", ""),
        "cache": first.labels.get("cache", ""),
        "n": sum(seen.count for seen in members),
        "median_seconds": median(exact) if exact else None,
        "min_seconds": min(exact, default=None),
        "max_seconds": max(exact, default=None),
        "failed": sum(seen.count for seen in members if seen.outcome is Outcome.FAILED),
        "unfinished": sum(
            seen.count for seen in members if seen.outcome in (Outcome.CANCELLED, Outcome.RUNNING)
        ),
    }


def _for_people(row: dict[str, object]) -> dict[str, object]:
    """The same row with sizes and durations as people write them."""
    from rpo_sim.units import format_bytes, format_duration

    readable: dict[str, object] = {}
    for name, value in row.items():
        if name.endswith("_bytes"):
            readable[name.removesuffix("_bytes")] = format_bytes(value) if isinstance(value, int) else ""
        elif name.endswith("_seconds"):
            readable[name.removesuffix("_seconds")] = (
                format_duration(value) if isinstance(value, float) else ""
            )
        else:
            readable[name] = value
    return readable
