"""Copies whose runs take as long as their bytes take on a link: what one run moves, and until when.

A run after a window w moves the unique bytes V(w) written since the last cut, so a run that took long makes
the next one long: w' = V(w)/B. It settles where V(w) = B·w, if it settles (after Keeton and Merchant, DSN
2004; asynchronous batched mirroring).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BoolArray
from rpo_sim.model.change import ChangeCurve
from rpo_sim.model.plan import CopyPlan, Plan, TransferPlan
from rpo_sim.model.protection.records import Attempts

Begin = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def moved_bytes(plan: Plan, transfer: TransferPlan, window: FloatArray, full: BoolArray | None) -> FloatArray:
    """Bytes of one run, shape (runs, VMs): after a window since the last cut, or of a full."""
    moved = np.empty(window.shape)
    for g, group in enumerate(plan.groups):
        vms = slice(group.first, group.first + group.count)
        rule = transfer.moved[g]
        changed = rule if isinstance(rule, float) else rule.within(window[:, vms])
        moved[:, vms] = changed
        if full is not None:
            moved[full, vms] = transfer.full_bytes[g]
    return moved * transfer.factor


def transferred(plan: Plan, copy: CopyPlan, runs: Attempts, begin: Begin) -> tuple[FloatArray, FloatArray]:
    """Cut and availability of each run of a copy that has its link to itself: a recursion over runs.

    Back to back there are as many as fit before the failure; each is sent a hold after the last has ended.

    Returns
    -------
    tuple of ndarray, shape (dues, runs, VMs), float seconds
        As in `Points`; inf where there is none.
    """
    stream = _Stream(plan, copy, runs, begin)
    if runs.more is None:
        for j, due in enumerate(runs.due):
            full = None if runs.full is None else runs.full[j]
            stream.send(due, np.isfinite(runs.cut_delay[j]), full)
    else:
        assert runs.until is not None, "back-to-back transfers go on until the failure"
        number, due = 0, runs.due[0]
        while (due <= runs.until[:, None]).any():
            stream.send(due, runs.more(number), None)
            number, due = number + 1, stream.last_end + copy.hold
    return np.stack(stream.cuts), np.stack(stream.ready)


class _Stream:
    """What was sent last, for every run of the block and every VM."""

    def __init__(self, plan: Plan, copy: CopyPlan, runs: Attempts, begin: Begin) -> None:
        assert copy.transfer is not None
        assert copy.transfer.rate is not None, "streams that share a link are an engine's business"
        self.plan, self.copy, self.runs, self.begin = plan, copy, runs, begin
        self.transfer, self.rate = copy.transfer, copy.transfer.rate
        shape = runs.lag.shape
        self.last_start, self.last_end = np.full(shape, -np.inf), np.full(shape, -np.inf)
        self.last_cut = np.full(shape, np.nan)
        self.cuts: list[FloatArray] = []
        self.ready: list[FloatArray] = []

    def send(self, due: FloatArray, ok: BoolArray, full: BoolArray | None) -> None:
        """One run of each VM, inf where none is due; ``full`` per run of the block."""
        copy, clock = self.copy, self.runs.clock
        start = np.where(np.isfinite(due), self.begin(due, self.last_start, self.last_end), np.inf)
        go = np.isfinite(start)
        cut = due - copy.hold if copy.hold or copy.cut_before_slot else start
        with np.errstate(invalid="ignore"):  # nothing is cut where nothing starts
            window = np.where(np.isnan(self.last_cut), self.transfer.settled_seconds, cut - self.last_cut)
        moved = moved_bytes(self.plan, self.transfer, np.where(go, window, 0.0), full)
        seconds = moved / self.rate
        end = start + seconds if clock is None else clock.finish(start, seconds)
        late = go & (end > start + copy.timeout)
        end = np.where(late, start + copy.timeout, end)
        made = go & ok & ~late
        self.last_start = np.where(go, start, self.last_start)
        self.last_end = np.where(go, end, self.last_end)
        self.last_cut = np.where(made, cut, self.last_cut)
        self.cuts.append(np.where(made, cut, np.inf))
        self.ready.append(np.where(made, end + self.runs.lag, np.inf))


def settled_seconds(
    moved: Sequence[ChangeCurve | float],
    counts: Sequence[int],
    *,
    bandwidth: float,
    cap: float,
    hold: float,
) -> float:
    """The window (float, seconds) at which back-to-back runs of all VMs settle: w = hold + V(w)/B.

    Found from above, so that of several it is the longest; 0 where it shrinks for ever, inf where the runs
    fall behind for ever.
    """

    def following(window: float) -> float:
        sizes = [m if isinstance(m, float) else float(m.within(np.array(window))) for m in moved]
        shared = sum(size * count for size, count in zip(sizes, counts, strict=True)) / bandwidth
        return hold + max(shared, max(sizes) / cap)

    window = max((m.windows[-1] for m in moved if not isinstance(m, float)), default=0.0)
    if window and following(window) - hold >= window:
        return math.inf
    while following(window) > window:
        window = max(2 * window, following(window))
    for _ in range(100_000):
        shorter = following(window)
        if window - shorter <= 1e-12 * window:
            return window
        window = shorter
    return window
