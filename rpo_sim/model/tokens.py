"""What operations cost of a token bucket is an estimate too: drawn once for each block of runs."""

import math
from dataclasses import replace

from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import BucketPlan, Plan, StagePlan


def with_drawn_tokens(plan: Plan, draws: Draws, block: int) -> Plan:
    """The plan of one block: all stages' tokens of a bucket are off by the same factor.

    It is lognormal, as wide on either side of 1 as the bucket's ``tokens_spread`` says, and keyed by the
    bucket's name: platforms share their luck.
    """
    if not any(any(bucket.tokens_spread) for bucket in plan.buckets):
        return plan
    factors = [_factor(bucket, draws, block) for bucket in plan.buckets]
    return replace(plan, stages=tuple(_scaled(stage, factors) for stage in plan.stages))


def _factor(bucket: BucketPlan, draws: Draws, block: int) -> float:
    deviation = draws.generator("tokens", bucket.name, "", run=block).normal()
    below, above = bucket.tokens_spread
    return math.exp(deviation * (below if deviation < 0 else above))


def _scaled(stage: StagePlan, factors: list[float]) -> StagePlan:
    if not stage.tokens:
        return stage
    return replace(stage, tokens=tuple((bucket, tokens * factors[bucket]) for bucket, tokens in stage.tokens))
