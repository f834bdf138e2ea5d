"""`rpo-sim init`: write a commented scenario to start from."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command `init`."""
    app.command("init")(init)


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("scenario.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
) -> None:
    """Write a small, commented scenario that is valid and runs: change it into yours."""
    from rpo_sim.scenario.shipped import write_template

    write_template(path, overwrite=force)
    typer.echo(f"wrote {path}")
    typer.echo(
        "next:\n"
        f"  1. edit it: your groups of VMs, objectives, copies and recovery steps\n"
        f"  2. rpo-sim lint {path}      is it valid, and is it wise?\n"
        f"  3. rpo-sim verdict {path}   are the objectives met?\n"
        "  rpo-sim scenarios list shows complete scenarios to learn from",
        err=True,
    )
