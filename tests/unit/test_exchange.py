"""Files of observations: what they hold, and how bad ones are refused."""

import builtins
import csv
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rpo_sim.errors import StoreError
from rpo_sim.records import Observation
from rpo_sim.store import Format, Store, export_observations, format_of, open_store, read_observations

RECORD = Observation(
    operation="restore",
    stage="data",
    lower_seconds=-0.25,
    upper_seconds=math.inf,
    bytes_moved=5 * 2**40,
    observed_at=datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    clock="wall, 1s",
    source="velero",
    event_id="uid,restore",
    labels={"cache": "cold", "driver": ""},
    verified=False,
)
MINIMAL: dict[str, Any] = {
    "operation": "restore",
    "stage": "data",
    "lower_seconds": 1,
    "upper_seconds": 2.5,
    "observed_at": "2025-01-02T05:04:05+02:00",
    "clock": "wall, 1s",
    "source": "byhand",
    "event_id": "1",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as opened:
        yield opened


def test_a_json_lines_file_describes_itself(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    export_observations([RECORD], path, Format.JSONL)
    header, row = (json.loads(line) for line in path.read_text().splitlines())
    assert header == {"content": "rpo-sim observations", "schema_version": 1, "version": header["version"]}
    assert (row["upper_seconds"], row["observed_at"]) == ("inf", "2025-01-02T03:04:05.000006+00:00")
    assert (row["bytes_capacity"], row["platform"], row["labels"]) == (None, "", dict(RECORD.labels))


def test_a_csv_file_describes_itself(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    export_observations([RECORD], path, Format.CSV)
    with path.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["schema_version"], row["lower_seconds"], row["upper_seconds"]) == ("1", "-0.25", "inf")
    assert (row["bytes_capacity"], row["verified"]) == ("", "false")


def test_a_parquet_file_has_types_that_other_programs_know(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "o.parquet"
    export_observations([RECORD], path, Format.PARQUET)
    schema = parquet.read_schema(path)
    assert schema.metadata[b"schema_version"] == b"1"
    kinds = {name: str(schema.field(name).type) for name in ("upper_seconds", "observed_at", "labels")}
    assert kinds == {
        "upper_seconds": "double",
        "observed_at": "timestamp[us, tz=UTC]",
        "labels": "map<string, string ('labels')>",
    }


def test_a_hand_written_file_needs_only_the_required_fields(tmp_path: Path) -> None:
    expected = Observation(
        **{**MINIMAL, "observed_at": datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), "lower_seconds": 1.0}
    )
    lines = tmp_path / "o.jsonl"
    lines.write_text("\n" + json.dumps(MINIMAL) + "\n\n")
    assert list(read_observations(lines, Format.JSONL)) == [expected]
    table = tmp_path / "o.csv"
    table.write_text(
        "\ufeff" + ",".join(MINIMAL) + "\r\n" + ",".join(f'"{value}"' for value in MINIMAL.values()) + "\r\n"
    )
    assert list(read_observations(table, Format.CSV)) == [expected]


def _lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


BAD_LINES = [
    (b'{"operation": \n', ":2: not a line of JSON"),
    (b"\xff\xfe\n", ":2: not a line of JSON in UTF-8"),
    (b"[" * 100_000 + b"\n", ":2: not a line of JSON"),
    (b"[1, 2]\n", ":2: a list, not an object"),
    (_lines({**MINIMAL, "duration": 3}), ":2: unknown field 'duration': the fields are operation, stage"),
    (_lines({"operation": "restore"}), ":2: field 'stage' is missing: every observation states"),
    (_lines({**MINIMAL, "lower_seconds": "1"}), ":2: lower_seconds is '1': it must be a number of seconds"),
    (_lines({**MINIMAL, "lower_seconds": True}), ":2: lower_seconds is True: it must be a number"),
    (_lines({**MINIMAL, "lower_seconds": 10**400}), ":2: lower_seconds is 1000"),
    (_lines({**MINIMAL, "upper_seconds": math.nan}), 'NaN is not JSON: write "inf"'),
    (_lines({**MINIMAL, "upper_seconds": 0.5}), ":2: observation '1': upper 0.5 lies below lower 1.0"),
    (_lines({**MINIMAL, "count": 1.5}), ":2: count is 1.5: it must be a whole number"),
    (
        _lines({**MINIMAL, "disks": 2**63}),
        ":2: disks is 9223372036854775808: it must be a whole number below 2^63",
    ),
    (_lines({**MINIMAL, "outcome": "ok"}), ":2: outcome is 'ok': it must be one of succeeded, "),
    (_lines({**MINIMAL, "observed_at": "2025-01-02T05:04:05"}), "must be an ISO 8601 time with its offset"),
    (_lines({**MINIMAL, "observed_at": "yesterday"}), ":2: observed_at is 'yesterday'"),
    (_lines({**MINIMAL, "observed_at": "0001-01-01T00:00:00+14:00"}), ":2: observed_at is"),
    (_lines({**MINIMAL, "platform": None}), ":2: platform is None: it must be text"),
    (_lines({**MINIMAL, "verified": 1}), ":2: verified is 1: it must be true or false"),
    (_lines({**MINIMAL, "labels": {"a": 1}}), ":2: labels is {'a': 1}: it must be a mapping of text to text"),
    (_lines({**MINIMAL, "subject": "a\ud800"}), ":2: subject is"),
    (_lines({**MINIMAL, "subject": "a\x00"}), ":2: subject is"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES, ids=[message[:40] for _, message in BAD_LINES])
def test_a_bad_line_is_named_and_nothing_is_imported(
    store: Store, tmp_path: Path, line: bytes, message: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(_lines({**MINIMAL, "event_id": "0"}) + line)
    with pytest.raises(StoreError) as refused:
        store.add_all(read_observations(path, Format.JSONL))
    assert message in str(refused.value)
    assert str(refused.value).startswith(f"{path}:2: ")
    assert "nothing was imported" in str(refused.value)
    assert store.count() == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("operation,stage\nrestore\n", ":2: 1 cells under 2 columns"),
        ("operation,operation\n", ":1: a column appears twice"),
        ("operation,what\nrestore,x\n", ":2: unknown field 'what'"),
        ("schema_version,operation\n2,restore\n", "schema_version is '2', this rpo-sim reads 1: upgrade"),
        (",".join(MINIMAL) + '\nrestore,data,"a\nb",1,2,c,d,e\n', ":3: lower_seconds is 'a\\nb'"),
        (",".join(MINIMAL) + "\nrestore,data,,2,2025-01-01T00:00Z,c,d,e\n", ":2: lower_seconds is ''"),
        ('operation\n"restore\n', "not CSV in UTF-8"),
        ("operation\n" + "x" * 200_000 + "\n", "not CSV in UTF-8"),
    ],
)
def test_a_bad_csv_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(StoreError) as refused:
        list(read_observations(path, Format.CSV))
    assert message in str(refused.value)


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text('{"schema_version": 2}\n')
    with pytest.raises(StoreError, match=r"o\.jsonl:1: schema_version is 2, .* upgrade rpo-sim"):
        list(read_observations(path, Format.JSONL))


@pytest.mark.parametrize("format", [Format.PARQUET, Format.CSV])
def test_a_file_of_random_bytes_is_refused(tmp_path: Path, format: Format) -> None:
    path = tmp_path / "o.bin"
    path.write_bytes(os.urandom(5000))
    with pytest.raises(StoreError, match=r"o\.bin"):
        list(read_observations(path, format))


def test_a_parquet_file_of_something_else_is_refused(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "o.parquet"
    parquet.write_table(arrow.table({"operation": ["restore"], "x": [1]}), path)
    with pytest.raises(StoreError, match=r"o\.parquet:1: unknown field 'x'"):
        list(read_observations(path, Format.PARQUET))


def test_without_pyarrow_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_pyarrow(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(StoreError, match=r"pip install 'rpo-sim\[parquet\]'"):
        export_observations([RECORD], tmp_path / "o.parquet", Format.PARQUET)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match=r"pip install 'rpo-sim\[parquet\]'"):
        list(read_observations(tmp_path / "o.parquet", Format.PARQUET))


def test_an_interrupted_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text("old")

    def broken() -> Iterator[Observation]:
        yield RECORD
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_observations(broken(), path, Format.JSONL)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["o.jsonl"]


def test_an_exported_file_has_the_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    export_observations([RECORD], tmp_path / "o.jsonl", Format.JSONL)
    assert (tmp_path / "o.jsonl").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_pipe_can_be_exported_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    export_observations([RECORD], path, Format.JSONL)
    reader.join()
    assert len(read[0].splitlines()) == 2


@pytest.mark.parametrize("format", Format)
def test_a_full_disk_is_explained(tmp_path: Path, format: Format) -> None:
    code = """
import resource, runpy, sys
from pathlib import Path
from rpo_sim.errors import StoreError
from rpo_sim.store import Format, export_observations
record = runpy.run_path(sys.argv[2])["RECORD"]
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    export_observations([record] * 1000, Path(sys.argv[1]), Format(sys.argv[3]))
except StoreError as error:
    print(error)
"""
    path = tmp_path / "o.out"
    command = [sys.executable, "-c", code, str(path), __file__, format.value]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{path} cannot be written" in done.stdout
    assert "free some space" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_paths_that_do_not_work_are_explained(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be read .*No such file.*check the path"):
        list(read_observations(tmp_path / "none.csv", Format.CSV))
    with pytest.raises(StoreError, match=r"cannot be written .*No such file.*another path"):
        export_observations([RECORD], tmp_path / "none" / "o.csv", Format.CSV)


def test_the_format_is_stated_or_told_by_the_suffix() -> None:
    assert [format_of(f"x.{end}") for end in ("JSONL", "ndjson", "csv", "parquet", "pq")] == [
        Format.JSONL,
        Format.JSONL,
        Format.CSV,
        Format.PARQUET,
        Format.PARQUET,
    ]
    assert format_of("x.db", "csv") is Format.CSV
    with pytest.raises(StoreError, match=r"the suffix '\.txt' names no format: give --format jsonl"):
        format_of("x.txt")
