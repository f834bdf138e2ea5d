"""The numbers of one block of runs: parameters drawn once from their posterior, then every duration.

A block is the unit of work and of parameter uncertainty (statistics: an outer loop over posteriors). All
arrays have one row per run of the block.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.assumed import Fixed
from rpo_sim.distributions.base import Distribution, FloatArray, sample
from rpo_sim.distributions.parametric import LogNormal
from rpo_sim.model.contention import measured_totals
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Chance, CopyPlan, Input, Plan, StagePlan

BoolArray = npt.NDArray[np.bool_]
RUNS_PER_BLOCK = 25


class BlockDraws:
    """Durations, successes and phases of the runs of one block, drawn when first asked for."""

    def __init__(self, plan: Plan, draws: Draws, block: int, runs: int = RUNS_PER_BLOCK) -> None:
        self.plan = plan
        self.runs = range(block * runs, (block + 1) * runs)
        self._draws = draws
        self._block = block
        self._drawn: dict[str, tuple[Distribution, ...]] = {}
        self._chances: dict[str, float] = {}
        self._tables: dict[tuple[str, str, int], FloatArray] = {}
        self._oks: dict[tuple[str, int], BoolArray | None] = {}
        self._totals: dict[int, tuple[float, ...]] = {}

    def uniforms(self, purpose: str, stage: str, group: str, n: int, attempt: int = 0) -> FloatArray:
        """Uniforms of shape ``(runs, n)``."""
        return self._draws.uniforms(purpose, stage, group, runs=self.runs, attempt=attempt, n=n)

    def single(self, purpose: str, item: Input | None) -> FloatArray:
        """One duration per run, shape ``(runs,)``; zeros where there is no such input."""
        if item is None:
            return np.zeros(len(self.runs))
        return sample(self._distributions(item)[0], self.uniforms("duration", purpose, "", 1))[:, 0]

    def per_vm(self, purpose: str, stage: str, item: Input, attempt: int) -> FloatArray:
        """Durations of shape ``(runs, VMs)``, one distribution per group."""
        kinds = self._distributions(item)

        def draw(g: int, name: str, count: int) -> FloatArray:
            kind = kinds[g if len(kinds) > 1 else 0]
            if isinstance(kind, Fixed):  # whatever is drawn
                return np.full((len(self.runs), count), kind.seconds)
            return sample(kind, self.uniforms(purpose, stage, name, count, attempt))

        return self._per_group(draw)

    def vm_uniforms(self, purpose: str, stage: str, attempt: int = 0) -> FloatArray:
        """Uniforms of shape ``(runs, VMs)``."""
        return self._per_group(lambda _, name, count: self.uniforms(purpose, stage, name, count, attempt))

    def copy_seconds(self, copy: CopyPlan, attempt: int) -> FloatArray:
        """Durations of one attempt at a copy, shape ``(runs, VMs)``."""
        return self.per_vm("copy", copy.name, copy.duration, attempt)

    def full_seconds(self, copy: CopyPlan, attempt: int) -> FloatArray:
        """Durations of one attempt at a full of a cycle, shape ``(runs, VMs)``."""
        assert copy.cycle is not None, "asked of cycles only"
        assert copy.cycle.duration is not None, "where a link says how long it takes, nothing is drawn"
        return self.per_vm("copy-full", copy.name, copy.cycle.duration, attempt)

    def copy_succeeds(self, copy: CopyPlan, attempt: int) -> BoolArray:
        """Whether that attempt succeeds, shape ``(runs, VMs)``."""
        if copy.success is None:
            return np.ones((len(self.runs), self.plan.n_vms), dtype=np.bool_)
        probability = self._probability(copy.success)
        return self.vm_uniforms("copy-success", copy.name, attempt) < probability

    def stage_seconds(self, stage: StagePlan, attempt: int) -> FloatArray:
        """Durations of one attempt at a stage, shape ``(runs, members of its unit)``; may be inf.

        For ``disk`` the members are the disks of VM 0, of VM 1, …
        """
        key = ("stage", stage.key, attempt)
        if key not in self._tables:
            seconds = self._stage_durations(stage, attempt) * self._times(stage, attempt)
            self._tables[key] = seconds
        return self._tables[key]

    def stage_slopes(self, stage: StagePlan, attempt: int) -> FloatArray:
        """How much the durations of `stage_seconds` grow with twice the size, shape as theirs."""
        key = ("twice", stage.key, attempt)
        if key not in self._tables:
            twice = replace(stage, duration=stage.duration_twice)
            longer = self._stage_durations(twice, attempt) * self._times(stage, attempt)
            self._tables[key] = longer - self.stage_seconds(stage, attempt)
        return self._tables[key]

    def stage_succeeds(self, stage: StagePlan, attempt: int) -> BoolArray | None:
        """Whether that attempt succeeds; None where it always does."""
        key = (stage.key, attempt)
        if key not in self._oks:
            self._oks[key] = None
            if stage.success is not None:
                u = self._members(stage, "success", attempt)
                self._oks[key] = u < self._probability(stage.success)
        return self._oks[key]

    def link_totals(self, index: int) -> tuple[float, ...]:
        """Throughput of a link by streams in flight; a measured curve is drawn once, with its durations."""
        link = self.plan.links[index]
        if link.measured is None:
            return link.totals
        if index not in self._totals:
            base = link.measured.base
            posterior = self._posterior(link.measured)
            drawn = base if posterior is None else base.posterior_draw(posterior)
            self._totals[index] = measured_totals(drawn, len(link.totals), link)
        return self._totals[index]

    def repair_seconds(self, attempt: int) -> FloatArray:
        """How long the repair after a job's failure number `attempt` takes, shape ``(runs, jobs)``."""
        key = ("repair", "", attempt)
        if key not in self._tables:
            item, plan = self.plan.repair, self.plan
            assert item is not None, "asked only where the plan has a repair"
            others = self.uniforms("repair", "repair", "", plan.n_jobs - plan.n_vms, attempt)
            u = np.concatenate([self.vm_uniforms("repair", "repair", attempt), others], axis=1)
            self._tables[key] = sample(self._distributions(item)[0], u)
        return self._tables[key]

    def distribution(self, item: Input) -> Distribution:
        """The distribution of an input that is the same for all members, as drawn for this block."""
        return self._distributions(item)[0]

    def is_fixed(self, item: Input) -> bool:
        """Whether it is the same in every run and for every VM of a group."""
        return all(isinstance(kind, Fixed) for kind in self._distributions(item))

    def one_per_group(self) -> "BlockDraws":
        """The same block for an estate with one VM per group: for what all VMs of a group have alike."""
        groups = tuple(replace(group, first=g, count=1) for g, group in enumerate(self.plan.groups))
        return BlockDraws(replace(self.plan, groups=groups), self._draws, self._block, len(self.runs))

    def _distributions(self, item: Input) -> tuple[Distribution, ...]:
        if item.key not in self._drawn:
            self._drawn[item.key] = item.drawn(self._posterior(item))
        return self._drawn[item.key]

    def _posterior(self, item: Input | Chance) -> np.random.Generator | None:
        """Keyed by the measurement: whatever is bound to it, on either platform, moves together."""
        if item.n == 0:
            return None
        purpose = "posterior" if isinstance(item, Input) else "posterior-success"
        return self._draws.generator(purpose, item.source, "", run=self._block)

    def _probability(self, chance: Chance) -> float:
        if chance.key not in self._chances:
            self._chances[chance.key] = chance.drawn(self._posterior(chance))
        return self._chances[chance.key]

    def _per_group(self, draw: Callable[[int, str, int], FloatArray]) -> FloatArray:
        parts = [draw(g, group.name, group.count) for g, group in enumerate(self.plan.groups)]
        return np.concatenate(parts, axis=1)

    def _members(self, stage: StagePlan, purpose: str, attempt: int) -> FloatArray:
        """One uniform per member of the stage's unit."""
        plan = self.plan
        if stage.unit == "vm":
            return self.vm_uniforms(purpose, stage.key, attempt)
        if stage.unit == "disk":
            return self._per_disk(
                lambda _, name, count: self.uniforms(purpose, stage.key, name, count, attempt)
            )
        counts = {"group": len(plan.groups), "wave": plan.waves, "application": len(plan.applications)}
        return self.uniforms(purpose, stage.key, "", counts.get(stage.unit, 1), attempt)

    def _per_disk(self, draw: Callable[[int, str, int], FloatArray]) -> FloatArray:
        """Columns in the order of VMs, each with its disks; one stream per disk of a group."""
        parts, kind = [], 0
        for group in self.plan.groups:
            disks = [draw(kind + d, f"{group.name}/disk{d}", group.count) for d in range(group.disks)]
            parts.append(np.stack(disks, axis=2).reshape(len(self.runs), -1))
            kind += group.disks
        return np.concatenate(parts, axis=1)

    def _stage_durations(self, stage: StagePlan, attempt: int) -> FloatArray:
        if stage.duration is None:
            return np.zeros_like(self._members(stage, "duration", attempt))
        kinds = self._distributions(stage.duration)

        def draw(kind: int, name: str, count: int) -> FloatArray:
            u = self.uniforms("duration", stage.key, name, count, attempt)
            return sample(kinds[kind if len(kinds) > 1 else 0], u)

        if stage.unit == "vm":
            return self._per_group(draw)
        if stage.unit == "disk":
            return self._per_disk(draw)
        return sample(kinds[0], self._members(stage, "duration", attempt))

    def _times(self, stage: StagePlan, attempt: int) -> FloatArray | float:
        if isinstance(stage.times, int):
            return float(stage.times)
        p50, p95 = stage.times
        count = LogNormal.from_quantiles(p50=p50, p95=p95).ppf(self._members(stage, "times", attempt))
        return np.maximum(np.rint(count), 1.0)


def mean_seconds(distribution: Distribution) -> float:
    """The mean by the midpoint rule over 4,096 probabilities; sets the nominal period of back-to-back.

    Raises nothing: a censored end contributes the largest finite quantile.
    """
    quantiles = distribution.ppf((np.arange(4096) + 0.5) / 4096)
    finite = quantiles[np.isfinite(quantiles)]
    return float(finite.mean()) if finite.size else math.inf
