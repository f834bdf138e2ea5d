"""The JSON Schema for editors: it takes what loads, and marks the usual mistakes while one writes."""

import copy
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from rpo_sim.scenario import shipped
from rpo_sim.scenario.json_schema import scenario_json_schema
from rpo_sim.scenario.nodes import read_document
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.shipped import shipped_names, shipped_path

TEMPLATE = Path(shipped.__file__).with_name("template.yaml")
VALIDATOR = jsonschema.Draft202012Validator(scenario_json_schema())


def content(path: Path) -> dict[str, Any]:
    return read_document(path.read_bytes(), str(path)).content


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The template with another value at a path; None takes the key away."""
    whole = copy.deepcopy(content(TEMPLATE))
    node: Any = whole
    for part in path[:-1]:
        node = node[part]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return whole


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(scenario_json_schema())
    assert scenario_json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", [TEMPLATE, *map(shipped_path, shipped_names())], ids=lambda p: p.parent.name)
def test_what_ships_is_valid(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(content(path))] == []


BACKUP = ("copies", 0)
DATA = ("platforms", "vmware", "recovery", "stages", 1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*BACKUP, "duration"), {"assumed": "2m"}),
        ((*BACKUP, "duration"), {"measured": "backup.data", "else": {"assumed": "2m"}}),
        ((*BACKUP, "duration"), {"assumed": {"fixed": "2m"}}),
        ((*BACKUP, "lag"), "15m"),
        ((*BACKUP, "lag"), {"assumed": {"lognormal": {"p50": "5m", "p95": "10m"}}}),
        ((*BACKUP, "every"), "back-to-back"),
        ((*BACKUP, "slots"), {"movers": 2}),
        ((*BACKUP, "slots"), {"movers": {"nodes": 6}}),
        ((*BACKUP, "bytes"), "20GB"),
        ((*DATA, "when"), "full"),
        ((*DATA, "when"), ["full", "backup"]),
        ((*DATA, "times"), 2),
        ((*DATA, "times"), {"assumed": {"p50": 2, "p95": 6}}),
        (("failure", "kind"), "loss"),
        (("failure", "scope"), ["site", "admin"]),
        ((*BACKUP, "hold"), "1h"),
        ((*BACKUP, "every"), "synchronous"),
        ((*BACKUP, "cycle"), {"full": "7d", "bytes": "capacity"}),
        ((*BACKUP, "from"), "snapshot"),
        (("shared", "links", "restore", "efficiency"), "74%"),
        (
            ("shared", "links", "restore", "outages"),
            {"every": "30d", "duration": {"assumed": {"exponential": {"mean": "1h"}}}},
        ),
        (("platforms", "vmware", "copies"), {"backup": {"omit": True}}),
        (("bind",), {"restore.data": {"operation": "restore", "stage": "data", "labels": {"cache": "cold"}}}),
    ],
)
def test_short_and_long_forms_are_valid_for_both(path: tuple[str | int, ...], value: object) -> None:
    whole = changed(path, value)
    Scenario.model_validate(whole)
    VALIDATOR.validate(whole)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*BACKUP, "evry"), "24h"),
        ((*BACKUP, "every"), 24),
        ((*BACKUP, "kind"), "backups"),
        ((*BACKUP, "retention"), "14d"),
        ((*BACKUP, "success"), "98%"),
        ((*BACKUP, "duration"), "10m"),
        ((*BACKUP, "duration"), {"assumed": {"lognorm": {"p50": "5m", "p95": "10m"}}}),
        ((*BACKUP, "duration"), {"assumed": {"lognormal": {"p50": "5m"}}}),
        ((*BACKUP, "duration"), {"assumed": 2}),
        ((*DATA, "stage"), "reboot"),
        ((*DATA, "retries"), "1"),
        ((*DATA, "retries"), -1),
        ((*DATA, "slots"), {"proxies": 0}),
        ((*DATA, "slots"), ["proxies"]),
        ((*DATA, "when"), 7),
        (("failure", "scope"), "array"),
        (("failure", "scope"), []),
        (("failure", "scope"), ["site", "array"]),
        ((*BACKUP, "from_"), "snapshot"),
        ((*BACKUP, "cycle"), "7d"),
        ((*BACKUP, "cut_together"), "yes"),
        (("shared", "links", "restore", "outages"), {"every": "30d"}),
        (("failure", "kind"), "corruption"),
        (("objectives", "gold", "share_of_incidents"), 95),
        (("objectives", "gold", "rto"), None),
        (("estate", "groups", 0, "name"), "Data base"),
        (("estate", "groups", 0, "count"), "4"),
        (("estate", "groups", 0, "disks"), []),
        (("estate", "groups", 1, "needs"), "database"),
        (("platforms", "vmware", "recovery", "waves", "order"), [["database"], "web"]),
        (("platforms", "vmware", "recovery"), None),
        (("platforms",), {}),
        (("version",), 2),
        (("version",), None),
        (("bind",), {"restore.data": {"operation": "", "stage": "data"}}),
    ],
)
def test_usual_mistakes_are_marked_by_both(path: tuple[str | int, ...], value: object) -> None:
    whole = changed(path, value)
    with pytest.raises(ValueError, match="validation error"):
        Scenario.model_validate(whole)
    assert list(VALIDATOR.iter_errors(whole)) != []


def test_quantities_come_with_examples() -> None:
    field = scenario_json_schema()["$defs"]["Objective"]["properties"]["rpo"]
    assert field["examples"] == ["90s", "15m", "1h30m"]
    assert "number and unit" in field["description"]
