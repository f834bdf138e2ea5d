"""The figures that are kept are whole: each beside its baseline, and made by a command that exists."""

import importlib.util
import json
from pathlib import Path

import pytest

ROWS = json.loads((Path(__file__).parents[2] / "benchmarks" / "results.json").read_text(encoding="utf-8"))


def test_the_engine_was_measured_at_each_size() -> None:
    for vms in ("100", "1,000", "10,000"):
        assert any(f"engine at {vms} VMs" in row["name"] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_figure_is_whole(row: dict[str, object]) -> None:
    assert set(row) == {"name", "value", "unit", "baseline", "ratio", "command"}
    assert row["ratio"] == pytest.approx(float(str(row["value"])) / float(str(row["baseline"])), rel=3e-3)
    program, flag, module = str(row["command"]).split()
    assert (program, flag) == ("python", "-m")
    assert importlib.util.find_spec(module)
