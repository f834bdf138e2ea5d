"""`rpo-sim cleanup`: remove what measurements that were killed have left."""

from typing import TYPE_CHECKING, Annotated

import typer

from rpo_sim.cli.options import OutputOption

if TYPE_CHECKING:
    from rpo_sim.probe import Probe
    from rpo_sim.probe_capabilities import CleansUp


def register(app: typer.Typer) -> None:
    """Add the command `cleanup`."""
    app.command("cleanup")(cleanup)


def cleanup(
    probe: Annotated[
        str | None, typer.Argument(metavar="[PROBE]", help="Only what this probe left. Default: every probe.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the probe (repeatable), such as namespace=lab: look there too, not only where "
            "runs of this machine were.",
            show_default=False,
        ),
    ] = None,
    output: OutputOption = "table",
) -> None:
    """Find and remove what earlier measurements left behind, and nothing else.

    Every object is noted before it is made and carries the label of its run. What a run that is still going
    on made is left alone. Exit code 1 if something could not be removed.
    """
    from rpo_sim.report.rows import render_rows

    rows = [
        row for name, one in _cleaners(probe).items() for row in _rows(name, one, settings or [], dry_run)
    ]
    shown = [{key: value for key, value in row.items() if key != "state" or value} for row in rows]
    title = "Left by earlier measurements" if rows else "Nothing is left of earlier measurements"
    typer.echo(render_rows(shown, output, title=title, meta={"dry_run": dry_run}), nl=False)
    if any(row["state"] == "kept" for row in rows):
        raise typer.Exit(1)


def _cleaners(name: str | None) -> "dict[str, Probe]":
    from rpo_sim.probe import discover_probes, load_probe
    from rpo_sim.probe_capabilities import CleansUp

    if name is None:
        probes, broken = discover_probes()
        for found in broken:
            typer.echo(f"warning: {found.error}", err=True)
        return {name: probe for name, probe in probes.items() if isinstance(probe, CleansUp)}
    probe = load_probe(name)
    if not isinstance(probe, CleansUp):
        raise typer.BadParameter(
            f"{name} leaves nothing that this command could find; it cleans up by itself"
        )
    return {name: probe}


def _rows(name: str, probe: "Probe", stated: list[str], dry_run: bool) -> list[dict[str, object]]:
    from rpo_sim.collect import probe_context
    from rpo_sim.probe import settings_from_text

    pairs = dict(_pair(text) for text in stated)
    chosen = settings_from_text(probe, pairs)
    context = probe_context(probe, note_error=lambda text: typer.echo(f"note: {text}", err=True))
    cleaner: CleansUp = probe  # type: ignore[assignment]  # as _cleaners made sure
    return [
        {"probe": name, "state": one.state, "what": one.what, "where": one.where, "reason": one.reason}
        for one in cleaner.clean_up(chosen, context, dry_run=dry_run)
    ]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"--set {text!r}: write NAME=VALUE, such as namespace=lab")
    return name.strip().replace("-", "_"), value
