"""The numbers of one block of runs: parameters drawn once from their posterior, then every duration.

A block is the unit of parameter uncertainty (statistics: an outer loop over posteriors). How many runs are
simulated together is another matter: some of a block's, or those of several blocks. All arrays have one row
per run.
"""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.base import Distribution, FloatArray, sample
from rpo_sim.distributions.columns import all_fixed, are_lognormal, fixed, from_normals, from_uniforms
from rpo_sim.distributions.parametric import LogNormal
from rpo_sim.model.contention import measured_totals
from rpo_sim.model.draws import Draws, Streams
from rpo_sim.model.plan import Chance, CopyPlan, Input, Plan, StagePlan

BoolArray = npt.NDArray[np.bool_]
RUNS_PER_BLOCK = 25
_ONE = Streams.of(("", 1))


class BlockDraws:
    """Durations, successes and phases of a block's runs, or of `some_runs`, drawn when first asked for."""

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
        self._parts: tuple[BlockDraws, ...] = ()  # where there are several blocks

    @classmethod
    def some_runs(cls, plan: Plan, draws: Draws, runs: range) -> "BlockDraws":
        """Those of one block or several, which must not `differ_beyond_durations` then."""
        first, last = runs.start // RUNS_PER_BLOCK, (runs.stop - 1) // RUNS_PER_BLOCK
        made = cls(plan, draws, first)
        made.runs = runs
        if first != last:
            blocks = (range(b * RUNS_PER_BLOCK, (b + 1) * RUNS_PER_BLOCK) for b in range(first, last + 1))
            parts = (range(max(b.start, runs.start), min(b.stop, runs.stop)) for b in blocks)
            made._parts = tuple(cls.some_runs(plan, draws, part) for part in parts)
        return made

    def uniforms(self, purpose: str, stage: str, group: str, n: int, attempt: int = 0) -> FloatArray:
        """Uniforms of shape ``(runs, n)``."""
        return self._draws.uniforms(purpose, stage, group, runs=self.runs, attempt=attempt, n=n)

    def single(self, purpose: str, item: Input | None) -> FloatArray:
        """One duration per run, shape ``(runs,)``; zeros where there is no such input."""
        if item is None:
            return np.zeros(len(self.runs))
        return self._durations_of(item, "duration", purpose, _ONE, 0)[:, 0]

    def per_vm(self, purpose: str, stage: str, item: Input, attempt: int) -> FloatArray:
        """Durations of shape ``(runs, VMs)``, one distribution per group."""
        return self._durations_of(item, purpose, stage, self.plan.vm_streams, attempt)

    def vm_uniforms(self, purpose: str, stage: str, attempt: int = 0) -> FloatArray:
        """Uniforms of shape ``(runs, VMs)``."""
        return self._table(purpose, stage, self.plan.vm_streams, attempt)

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
        return self.vm_uniforms("copy-success", copy.name, attempt) < self._probability(copy.success)

    def stage_seconds(self, stage: StagePlan, attempt: int) -> FloatArray:
        """Durations of one attempt at a stage, shape ``(runs, members of its unit)``; may be inf.

        For ``disk`` the members are the disks of VM 0, of VM 1, …
        """
        key = ("stage", stage.key, attempt)
        if key not in self._tables:
            self._tables[key] = self._stage_durations(stage, attempt)
        return self._tables[key]

    def stage_slopes(self, stage: StagePlan, attempt: int) -> FloatArray:
        """How much the durations of `stage_seconds` grow with twice the size, shape as theirs."""
        key = ("twice", stage.key, attempt)
        if key not in self._tables:
            twice = replace(stage, duration=stage.duration_twice)
            self._tables[key] = self._stage_durations(twice, attempt) - self.stage_seconds(stage, attempt)
        return self._tables[key]

    def stage_succeeds(self, stage: StagePlan, attempt: int) -> BoolArray | None:
        """Whether that attempt succeeds; None where it always does."""
        key = (stage.key, attempt)
        if key not in self._oks:
            self._oks[key] = None
            if stage.success is not None:
                u = self._in_order(stage, self._table("success", stage.key, self._streams(stage), attempt))
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
            self._tables[key] = self._sampled(item, u)
        return self._tables[key]

    def distribution(self, item: Input) -> Distribution:
        """The distribution of an input that is the same for all members, as drawn for this block."""
        return self._distributions(item)[0]

    def is_fixed(self, item: Input) -> bool:
        """Whether it is the same in every run and for every VM of a group."""
        return all_fixed(self._distributions(item))

    def one_per_group(self) -> "BlockDraws":
        """The same runs for an estate with one VM per group: for what all VMs of a group have alike."""
        made = BlockDraws(self.plan.one_per_group, self._draws, self._block)
        made.runs, made._parts = self.runs, tuple(part.one_per_group() for part in self._parts)
        return made

    def _distributions(self, item: Input) -> tuple[Distribution, ...]:
        if item.key not in self._drawn:
            posterior = self._posterior(item)
            self._drawn[item.key] = item.undrawn if posterior is None else item.drawn(posterior)
        return self._drawn[item.key]

    def _posterior(self, item: Input | Chance) -> np.random.Generator | None:
        """Keyed by the measurement: whatever is bound to it, on either platform, moves together."""
        if item.n == 0:
            return None
        purpose = "posterior" if isinstance(item, Input) else "posterior-success"
        return self._draws.generator(purpose, item.source, "", run=self._block)

    def _probability(self, chance: Chance) -> float | FloatArray:
        """One for all runs, or a column with that of each run's block."""
        if self._parts and chance.n > 0:
            return np.repeat(
                [[part._probability(chance)] for part in self._parts],
                [len(part.runs) for part in self._parts],
                axis=0,
            )
        if chance.key not in self._chances:
            self._chances[chance.key] = chance.drawn(self._posterior(chance))
        return self._chances[chance.key]

    def _table(self, purpose: str, stage: str, streams: Streams, attempt: int) -> FloatArray:
        return self._draws.table(purpose, stage, streams, runs=self.runs, attempt=attempt)

    def _sampled(self, item: Input, u: FloatArray) -> FloatArray:
        """Of an input that is the same for all members, at uniforms of shape ``(runs, members)``."""
        if not self._parts:
            return sample(self.distribution(item), u)
        rows = np.split(u, np.cumsum([len(part.runs) for part in self._parts])[:-1])
        return np.concatenate([part._sampled(item, row) for part, row in zip(self._parts, rows, strict=True)])

    def _durations_of(
        self, item: Input, purpose: str, stage: str, streams: Streams, attempt: int
    ) -> FloatArray:
        """Of an input: block by block where each has its own distribution of what was measured."""
        if self._parts and item.n > 0:
            drawn = [part._durations_of(item, purpose, stage, streams, attempt) for part in self._parts]
            return np.concatenate(drawn)
        return self._durations(self._distributions(item), purpose, stage, streams, attempt)

    def _durations(
        self, kinds: tuple[Distribution, ...], purpose: str, stage: str, streams: Streams, attempt: int
    ) -> FloatArray:
        """One distribution for all streams, or one for each."""
        kinds, counts = kinds[: len(streams.names)], streams.counts
        if all_fixed(kinds):
            return fixed(kinds, counts, (len(self.runs), streams.n))
        if not are_lognormal(kinds):
            return from_uniforms(kinds, counts, self._table(purpose, stage, streams, attempt))
        z = self._draws.table(purpose, stage, streams, runs=self.runs, attempt=attempt, normal=True)
        return from_normals(kinds, counts, z)

    def _streams(self, stage: StagePlan) -> Streams:
        """One column per member of the stage's unit."""
        plan = self.plan
        if stage.unit == "vm":
            return plan.vm_streams
        if stage.unit == "disk":
            return plan.disk_streams
        counts = {"group": len(plan.groups), "wave": plan.waves, "application": len(plan.applications)}
        return Streams.of(("", counts.get(stage.unit, 1)))

    def _in_order(self, stage: StagePlan, table: FloatArray) -> FloatArray:
        """Disks by VM, not by stream."""
        several = stage.unit == "disk" and any(group.disks > 1 for group in self.plan.groups)
        return table.take(self.plan.disk_columns, axis=1) if several else table

    def _stage_durations(self, stage: StagePlan, attempt: int) -> FloatArray:
        streams = self._streams(stage)
        if stage.duration is None:
            return np.zeros((len(self.runs), streams.n))
        once = self._durations_of(stage.duration, "duration", stage.key, streams, attempt)
        once = self._in_order(stage, once)
        if isinstance(stage.times, int):
            return once if stage.times == 1 else once * float(stage.times)
        p50, p95 = stage.times
        kinds = (LogNormal.from_quantiles(p50=p50, p95=p95),)
        times = self._in_order(stage, self._durations(kinds, "times", stage.key, streams, attempt))
        return once * np.maximum(np.rint(times), 1.0)


def differ_beyond_durations(plan: Plan) -> bool:
    """Whether blocks have more of their own than distributions and chances: curves, outages, tokens."""
    outages = (link.outages for link in plan.links)
    measured = any(link.measured for link in plan.links) or any(each and each.duration.n for each in outages)
    return measured or any(any(bucket.tokens_spread) for bucket in plan.buckets)


def mean_seconds(distribution: Distribution) -> float:
    """The mean by the midpoint rule over 4,096 probabilities; sets the nominal period of back-to-back.

    Raises nothing: a censored end contributes the largest finite quantile.
    """
    quantiles = distribution.ppf((np.arange(4096) + 0.5) / 4096)
    finite = quantiles[np.isfinite(quantiles)]
    return float(finite.mean()) if finite.size else math.inf
