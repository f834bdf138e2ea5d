"""What an experiment keeps of its runs: a few numbers for each run, and one or two bytes for each VM and run.

It is made where the runs were simulated, so that no more than this has to travel or wait for its turn.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from rpo_sim.across_vms import AcrossVms, across_vms
from rpo_sim.distributions.base import FloatArray
from rpo_sim.histograms import CodeArray, Histograms, codes_of
from rpo_sim.model.block import RUNS_PER_BLOCK
from rpo_sim.model.block_runs import BlockResult, run_some
from rpo_sim.model.engines import Engine
from rpo_sim.model.pieces import pieces
from rpo_sim.model.plan import Plan
from rpo_sim.per_vm import EveryRun, PerVm


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """Some runs, one row each; ``rpa_best`` and what follows are per tier.

    ``vm_rpa`` and ``vm_rta`` have a column per VM: seconds, or codes of `rpo_sim.histograms`.
    """

    age: FloatArray
    declared_at: FloatArray
    first_rpa: FloatArray
    last_rpa: FloatArray
    first_rta: FloatArray
    last_rta: FloatArray
    one_vm_rta: FloatArray
    rpa_best: FloatArray
    evidence: FloatArray
    activities: FloatArray
    also: FloatArray
    copy_rpa: FloatArray
    vm_rpa: FloatArray | CodeArray
    vm_rta: FloatArray | CodeArray

    @property
    def exact(self) -> bool:
        """Whether it has every VM's seconds."""
        return self.vm_rta.dtype == np.float64

    def coded(self) -> Self:
        """With codes in the place of seconds."""
        if not self.exact:
            return self
        rpa, rta = (codes_of(np.asarray(values, np.float64)) for values in (self.vm_rpa, self.vm_rta))
        return replace(self, vm_rpa=rpa, vm_rta=rta)

    def blocks(self) -> Iterator[Self]:
        """One by one."""
        for first in range(0, len(self.age), RUNS_PER_BLOCK):
            rows = slice(first, first + RUNS_PER_BLOCK)
            yield type(self)(**{name: values[rows] for name, values in self.arrays().items()})

    def arrays(self) -> dict[str, Any]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def kept_blocks(plan: Plan, seed: int, blocks: range, engine: Engine, exact: bool) -> Kept:
    """Simulate blocks in this process, so many runs at once as is good; with codes unless ``exact``."""
    runs = range(blocks.start * RUNS_PER_BLOCK, blocks.stop * RUNS_PER_BLOCK)
    made = [keep(plan, run_some(plan, seed, piece, engine)) for piece in pieces(plan, runs)]
    parts = made if exact else [kept.coded() for kept in made]
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(Kept)]
    return Kept(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def keep(plan: Plan, block: BlockResult) -> Kept:
    """What is to be kept, every VM's seconds included."""
    groups = [slice(group.first, group.first + group.count) for group in plan.groups]
    across = across_vms(block.vm_rpa, block.vm_rta, groups)
    best = np.stack([block.vm_rpa_best[:, vms].max(axis=1) for vms in groups], axis=1)
    per_run = ("age", "declared_at", "evidence", "activities", "also", "copy_rpa", "vm_rpa", "vm_rta")
    return Kept(
        **{field.name: getattr(across, field.name) for field in fields(AcrossVms)},
        rpa_best=np.stack([best[:, groups_of(plan, t)].max(axis=1) for t in range(len(plan.tiers))], axis=1),
        **{name: getattr(block, name) for name in per_run},
    )


def groups_of(plan: Plan, tier: int) -> list[int]:
    """The groups of a tier."""
    return [g for g, group in enumerate(plan.groups) if group.tier == tier]


class Gathered:
    """The blocks of an experiment so far, in their order."""

    def __init__(self, plan: Plan, blocks: int, exact: bool) -> None:
        self.runs = 0
        self._room = blocks * RUNS_PER_BLOCK
        self.exact = exact
        self._rows: dict[str, FloatArray] = {}
        self._histograms = {name: Histograms(plan.n_vms) for name in (() if exact else PER_VM)}

    def add(self, block: Kept) -> None:
        """Take the next runs."""
        end = self.runs + len(block.age)
        for name, values in block.arrays().items():
            if name in self._histograms:
                self._histograms[name].add(values)
                continue
            if name not in self._rows:
                self._rows[name] = np.empty((self._room, *values.shape[1:]))
            self._rows[name][self.runs : end] = values
        self.runs = end

    def rows(self, name: str) -> FloatArray:
        """What was kept for each run."""
        return self._rows[name][: self.runs]

    def per_vm(self, name: str) -> PerVm:
        """``vm_rpa`` or ``vm_rta``."""
        return EveryRun(self.rows(name)) if self.exact else self._histograms[name].trimmed()

    def across(self) -> AcrossVms:
        """What was kept across the VMs of each run."""
        return AcrossVms(**{field.name: self.rows(field.name) for field in fields(AcrossVms)})


PER_VM = ("vm_rpa", "vm_rta")
