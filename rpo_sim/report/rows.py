"""Rows to text: one renderer for every command that prints a list (`-o table|json|csv|md`).

JSON and CSV carry values exactly; tables and Markdown are for people and round them.
"""

import csv
import io
import json
import math
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from rpo_sim import __version__

Output = Literal["table", "json", "csv", "md"]
Row = Mapping[str, object]

SCHEMA_VERSION = 1  # of the JSON envelope
_UNLIMITED = 100_000  # columns: a table that is piped or filed is never folded
_QUANTITY = re.compile(r"[<>~]?[-+]?(?:\d[\w.,]*|inf)(?:\s?%|/s)?", re.ASCII)


def render_rows(
    rows: Sequence[Row],
    output: Output,
    *,
    title: str | None = None,
    meta: Row | None = None,
    width: int | None = None,
) -> str:
    """Text of the rows, ending in a newline.

    Parameters
    ----------
    rows : sequence of mappings
        Columns are the keys of all rows, in the order in which they first appear; a missing key is empty.
    output : {"table", "json", "csv", "md"}
    title : str, optional
        Heading of a table or Markdown.
    meta : mapping, optional
        More keys for the JSON envelope, beside ``schema_version``, ``version`` and ``rows``.
    width : int, optional, characters
        Width of a table; by default that of the terminal, or unlimited where there is none.

    >>> print(render_rows([{"stage": "data", "n": 12}, {"stage": "boot", "n": 3}], "md"), end="")
    | stage |  n |
    |:------|---:|
    | data  | 12 |
    | boot  |  3 |
    """
    if output == "json":
        return render_json({**(meta or {}), "rows": rows})
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if output == "csv":
        return _csv(rows, columns)
    if not rows:
        return (f"{title}: " if title else "") + "none\n"
    return _for_people(rows, columns, output, title, width)


def _for_people(
    rows: Sequence[Row], columns: Sequence[str], output: Output, title: str | None, width: int | None
) -> str:
    cells = [[display(row.get(column)) for column in columns] for row in rows]
    numeric = [_is_numeric([line[i] for line in cells]) for i in range(len(columns))]
    if output == "md":
        return _markdown(cells, columns, numeric, title)
    return _table(cells, columns, numeric, title, width)


def render_json(body: Row) -> str:
    """`body` as JSON behind ``schema_version`` and ``version``; infinity is the string "inf".

    Raises
    ------
    ValueError
        On NaN, which has no place in a result.
    """
    envelope = {"schema_version": SCHEMA_VERSION, "version": __version__, **body}
    return json.dumps(jsonable(envelope), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def jsonable(value: object) -> object:
    """`value` in terms of JSON: infinity as a string, times in ISO 8601, mappings and sequences plain.

    >>> jsonable({"upper_seconds": float("inf"), "errors": ("late",)})
    {'upper_seconds': 'inf', 'errors': ['late']}
    """
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [jsonable(item) for item in value]
    return value


def display(value: object) -> str:
    """`value` for people: floats to about four digits, nothing that could drive a terminal.

    >>> [display(x) for x in (None, 12.34567, 1234567.8, True, {"cache": "cold"})]
    ['', '12.35', '1234568', 'yes', 'cache=cold']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, Mapping):
        return " ".join(f"{display(key)}={display(item)}" for key, item in value.items())
    text = str(value)
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _is_numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_QUANTITY.fullmatch(cell) for cell in filled)


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    if not columns:
        return ""
    lines = [_csv_line(columns), *(_csv_line([_csv_cell(row.get(key)) for key in columns]) for row in rows)]
    return "".join(lines)


def _csv_line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # quotes what holds "\r" or "\n"
    return text.getvalue().removesuffix("\r\n") + "\n"


def _csv_cell(value: object) -> object:
    plain = jsonable(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, dict | list | bool) else plain


def _markdown(
    cells: Sequence[Sequence[str]], columns: Sequence[str], numeric: Sequence[bool], title: str | None
) -> str:
    def safe(text: str) -> str:
        return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>")

    grid = [[safe(text) for text in line] for line in [columns, *cells]]
    widths = [max(len(line[i]) for line in grid) for i in range(len(columns))]
    lines = [f"| {' | '.join(_justify(line, widths, numeric))} |" for line in grid]
    rule = [
        "-" * size + "-:" if right else ":-" + "-" * size for size, right in zip(widths, numeric, strict=True)
    ]
    lines.insert(1, f"|{'|'.join(rule)}|")
    return (f"## {title}\n\n" if title else "") + "\n".join(lines) + "\n"


def _justify(line: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    columns = zip(line, widths, numeric, strict=True)
    return [text.rjust(size) if right else text.ljust(size) for text, size, right in columns]


def _table(
    cells: Sequence[Sequence[str]],
    columns: Sequence[str],
    numeric: Sequence[bool],
    title: str | None,
    width: int | None,
) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if width is None:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNLIMITED
    table = Table(box=box.SIMPLE_HEAD, title=title and Text(title), title_justify="left", pad_edge=False)
    for column, right in zip(columns, numeric, strict=True):
        table.add_column(Text(column), justify="right" if right else "left", overflow="fold")
    for line in cells:
        table.add_row(*(Text(text) for text in line))
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, force_jupyter=False).print(table)
    lines = [line.rstrip() for line in text.getvalue().split("\n")]
    return "\n".join(lines).strip("\n") + "\n"
