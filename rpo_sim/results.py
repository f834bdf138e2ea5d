"""Results: what every run gave, and quantiles and shares with the intervals that the runs support.

A saved result can be judged and reported without the simulator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rpo_sim.across_vms import ONE_VM_LEVELS, AcrossVms, columns_of
from rpo_sim.errors import NoDataError
from rpo_sim.intervals import Interval, quantile, share
from rpo_sim.per_vm import EveryRun, PerVm, quantiles

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


class Evidence(IntEnum):
    """What a number rests on; seconds of an RTA are booked under one of these."""

    MEASURED = 0
    EXTRAPOLATED = 1
    ASSUMED = 2

    @property
    def label(self) -> str:
        """The word for people."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A tier and its objectives; None where nobody stated any."""

    name: str
    rpo_seconds: float | None
    rto_seconds: float | None
    share: float | None
    from_declaration: bool
    drill_every_seconds: float
    owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputNote:
    """One uncertain number of the model and what it rests on: ``n`` observations, 0 if assumed.

    ``restores`` counts the verified restores on the result's own platform among them.
    """

    key: str
    evidence: Evidence
    n: int
    source: str
    restores: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """The greatest data loss that the windows of a copy allow; of the best on the path if it has no name.

    ``lag_seconds`` is the age of a point when it becomes usable: the least loss. ``seconds`` is inf where
    nothing bounds the loss, ``because`` then says what.
    """

    copy: str
    lag_seconds: float
    seconds: float
    because: str


@dataclass(frozen=True, kw_only=True, eq=False)
class TierRuns:
    """What the runs gave for one tier; every array has one entry (or row) per run, float seconds.

    Attributes
    ----------
    tier : Tier
    vms : int
    rpa, rpa_best : ndarray, shape (runs,)
        Of the tier's worst VM: of the point restored, and of the best point that survived.
    rta, rta_from_declaration : ndarray, shape (runs,)
        Of the tier's last VM; inf where a VM was never recovered.
    evidence : ndarray, shape (runs, 3)
        The RTA by `Evidence` along its critical path; sums to ``rta`` where that is finite.
    activities : ndarray, shape (runs, activities)
        The same RTA by what was done.
    also : mapping of str to ndarray, shape (runs,)
        What else is known of some scenarios: ``no_capacity_vms`` counts the VMs that found no room at the
        target; ``full_performance_seconds``, ``unprotected_seconds``, ``failback_seconds`` and
        ``cleanup_seconds`` say when, since the failure, its last VM was through with what follows.
    worst_cases : tuple of WorstCase
        One per copy, then that of the best on the path.
    copy_rpa : ndarray, shape (runs, copies)
        What the RPA would be from each copy alone; inf where it has no usable point for a VM.
    """

    tier: Tier
    vms: int
    rpa: FloatArray
    rpa_best: FloatArray
    rta: FloatArray
    rta_from_declaration: FloatArray
    evidence: FloatArray
    activities: FloatArray
    also: Mapping[str, FloatArray] = field(default_factory=dict)
    worst_cases: tuple[WorstCase, ...] = ()
    copy_rpa: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def judged_rta(self) -> FloatArray:
        """The RTA on the clock that the objective names."""
        return self.rta_from_declaration if self.tier.from_declaration else self.rta

    def evidence_shares(self) -> dict[Evidence, float]:
        """Share of the RTA that is measured, extrapolated, assumed, over all recovered runs."""
        total = self.evidence.sum()
        if total == 0:
            return dict.fromkeys(Evidence, 0.0)
        return {kind: float(self.evidence[:, kind].sum() / total) for kind in Evidence}


@dataclass(frozen=True, kw_only=True, eq=False)
class ResultSet:
    """All runs of one plan.

    ``across`` tells each run's first and last VM of each group; ``groups`` names the VMs in their order, with
    counts. ``per_vm_rpa`` and ``per_vm_rta`` tell of each VM over the runs: of every run, or by histograms
    where runs times VMs would be too many; all other figures are exact in either case.
    ``age`` is that of the corruption in each run, 0 for a loss. ``activities`` names the columns of the
    tiers' arrays. An ``interrupted`` result holds a contiguous prefix of the blocks that were asked for.
    """

    scenario: str
    platform: str
    seed: int
    runs_per_block: int
    assumed_factor: float
    interrupted: bool
    tiers: tuple[TierRuns, ...]
    activities: tuple[str, ...]
    inputs: tuple[InputNote, ...]
    groups: tuple[tuple[str, int], ...]
    age: FloatArray
    across: AcrossVms
    per_vm_rpa: PerVm
    per_vm_rta: PerVm
    digests: Mapping[str, str]

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(self.age)

    @property
    def incident_rta(self) -> FloatArray:
        """RTA of the whole incident per run: of its last VM."""
        rta: FloatArray = np.max([tier.rta for tier in self.tiers], axis=0)
        return rta

    @property
    def n_observations(self) -> int:
        """Observations behind the measured inputs; a measurement that is bound twice counts once."""
        return sum({note.source: note.n for note in self.inputs if note.n}.values())

    def quantile(self, values: FloatArray, p: float) -> Interval:
        """The ``p``-quantile of a per-run figure with its interval."""
        return quantile(values, p, self.runs_per_block)

    @property
    def blocks(self) -> int:
        """How many blocks of runs there are."""
        return -(-self.runs // self.runs_per_block)

    @property
    def vm_rpa(self) -> FloatArray:
        """The RPA of each run and VM, shape (runs, VMs), seconds.

        Raises
        ------
        NoDataError
            If there were too many to keep.
        """
        return _every_run(self.per_vm_rpa)

    @property
    def vm_rta(self) -> FloatArray:
        """The RTA of each run and VM, as `vm_rpa`."""
        return _every_run(self.per_vm_rta)

    def one_vm_rta(self, p: float) -> Interval:
        """The ``p``-quantile of the RTA over the VMs of an incident: its median over the runs.

        Raises
        ------
        NoDataError
            If it is none of `rpo_sim.across_vms.ONE_VM_LEVELS`, which alone are kept.
        """
        if p not in ONE_VM_LEVELS:
            raise NoDataError(f"the {p}-quantile over the VMs was not kept; ask for one of {ONE_VM_LEVELS}")
        return self.quantile(self.across.one_vm_rta[:, ONE_VM_LEVELS.index(p)], 0.5)

    def share(self, hits: npt.NDArray[np.bool_]) -> Interval:
        """The share of incidents in which something holds, with its interval."""
        return share(hits, self.runs_per_block)

    def to_frame(self) -> "pd.DataFrame":
        """One row per run and tier, for work with pandas.

        Columns: scenario, platform, run, tier; rpa_seconds, rpa_best_seconds, rta_seconds and
        rta_from_declaration_seconds (float, seconds; inf where a VM was never recovered); and
        ``measured_seconds``, ``extrapolated_seconds``, ``assumed_seconds``, which sum to a finite RTA; and
        what else the scenario tells of its tiers (`TierRuns.also`).
        """
        import pandas as pd

        frames = []
        for runs in self.tiers:
            columns: dict[str, object] = {
                "scenario": self.scenario,
                "platform": self.platform,
                "run": np.arange(self.runs),
                "tier": runs.tier.name,
            }
            for figure in ("rpa", "rpa_best", "rta", "rta_from_declaration"):
                columns[f"{figure}_seconds"] = getattr(runs, figure)
            columns |= runs.also
            columns |= {f"{kind.label}_seconds": runs.evidence[:, kind] for kind in Evidence}
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)

    def vm_frame(self) -> "pd.DataFrame":
        """One row per VM, for work with pandas: quantiles over the runs with 95 % intervals.

        Columns: scenario, platform, group, vm (number within its group); ``rpa_p50_seconds``,
        ``rpa_p50_low_seconds``, ``rpa_p50_high_seconds``, the same of p95, and of the RTA (float, seconds,
        inf where it was never recovered in so many runs); and ``relative_error`` of all these.
        """
        import pandas as pd

        names = [(name, vm) for name, count in self.groups for vm in range(count)]
        columns: dict[str, object] = {
            "scenario": self.scenario,
            "platform": self.platform,
            "group": [name for name, _ in names],
            "vm": [vm for _, vm in names],
        }
        for figure, per_vm in (("rpa", self.per_vm_rpa), ("rta", self.per_vm_rta)):
            for level, p in (("p50", 0.5), ("p95", 0.95)):
                found = quantiles(per_vm, p, self.blocks)
                for end, values in zip(("", "_low", "_high"), found, strict=True):
                    columns[f"{figure}_{level}{end}_seconds"] = values
        return pd.DataFrame({**columns, "relative_error": self.per_vm_rta.relative_error})

    def group_columns(self) -> dict[str, slice]:
        """Which VMs belong to which group, in the order of all that is told per VM."""
        return columns_of(dict(self.groups))


def _every_run(figure: PerVm) -> FloatArray:
    if isinstance(figure, EveryRun):
        return figure.values
    raise NoDataError(
        f"{figure.runs} runs of {figure.vms} VMs are too many to keep each: ask for their quantiles "
        "(`vm_frame`), or simulate fewer runs"
    )
