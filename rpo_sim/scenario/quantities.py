"""Field types of scenario files: text with a unit on the outside, plain numbers inside."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from rpo_sim import units
from rpo_sim.errors import UnitError


class Part(BaseModel):
    """Base of everything people write: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


LONGEST_SECONDS = 1000 * 366 * 86400.0  # beyond these a number is a slip, and sums would lose precision
LARGEST_BYTES = 2**60
FASTEST_BYTES_PER_SECOND = 1e15


def _reader(parse: Callable[[str], Any]) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        if isinstance(value, float):  # already parsed: a default or a copy of a model
            return value
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError("write one quantity: a number and its unit")
        try:
            return parse(str(value))
        except UnitError as error:
            raise ValueError(str(error)) from None

    return read


def _text(description: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": description, "examples": list(examples)})


Seconds = Annotated[
    float,
    BeforeValidator(_reader(units.parse_duration)),
    Field(ge=0, le=LONGEST_SECONDS),
    _text("A duration: number and unit (ms s m h d w).", "90s", "15m", "1h30m"),
]
Bytes = Annotated[
    int,
    BeforeValidator(_reader(units.parse_bytes)),
    Field(ge=0, le=LARGEST_BYTES),
    _text("A size: number and unit (k M G T decimal, Ki Mi Gi Ti binary).", "500Gi", "20GB"),
]
BytesPerSecond = Annotated[
    float,
    BeforeValidator(_reader(units.parse_rate)),
    Field(gt=0, le=FASTEST_BYTES_PER_SECOND),
    _text("A rate.", "100MiB/s", "4Gbit/s"),
]
Ratio = Annotated[
    float,
    BeforeValidator(_reader(units.parse_ratio)),
    Field(ge=0, le=1),
    _text("A percentage.", "95%"),
]
PositiveSeconds = Annotated[Seconds, Field(gt=0)]
Positive = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$", max_length=63)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]


def or_text(schema: dict[str, Any]) -> None:
    """Let a JSON Schema also take plain text, where a validator reads it as the short form."""
    body = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string"}, body]


Retries = Annotated[int, Field(ge=0, le=10, strict=True)]
Interval = Annotated[Seconds, Field(ge=1)]  # shorter ones would only multiply recovery points
