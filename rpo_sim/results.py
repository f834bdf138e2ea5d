"""Results: what every run gave, and quantiles and shares with the intervals that the runs support.

A saved result can be judged and reported without the simulator.
"""

import errno
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from rpo_sim.errors import ScenarioError
from rpo_sim.intervals import Interval, quantile, share

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
SCHEMA_VERSION = 1


class Evidence(IntEnum):
    """What a number rests on; seconds of an RTA are booked under one of these."""

    MEASURED = 0
    EXTRAPOLATED = 1
    ASSUMED = 2

    @property
    def label(self) -> str:
        """The word for people."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A tier and its objectives; None where nobody stated any."""

    name: str
    rpo_seconds: float | None
    rto_seconds: float | None
    share: float | None
    from_declaration: bool
    drill_every_seconds: float
    owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputNote:
    """One uncertain number of the model and what it rests on: ``n`` observations, 0 if assumed.

    ``restores`` counts the verified restores on the result's own platform among them.
    """

    key: str
    evidence: Evidence
    n: int
    source: str
    restores: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """The greatest data loss that the windows of a copy allow; of the best on the path if it has no name.

    ``lag_seconds`` is the age of a point when it becomes usable: the least loss. ``seconds`` is inf where
    nothing bounds the loss, ``because`` then says what.
    """

    copy: str
    lag_seconds: float
    seconds: float
    because: str


@dataclass(frozen=True, kw_only=True, eq=False)
class TierRuns:
    """What the runs gave for one tier; every array has one entry (or row) per run, float seconds.

    Attributes
    ----------
    tier : Tier
    vms : int
    rpa, rpa_best : ndarray, shape (runs,)
        Of the tier's worst VM: of the point restored, and of the best point that survived.
    rta, rta_from_declaration : ndarray, shape (runs,)
        Of the tier's last VM; inf where a VM was never recovered.
    evidence : ndarray, shape (runs, 3)
        The RTA by `Evidence` along its critical path; sums to ``rta`` where that is finite.
    activities : ndarray, shape (runs, activities)
        The same RTA by what was done.
    also : mapping of str to ndarray, shape (runs,)
        What else is known of some scenarios: ``no_capacity_vms`` counts the VMs that found no room at the
        target; ``full_performance_seconds``, ``unprotected_seconds``, ``failback_seconds`` and
        ``cleanup_seconds`` say when, since the failure, its last VM was through with what follows.
    worst_cases : tuple of WorstCase
        One per copy, then that of the best on the path.
    copy_rpa : ndarray, shape (runs, copies)
        What the RPA would be from each copy alone; inf where it has no usable point for a VM.
    """

    tier: Tier
    vms: int
    rpa: FloatArray
    rpa_best: FloatArray
    rta: FloatArray
    rta_from_declaration: FloatArray
    evidence: FloatArray
    activities: FloatArray
    also: Mapping[str, FloatArray] = field(default_factory=dict)
    worst_cases: tuple[WorstCase, ...] = ()
    copy_rpa: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def judged_rta(self) -> FloatArray:
        """The RTA on the clock that the objective names."""
        return self.rta_from_declaration if self.tier.from_declaration else self.rta

    def evidence_shares(self) -> dict[Evidence, float]:
        """Share of the RTA that is measured, extrapolated, assumed, over all recovered runs."""
        total = self.evidence.sum()
        if total == 0:
            return dict.fromkeys(Evidence, 0.0)
        return {kind: float(self.evidence[:, kind].sum() / total) for kind in Evidence}


@dataclass(frozen=True, kw_only=True, eq=False)
class ResultSet:
    """All runs of one plan.

    ``vm_rpa`` and ``vm_rta`` have shape (runs, VMs); ``groups`` names the VMs in that order, with counts.
    ``age`` is that of the corruption in each run, 0 for a loss. ``activities`` names the columns of the
    tiers' arrays. An ``interrupted`` result holds a contiguous prefix of the blocks that were asked for.
    """

    scenario: str
    platform: str
    seed: int
    runs_per_block: int
    assumed_factor: float
    interrupted: bool
    tiers: tuple[TierRuns, ...]
    activities: tuple[str, ...]
    inputs: tuple[InputNote, ...]
    groups: tuple[tuple[str, int], ...]
    age: FloatArray
    vm_rpa: FloatArray
    vm_rta: FloatArray
    digests: Mapping[str, str]

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(self.age)

    @property
    def incident_rta(self) -> FloatArray:
        """RTA of the whole incident per run: of its last VM."""
        rta: FloatArray = np.max([tier.rta for tier in self.tiers], axis=0)
        return rta

    @property
    def n_observations(self) -> int:
        """Observations behind the measured inputs; a measurement that is bound twice counts once."""
        return sum({note.source: note.n for note in self.inputs if note.n}.values())

    def quantile(self, values: FloatArray, p: float) -> Interval:
        """The ``p``-quantile of a per-run figure with its interval."""
        return quantile(values, p, self.runs_per_block)

    def one_vm_rta(self, p: float) -> Interval:
        """The ``p``-quantile of the RTA over the VMs of an incident: its median over the runs."""
        with np.errstate(invalid="ignore"):  # between two that were never recovered
            within = np.quantile(self.vm_rta, p, axis=1)
        return self.quantile(np.where(np.isnan(within), np.inf, within), 0.5)

    def share(self, hits: npt.NDArray[np.bool_]) -> Interval:
        """The share of incidents in which something holds, with its interval."""
        return share(hits, self.runs_per_block)

    def to_frame(self) -> "pd.DataFrame":
        """One row per run and tier, for work with pandas.

        Columns: scenario, platform, run, tier; rpa_seconds, rpa_best_seconds, rta_seconds and
        rta_from_declaration_seconds (float, seconds; inf where a VM was never recovered); and
        ``measured_seconds``, ``extrapolated_seconds``, ``assumed_seconds``, which sum to a finite RTA; and
        what else the scenario tells of its tiers (`TierRuns.also`).
        """
        import pandas as pd

        frames = []
        for runs in self.tiers:
            columns: dict[str, object] = {
                "scenario": self.scenario,
                "platform": self.platform,
                "run": np.arange(self.runs),
                "tier": runs.tier.name,
            }
            for figure in ("rpa", "rpa_best", "rta", "rta_from_declaration"):
                columns[f"{figure}_seconds"] = getattr(runs, figure)
            columns |= runs.also
            columns |= {f"{kind.label}_seconds": runs.evidence[:, kind] for kind in Evidence}
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)

    def group_columns(self) -> dict[str, slice]:
        """Which columns of the VM arrays belong to which group."""
        columns, first = {}, 0
        for name, count in self.groups:
            columns[name] = slice(first, first + count)
            first += count
        return columns


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
    _write(path, json.dumps(results_document(results), allow_nan=False) + "\n")


def _write(path: Path, text: str | None) -> None:
    """Replace a file by ``text``; None only tries whether that could be done."""
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if target.exists() and not target.is_file():  # a pipe or device: nothing to replace
            if text is not None:
                target.write_text(text)
            return
        try:
            temporary.write_text(text or "")
            if text is not None:
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be written: {error.strerror}; choose another place") from error


def results_document(results: "list[ResultSet]") -> dict[str, Any]:
    """The JSON document of saved results; infinity is the string "inf"."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "rpo-sim results",
        "results": [_plain(asdict(result)) for result in results],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
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
    if document.get("schema_version") != SCHEMA_VERSION:
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
    vms = sum(count for _, count in result.groups)
    shapes = {"evidence": (len(Evidence),), "activities": (len(result.activities),)}
    found = [("age", result.age, ()), ("vm_rpa", result.vm_rpa, (vms,)), ("vm_rta", result.vm_rta, (vms,))]
    for runs in result.tiers:
        found += [(name, getattr(runs, name), shapes.get(name, ())) for name in _TIER_ARRAYS]
        found += [(name, values, ()) for name, values in runs.also.items()]
    for name, values, row in found:
        if values.shape != (result.runs, *row) or np.isnan(values).any():
            raise ValueError(f"{name} does not hold one number per run")
    if not result.tiers or not result.runs:
        raise ValueError("no tier or no run")
    return result


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
    arrays = {name: _array(item[name]) for name in ("age", "vm_rpa", "vm_rta")}
    groups = tuple((name, count) for name, count in item["groups"])
    rest = {"tiers": tiers, "inputs": inputs, "groups": groups, "activities": tuple(item["activities"])}
    return ResultSet(**{**item, **plain, **rest, **arrays})


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
