"""An incident of known length."""

from dataclasses import dataclass

from rpo_sim.model.plan import Plan
from tests.golden.medians import median_plan, where_all_fail, with_operators, without_copy

VMWARE, OPENSHIFT = "vmware", "openshift-virtualization"
Terms = dict[str, float]  # seconds by activity


@dataclass(frozen=True, kw_only=True)
class Case:
    """A scenario on a platform at its medians, and the terms of the RTA of each tier.

    ``lost`` is a copy that the failure destroyed too, ``failing`` a stage that fails at every attempt.
    """

    scenario: str
    platform: str
    terms: dict[str, Terms]
    lost: str | None = None
    failing: str | None = None
    operators: int = 4

    def __str__(self) -> str:
        """How pytest calls it."""
        lost = f" without {self.lost}" if self.lost else ""
        failing = f" with failing {self.failing}" if self.failing else ""
        return f"{self.scenario} on {self.platform}{lost}{failing}, {self.operators} operators"

    def plan(self) -> Plan:
        """The plan of the case."""
        plan = with_operators(median_plan(self.scenario, self.platform), self.operators)
        plan = without_copy(plan, self.lost) if self.lost else plan
        return where_all_fail(plan, self.failing) if self.failing else plan
