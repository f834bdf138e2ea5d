"""What a probe is: a plug-in that measures one kind of operation and says how it did so.

A probe is found by the entry-point group ``rpo_sim.probes``, bundled and third-party ones alike. It knows
nothing of the store: it yields observations, and `rpo_sim.collect` keeps them.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, get_args, get_origin, runtime_checkable

from pydantic import BaseModel, BeforeValidator, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from rpo_sim.errors import ProbeDenied, ProbeError, ProbeUnavailable, UnitError
from rpo_sim.records import Observation
from rpo_sim.units import parse_bytes, parse_duration

ENTRY_POINT_GROUP = "rpo_sim.probes"


def _reader(parse: Callable[[str], float]) -> BeforeValidator:
    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except UnitError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(read)


Size = Annotated[int, _reader(parse_bytes)]
"""A settings field in bytes, written by people as ``"64Mi"``."""

Duration = Annotated[float, _reader(parse_duration)]
"""A settings field in seconds, written by people as ``"2m"``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a probe needs, and whether it is there.

    Attributes
    ----------
    what : str
        What was looked at, with the value found.
    ok : bool
    missing : str
        What is missing, in words; empty when `ok`.
    remedy : str
        How to get it; empty when `ok`.
    retryable : bool
        Whether a later try may succeed without anybody changing the settings or the permissions.
    """

    what: str
    ok: bool
    missing: str = ""
    remedy: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a probe found before measuring: reachable, permitted, enough room?

    >>> CheckReport(findings=(Finding(what="room: 2GiB", ok=True),)).ok
    True
    """

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return all(finding.ok for finding in self.findings)

    def require_ok(self) -> None:
        """Do nothing if all is there.

        Raises
        ------
        ProbeDenied
            If something is missing that only a person can change.
        ProbeUnavailable
            If all that is missing may come by itself.
        """
        missing = [finding for finding in self.findings if not finding.ok]
        if missing:
            error = ProbeUnavailable if all(finding.retryable for finding in missing) else ProbeDenied
            raise error("; ".join(f"{finding.missing}: {finding.remedy}" for finding in missing))


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeContext:
    """What a probe is given for one collection.

    Attributes
    ----------
    collection_id : str
        Goes into every observation; unique, so a probe may build event identities from it.
    state_folder : Path
        Exists and is kept between collections: a probe records here what it makes, before it makes it.
    progress : callable (done, total, message)
        For people; `total` is None while it is not known.
    cancelled : callable
        True once the user wants to stop: the probe then yields what it has and cleans up.
    note_error : callable
        Takes in words what could not be measured; it is kept in the collection record.
    monotonic, now : callable
        The clocks: float seconds that never step back, and aware UTC.
    """

    collection_id: str
    state_folder: Path
    progress: Callable[[float, float | None, str], None]
    cancelled: Callable[[], bool]
    note_error: Callable[[str], None]
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _utc_now


@runtime_checkable
class Probe(Protocol):
    """One kind of measurement. `rpo_sim.probe_contract` tests that a class keeps these promises."""

    @property
    def name(self) -> str:
        """The name of the entry point, and the `source` of every observation."""

    @property
    def version(self) -> str:
        """Kept in the collection record: numbers of unlike versions may not compare."""

    @property
    def summary(self) -> str:
        """One line for ``rpo-sim measure --help``."""

    @property
    def mutating(self) -> bool:
        """Whether it creates objects. Such a probe runs only when it is asked for by name."""

    @property
    def Settings(self) -> type[BaseModel]:  # noqa: N802 - it is a class
        """What can be set: ``extra="forbid"``, each field with a description that names its unit.

        The options of ``rpo-sim measure NAME`` are made from it.
        """

    def check(self, settings: Any, context: ProbeContext) -> CheckReport:
        """What is there and what is missing; measures nothing and makes nothing that stays."""

    def measure(self, settings: Any, context: ProbeContext) -> Iterator[Sequence[Observation]]:
        """Measure, yielding each batch as soon as it is known.

        A batch is stored at once and as a whole: the stages of one operation belong into one batch, so that
        a kill never leaves half an operation. Closing the generator must clean up.

        Raises
        ------
        ProbeUnavailable, ProbeDenied
            If it cannot go on. What was yielded before is kept.
        """


def settings_from_text(probe: Probe, texts: Mapping[str, object]) -> BaseModel:
    """Settings of a probe from what people write; lists are separated by commas.

    Raises
    ------
    ProbeError
        If a name is unknown or a value cannot be used; the message names every field at fault.
    """
    values: dict[str, object] = {}
    for name, text in texts.items():
        field = probe.Settings.model_fields.get(name)
        split = field is not None and is_list(field) and isinstance(text, str)
        values[name] = [part.strip() for part in str(text).split(",")] if split else text
    try:
        return probe.Settings.model_validate(values)
    except ValidationError as error:
        raise ProbeError(_explain(probe, error, texts)) from error


def _explain(probe: Probe, error: ValidationError, texts: Mapping[str, object]) -> str:
    known = ", ".join(option_name(name) for name in probe.Settings.model_fields)
    lines: dict[str, str] = {}  # one line per field: later problems often follow from the first
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        reason = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            reason = f"{name} is no setting of {probe.name}: it has {known}"
        elif name:
            reason = f"{option_name(name)} {texts.get(name, '')}: {reason}"
        lines.setdefault(name, reason)
    return "; ".join(lines.values())


def is_list(field: FieldInfo) -> bool:
    """Whether a settings field takes several values, written with commas between them."""
    return get_origin(field.annotation) in (list, tuple)


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The words that a settings field accepts; empty if it takes more than a few fixed words."""
    return tuple(map(str, get_args(field.annotation))) if get_origin(field.annotation) is Literal else ()


def option_name(field: str) -> str:
    """The command-line option of a settings field.

    >>> option_name("keep_free")
    '--keep-free'
    """
    return "--" + field.replace("_", "-")


def settings_as_text(settings: BaseModel) -> dict[str, str]:
    """Settings as they are kept in a collection record; secrets and unset fields are left out."""
    texts = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is None or isinstance(value, SecretStr):
            continue
        texts[name] = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return texts


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenProbe:
    """A probe that is installed and cannot be loaded."""

    name: str
    error: str


def _entry_points() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda found: found.name):
        found.setdefault(entry_point.name, entry_point)
    return found


def probe_names() -> tuple[str, ...]:
    """Names of the installed probes, sorted; none is imported.

    >>> "local_disk" in probe_names()
    True
    """
    return tuple(_entry_points())


def load_probe(name: str) -> Probe:
    """The installed probe of that name.

    Raises
    ------
    ProbeError
        If there is none, or it cannot be loaded or is no probe.
    """
    entry_point = _entry_points().get(name)
    if entry_point is None:
        raise ProbeError(f"no probe is called {name!r}: installed are {', '.join(probe_names()) or 'none'}")
    try:
        probe = entry_point.load()()
    except Exception as error:  # foreign code may raise anything; it must not end the tool
        what = f"{type(error).__name__}: {error}"
        raise ProbeError(f"probe {name} ({entry_point.value}) cannot be loaded: {what}") from error
    if not isinstance(probe, Probe):
        raise ProbeError(f"probe {name} ({entry_point.value}) lacks a part of rpo_sim.probe.Probe")
    return probe


def discover_probes() -> tuple[dict[str, Probe], tuple[BrokenProbe, ...]]:
    """All installed probes by name, and those that cannot be loaded, with the reason."""
    probes: dict[str, Probe] = {}
    broken = []
    for name in probe_names():
        try:
            probes[name] = load_probe(name)
        except ProbeError as error:
            broken.append(BrokenProbe(name=name, error=str(error)))
    return probes, tuple(broken)
