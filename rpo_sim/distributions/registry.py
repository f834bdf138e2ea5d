"""From a distribution to plain JSON and back, by the name of its kind."""

import math
from collections.abc import Mapping
from typing import TypeGuard, TypeVar

from rpo_sim.distributions.base import Distribution
from rpo_sim.errors import ModelError, ScenarioError

_KINDS: dict[str, type[Distribution]] = {}
_D = TypeVar("_D", bound=type[Distribution])


def register(cls: _D) -> _D:
    """Make a distribution known by its ``kind`` (a class decorator)."""
    _KINDS[cls.kind] = cls
    return cls


def to_dict(distribution: Distribution) -> dict[str, object]:
    """The JSON form: ``{"kind": …, "parameters": {…}}``."""
    return {"kind": distribution.kind, "parameters": distribution.parameters()}


def distribution_from_dict(data: object) -> Distribution:
    """The inverse of `to_dict`, strict: unknown kinds, unknown keys and impossible numbers are refused.

    Raises
    ------
    ScenarioError
        If the mapping does not describe a distribution.
    """
    if not isinstance(data, Mapping) or set(data) != {"kind", "parameters"}:
        raise ScenarioError(f"a distribution is {{kind, parameters}}, not {_shown(data)}")
    kind, parameters = data["kind"], data["parameters"]
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ScenarioError(
            f"unknown kind of distribution {_shown(kind)}; known: {', '.join(sorted(_KINDS))}"
        )
    if not isinstance(parameters, Mapping) or not all(isinstance(key, str) for key in parameters):
        raise ScenarioError(
            f"the parameters of a {kind} distribution are a mapping, not {_shown(parameters)}"
        )
    try:
        return _KINDS[kind].from_parameters(parameters)
    except ModelError as error:
        raise ScenarioError(str(error)) from error
    except (TypeError, KeyError, ValueError) as error:
        raise ScenarioError(f"{kind} distribution with parameters {_shown(parameters)}: {error}") from error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"


def require(kind: str, *, minimum: float = 0.0, strict: bool = True, **numbers: object) -> None:
    """Refuse numbers that are not finite, or not above (``strict``) or at least ``minimum``.

    Raises
    ------
    ModelError
        Naming the first offending number.
    """
    for name, value in numbers.items():
        if not is_number(value):
            raise ModelError(f"{kind}: {name} is {_shown(value)}; it must be a finite number")
        if value < minimum or (strict and value == minimum):
            sign = ">" if strict else "≥"
            raise ModelError(f"{kind}: {name} is {value}; it must be {sign} {minimum:g}")


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # an int beyond the range of a float has no logarithm here
    return abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)


def require_count(kind: str, *, minimum: int = 1, **numbers: object) -> None:
    """Refuse what is not a whole number of at least ``minimum``.

    Raises
    ------
    ModelError
        Naming the first offending number.
    """
    for name, value in numbers.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ModelError(f"{kind}: {name} is {_shown(value)}; it must be a whole number ≥ {minimum}")
