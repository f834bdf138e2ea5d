"""How many runs are simulated together: as many as memory likes, and no result depends on it.

A call costs half a millisecond whatever it does, so of small estates several blocks are simulated at once.
Where VMs are many or histories long, it is a few runs of a block at a time.
"""

import math
from collections.abc import Iterator

import numpy as np

from rpo_sim.model.block import RUNS_PER_BLOCK, differ_beyond_durations
from rpo_sim.model.engines import Engine
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.attempts import WARM_UP
from rpo_sim.model.protection.histories import alike
from rpo_sim.model.protection.incident import CYCLE, period

_WORTH_A_CALL, _AT_MOST = 2**21, 2**22  # numbers in memory, about: blocks are joined, and parted
_CELLS_PER_VM = 10  # of a run: durations, ages, what comes of it
_CELLS_PER_DUE_RUN = 4  # when it is due, how long it works, what it cuts, when that is usable
_LONG = np.array([0.99])


def blocks_together(plan: Plan, engine: Engine) -> int:
    """How many blocks make a call: one, where the engine takes its time or blocks differ too much."""
    if engine != "compiled" or differ_beyond_durations(plan):
        return 1
    return max(_runs_with(plan, _WORTH_A_CALL) // RUNS_PER_BLOCK, 1)


def pieces(plan: Plan, runs: range) -> Iterator[range]:
    """The runs of a call, in pieces of about the same size if they are too many."""
    step = math.ceil(len(runs) / math.ceil(len(runs) / _runs_with(plan, _AT_MOST)))
    return (runs[first : first + step] for first in range(0, len(runs), step))


def _runs_with(plan: Plan, cells: int) -> int:
    """How many runs need about so many numbers."""
    each = plan.n_vms * _CELLS_PER_VM
    for c, dues in enumerate(_due_runs(plan)):
        same = plan.stands_alone(c) and alike(plan.copies[c]) and not (plan.tried or plan.asks_chain)
        each += math.ceil(dues * _CELLS_PER_DUE_RUN * (len(plan.groups) if same else plan.n_vms))
    return max(cells // each, 1)


def _due_runs(plan: Plan) -> Iterator[float]:
    """About how many due runs the history of each copy has: who copies from a copy looks back further."""
    periods = [0.0 if copy.synchronous else period(copy) for copy in plan.copies]
    age = plan.failure.age
    reach = 0.0 if age is None else float(age.undrawn[0].ppf(_LONG)[0])
    if not math.isfinite(reach):
        reach = 0.0
    for c, (copy, every) in enumerate(zip(plan.copies, periods, strict=True)):
        copied = [periods[i] for i, each in enumerate(plan.copies) if each.source == c]
        back = reach + copy.hold + 2 * max(copied, default=0.0)
        yield WARM_UP + CYCLE + back / every if every else 0.0
