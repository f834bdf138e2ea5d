"""Every command, argument and option says what it is for."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from rpo_sim.cli.app import app


def commands(command: Any = None, name: str = "rpo-sim") -> Iterator[tuple[str, Any]]:
    """All commands, with the words that call them."""
    command = command or typer.main.get_command(app)
    yield name, command
    if hasattr(command, "list_commands"):
        for sub in command.list_commands(None):
            yield from commands(command.get_command(None, sub), f"{name} {sub}")


ALL = dict(commands())


def test_the_walk_finds_the_commands() -> None:
    assert {"rpo-sim demo", "rpo-sim measure local_disk", "rpo-sim observations export"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_each_part_has_a_help_text(name: str) -> None:
    command = ALL[name]
    assert len(command.help or "") > 20
    for parameter in command.params:
        help_text = getattr(parameter, "help", None) or ""
        assert len(help_text) > 10, parameter.name
        assert help_text.rstrip().endswith((".", ")", "?", "%")), f"{parameter.name}: {help_text!r}"
