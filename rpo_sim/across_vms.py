"""Of many VMs in a run: when the first and the last is back, and when half of them and 95 % are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ONE_VM_LEVELS = (0.5, 0.95)  # of the VMs of a run


@dataclass(frozen=True, kw_only=True, eq=False)
class AcrossVms:
    """One row per run; seconds, inf where a VM was never recovered.

    Attributes
    ----------
    first_rpa, last_rpa, first_rta, last_rta : ndarray, shape (runs, groups)
        Of the VMs of each group the least and the greatest.
    one_vm_rta : ndarray, shape (runs, 2)
        The quantiles `ONE_VM_LEVELS` of the RTA over all VMs of the run.
    """

    first_rpa: FloatArray
    last_rpa: FloatArray
    first_rta: FloatArray
    last_rta: FloatArray
    one_vm_rta: FloatArray


def across_vms(rpa: FloatArray, rta: FloatArray, groups: Sequence[slice]) -> AcrossVms:
    """What is kept of some runs, given every VM's figures: shape (runs, VMs)."""
    with np.errstate(invalid="ignore"):  # between two that were never recovered
        within = np.quantile(rta, ONE_VM_LEVELS, axis=1).T
    return AcrossVms(
        first_rpa=np.stack([rpa[:, vms].min(axis=1) for vms in groups], axis=1),
        last_rpa=np.stack([rpa[:, vms].max(axis=1) for vms in groups], axis=1),
        first_rta=np.stack([rta[:, vms].min(axis=1) for vms in groups], axis=1),
        last_rta=np.stack([rta[:, vms].max(axis=1) for vms in groups], axis=1),
        one_vm_rta=np.where(np.isnan(within), np.inf, within),
    )


def columns_of(counts: Mapping[str, int]) -> dict[str, slice]:
    """Which VMs belong to which group, given the groups' sizes in order."""
    columns, first = {}, 0
    for name, count in counts.items():
        columns[name] = slice(first, first + count)
        first += count
    return columns
