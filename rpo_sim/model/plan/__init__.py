"""The plan: what a scenario compiles to, and all that an engine needs to know.

Plain frozen data. Entities are addressed by index: VMs in the order of their groups, pools, links,
buckets, stages. Times are float seconds; probabilities and durations are `Input`s whose numbers are drawn
outside of the engines.
"""

from rpo_sim.model.plan.copies import CopyPlan, CyclePlan, TransferPlan
from rpo_sim.model.plan.inputs import Chance, Input
from rpo_sim.model.plan.recovery import FailurePlan, GroupPlan, PathStepPlan, Program, StagePlan
from rpo_sim.model.plan.shared import BucketPlan, LinkPlan, OutagePlan, Pool
from rpo_sim.model.plan.whole import Plan

__all__ = [
    "BucketPlan",
    "Chance",
    "CopyPlan",
    "CyclePlan",
    "FailurePlan",
    "GroupPlan",
    "Input",
    "LinkPlan",
    "OutagePlan",
    "PathStepPlan",
    "Plan",
    "Pool",
    "Program",
    "StagePlan",
    "TransferPlan",
]
