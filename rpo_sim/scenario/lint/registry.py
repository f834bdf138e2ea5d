"""What a lint rule is, and the list of them all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.nodes import Path

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One place where a rule applies; `severity` only where it is not the rule's own."""

    path: Path
    message: str
    platform: str = ""
    severity: Severity | None = None


Check = Callable[[LoadedScenario], Iterator[Hit]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A truth about recovery that scenarios can offend against.

    Attributes
    ----------
    name : str
        In kebab case.
    severity : {"error", "warning"}
        An error cannot be meant; a warning may be, and then stays visible.
    why, remedy : str
        The truth, and what to do.
    check : callable
        Yields the places where it applies.
    """

    name: str
    severity: Severity
    why: str
    remedy: str
    check: Check


RULES: dict[str, Rule] = {}


def rule(name: str, *, severity: Severity, why: str, remedy: str) -> Callable[[Check], Check]:
    """Register a check as the rule `name`."""

    def register(check: Check) -> Check:
        RULES[name] = Rule(name=name, severity=severity, why=why, remedy=remedy, check=check)
        return check

    return register
