"""A profile: what was measured, as distributions with the evidence behind them, in a readable file."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rpo_sim.distributions.base import Distribution
from rpo_sim.distributions.grouping import UNLIKE_LABELS
from rpo_sim.distributions.mechanism import Mechanism
from rpo_sim.distributions.mechanism_file import mechanism_from_dict, mechanism_to_dict
from rpo_sim.distributions.registry import distribution_from_dict, is_number, to_dict
from rpo_sim.errors import ScenarioError

VERSION = 1
_LARGEST_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileEntry:
    """One distribution and what it rests on.

    Attributes
    ----------
    operation, stage, platform, backend, cluster : str
        What was timed, and where.
    labels : mapping of str to str
        Method, cache … of the operations, where all of them agree.
    distribution : Distribution
        Of the durations of operations that succeed.
    n : int
        Durations behind the distribution, censored ones included.
    n_censored : int
        Of these, how many had not ended (running, timed out, cancelled).
    n_succeeded, n_failed : int
        Finished attempts; a partial failure is a failure.
    failure_interval : tuple of float
        Exact (Clopper-Pearson) 95 % interval of the failure probability.
    size_range_bytes, concurrency_range : tuple of int or None
        Smallest and largest measured.
    size_basis : str or None
        Which size that is: ``"bytes_moved"`` or ``"bytes_capacity"``.
    clock : str
    resolution_seconds : float, seconds
        Median width of the finite intervals; 0 when the durations are exact.
    window : tuple of datetime (UTC) or None
        First start and last observation.
    days : int
        Distinct days with a start.
    sources : tuple of str
    verified : int
        Successes whose data was read back and compared.
    goodness_p : float or None
        p-value of the pooled χ² test of fit; None when the data cannot tell.
    digest : str
        SHA-256 of the observations.
    warnings : tuple of str
        What the fit had to leave out or could not show.
    mechanism : Mechanism or None
        What decides a burst of these operations, where sweeps showed it.
    """

    operation: str
    stage: str
    platform: str = ""
    backend: str = ""
    cluster: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    distribution: Distribution
    n: int
    n_censored: int = 0
    n_succeeded: int
    n_failed: int
    failure_interval: tuple[float, float]
    size_range_bytes: tuple[int, int] | None = None
    size_basis: str | None = None
    concurrency_range: tuple[int, int] | None = None
    clock: str
    resolution_seconds: float = 0.0
    window: tuple[datetime, datetime] | None = None
    days: int = 0
    sources: tuple[str, ...] = ()
    verified: int = 0
    goodness_p: float | None = None
    digest: str
    warnings: tuple[str, ...] = ()
    mechanism: Mechanism | None = None

    @property
    def telling_labels(self) -> dict[str, str]:
        """The labels by which entries may differ; where a disk was mounted is not among them."""
        return {key: value for key, value in sorted(self.labels.items()) if key in UNLIKE_LABELS}

    @property
    def name(self) -> str:
        """For people: operation.stage, where and how."""
        where = " ".join(part for part in (self.platform, self.cluster, self.backend) if part)
        how = ", ".join(f"{key}={value}" for key, value in self.telling_labels.items())
        return (
            f"{self.operation}.{self.stage}"
            + (f" on {where}" if where else "")
            + (f" ({how})" if how else "")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a fit found.

    Attributes
    ----------
    created_at : datetime, UTC
    entries : tuple of ProfileEntry
    warnings : tuple of str
        Groups of observations that gave no entry, and why.
    """

    created_at: datetime
    entries: tuple[ProfileEntry, ...]
    warnings: tuple[str, ...] = ()

    def find(
        self,
        *,
        operation: str,
        stage: str,
        backend: str | None = None,
        platform: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> tuple[ProfileEntry, ...]:
        """The entries for this operation and stage; None matches any backend or platform."""
        return tuple(
            entry
            for entry in self.entries
            if (entry.operation, entry.stage) == (operation, stage)
            and (backend is None or entry.backend == backend)
            and (platform is None or entry.platform == platform)
            and all(entry.labels.get(key) == value for key, value in (labels or {}).items())
        )


def dump_profile(profile: Profile) -> str:
    """The profile as readable JSON (schema: ``version: 1``)."""
    document = {
        "version": VERSION,
        "created_at": profile.created_at.isoformat(),
        "entries": [_entry_to_dict(entry) for entry in profile.entries],
        "warnings": list(profile.warnings),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def save_profile(profile: Profile, path: str | Path) -> None:
    """Write the profile whole or not at all: a full disk leaves an older file as it was.

    Raises
    ------
    ScenarioError
        If the file cannot be written.
    """
    target = Path(path)
    text = dump_profile(profile)
    partial: str | None = None
    try:
        descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(target)
    except OSError as error:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        raise ScenarioError(f"profile {target} was not written: {error.strerror or error}") from error


def load_profile(path: str | Path) -> Profile:
    """Read a profile, strictly.

    Raises
    ------
    ScenarioError
        If it cannot be read, or says something that a profile cannot say.
    """
    try:
        if Path(path).stat().st_size > _LARGEST_FILE_BYTES:
            raise ScenarioError(f"profile {path}: over 64 MiB; that is no profile")
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        hint = "; write one with: rpo-sim fit" if isinstance(error, FileNotFoundError) else ""
        raise ScenarioError(f"profile {path}: {error.strerror or error}{hint}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"profile {path}: not UTF-8 text (byte {error.start})") from error
    try:
        return parse_profile(text)
    except ScenarioError as error:
        raise ScenarioError(f"profile {path}: {error}") from error


def parse_profile(text: str) -> Profile:
    """The profile in a JSON text.

    Raises
    ------
    ScenarioError
        With the key and the value that is wrong.
    """
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ScenarioError(f"line {error.lineno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise ScenarioError("nested too deeply for a profile") from error
    if not isinstance(document, dict) or "version" not in document:
        raise ScenarioError(
            "a profile is a mapping with version, created_at and entries; rpo-sim fit writes one"
        )
    if document["version"] != VERSION or isinstance(document["version"], bool):
        raise ScenarioError(
            f"version is {document['version']!r}; this rpo-sim reads version {VERSION}: fit again, or upgrade"
        )
    _require_keys(document, {"version", "created_at", "entries"}, {"warnings"}, "profile")
    entries = document["entries"]
    if not isinstance(entries, list):
        raise ScenarioError("entries: must be a list")
    return Profile(
        created_at=_utc(document["created_at"], "created_at"),
        entries=tuple(_entry_from_dict(entry, f"entries[{i}]") for i, entry in enumerate(entries)),
        warnings=_texts(document.get("warnings", []), "warnings"),
    )


def _refuse_constant(name: str) -> float:
    raise ScenarioError(f"the number {name} is refused: JSON has none")


def _entry_to_dict(entry: ProfileEntry) -> dict[str, Any]:
    row: dict[str, Any] = {item.name: getattr(entry, item.name) for item in fields(entry)}
    row["labels"] = dict(entry.labels)
    row["distribution"] = to_dict(entry.distribution)
    if entry.window is not None:
        row["window"] = [moment.isoformat() for moment in entry.window]
    del row["mechanism"]
    if entry.mechanism is not None:  # else the file reads as it did before there were any
        row["mechanism"] = mechanism_to_dict(entry.mechanism)
    return row


_REQUIRED = {
    "operation",
    "stage",
    "distribution",
    "n",
    "n_succeeded",
    "n_failed",
    "failure_interval",
    "clock",
    "digest",
}
_COUNTS = ("n", "n_censored", "n_succeeded", "n_failed", "days", "verified")


def _entry_from_dict(data: object, where: str) -> ProfileEntry:
    if not isinstance(data, dict):
        raise ScenarioError(f"{where}: must be a mapping")
    _require_keys(data, _REQUIRED, {item.name for item in fields(ProfileEntry)} - _REQUIRED, where)
    row: dict[str, Any] = dict(data)
    for name in ("operation", "stage", "platform", "backend", "cluster", "clock", "digest"):
        if not isinstance(row.get(name, ""), str):
            raise ScenarioError(f"{where}.{name}: {row[name]!r:.80} is not text")
    for name in _COUNTS:
        row[name] = _count(row.get(name, 0), f"{where}.{name}")
    for name in ("sources", "warnings"):
        row[name] = _texts(row.get(name, []), f"{where}.{name}")
    for name in ("size_range_bytes", "concurrency_range"):
        row[name] = _count_range(row.get(name), f"{where}.{name}")
    row["failure_interval"] = _interval(row["failure_interval"], f"{where}.failure_interval")
    row["goodness_p"] = _ratio(row.get("goodness_p"), f"{where}.goodness_p")
    row["resolution_seconds"] = _seconds(row.get("resolution_seconds", 0.0), f"{where}.resolution_seconds")
    row["labels"] = _labels(row.get("labels", {}), f"{where}.labels")
    row["window"] = _window(row.get("window"), f"{where}.window")
    if row.get("mechanism") is not None:
        row["mechanism"] = mechanism_from_dict(row["mechanism"], f"{where}.mechanism")
    if row.get("size_basis") not in (None, "bytes_moved", "bytes_capacity"):
        raise ScenarioError(
            f"{where}.size_basis: {row['size_basis']!r:.80} is not bytes_moved or bytes_capacity"
        )
    try:
        row["distribution"] = distribution_from_dict(row["distribution"])
    except ScenarioError as error:
        raise ScenarioError(f"{where}.distribution: {error}") from error
    return ProfileEntry(**row)


def _require_keys(data: Mapping[str, object], required: set[str], optional: set[str], where: str) -> None:
    missing, unknown = required - set(data), set(data) - required - optional
    if missing:
        raise ScenarioError(f"{where}: missing {', '.join(sorted(missing))}")
    if unknown:
        raise ScenarioError(f"{where}: unknown {', '.join(sorted(map(repr, unknown)))[:80]}")


def _count(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ScenarioError(f"{where}: {value!r:.80} is not a count ≥ 0")
    return value


def _count_range(value: object, where: str) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ScenarioError(f"{where}: {value!r:.80} is not [smallest, largest]")
    low, high = _count(value[0], where), _count(value[1], where)
    if high < low:
        raise ScenarioError(f"{where}: {low} is above {high}")
    return low, high


def _seconds(value: object, where: str) -> float:
    if not is_number(value) or value < 0:
        raise ScenarioError(f"{where}: {value!r:.80} is not a number ≥ 0")
    return float(value)


def _ratio(value: object, where: str) -> float | None:
    if value is None:
        return None
    ratio = _seconds(value, where)
    if ratio > 1:
        raise ScenarioError(f"{where}: {ratio} is not between 0 and 1")
    return ratio


def _interval(value: object, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise ScenarioError(f"{where}: {value!r:.80} is not [low, high]")
    low, high = _ratio(value[0], where), _ratio(value[1], where)
    if low is None or high is None or high < low:
        raise ScenarioError(f"{where}: {value!r:.80} is not [low, high]")
    return low, high


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ScenarioError(f"{where}: {value!r:.80} is not a list of texts")
    return tuple(value)


def _labels(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ScenarioError(f"{where}: {value!r:.80} is not a mapping of texts")
    return value


def _utc(value: object, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() != timedelta(0):
        raise ScenarioError(f"{where}: {value!r:.80} is not a time in UTC, such as 2026-01-31T12:00:00+00:00")
    return moment


def _window(value: object, where: str) -> tuple[datetime, datetime] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ScenarioError(f"{where}: {value!r:.80} is not [first, last]")
    return _utc(value[0], where), _utc(value[1], where)
