"""Levels that do not fit together are refused with what is wrong and what to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario import shipped
from rpo_sim.scenario.load import load_scenario_text
from rpo_sim.scenario.nodes import read_document

TEMPLATE = Path(shipped.__file__).with_name("template.yaml")
LINK = {"over": "restore", "bytes": "change", "duration": None}


def load(**fields: Any) -> str:
    """What loading the template with another backup says; empty if nothing."""
    content = read_document(TEMPLATE.read_bytes(), "s.yaml").content
    backup = content["copies"][0] | fields
    content["copies"][0] = {key: value for key, value in backup.items() if value is not None}
    try:
        load_scenario_text(json.dumps(content), "s.yaml")
    except ScenarioError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"from": "snapshot"}, "copies[0].from: no copy of this platform is called `snapshot`"),
        ({"from": "backup"}, "copies[0].from: a circle: backup from backup"),
        ({"hold": "1h", "cut": "after_slot"}, "copies[0].cut: what is held was cut when the run was due"),
        ({"hold": "1h", "every": "back-to-back"}, "copies[0].hold: back to back"),
        (
            {"every": "synchronous"},
            "a synchronous copy has every write at once; remove overlap, duration, re",
        ),
        ({"cycle": {"full": "36h"}}, "copies[0].cycle: `full` must be a multiple of `every` (1d)"),
        ({"cycle": {"full": "24h"}}, "at least twice that"),
        (
            {"cycle": {"full": "7d"}, "every": "back-to-back"},
            "copies[0].cycle: fulls and incrementals need an",
        ),
        (
            LINK | {"cycle": {"full": "7d", "duration": {"assumed": "1h"}}},
            "the link says how long a full takes",
        ),
        (LINK | {"overlap": "replace"}, "copies[0].overlap: `replace`: what is sent over a link depends on"),
        (LINK | {"retries": 2}, "copies[0].retries: the next run sends what a failed one did not"),
        ({"cut_together": True, "every": "back-to-back"}, "a common cut needs a common clock"),
        ({"cut_together": True, "stagger": "uniform"}, "cannot be staggered"),
        ({"cut_together": True, "slots": {"movers": 4}}, "cut them first: `cut: before_slot`"),
        ({"duration": None}, "copy `backup` of vmware has no duration"),
        (
            {"cycle": {"full": "7d", "duration": {"assumed": {"rate": {"p50": "9MB/s", "p5": "1MB/s"}}}}},
            "`bytes`",
        ),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], message: str) -> None:
    assert message in load(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        LINK,
        LINK | {"cycle": {"full": "7d"}, "overlap": "skip"},
        {"cycle": {"full": "7d", "bytes": "capacity"}, "bytes": "change"},
        {"hold": "1h"},
        {"cut_together": True, "slots": {"movers": 4}, "cut": "before_slot"},
        {"every": "synchronous", "overlap": None, "duration": None, "retention": None, "success": None},
        {"inside": "control-plane", "location": None},
    ],
)
def test_what_fits_loads(fields: dict[str, Any]) -> None:
    assert load(**fields) == ""
