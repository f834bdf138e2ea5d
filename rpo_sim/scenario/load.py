"""Scenario files, read and checked: the shape, then what names refer to."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario import messages, nodes
from rpo_sim.scenario.references import reference_problems
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.shipped import resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedScenario:
    """A valid scenario and where it came from.

    Attributes
    ----------
    scenario : Scenario
    name : str
        How messages call the file.
    path : Path or None
        The file; None for a scenario given as text.
    digest : str
        SHA-256 of what the file says; comments, white space and the order of keys do not matter.
    document : Document
        What the file says, with lines.
    """

    scenario: Scenario
    name: str
    path: Path | None
    digest: str
    document: nodes.Document

    def where(self, path: nodes.Path = ()) -> str:
        """``file:line`` of the key or item at a path such as ``("copies", 0, "every")``."""
        return f"{self.name}:{messages.line_of(self.document, path)}"


def load_scenario(path: str | Path) -> LoadedScenario:
    """The scenario in a file, or a shipped one by its name.

    Parameters
    ----------
    path : str or Path
        A file, or a name such as ``site-failure``.

    Raises
    ------
    ScenarioError
        If the file cannot be read or used; one message lists every problem with its line.
    """
    file = resolve(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(nodes.MAX_BYTES + 1)
    except OSError as error:
        raise ScenarioError(f"cannot read {file}: {error.strerror or error}") from error
    return _load(data, str(file), file)


def load_scenario_text(text: str, name: str = "<string>") -> LoadedScenario:
    """The scenario in a text.

    Raises
    ------
    ScenarioError
        As `load_scenario` does; `name` stands for the file.
    """
    return _load(text.encode("utf-8", "surrogatepass"), name, None)


def _load(data: bytes, name: str, path: Path | None) -> LoadedScenario:
    document = nodes.read_document(data, name)
    try:
        scenario = Scenario.model_validate(document.content)
    except ValidationError as error:
        problems = messages.schema_problems(error, document, Scenario)
        raise messages.refusal(name, document, problems) from None
    problems = list(reference_problems(scenario))
    if problems:
        raise messages.refusal(name, document, problems)
    return LoadedScenario(
        scenario=scenario, name=name, path=path, digest=_digest(document.content), document=document
    )


def _digest(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
