"""The rules about levels, links and replication: where each speaks, and where it is silent."""

import json
from pathlib import Path
from typing import Any

import pytest

from rpo_sim.errors import ModelError
from rpo_sim.model.compile import compile_plan
from rpo_sim.scenario import shipped
from rpo_sim.scenario.lint import RULES, lint
from rpo_sim.scenario.load import LoadedScenario, load_scenario_text
from rpo_sim.scenario.nodes import read_document

TEMPLATE = Path(shipped.__file__).with_name("template.yaml")
SNAPSHOT = {
    "name": "snapshot",
    "kind": "snapshot",
    "every": "1h",
    "duration": {"assumed": "5m"},
    "retention": {"count": 4},
}
VAULT = {
    "name": "vault",
    "kind": "vault",
    "from": "snapshot",
    "every": "4h",
    "location": "vault",
    "duration": {"assumed": "30m"},
    "retention": {"count": 9},
    "restore_test": {"every": "90d"},
}
BY_LINK = {"duration": None, "over": "restore", "bytes": "1Gi"}
FOUND = {"corruption": {"age": {"assumed": "6h"}}}
FENCE = {"stage": "fence", "once_per": "incident", "duration": {"assumed": "1m"}}
PROMOTE = {"stage": "promote", "once_per": "incident", "duration": {"assumed": "1m"}}
SYNC = {"name": "vault", "kind": "replica", "every": "synchronous", "location": "vault"}


def loaded(
    *copies: dict[str, Any],
    failure: dict[str, Any] | None = None,
    stages: list[dict[str, Any]] | None = None,
    link: dict[str, Any] | None = None,
    only: str | None = None,
) -> LoadedScenario:
    """The template on one platform with more copies and stages, another failure, or more on its link."""
    content = read_document(TEMPLATE.read_bytes(), "s.yaml").content
    del content["platforms"]["openshift-virtualization"]
    content["copies"] += [{k: v for k, v in copy.items() if v is not None} for copy in copies]
    content["failure"] |= failure or {}
    if "kind" in content["failure"]:
        del content["failure"]["detect"]
    content["shared"]["links"]["restore"] |= link or {}
    recovery = content["platforms"]["vmware"]["recovery"]
    if stages is not None:
        recovery["stages"] = [*stages, *recovery["stages"][1:]]
    if only is not None:
        recovery["path"] = [{"copy": only, "method": "promote"}]
    return load_scenario_text(json.dumps(content), "s.yaml")


SPEAKS: list[tuple[str, LoadedScenario, str]] = [
    (
        "propagation-longer-than-accumulation",
        loaded(SNAPSHOT, VAULT | {"duration": {"assumed": "5h"}}),
        "`vault` takes 5h",
    ),
    (
        "propagation-longer-than-accumulation",
        loaded(SNAPSHOT, VAULT | {"cycle": {"full": "1d", "duration": {"assumed": "6h"}}}),
        "takes 6h",
    ),
    (
        "propagation-longer-than-accumulation",
        loaded(SNAPSHOT, VAULT | BY_LINK, link={"per_stream": "64KiB/s"}),
        "takes 4h",
    ),
    (
        "level-more-often-than-its-source",
        loaded(SNAPSHOT, VAULT | {"every": "30m"}),
        "each 30m from `snapshot`",
    ),
    ("level-keeps-less-than-its-source", loaded(SNAPSHOT, VAULT | {"retention": {"count": 3}}), "keeps less"),
    (
        "level-keeps-less-than-its-source",
        loaded(SNAPSHOT, VAULT | {"retention": {"keep": "2h"}}),
        "keeps less",
    ),
    ("source-expires-while-copied", loaded(SNAPSHOT | {"retention": {"keep": "20m"}}, VAULT), "for 20m only"),
    (
        "source-expires-while-copied",
        loaded(SNAPSHOT | {"retention": {"count": 1}}, VAULT | {"hold": "45m"}),
        "for 1h15m",
    ),
    (
        "immutable-shorter-than-cycle",
        loaded(SNAPSHOT, VAULT | {"cycle": {"full": "7d"}, "immutable": "2d"}),
        "fulls are 7d apart",
    ),
    (
        "replication-copies-corruption",
        loaded(SYNC, failure={"kind": FOUND}, only="vault"),
        "synchronous: vault",
    ),
    (
        "application-cut-apart",
        loaded(VAULT | {"from": None, "stagger": "uniform"}, only="vault"),
        "VMs of shop",
    ),
    (
        "outages-without-effect",
        loaded(link={"outages": {"every": "30d", "duration": {"assumed": "2h"}}}),
        "link `restore`",
    ),
    ("partition-without-fence", loaded(failure={"scope": "partition"}, stages=[PROMOTE]), "may still write"),
    (
        "partition-without-fence",
        loaded(failure={"scope": ["site", "partition"]}, stages=[PROMOTE, FENCE]),
        "may still",
    ),
    (
        "control-plane-not-restored",
        loaded(failure={"scope": "control-plane"}, stages=[FENCE]),
        "brings it back",
    ),
]

SILENT: list[tuple[str, LoadedScenario]] = [
    ("propagation-longer-than-accumulation", loaded(SNAPSHOT, VAULT)),
    ("propagation-longer-than-accumulation", loaded(SNAPSHOT, VAULT | BY_LINK)),
    ("level-more-often-than-its-source", loaded(SNAPSHOT, VAULT)),
    ("level-keeps-less-than-its-source", loaded(SNAPSHOT, VAULT)),
    ("source-expires-while-copied", loaded(SNAPSHOT | {"retention": {"count": 1}}, VAULT)),
    ("immutable-shorter-than-cycle", loaded(SNAPSHOT, VAULT | {"cycle": {"full": "1d"}, "immutable": "2d"})),
    ("replication-copies-corruption", loaded(SYNC, only="vault")),
    ("application-cut-apart", loaded(VAULT | {"from": None, "cut_together": True}, only="vault")),
    (
        "outages-without-effect",
        loaded(
            VAULT | BY_LINK | {"from": None},
            link={"outages": {"every": "30d", "duration": {"assumed": "2h"}}},
        ),
    ),
    ("partition-without-fence", loaded(failure={"scope": "partition"}, stages=[FENCE, PROMOTE])),
    ("partition-without-fence", loaded(stages=[PROMOTE])),
    ("control-plane-not-restored", loaded(failure={"scope": "control-plane"})),
]


@pytest.mark.parametrize(("rule", "scenario", "message"), SPEAKS)
def test_a_rule_speaks_where_it_applies(rule: str, scenario: LoadedScenario, message: str) -> None:
    found = [finding.message for finding in lint(scenario) if finding.rule == rule]
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(("rule", "scenario"), SILENT)
def test_a_rule_is_silent_where_it_does_not_apply(rule: str, scenario: LoadedScenario) -> None:
    assert [finding.message for finding in lint(scenario) if finding.rule == rule] == []


def test_every_rule_is_shown_to_speak_and_to_be_silent() -> None:
    here = {name for name, rule in RULES.items() if rule.check.__module__.endswith("rules_levels")}
    assert {rule for rule, *_ in SPEAKS} == {rule for rule, _ in SILENT} == here


def test_the_model_refuses_two_writers() -> None:
    with pytest.raises(ModelError, match="add a stage `fence`"):
        compile_plan(loaded(failure={"scope": "partition"}, stages=[PROMOTE]).scenario, "vmware")
    compile_plan(loaded(failure={"scope": "partition"}, stages=[FENCE, PROMOTE]).scenario, "vmware")
