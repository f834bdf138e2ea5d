"""The levels that scenarios/README.md shows load, and can be simulated."""

import json
import re
from pathlib import Path
from typing import Any

from rpo_sim.model.compile import compile_plan
from rpo_sim.model.experiment import simulate
from rpo_sim.scenario import shipped
from rpo_sim.scenario.failure import Scope
from rpo_sim.scenario.lint import lint
from rpo_sim.scenario.load import load_scenario_text
from rpo_sim.scenario.nodes import read_document

README = (Path(__file__).parents[2] / "scenarios" / "README.md").read_text(encoding="utf-8")
TEMPLATE = Path(shipped.__file__).with_name("template.yaml")


def test_the_levels_shown_are_a_scenario() -> None:
    section = README.split("\n## Levels of copies\n")[1].split("\n## ")[0]
    (shown,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    levels: dict[str, Any] = read_document(shown.encode(), "README.md").content
    content: dict[str, Any] = read_document(TEMPLATE.read_bytes(), "s.yaml").content
    content["locations"]["secondary"] = {"site": "c", "cluster": "c", "backend": "c"}
    content["copies"] = levels["copies"]
    content["shared"]["links"] |= levels["shared"]["links"]
    del content["platforms"]["openshift-virtualization"]
    content["platforms"]["vmware"]["recovery"]["path"] = [
        {"copy": "replica", "method": "promote"},
        {"copy": "backup", "method": "full"},
    ]
    loaded = load_scenario_text(json.dumps(content), "README.md")
    assert [found.rule for found in lint(loaded) if found.severity == "error"] == []
    plan = compile_plan(loaded.scenario, "vmware")
    assert [copy.source for copy in plan.copies] == [None, 0, None]
    result = simulate(plan, runs=25)
    assert (result.vm_rpa < 3600).mean() > 0.9


def test_every_scope_is_explained() -> None:
    table = README[README.index("| scope |") :]
    assert {
        word for line in table.splitlines() for word in re.findall(r"[a-z-]+", line.split("|")[1])
    } >= set(Scope)
