"""What the recovery site has for all VMs together, and what one VM takes of it: sizes or counts by name."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from rpo_sim import units
from rpo_sim.errors import UnitError


def _amount(value: Any) -> Any:
    """A size as float bytes, a count as int: the two are told apart by their type."""
    if isinstance(value, float):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("write a size such as 16Gi, or a count such as 4")
    if isinstance(value, int):
        return value
    try:
        return float(units.parse_bytes(value))
    except UnitError as error:
        raise ValueError(str(error)) from None


Amount = Annotated[
    int | float,
    BeforeValidator(_amount),
    Field(ge=0, le=2**62),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}],
            "description": "A size with its unit, or a count.",
            "examples": ["16Gi", 4],
        }
    ),
]
