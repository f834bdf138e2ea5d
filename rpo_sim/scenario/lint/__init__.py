"""Whether a scenario is wise: truths about recovery as named, explained rules."""

from dataclasses import dataclass

from rpo_sim.scenario.lint import (
    rules_evidence,
    rules_levels,
    rules_parity,
    rules_people,
    rules_protection,
    rules_recovery,
    rules_schedule,
)
from rpo_sim.scenario.lint.registry import RULES, Rule, Severity
from rpo_sim.scenario.load import LoadedScenario

__all__ = ["RULES", "LintFinding", "Rule", "Severity", "lint"]

_REGISTERED = (  # imported so that their rules are in the registry
    rules_protection,
    rules_schedule,
    rules_levels,
    rules_evidence,
    rules_people,
    rules_recovery,
    rules_parity,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One place where a scenario offends against a rule.

    Attributes
    ----------
    rule : str
        Name of the rule.
    severity : {"error", "warning"}
    platform : str
        Empty where it concerns all platforms.
    where : str
        ``file:line``.
    message, why, remedy : str
        What is so here; the truth behind the rule; what to do.
    """

    rule: str
    severity: Severity
    platform: str
    where: str
    message: str
    why: str
    remedy: str


def lint(loaded: LoadedScenario) -> list[LintFinding]:
    """Everything that the rules say of a scenario: errors first, then in the order of the rules."""
    findings = [
        LintFinding(
            rule=rule.name,
            severity=hit.severity or rule.severity,
            platform=hit.platform,
            where=loaded.where(hit.path),
            message=hit.message,
            why=rule.why,
            remedy=rule.remedy,
        )
        for rule in RULES.values()
        for hit in rule.check(loaded)
    ]
    return sorted(findings, key=lambda finding: finding.severity)
