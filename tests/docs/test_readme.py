"""What the README shows is run, in order, in one folder, as a reader would."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Command:
    """A shown command and the exit codes that the text beside it allows."""

    text: str
    exit_codes: frozenset[int]


def shown_commands(markdown: str) -> Iterator[Command]:
    """Lines after `$ ` in console blocks, joined where they go on after a backslash."""
    for block in re.findall(r"```console\n(.*?)```", markdown, flags=re.DOTALL):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            if line.startswith("$ "):
                text, _, comment = line[2:].partition("  #")
                stated = re.search(r"exit code ([\d, or]+)", comment)
                codes = map(int, re.findall(r"\d+", stated[1])) if stated else (0,)
                yield Command(text.strip(), frozenset(codes))


def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    """One test, since each command builds on those before; make's own targets are not run again."""
    commands = [c for c in shown_commands((ROOT / "README.md").read_text()) if not c.text.startswith("make ")]
    assert len(commands) >= 10
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "RPO_SIM_STORE": str(tmp_path / "observations.db"),
    }
    for command in commands:
        done = subprocess.run(
            command.text, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        said = f"$ {command.text}\n{done.stdout}\n{done.stderr}\nexit code {done.returncode}"
        assert done.returncode in command.exit_codes, said
        assert "Traceback" not in done.stderr, said


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_the_targets_that_are_shown_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    shown = re.findall(r"^(?:\$ |    )make ([a-z]+)\b", (ROOT / document).read_text(), flags=re.MULTILINE)
    assert {"demo", "test"} & set(shown)
    assert set(shown) - {"lists"} <= targets
