"""The table of known metrics: what each times, on which labels, with which traps; one YAML file or more."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from rpo_sim.errors import ScenarioError, UnitError
from rpo_sim.records import Outcome
from rpo_sim.scenario.messages import refusal, schema_problems
from rpo_sim.scenario.nodes import MAX_BYTES, Document, read_document
from rpo_sim.units import format_bytes, parse_duration

_UNITS = {"ms": 0.001, "s": 1.0}
_BYTES = {"B": 1, "Ki": 1024}
_Name = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
_Text = Annotated[str, Field(min_length=1)]
_Values = _Text | tuple[_Text, ...]


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"write a duration with its unit, such as {value}s")
    try:
        return parse_duration(value)
    except UnitError as error:
        raise ValueError(str(error)) from error


_Width = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Timed(_Strict):
    """What the series with certain labels time."""

    when: dict[_Name, _Values] = Field(default_factory=dict)
    operation: _Text
    stage: _Text
    outcome: Literal["succeeded", "partially_failed", "failed", "cancelled"] = "succeeded"

    def applies(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is meant."""
        return all(_matches(wanted, labels.get(name, "")) for name, wanted in self.when.items())

    @property
    def ended(self) -> Outcome:
        """How the operations ended."""
        return Outcome(self.outcome)


def _matches(wanted: _Values, value: str) -> bool:
    if isinstance(wanted, tuple):
        return value in wanted
    return value != wanted[1:] if wanted.startswith("!") else value == wanted


def literal(value: str) -> str:
    """A regular expression that matches just this value."""
    return "".join(f"\\{sign}" if sign in r"\.+*?()|[]{}^$" else sign for sign in value)


def quoted(value: str) -> str:
    """A value as the query language writes it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


class Metric(_Strict):
    """One metric: what kind it is, what it times, and what its labels mean."""

    kind: Literal["histogram", "summary", "gauge", "counter"]
    exporter: _Text
    served: str = ""
    times: tuple[Timed, ...] = Field(min_length=1)
    unit: Literal["s", "ms"] = "s"
    below: _Width = Field(default="0s", validate_default=True)
    above: _Width = Field(default="0s", validate_default=True)
    driver: _Name | None = None
    driver_prefix: str = ""
    storage_class: _Name | None = Field(default=None, alias="class")
    subject: tuple[_Name, ...] = ()
    labels: dict[_Text, _Name] = Field(default_factory=dict)
    id: _Name | None = None
    id_marks: Literal["start", "end"] = "end"
    bytes: _Name | None = None
    bytes_unit: Literal["B", "Ki"] = "B"
    traps: str = ""

    @model_validator(mode="after")
    def _gauges_have_an_identity(self) -> "Metric":
        if (self.kind == "gauge") != (self.id is not None):
            raise ValueError(
                "a gauge needs `id`: the metric whose value changes with each new sample"
                if self.kind == "gauge"
                else f"`id` is for gauges; this is a {self.kind}"
            )
        if self.bytes and self.kind != "gauge":
            raise ValueError(f"`bytes` is for gauges; this is a {self.kind}")
        return self

    @property
    def seconds_per_unit(self) -> float:
        """Factor from a value to seconds."""
        return _UNITS[self.unit]

    @property
    def bytes_per_unit(self) -> int:
        """Factor from a value of `bytes` to bytes."""
        return _BYTES[self.bytes_unit]

    def timed(self, labels: Mapping[str, str]) -> Timed | None:
        """What a series with these labels times; the first line that fits."""
        return next((line for line in self.times if line.applies(labels)), None)

    def backend(self, labels: Mapping[str, str]) -> str:
        """Driver and storage class, as far as the labels tell."""
        driver = labels.get(self.driver or "", "").removeprefix(self.driver_prefix)
        parts = (driver, labels.get(self.storage_class or "", ""))
        return "/".join(part for part in parts if part)

    def subject_of(self, labels: Mapping[str, str]) -> str:
        """Which object, as far as the labels tell."""
        return "/".join(labels[name] for name in self.subject if labels.get(name))

    def kept_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels of an observation."""
        return {name: labels[label] for name, label in self.labels.items() if labels.get(label)}

    def selector(self, series: str) -> str:
        """The selector of one of its series, narrowed where all lines of `times` agree what to narrow by.

        >>> line = {"operation": "a", "stage": "b"}
        >>> times = [{**line, "when": {"op": "x", "code": "OK"}}, {**line, "when": {"op": ["y.z", "x"]}}]
        >>> metric = Metric(kind="histogram", exporter="e", times=times)
        >>> print(metric.selector("m_count"))
        m_count{op=~"x|y\\\\.z"}
        """
        shared = set.intersection(*(set(line.when) for line in self.times))
        parts = []
        for name in sorted(shared):
            values = [line.when[name] for line in self.times]
            if not any(isinstance(value, str) and value.startswith("!") for value in values):
                every = {one for value in values for one in (value if isinstance(value, tuple) else (value,))}
                parts.append(f"{name}=~{quoted('|'.join(map(literal, sorted(every))))}")
        return f"{series}{{{','.join(parts)}}}" if parts else series

    def signs(self, name: str) -> list[str]:
        """Selectors that match about one series for each set of labels, whatever way it is exposed."""
        suffix = "_count" if self.kind in ("histogram", "summary") else ""
        names = [name + suffix, *([name] if self.kind == "histogram" else [])]
        return [self.selector(one) for one in names]


class _File(_Strict):
    version: Literal[1]
    metrics: dict[_Name, Metric] = Field(min_length=1)


def _read(data: bytes, name: str) -> dict[str, Metric]:
    document: Document = read_document(data, name, kind="metrics file")
    try:
        return _File.model_validate(document.content).metrics
    except ValidationError as error:
        problems = schema_problems(error, document, _File)
        raise refusal(name, document, problems) from None


@cache
def known_metrics() -> Mapping[str, Metric]:
    """The metrics that come with the package, by name."""
    data = files("rpo_probes._metrics").joinpath("known.yaml").read_bytes()
    return _read(data, "known.yaml")


def with_own(paths: Iterable[Path]) -> dict[str, Metric]:
    """The known metrics and those of a user's files; a later file replaces an entry of the same name.

    Raises
    ------
    ScenarioError
        If a file cannot be read or used: every problem with its line.
    """
    table = {**known_metrics()}
    for path in paths:
        try:
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ScenarioError(f"cannot read {path}: {error.strerror or error}") from error
        if len(data) > MAX_BYTES:
            raise ScenarioError(f"{path} is larger than {format_bytes(MAX_BYTES)}: is it a metrics file?")
        table.update(_read(data, str(path)))
    return table
