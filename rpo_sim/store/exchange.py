"""Observations in files that other programs read: JSON lines, CSV and Parquet, each an exact round trip.

A file states its schema version: JSON lines in a first line of its own, CSV in a column, Parquet in its
metadata. A reader names the file and line of whatever it refuses.
"""

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, NoReturn

from rpo_sim import __version__
from rpo_sim.errors import RecordError, StoreError
from rpo_sim.records import Observation, Outcome, as_dict
from rpo_sim.store.codec import FIELD_TYPES, NULLABLE, dump_json, from_plain, to_plain

SCHEMA_VERSION = 1
_VERSION_FIELD = "schema_version"
_ROWS_PER_GROUP = 10_000


class Format(StrEnum):
    """How observations are written to a file."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


_SUFFIXES = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}


def format_of(path: str | Path, stated: str | None = None) -> Format:
    """The format that is stated, else that of the file's suffix.

    Raises
    ------
    StoreError
        If neither tells.

    >>> format_of("restores.csv")
    <Format.CSV: 'csv'>
    """
    if stated is not None:
        return Format(stated)
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise StoreError(
            f"{path}: the suffix {suffix!r} names no format: give --format jsonl, csv or parquet, "
            f"or one of the suffixes {' '.join(_SUFFIXES)}"
        )
    return _SUFFIXES[suffix]


def export_observations(records: Iterable[Observation], path: Path, format: Format) -> int:
    """Write observations to a file, whole or not at all; how many there were.

    Raises
    ------
    StoreError
        If the file cannot be written, or Parquet is not installed.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe or device: nothing to replace
            with path.open("wb") as stream:
                return write_observations(records, stream, format)
        return _replace(path.resolve(), lambda stream: write_observations(records, stream, format))
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror or error}): give another path, or free some space"
        ) from error


def _replace(path: Path, write: Callable[[IO[bytes]], int]) -> int:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            written = write(stream)
        os.chmod(name, 0o666 & ~_umask())  # noqa: PTH101
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        os.unlink(name)  # noqa: PTH108
        raise
    return written


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_observations(records: Iterable[Observation], stream: IO[bytes], format: Format) -> int:
    """Write observations to an open binary stream; how many there were."""
    return {Format.JSONL: _write_jsonl, Format.CSV: _write_csv, Format.PARQUET: _write_parquet}[format](
        records, stream
    )


def read_observations(path: Path, format: Format) -> Iterator[Observation]:
    """The observations of a file, one by one.

    Raises
    ------
    StoreError
        If the file cannot be read, or at the first line that is no observation.
    """
    reader = {Format.JSONL: _read_jsonl, Format.CSV: _read_csv, Format.PARQUET: _read_parquet}[format]
    try:
        yield from reader(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror or error}): check the path and its mode"
        ) from error


def _refuse(path: Path, line: int, what: object, cause: BaseException | None = None) -> NoReturn:
    raise StoreError(f"{path}:{line}: {what}; nothing was imported") from cause


def _check_version(path: Path, version: object) -> None:
    if str(version) != str(SCHEMA_VERSION):
        _refuse(
            path, 1, f"{_VERSION_FIELD} is {version!r}, this rpo-sim reads {SCHEMA_VERSION}: upgrade rpo-sim"
        )


def _observation(path: Path, line: int, row: Mapping[str, object]) -> Observation:
    try:
        return from_plain(row)
    except RecordError as error:
        _refuse(path, line, error, error)


def _write_jsonl(records: Iterable[Observation], stream: IO[bytes]) -> int:
    header = {"content": "rpo-sim observations", _VERSION_FIELD: SCHEMA_VERSION, "version": __version__}
    stream.write(dump_json(header).encode() + b"\n")
    written = 0
    for written, record in enumerate(records, 1):  # noqa: B007
        text = json.dumps(to_plain(record), ensure_ascii=False, allow_nan=False)
        stream.write(text.encode() + b"\n")
    return written


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f'{name} is not JSON: write "inf" for infinity')


def _read_jsonl(path: Path) -> Iterator[Observation]:
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            if not raw.strip():
                continue
            try:
                row = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant)
            except (ValueError, RecursionError) as error:
                _refuse(path, number, f"not a line of JSON in UTF-8 ({error}): one object per line", error)
            if not isinstance(row, dict):
                _refuse(path, number, f"a {type(row).__name__}, not an object of fields: one object per line")
            if number == 1 and _VERSION_FIELD in row:
                _check_version(path, row[_VERSION_FIELD])
            else:
                yield _observation(path, number, row)


def _write_csv(records: Iterable[Observation], stream: IO[bytes]) -> int:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180; with "\n" alone a "\r" stays unquoted
    writer.writerow([_VERSION_FIELD, *FIELD_TYPES])
    written = 0
    for written, record in enumerate(records, 1):  # noqa: B007
        writer.writerow([SCHEMA_VERSION, *(_to_cell(value) for value in to_plain(record).values())])
    text.detach()
    return written


def _to_cell(value: object) -> object:
    if isinstance(value, bool | dict):
        return dump_json(value)
    return value  # None becomes an empty cell: no field can be both None and ""


def _from_cell(name: str, cell: str) -> object:
    """The plain value of a cell; what does not parse is left for `from_plain` to refuse."""
    kind = FIELD_TYPES.get(name, str)
    if cell == "" and name in NULLABLE:
        return None
    try:
        if kind is int:
            return int(cell)
        if kind is float:
            return cell if cell in ("inf", "-inf") else float(cell)
        if kind in (bool, Mapping):
            return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    return cell


def _read_csv(path: Path) -> Iterator[Observation]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            header = next(reader, [])
            if len(set(header)) < len(header):
                _refuse(path, 1, "a column appears twice: name each field once")
            for cells in reader:
                if not cells:
                    continue
                line = reader.line_num
                if len(cells) != len(header):
                    _refuse(
                        path, line, f"{len(cells)} cells under {len(header)} columns: fill or cut the row"
                    )
                row = {name: _from_cell(name, cell) for name, cell in zip(header, cells, strict=True)}
                _check_version(path, row.pop(_VERSION_FIELD, str(SCHEMA_VERSION)))
                yield _observation(path, line, row)
        except (csv.Error, UnicodeDecodeError) as error:
            _refuse(path, reader.line_num + 1, f"not CSV in UTF-8 ({error}): save it as CSV UTF-8", error)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise StoreError(
            "Parquet needs pyarrow, which is not installed: pip install 'rpo-sim[parquet]', or use csv"
        ) from error
    return pyarrow


def _write_parquet(records: Iterable[Observation], stream: IO[bytes]) -> int:
    arrow = _pyarrow()
    kinds = {
        str: arrow.string(),
        Outcome: arrow.string(),
        float: arrow.float64(),
        int: arrow.int64(),
        bool: arrow.bool_(),
        datetime: arrow.timestamp("us", tz="UTC"),
        Mapping: arrow.map_(arrow.string(), arrow.string()),
    }
    columns = [
        arrow.field(name, kinds[kind], nullable=name in NULLABLE) for name, kind in FIELD_TYPES.items()
    ]
    schema = arrow.schema(columns, metadata={_VERSION_FIELD: str(SCHEMA_VERSION), "version": __version__})
    rows = [
        {**as_dict(record), "outcome": record.outcome.value, "labels": sorted(record.labels.items())}
        for record in records
    ]
    table = arrow.Table.from_pylist(rows, schema=schema)
    arrow.parquet.write_table(table, stream, row_group_size=_ROWS_PER_GROUP)
    return len(rows)


def _read_parquet(path: Path) -> Iterator[Observation]:
    arrow = _pyarrow()
    try:
        with arrow.parquet.ParquetFile(path) as file:
            stated = (file.schema_arrow.metadata or {}).get(_VERSION_FIELD.encode(), b"1").decode()
            _check_version(path, stated)
            number = 0
            for batch in file.iter_batches(batch_size=_ROWS_PER_GROUP):
                for row in batch.to_pylist():
                    number += 1
                    yield _observation(path, number, {name: _from_arrow(v) for name, v in row.items()})
    except (arrow.ArrowException, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: not a Parquet file that can be read ({error}): export it again") from error


def _from_arrow(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return dict(value)
    return value
