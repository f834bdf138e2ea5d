"""A mechanism in a profile: plain JSON, and back, strictly."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from rpo_sim.distributions.mechanism import Binding, Candidate, Estimate, Limit, Mechanism
from rpo_sim.distributions.registry import require, require_count
from rpo_sim.errors import ModelError, ScenarioError

_T = TypeVar("_T")
_KIND = "mechanism"


def mechanism_to_dict(mechanism: Mechanism) -> dict[str, Any]:
    """Ready for JSON; intervals as ``{value, low, high}``."""
    return asdict(mechanism)


def mechanism_from_dict(data: object, where: str) -> Mechanism:
    """The inverse of `mechanism_to_dict`.

    Raises
    ------
    ScenarioError
        If the mapping does not describe a mechanism.
    """
    try:
        row = _row(Mechanism, data, "the mechanism")
        row["limits"] = tuple(_limit(item) for item in _items(row["limits"], "limits"))
        for name in ("latency_seconds", "service_seconds", "seconds_per_byte"):
            row[name] = _estimate(row[name], name)
        row["binding"] = tuple(_plain(Binding, item, "binding") for item in _items(row["binding"], "binding"))
        row["candidates"] = tuple(_candidate(item) for item in _items(row["candidates"], "candidates"))
        row["covariance"] = tuple(tuple(map(float, line)) for line in row["covariance"])
        row["sizes_bytes"] = tuple(row["sizes_bytes"])
        row["warnings"] = tuple(map(str, row["warnings"]))
        require_count(_KIND, n=row["n"], bursts=row["bursts"], largest=row["largest"], servers=row["servers"])
        require(_KIND, strict=False, sigma=row["sigma"])
        for size in row["sizes_bytes"]:
            require_count(_KIND, minimum=0, sizes_bytes=size)
        if [len(line) for line in row["covariance"]] != [2, 2]:
            raise ModelError("the covariance of a mechanism is 2 × 2")
        return Mechanism(**row)
    except (ModelError, TypeError, ValueError, KeyError) as error:
        raise ScenarioError(f"{where}: {error}") from error


def _row(kind: type[_T], data: object, what: str) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(data, Mapping) or set(data) != names:
        raise ModelError(f"{what} is a mapping with {', '.join(sorted(names))}")
    return dict(data)


def _items(value: object, what: str) -> list[object]:
    if not isinstance(value, list | tuple):
        raise ModelError(f"{what} is a list")
    return list(value)


def _plain(kind: type[_T], data: object, what: str) -> _T:
    return kind(**_row(kind, data, what))


def _estimate(data: object, what: str) -> Estimate:
    row = _row(Estimate, data, what)
    require(_KIND, strict=False, **row)
    if not row["low"] <= row["value"] <= row["high"]:
        raise ModelError(f"{what}: {row['value']} is not between {row['low']} and {row['high']}")
    return Estimate(**{name: float(value) for name, value in row.items()})


def _limit(data: object) -> Limit:
    row = _row(Limit, data, "a limit")
    require(_KIND, rate=row["rate"], burst=row["burst"])
    row["tokens"], row["tail"] = _estimate(row["tokens"], "tokens"), _estimate(row["tail"], "tail")
    row["tokens_at"] = tuple((level, tokens) for level, tokens in row["tokens_at"])
    for level, tokens in row["tokens_at"]:
        require_count(_KIND, concurrency=level)
        require(_KIND, strict=False, tokens=tokens)
    if list(row["tokens_at"]) != sorted(row["tokens_at"]):
        raise ModelError("tokens_at: concurrencies must rise")
    return Limit(**row)


def _candidate(data: object) -> Candidate:
    row = _row(Candidate, data, "a candidate")
    row["limits"] = tuple(map(str, row["limits"]))
    return Candidate(**row)
