"""`rpo-sim discover` asks every probe that can look around, and no failure of one hides the others."""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typer.testing import CliRunner, Result

from rpo_sim import probe as probe_module
from rpo_sim.cli.app import app
from rpo_sim.errors import ProbeUnavailable
from rpo_sim.probe import ProbeContext
from rpo_sim.probe_capabilities import Discovered, Discovers


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    shelf: str = Field(default="main", description="Name of the shelf.")
    drive: str = Field(default="nst0", description="Device of the drive.")


class TapeProbe:
    """A third party's."""

    name = "third_party_tape"
    version = "1"
    summary = "Restores from tape."
    mutating = True
    Settings = _Settings
    discovery_settings = ("shelf",)

    def check(self, settings: _Settings, context: ProbeContext) -> object:
        raise AssertionError("discover only asks discover")

    measure = check

    def discover(self, settings: _Settings, context: ProbeContext) -> Iterator[Discovered]:
        yield Discovered(
            topic="measure", what=f"tapes in {settings.shelf}", ok=True, detail="12 of them",
            command="rpo-sim measure third_party_tape", rank=5,
        )  # fmt: skip
        if settings.shelf == "burning":
            raise ProbeUnavailable("the shelf burns: call the fire brigade")


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("third_party")
    module.TapeProbe = TapeProbe  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "third_party", module)
    targets = {
        "third_party_tape": "third_party:TapeProbe",
        "local_disk": "rpo_probes.local_disk:LocalDiskProbe",
    }
    points = [EntryPoint(name, target, "rpo_sim.probes") for name, target in targets.items()]
    monkeypatch.setattr(probe_module, "entry_points", lambda **_kwargs: points)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["discover", *arguments])


def test_the_capability_is_seen() -> None:
    assert isinstance(TapeProbe(), Discovers)


@pytest.mark.usefixtures("probes")
def test_every_probe_tells_and_the_best_command_comes_first() -> None:
    result = run()
    assert result.exit_code == 0
    assert "tapes in main" in result.stdout
    assert "on a path of this machine" in result.stdout
    assert "run first: rpo-sim measure third_party_tape\n" in result.stdout


@pytest.mark.usefixtures("probes")
def test_json_says_the_same_exactly() -> None:
    document = json.loads(run("-o", "json").stdout)
    assert document["run_first"] == "rpo-sim measure third_party_tape"
    assert {row["probe"] for row in document["rows"]} == {"third_party_tape", "local_disk"}
    assert all(row["ok"] for row in document["rows"])


@pytest.mark.usefixtures("probes")
def test_where_to_look_goes_to_the_probe_that_knows_the_setting() -> None:
    assert "tapes in vault" in run("--shelf", "vault").stdout
    assert "third_party_tape: Name of the shelf." in " ".join(run("--help").stdout.replace("│", "").split())
    assert run("--drive", "nst1").exit_code == 2  # says how, not where


@pytest.mark.usefixtures("probes")
def test_a_failure_of_one_is_a_line_and_the_rest_is_told() -> None:
    result = run("--shelf", "burning", "-o", "json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["rows"]
    failed = [row for row in rows if not row["ok"]]
    assert [(row["detail"], row["remedy"]) for row in failed] == [
        ("the shelf burns", "call the fire brigade")
    ]
    assert len(rows) == 3


@pytest.mark.usefixtures("probes")
def test_only_the_probes_that_are_named() -> None:
    assert "of this machine" not in run("--probe", "third_party_tape").stdout
    wrong = run("--probe", "tape")
    assert wrong.exit_code == 2
    assert "third_party_tape" in wrong.output
