"""The command `rpo-sim`: one file per command, and one place where errors become words and exit codes."""

import logging
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rpo_sim import __version__
from rpo_sim.cli import (
    check,
    cleanup,
    demo,
    discover,
    fit,
    init,
    lint,
    measure,
    observations,
    parity,
    rbac,
    replay,
    scenarios,
    simulate,
    verdict,
)
from rpo_sim.errors import RpoSimError

_HELP = """Measure restores, simulate recovery, judge RPO and RTO: VMware beside OpenShift Virtualization.

The loop: `measure` restores for real, `fit` what was measured, `check` where the evidence is weak,
`simulate` a scenario, get a `verdict`, compare platforms with `parity`.

Start with `rpo-sim demo`, or with `rpo-sim scenarios list`.

Exit codes: 0 done or met, 1 error, 2 usage, 3 objective missed, 4 inconclusive, 130 interrupted.
"""


class _Root(TyperGroup):
    """Turns what a command raises into a message and an exit code; nobody sees a traceback for bad input."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except RpoSimError as error:
            typer.echo(f"error: {error}", err=True)
            _explain(error)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:  # whoever read our output has seen enough
            _discard_output()
            raise typer.Exit(0) from None
        return result


def _discard_output() -> None:
    """Keep the interpreter from flushing, at its end, what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=_Root,
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"rpo-sim {__version__}")
        raise typer.Exit


@app.callback()
def root(
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Say more; twice for everything.")
    ] = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that go before the command."""
    del version
    levels = {0: logging.WARNING, 1: logging.INFO}
    level = levels.get(verbose, logging.DEBUG)
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)


def _explain(error: BaseException) -> None:
    """With -v, what lies behind an error."""
    cause = error.__cause__
    while cause is not None:
        logging.getLogger("rpo_sim").info("caused by %s: %s", type(cause).__name__, cause)
        cause = cause.__cause__


for command in (
    demo, discover, measure, fit, check, init, scenarios, lint, simulate, replay, verdict, parity,
    observations, cleanup, rbac,
):  # fmt: skip
    command.register(app)


def main() -> None:
    """The console script."""
    try:
        app(prog_name="rpo-sim")
    except OSError as error:  # such as a full disk behind our output
        where = error.filename or "the output"
        typer.echo(f"error: cannot read or write {where}: {error.strerror}", err=True)
        _discard_output()
        sys.exit(1)
    except MemoryError as error:
        typer.echo(
            f"error: out of memory ({error}): each worker holds the recovery points of 25 runs, as far back "
            "as a corruption may be found; ask for fewer --workers, lengthen `every`, bound the age, or "
            "describe fewer VMs",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
