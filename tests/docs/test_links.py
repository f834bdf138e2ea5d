"""Links between the documents lead somewhere, and the commands that they name exist."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from rpo_sim.cli.app import app

ROOT = Path(__file__).parents[2]


def documents() -> list[Path]:
    """Every Markdown file that is part of the project."""
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if told.returncode == 0:
        return [ROOT / name for name in told.stdout.splitlines()]
    return [path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.parts)]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text) + re.findall(
        r"^\[[^\]]+\]: (\S+)", text, flags=re.M
    )
    for target in targets:
        file, _, _ = target.partition("#")
        if file and not re.match(r"[a-z]+:", file):
            assert (document.parent / file).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options_that_are_named_exist(document: Path) -> None:
    root: Any = typer.main.get_command(app)
    for line in re.sub(r"\\\n\s*", "", document.read_text(encoding="utf-8")).splitlines():
        for words in re.findall(r"(?:^ {4}|^\$ |`)rpo-sim ([a-z][^`#|(]*)", line):
            _check(root, words.split(), f"{document.name}: rpo-sim {words}")


def _check(command: Any, words: list[str], where: str) -> None:
    """Follow subcommands as far as they go, then look up each option."""
    rest = list(words)
    while (
        hasattr(command, "list_commands") and rest and re.fullmatch(r"[a-z][a-z_-]*", rest[0].rstrip(".,;:"))
    ):
        name = rest.pop(0).rstrip(".,;:")
        found = command.get_command(None, name)
        assert found is not None, where
        command = found
    known = {
        option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]
    }
    known |= {"--help", "-h"}
    used = {re.split(r"[=.,;:]", word)[0] for word in rest if word.startswith("--")}
    assert used <= known, where
