"""The row renderer: exact for machines, readable for people."""

import csv
import io
import json
import math
from datetime import UTC, datetime
from typing import get_args

import pytest

from rpo_sim import __version__
from rpo_sim.report.rows import Output, display, render_json, render_rows

ROWS: list[dict[str, object]] = [
    {"stage": "data", "seconds": 12.3456789, "n": 40, "verified": True},
    {"stage": "boot", "seconds": math.inf, "n": 3, "labels": {"cache": "cold"}},
]


def test_json_carries_the_envelope_and_exact_values() -> None:
    body = json.loads(render_rows(ROWS, "json", meta={"seed": 7}))
    assert (body["schema_version"], body["version"], body["seed"]) == (1, __version__, 7)
    assert body["rows"][0]["seconds"] == 12.3456789
    assert body["rows"][1] == {"stage": "boot", "seconds": "inf", "n": 3, "labels": {"cache": "cold"}}


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        render_json({"x": math.nan})


def test_csv_has_every_column_and_exact_floats() -> None:
    lines = list(csv.DictReader(io.StringIO(render_rows(ROWS, "csv"))))
    assert list(lines[0]) == ["stage", "seconds", "n", "verified", "labels"]
    assert float(lines[0]["seconds"]) == 12.3456789
    assert (lines[1]["seconds"], lines[1]["verified"], lines[1]["labels"]) == ("inf", "", '{"cache": "cold"}')
    assert lines[0]["verified"] == "true"


def test_csv_keeps_line_breaks_inside_cells() -> None:
    rows = [{"a": "1\r2", "b": "3\n4"}, {"a": "5,6", "b": '"'}]
    assert list(csv.DictReader(io.StringIO(render_rows(rows, "csv"), newline=""))) == rows


@pytest.mark.parametrize("output", ["table", "md"])
def test_numbers_are_right_aligned_and_text_left(output: Output) -> None:
    rows = [{"name": "a", "took": "1h30m", "n": 5}, {"name": "long name", "took": "inf", "n": 12345}]
    lines = [line for line in render_rows(rows, output).splitlines() if "a" in line or "inf" in line]
    head, first, second = lines[0], lines[1], lines[-1]
    assert first.index("a") == second.index("long name") == head.index("name")
    assert first.index("1h30m") + 5 == second.index("inf") + 3 == head.index("took") + 4
    assert first.rindex("5") == second.index("12345") + 4


def test_markdown_marks_alignment_and_escapes_bars() -> None:
    text = render_rows([{"what": "a|b\nc", "n": 1.5}], "md", title="Rows")
    assert text.splitlines()[0] == "## Rows"
    assert "a\\|b<br>c" in text
    assert text.splitlines()[3].endswith("-:|")


def test_a_table_outside_a_terminal_is_never_folded() -> None:
    long = "x" * 500
    assert long in render_rows([{"a": long, "b": long}], "table")


def test_a_table_in_a_narrow_terminal_folds_and_loses_nothing() -> None:
    text = render_rows([{"a": "x" * 100}], "table", width=30)
    assert max(map(len, text.splitlines())) <= 30
    assert text.count("x") == 100


def test_a_cell_cannot_drive_the_terminal_or_the_markup() -> None:
    text = render_rows([{"a": "\x1b[31mred [bold]b[/bold]"}], "table")
    assert "\x1b" not in text
    assert "\\x1b[31mred [bold]b[/bold]" in text


@pytest.mark.parametrize("output", get_args(Output))
def test_no_rows_is_still_valid(output: Output) -> None:
    text = render_rows([], output, title="Observations")
    assert (
        text
        == {"json": text, "csv": "", "table": "Observations: none\n", "md": "Observations: none\n"}[output]
    )
    if output == "json":
        assert json.loads(text)["rows"] == []


def test_display_rounds_for_people() -> None:
    at = datetime(2025, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    assert display(at) == "2025-01-02 03:04:05+00:00"
    assert display(math.inf) == "inf"
    assert display(-0.000123456) == "-0.0001235"
