"""`rpo-sim scenarios`: the scenarios that ship with rpo-sim, and the schema for editors."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Output = Literal["table", "json", "csv", "md"]

_HELP = """Scenarios that ship with rpo-sim: list them, read one, copy one to edit, print the schema.

Their names serve wherever a command takes a scenario file.
"""
_OUTPUT_HELP = "How the list is printed."
_NAME_HELP = "Name of a shipped scenario, such as site-failure; `rpo-sim scenarios list` has them all."


def register(app: typer.Typer) -> None:
    """Add the command group `scenarios`."""
    group = typer.Typer(help=_HELP, no_args_is_help=True)
    group.command("list")(list_scenarios)
    group.command("show")(show)
    group.command("copy")(copy)
    group.command("schema")(schema)
    app.add_typer(group, name="scenarios")


def list_scenarios(
    output: Annotated[Output, typer.Option("-o", "--output", help=_OUTPUT_HELP)] = "table",
) -> None:
    """List the shipped scenarios: name, platforms, and what happens in them."""
    from rpo_sim.report.rows import render_rows
    from rpo_sim.scenario.shipped import shipped

    every = shipped()
    rows = [
        {"scenario": each.name, "platforms": ", ".join(each.platforms), "summary": each.summary}
        for each in every
    ]
    title = "Shipped scenarios"
    alike = {each.platforms for each in every}
    if len(alike) == 1 and output in ("table", "md"):  # what all share needs no column
        rows = [{"scenario": each.name, "summary": each.summary} for each in every]
        title += f", each on {' and '.join(alike.pop())}"
    typer.echo(render_rows(rows, output, title=title), nl=False)


def show(name: Annotated[str, typer.Argument(help=_NAME_HELP)]) -> None:
    """Print the file of a shipped scenario, comments included."""
    from rpo_sim.scenario.shipped import shipped_path

    typer.echo(shipped_path(name).read_text(encoding="utf-8"), nl=False)


def copy(
    name: Annotated[str, typer.Argument(help=_NAME_HELP)],
    destination: Annotated[
        Path | None,
        typer.Argument(help="Folder to make; it must not exist. Unset: NAME in the current folder."),
    ] = None,
) -> None:
    """Copy a shipped scenario with its README to a new folder, to edit it."""
    from rpo_sim.scenario.shipped import FILE_NAME, copy_shipped

    file = copy_shipped(name, destination) / FILE_NAME
    typer.echo(str(file))
    typer.echo(f"next: edit it, then `rpo-sim lint {file}`", err=True)


def schema() -> None:
    """Print the JSON Schema of scenario files, for completion and checks in an editor.

    Save it (`rpo-sim scenarios schema > scenario.schema.json`) and begin a file with
    `# yaml-language-server: $schema=scenario.schema.json`.
    """
    import json

    from rpo_sim.scenario.json_schema import scenario_json_schema

    typer.echo(json.dumps(scenario_json_schema(), indent=2, ensure_ascii=False))
