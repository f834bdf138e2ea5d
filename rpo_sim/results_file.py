"""Saved results: a JSON file that can be judged and reported without the simulator."""

import errno
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from rpo_sim.across_vms import ONE_VM_LEVELS, AcrossVms, across_vms, columns_of
from rpo_sim.errors import ScenarioError
from rpo_sim.histograms import Histograms
from rpo_sim.per_vm import EveryRun, PerVm
from rpo_sim.results import Evidence, FloatArray, InputNote, ResultSet, Tier, TierRuns, WorstCase

SCHEMA_VERSION = 2
_READABLE = (1, SCHEMA_VERSION)  # 1 told every run of every VM, and nothing across them


def check_writable(path: Path) -> None:
    """Refuse a place where `save_results` could not write, before hours of simulation are spent.

    Raises
    ------
    ScenarioError
    """
    _write(path, None)


def save_results(results: "list[ResultSet]", path: Path) -> None:
    """Write results to a JSON file, whole or not at all.

    Raises
    ------
    ScenarioError
        If the file cannot be written; what was there before is then still there.
    """
    _write(path, results_text(results))


def _write(path: Path, text: Iterable[str] | None) -> None:
    """Replace a file by ``text``; None only tries whether that could be done."""
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if target.exists() and not target.is_file():  # a pipe or device: nothing to replace
            if text is not None:
                with target.open("w") as file:
                    file.writelines(text)
            return
        try:
            with temporary.open("w") as file:
                file.writelines(text or ())
            if text is not None:
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be written: {error.strerror}; choose another place") from error


def results_text(results: "list[ResultSet]") -> Iterator[str]:
    """The JSON document of saved results, in parts; infinity is the string "inf".

    A row of an array is one part: as lists, all numbers of a large result would take gigabytes.
    """
    yield f'{{"schema_version": {SCHEMA_VERSION}, "kind": "rpo-sim results", "results": '
    yield from _parts(results)
    yield "}\n"


def _parts(value: Any) -> Iterator[str]:
    if isinstance(value, Histograms):
        value = value.to_plain()
    elif isinstance(value, EveryRun):
        value = value.values
    elif is_dataclass(value):
        value = {_NAMES.get(field.name, field.name): getattr(value, field.name) for field in fields(value)}
    if isinstance(value, np.ndarray) and value.ndim == 1:
        yield json.dumps(_plain(value.tolist()), allow_nan=False)
    elif isinstance(value, Mapping):
        named = ((f"{json.dumps(str(key))}: ", item) for key, item in value.items())
        yield from _listed("{}", named)
    elif isinstance(value, (list, tuple, np.ndarray)):
        yield from _listed("[]", (("", item) for item in value))
    else:
        yield json.dumps(_plain(value), allow_nan=False)


def _listed(brackets: str, items: Iterable[tuple[str, Any]]) -> Iterator[str]:
    between = ""
    yield brackets[0]
    for name, item in items:
        yield between + name
        yield from _parts(item)
        between = ", "
    yield brackets[1]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Evidence):
        return value.label
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def load_results(path: Path) -> "list[ResultSet]":
    """Read what `save_results` wrote.

    Raises
    ------
    ScenarioError
        If the file is missing, is something else, or was written by a newer version.
    """
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ScenarioError(
            f"{path}: is not JSON ({error}); expected a file that `rpo-sim simulate --out` wrote"
        ) from error
    if not isinstance(document, dict) or document.get("kind") != "rpo-sim results":
        raise ScenarioError(
            f"{path}: holds no results; write some with `rpo-sim simulate … --out {path.name}`"
        )
    if document.get("schema_version") not in _READABLE:
        raise ScenarioError(
            f"{path}: schema version {document.get('schema_version')!r}, "
            f"this rpo-sim reads {SCHEMA_VERSION}: upgrade rpo-sim, or simulate again"
        )
    try:
        results = [_checked(_result(item)) for item in document["results"]]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ScenarioError(f"{path}: is damaged ({where}: {first['msg']}); simulate again") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise ScenarioError(f"{path}: is damaged ({what}); simulate again") from error
    if not results:
        raise ScenarioError(f"{path}: holds no result; simulate again")
    return results


def _checked(result: ResultSet) -> ResultSet:
    """Refuse arrays that do not belong together, and NaN."""
    for name, figure in (("vm_rpa", result.per_vm_rpa), ("vm_rta", result.per_vm_rta)):
        shape = (result.runs, sum(count for _, count in result.groups))
        if (figure.runs, figure.vms) != shape or (isinstance(figure, EveryRun) and _has_nan(figure.values)):
            raise ValueError(f"{name} does not hold one number per run")
    shapes = {"evidence": (len(Evidence),), "activities": (len(result.activities),)}
    found: list[tuple[str, FloatArray, tuple[int, ...]]] = [("age", result.age, ())]
    for field in fields(AcrossVms):
        columns = len(ONE_VM_LEVELS if field.name == "one_vm_rta" else result.groups)
        found.append((field.name, getattr(result.across, field.name), (columns,)))
    for runs in result.tiers:
        found += [(name, getattr(runs, name), shapes.get(name, ())) for name in _TIER_ARRAYS]
        found += [(name, values, ()) for name, values in runs.also.items()]
    for name, values, row in found:
        if values.shape != (result.runs, *row) or _has_nan(values):
            raise ValueError(f"{name} does not hold one number per run")
    if not result.tiers or not result.runs:
        raise ValueError("no tier or no run")
    return result


def _has_nan(values: FloatArray) -> bool:
    return bool(np.isnan(values).any())


def _array(values: Any) -> FloatArray:
    return np.array(values, dtype=np.float64)


def _result(item: dict[str, Any]) -> ResultSet:
    tiers = tuple(
        TierRuns(
            tier=TypeAdapter(Tier).validate_python(row["tier"]),
            vms=int(row["vms"]),
            worst_cases=tuple(_worst_case(case) for case in row.get("worst_cases", ())),
            copy_rpa=_copy_rpa(row),
            **{name: _array(row[name]) for name in _TIER_ARRAYS},
            also={str(name): _array(values) for name, values in row.get("also", {}).items()},
        )
        for row in item["tiers"]
    )
    inputs = tuple(
        TypeAdapter(InputNote).validate_python({**note, "evidence": Evidence[note["evidence"].upper()]})
        for note in item["inputs"]
    )
    numbers = {"seed": int, "runs_per_block": int, "assumed_factor": float, "interrupted": bool}
    plain = {name: convert(item[name]) for name, convert in numbers.items()}
    groups = tuple((str(name), int(count)) for name, count in item["groups"])
    figures = {field: _per_vm(item[name]) for field, name in _NAMES.items()}
    read = {
        "tiers": tiers,
        "inputs": inputs,
        "groups": groups,
        "activities": tuple(item["activities"]),
        "age": _array(item["age"]),
        "across": _across(item, dict(groups), *figures.values()),
    }
    kept = {name: value for name, value in item.items() if name not in _NAMES.values()}
    return ResultSet(**{**kept, **plain, **read, **figures})


def _per_vm(value: Any) -> PerVm:
    if isinstance(value, Mapping):
        return Histograms.from_plain(value)
    values = _array(value)
    if values.ndim != 2:
        raise ValueError("not one row per run")
    return EveryRun(values)


def _across(item: dict[str, Any], groups: Mapping[str, int], rpa: PerVm, rta: PerVm) -> AcrossVms:
    """As saved; made anew from every run of every VM where it was not."""
    if "across" in item:
        return AcrossVms(**{name: _array(values) for name, values in item["across"].items()})
    if not isinstance(rpa, EveryRun) or not isinstance(rta, EveryRun):
        raise KeyError("across")
    return across_vms(rpa.values, rta.values, tuple(columns_of(groups).values()))


def _copy_rpa(row: dict[str, Any]) -> FloatArray:
    """One column per copy; none in results from before these were kept."""
    copies = max(len(row.get("worst_cases", ())) - 1, 0)
    values = _array(row["copy_rpa"]) if copies else np.zeros((0, 0))
    if copies and (values.shape != (len(row["rpa"]), copies) or np.isnan(values).any()):
        raise ValueError("copy_rpa does not hold one number per run and copy")
    return values


def _worst_case(case: dict[str, Any]) -> WorstCase:
    numbers = {name: float(case[name]) for name in ("lag_seconds", "seconds")}
    return WorstCase(copy=str(case["copy"]), because=str(case["because"]), **numbers)


_TIER_ARRAYS = ("rpa", "rpa_best", "rta", "rta_from_declaration", "evidence", "activities")
_NAMES = {"per_vm_rpa": "vm_rpa", "per_vm_rta": "vm_rta"}  # of fields, in the file
