"""Every fragment in scenarios/README.md loads, compiles and runs when pasted into a scenario."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from rpo_sim.model.block_runs import replay
from rpo_sim.model.compile import compile_plan
from rpo_sim.report.trace import render_trace
from rpo_sim.scenario import shipped
from rpo_sim.scenario.json_schema import scenario_json_schema
from rpo_sim.scenario.load import load_scenario_text
from rpo_sim.scenario.nodes import read_document

README = Path(__file__).parents[2] / "scenarios" / "README.md"
TEMPLATE = Path(shipped.__file__).with_name("template.yaml")
PARTS = re.split(r"^(?=##+ )", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
SECTIONS = [part.removeprefix("### ") for part in PARTS if part.startswith("### ")]


def merged(base: Any, more: Any) -> Any:
    """Mappings are merged, anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(more, Mapping)):
        return more
    return {**base, **{key: merged(base.get(key), value) for key, value in more.items()}}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.split("\n", 1)[0])
def test_fragments_run(section: str) -> None:
    document: Any = read_document(TEMPLATE.read_bytes(), TEMPLATE.name).content
    document["objectives"], document["platforms"] = {}, {"vmware": document["platforms"]["vmware"]}
    fragments = re.findall(r"```yaml\n(.*?)```", section, flags=re.DOTALL)
    assert fragments
    for fragment in fragments:
        found = read_document(fragment.encode(), section[:30]).content
        recovery = found.pop("recovery", {})
        document = merged(document, {**found, "platforms": {"vmware": {"recovery": recovery}}})
    if "kind" in document["failure"]:
        del document["failure"]["detect"]  # a corruption is found, not detected
    jsonschema.Draft202012Validator(scenario_json_schema()).validate(document)
    plan = compile_plan(load_scenario_text(json.dumps(document)).scenario, "vmware")
    recovery_ = replay(plan, 1, 0)
    assert min(recovery_.recovered_at) < float("inf")
    assert "RTA" in render_trace(plan, recovery_, 0)
