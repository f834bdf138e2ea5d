"""The predictions of the shipped scenarios do not move by themselves."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from rpo_sim.scenario.shipped import shipped_names
from tests.golden.regenerate import COMMAND, document, expected_path

RELATIVE = 1e-9
MOST_LINES = 12
REMEDY = (
    f"If they are meant to move: `.venv/bin/{COMMAND}` rewrites expected.json; say in CHANGELOG.md, under "
    "*Numbers*, what moved and why."
)


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value, with its keys joined by dots; how a file came about but for what went in."""
    if not isinstance(value, dict):
        yield at, value
        return
    for key, child in value.items():
        if (at, key) not in (("made", "rpo_sim"), ("made", "by")):
            yield from leaves(child, f"{at}.{key}" if at else key)


def differences(expected: dict[str, Any], actual: dict[str, Any]) -> list[str]:
    """In words, which values differ by more than rounding."""
    old, new = dict(leaves(expected)), dict(leaves(actual))
    found = [f"{key}: no longer there" for key in old.keys() - new.keys()]
    found += [f"{key}: new" for key in new.keys() - old.keys()]
    for key in old.keys() & new.keys():
        was, now = old[key], new[key]
        if was != now and not (_numbers(was, now) and now == pytest.approx(was, rel=RELATIVE, abs=0)):
            by = f" ({now / was - 1:+.2g} relative)" if _numbers(was, now) and was else ""
            found.append(f"{key}: {was} became {now}{by}")
    return sorted(found, key=lambda line: ("critical_path" in line, line))  # what is judged goes first


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


def told(scenario: str, found: list[str]) -> str:
    """What the test says of the differences."""
    more = [f"… and {len(found) - MOST_LINES} more"] if len(found) > MOST_LINES else []
    return "\n".join([f"{scenario}: {len(found)} values moved", *found[:MOST_LINES], *more, REMEDY])


@pytest.fixture(scope="module")
def single_vm() -> dict[str, Any]:
    """Golden results as they stand in the file."""
    return read("single-vm-restore")


def read(scenario: str) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads(expected_path(scenario).read_text(encoding="utf-8"))
    return expected


@pytest.mark.parametrize("scenario", shipped_names())
def test_the_predictions_are_those_of_expected_json(scenario: str) -> None:
    found = differences(read(scenario), document(scenario))
    if found:
        pytest.fail(told(scenario, found), pytrace=False)


@pytest.mark.parametrize(("factor", "moved"), [(1 + 1e-10, 0), (1 + 3e-9, 1), (2.0, 1)])
def test_a_figure_that_moved_is_named(single_vm: dict[str, Any], factor: float, moved: int) -> None:
    other = copy.deepcopy(single_vm)
    other["platforms"]["vmware"]["silver"]["figures"]["rta"]["p95_seconds"] *= factor
    found = differences(single_vm, other)
    assert [line.split(":")[0] for line in found] == [
        "platforms.vmware.silver.figures.rta.p95_seconds"
    ] * moved


def test_a_figure_that_became_infinite_or_went_missing_is_named(single_vm: dict[str, Any]) -> None:
    other = copy.deepcopy(single_vm)
    figures = other["platforms"]["vmware"]["silver"]["figures"]
    figures["rta"]["p95_seconds"] = "inf"
    del figures["rpa_best"]["p50_seconds"]
    found = differences(single_vm, other)
    assert len(found) == 2
    assert found[0] == "platforms.vmware.silver.figures.rpa_best.p50_seconds: no longer there"
    assert found[1].endswith("became inf")
    assert "CHANGELOG" in told("single-vm-restore", found)
