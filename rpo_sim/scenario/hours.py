"""Times of day as people write them: 08:00, and stretches between two of them."""

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from rpo_sim.scenario.quantities import Part, Positive, or_text

DAY_SECONDS = 86400.0
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def _time_of_day(value: Any) -> Any:
    if isinstance(value, float):  # already read
        return value
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is not a time of day: write hours and minutes, such as 08:00")
    return int(found[1]) * 3600.0 + int(found[2]) * 60.0


TimeOfDay = Annotated[
    float,
    BeforeValidator(_time_of_day),
    WithJsonSchema({"type": "string", "description": "A time of day.", "examples": ["08:00", "20:30"]}),
]


class Hours(Part):
    """A stretch of the day; one that ends before it begins ends on the next day."""

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.from_ == self.to:
            raise ValueError("`from` and `to` are the same time; leave it out if it is the whole day")
        return self

    def covers(self, second: float) -> bool:
        """Whether a second of the day lies in it."""
        if self.from_ < self.to:
            return self.from_ <= second < self.to
        return second >= self.from_ or second < self.to


class FailureHours(Part):
    """When in the day the failure strikes: at a time, or at any time of a stretch."""

    model_config = ConfigDict(json_schema_extra=or_text)

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay

    @model_validator(mode="before")
    @classmethod
    def _plain_time(cls, value: Any) -> Any:
        return {"from": value, "to": value} if isinstance(value, str) else value


Hands = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]


class Shift(Hours):
    """So many people, from a time of day to another."""

    count: Positive


class DayAndNight(Part):
    """So many by day, that is within `hours`, and so many by night."""

    day: Positive
    night: Hands
    hours: Annotated[str, Field(examples=["08:00-20:00"])]

    @model_validator(mode="after")
    def _hours_read(self) -> Self:
        self.shifts()
        return self

    def shifts(self) -> tuple[Shift, ...]:
        """The same as a list of shifts."""
        start, dash, end = (part.strip() for part in self.hours.partition("-"))
        if not dash:
            raise ValueError(f"hours: {self.hours!r} is not two times of day, such as 08:00-20:00")
        day = _shift(self.day, start, end)
        return (day, _shift(self.night, end, start)) if self.night else (day,)


def _shift(count: int, start: str, end: str) -> Shift:
    return Shift.model_validate({"count": count, "from": start, "to": end})


def hands_by_time(shifts: tuple[Shift, ...]) -> tuple[tuple[float, int], ...]:
    """(second of the day, people from then on), in order; shifts that overlap add up.

    >>> day = Shift(**{"count": 4, "from": "08:00", "to": "20:00"})
    >>> hands_by_time((day, Shift(**{"count": 1, "from": "18:00", "to": "06:00"})))
    ((21600.0, 0), (28800.0, 4), (64800.0, 5), (72000.0, 1))
    """
    edges = sorted({edge for shift in shifts for edge in (shift.from_, shift.to)})
    return tuple((edge, sum(s.count for s in shifts if s.covers(edge))) for edge in edges)
