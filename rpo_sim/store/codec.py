"""Observation to plain values and back, exactly: one rule per type of field.

"Plain" is what JSON can say: infinity is the string "inf", times are ISO 8601 in UTC. A database row differs
in its times (whole microseconds since 1970) and labels (JSON text).
"""

import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta

from rpo_sim.errors import RecordError, StoreError
from rpo_sim.records import Observation, Outcome, as_dict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT_LIMIT = 2**63  # what a database and Parquet hold


def _base(annotation: object) -> type:
    """The type of a field, without "or None" and without parameters."""
    if isinstance(annotation, types.UnionType):
        annotation = next(arg for arg in typing.get_args(annotation) if arg is not type(None))
    base = typing.get_origin(annotation) or annotation
    assert isinstance(base, type)
    return base


FIELD_TYPES: dict[str, type] = {field.name: _base(field.type) for field in fields(Observation)}
NULLABLE = frozenset(f.name for f in fields(Observation) if isinstance(f.type, types.UnionType))
_REQUIRED = [f.name for f in fields(Observation) if f.default is MISSING and f.default_factory is MISSING]


def to_microseconds(at: datetime) -> int:
    """Whole microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The time that `to_microseconds` wrote."""
    return _EPOCH + value * _MICROSECOND


def dump_json(value: object) -> str:
    """Compact JSON with sorted keys: equal values, equal text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":"))


def to_plain(observation: Observation) -> dict[str, object]:
    """The observation in terms of JSON, every field present."""
    row = as_dict(observation)
    for name, value in row.items():
        if isinstance(value, float) and math.isinf(value):
            row[name] = "inf"
        elif isinstance(value, datetime):
            row[name] = value.astimezone(UTC).isoformat(timespec="microseconds")
        elif isinstance(value, Outcome):
            row[name] = value.value
    return row


def from_plain(row: Mapping[str, object]) -> Observation:
    """The observation that a mapping of plain values states.

    Raises
    ------
    RecordError
        If a field is unknown, missing, of another type, or contradicts another.
    """
    if unknown := sorted(set(row) - set(FIELD_TYPES)):
        raise RecordError(f"unknown field {unknown[0]!r}: the fields are {', '.join(FIELD_TYPES)}")
    if missing := [name for name in _REQUIRED if name not in row]:
        raise RecordError(f"field {missing[0]!r} is missing: every observation states {', '.join(_REQUIRED)}")
    values = {name: _read(name, value) for name, value in row.items()}
    return Observation(**values)  # type: ignore[arg-type]


def _read(name: str, value: object) -> object:
    if value is None and name in NULLABLE:
        return None
    kind = FIELD_TYPES[name]
    read, wanted = _READERS[kind]
    try:
        return read(value)
    except (ValueError, TypeError, OverflowError) as error:
        shown = repr(value) if len(repr(value)) < 80 else repr(value)[:80] + "…"
        raise RecordError(f"{name} is {shown}: it must be {wanted}") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    if "\x00" in value:
        raise ValueError  # PostgreSQL has no such text
    value.encode()  # a lone surrogate is not text either
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not (isinstance(value, int | float) or value in ("inf", "-inf")):
        raise TypeError
    return float(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if not -_INT_LIMIT <= value < _INT_LIMIT:
        raise OverflowError
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _time(value: object) -> datetime:
    at = datetime.fromisoformat(_text(value))
    if at.tzinfo is None:
        raise ValueError
    return at.astimezone(UTC)


def _labels(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError
    return {_text(key): _text(item) for key, item in value.items()}


_READERS: dict[type, tuple[Callable[[object], object], str]] = {
    str: (_text, "text, without NUL characters"),
    float: (_number, 'a number of seconds, or "inf"'),
    int: (_whole, "a whole number below 2^63"),
    bool: (_truth, "true or false"),
    datetime: (_time, "an ISO 8601 time with its offset, such as 2025-01-31T10:00:00Z"),
    Outcome: (lambda value: Outcome(_text(value)), f"one of {', '.join(Outcome)}"),
    Mapping: (_labels, 'a mapping of text to text, such as {"cache": "cold"}'),
}


def to_row(observation: Observation) -> dict[str, object]:
    """The observation as a database row.

    Raises
    ------
    StoreError
        If a value is beyond what a database keeps exactly.
    """
    row = as_dict(observation)
    for name, value in row.items():
        kind = FIELD_TYPES[name]
        if value is None:
            continue
        if kind is datetime:
            row[name] = to_microseconds(typing.cast(datetime, value))
            continue
        if kind in (str, int, Mapping):
            _check(observation, name, value)
        if kind is Mapping:
            row[name] = dump_json(value)
        elif kind is Outcome:
            row[name] = str(value)
    return row


def _check(observation: Observation, name: str, value: object) -> None:
    try:
        _read(name, value)
    except RecordError as error:
        raise StoreError(f"observation {observation.event_id!r} cannot be stored: {error}") from error


def from_row(row: Mapping[str, object], where: str) -> Observation:
    """The observation that `to_row` wrote.

    Raises
    ------
    StoreError
        If the row does not read back: the file was changed or damaged.
    """
    values = dict(row)
    try:
        for name in ("started_at", "observed_at"):
            if values[name] is not None:
                values[name] = from_microseconds(typing.cast(int, values[name]))
        values["labels"] = json.loads(typing.cast(str, values["labels"]))
        return Observation(**values)  # type: ignore[arg-type]
    except (RecordError, ValueError, TypeError, OverflowError) as error:
        raise StoreError(
            f"{where}: the row of {values.get('source')!r}, {values.get('event_id')!r} does not read back "
            f"({error}): the file was damaged or edited; restore it from a copy"
        ) from error
