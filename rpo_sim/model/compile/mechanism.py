"""A stage whose tokens are measured: its fitted chain as three plain stages of the plan.

Before the driver: tokens of each client limit, then the latency. The driver: its servers as a pool, its
service as the duration. After it: the remaining tokens. Both engines then do what the fit assumed, without
knowing of it.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from rpo_sim.distributions.assumed import Fixed
from rpo_sim.distributions.mechanism import Limit, Mechanism
from rpo_sim.model.compile.pools import PoolNames
from rpo_sim.model.plan import BucketPlan, Input, StagePlan
from rpo_sim.results import Evidence


class MeasuredChains:
    """Buckets and pools of the mechanisms that a platform's stages are bound to, each made once."""

    def __init__(self, pools: PoolNames, stated_buckets: int) -> None:
        self._pools, self._stated = pools, stated_buckets
        self._buckets: dict[str, BucketPlan] = {}

    @property
    def buckets(self) -> tuple[BucketPlan, ...]:
        """The buckets of the mechanisms; in the plan they follow those that the scenario states."""
        return tuple(self._buckets.values())

    def parts(
        self, stage: StagePlan, mechanism: Mechanism, driver: Input, where: str, at_once: int
    ) -> list[StagePlan]:
        """The stages that stand for ``stage``, in order, numbered from its index.

        Parameters
        ----------
        stage : StagePlan
            As compiled, without duration, slots and tokens of its own.
        mechanism : Mechanism
        driver : Input
            The driver's service time.
        where : str
            What was measured: stages that are bound to the same share its buckets and its driver.
        at_once : int
            How many of this stage may run at once: what an operation costs falls under load.
        """
        heads, tails = self._tokens(mechanism, driver.evidence, where, at_once)
        latency = replace(
            driver,
            key=f"recovery.{stage.key} (before).duration",
            base=Fixed(seconds=mechanism.latency_seconds.value),
            sizes_bytes=(None,),
        )
        pool = self._pools.index(f"driver of {where}", mechanism.servers)
        plain = replace(stage, success=None, bytes_=())
        parts = [
            replace(plain, key=f"{stage.key} (before)", duration=latency, tokens=heads),
            replace(stage, duration=driver, pools=(pool,)),
        ]
        if tails:
            parts[1] = replace(parts[1], success=None)
            parts.append(replace(plain, key=f"{stage.key} (after)", success=stage.success, tokens=tails))
        return [replace(part, index=stage.index + i) for i, part in enumerate(parts)]

    def _tokens(
        self, mechanism: Mechanism, reach: Evidence, where: str, at_once: int
    ) -> tuple[tuple[tuple[int, float], ...], tuple[tuple[int, float], ...]]:
        heads, tails = [], []
        for limit, passed in zip(mechanism.limits, mechanism.chain(at_once).passes, strict=True):
            evidence = reach if limit.is_measured else Evidence.ASSUMED
            bucket = self._bucket(f"{limit.name} ({where})", limit, evidence)
            heads.append((bucket, passed.head))
            tails.append((bucket, passed.tail))
        return _some(heads), _some(tails[::-1])

    def _bucket(self, name: str, limit: Limit, evidence: Evidence) -> int:
        """Stages that share a bucket share what its waits rest on: the weakest."""
        known = self._buckets.get(name)
        weakest = evidence if known is None else max(evidence, known.evidence)
        self._buckets[name] = BucketPlan(
            name=name,
            rate=limit.rate,
            burst=limit.burst,
            evidence=weakest,
            tokens_spread=limit.tokens.log_deviations,
        )
        return self._stated + list(self._buckets).index(name)


def _some(tokens: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    return tuple((bucket, amount) for bucket, amount in tokens if amount > 0 and math.isfinite(amount))
