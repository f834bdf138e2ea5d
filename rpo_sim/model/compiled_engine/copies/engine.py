"""Copies that compete with each other: from their attempts to tables, through the kernel, and to points."""

import math
from typing import Any

import numpy as np

from rpo_sim.model.change import ChangeCurve
from rpo_sim.model.compiled_engine.addresses import address
from rpo_sim.model.compiled_engine.copies import layout
from rpo_sim.model.compiled_engine.entries import simulate
from rpo_sim.model.compiled_engine.layout import LINK, PLAN
from rpo_sim.model.compiled_engine.state import Tables, run_state
from rpo_sim.model.plan import CopyPlan, Plan, TransferPlan
from rpo_sim.model.protection.records import Attempts, Points, link_clocks

_ENDLESS = 10**9
_ROWS = 64  # of back-to-back transfers, to begin with: nobody knows how many there will be


def protect(plan: Plan, copies: list[tuple[CopyPlan, Attempts]]) -> list[Points]:
    """The points of copies that compete for slots and links; see `rpo_sim.model.simpy_engine.protect`."""
    links = sorted({copy.transfer.link for copy, _ in copies if copy.transfer is not None})
    pools = sorted({copy.pool for copy, _ in copies if copy.pool is not None})
    competing = [_Competing(copy, attempts, pools, links) for copy, attempts in copies]
    made = _tables(plan, competing, pools, links)
    flows = _flows(plan, len(made.tables["turns"]), links)
    state, runs, row = run_state(flows.row), int(made.row.n_runs), 0
    while (row := simulate(made.at, flows.at, state.at, row)) < runs:
        for one in competing:
            one.grow()
        _put_copies(made, competing)
    return [one.points() for one in competing]


class _Competing:
    """One copy: its record, and the tables whose addresses that holds."""

    def __init__(self, copy: CopyPlan, attempts: Attempts, pools: list[int], links: list[int]) -> None:
        self.copy, self.attempts, self.transfer = copy, attempts, copy.transfer
        assert self.transfer is None or copy.overlap not in ("allow", "replace"), "refused on loading"
        self.tables = Tables(layout.COPY)
        me, back_to_back = self.tables.row, copy.every is None
        me.policy = layout.POLICIES.index("queue" if back_to_back else copy.overlap)
        me.hold, me.timeout, me.back_to_back = copy.hold, copy.timeout, back_to_back
        me.cut_before_slot, me.cycles = copy.cut_before_slot, attempts.full is not None
        me.pool = len(pools) if copy.pool is None else pools.index(copy.pool)
        me.link = -1
        if self.transfer is not None:
            me.link = links.index(self.transfer.link)
            me.settled, me.factor = self.transfer.settled_seconds, self.transfer.factor
        due = np.ascontiguousarray(attempts.due[: 1 if back_to_back else None])
        flat = np.moveaxis(due, 1, 0).reshape(due.shape[1], -1)
        me.due_rows = len(due)
        self.tables.put("due", due)
        self.tables.put("order", np.argsort(flat, axis=1, kind="stable"))
        self.tables.put("busy", np.ascontiguousarray(attempts.busy))
        self.tables.put("lag", np.ascontiguousarray(attempts.lag))
        if attempts.full is not None:
            self.tables.put("full", np.ascontiguousarray(attempts.full).view(np.uint8))
        if attempts.until is not None:
            self.tables.put("until", np.ascontiguousarray(attempts.until))
        self._make_room(len(attempts.busy) if attempts.more is None else _ROWS)

    def _make_room(self, rows: int) -> None:
        """Tables of so many due runs; what stands in those of before stays."""
        me, attempts = self.tables.row, self.attempts
        before, me.rows = int(me.rows), rows
        delay = attempts.cut_delay
        if attempts.more is not None:
            delay = np.where([attempts.more(number) for number in range(rows)], 0.0, np.inf)
        self.tables.put("cut_delay", np.ascontiguousarray(delay))
        for name in ("cut_at", "available_at"):
            wider = np.full((rows, *attempts.lag.shape), np.inf)
            if before:
                wider[:before] = self.tables.tables[name]
            self.tables.put(name, wider)

    def grow(self) -> None:
        """Double the room of back-to-back transfers."""
        if self.attempts.more is not None:
            self._make_room(2 * int(self.tables.row.rows))

    def points(self) -> Points:
        """What came of the due runs; of back-to-back transfers as far as one has made a point."""
        cut_at, available_at = (self.tables.tables[name] for name in ("cut_at", "available_at"))
        if self.attempts.more is not None:
            made = np.isfinite(cut_at).any(axis=(1, 2)).nonzero()[0]
            rows = slice(int(made[-1]) + 1 if len(made) else 1)
            cut_at, available_at = cut_at[rows], available_at[rows]
        return Points(cut_at=cut_at, available_at=available_at)


def _tables(plan: Plan, competing: list[_Competing], pools: list[int], links: list[int]) -> Tables:
    """All that the kernel asks about copies, pools and links."""
    made = Tables(layout.COPIES)
    whole, (runs, vms) = made.row, competing[0].attempts.lag.shape
    whole.n_copies, whole.n_vms, whole.n_runs = len(competing), vms, runs
    whole.n_links, whole.n_pools, whole.n_groups = len(links), len(pools) + 1, len(plan.groups)
    slots = np.zeros(len(pools) + 1, layout.POOL)
    slots["capacity"] = [*(plan.pools[pool].capacity for pool in pools), _ENDLESS]
    amounts, changes = _amounts(plan, [one.transfer for one in competing])
    made.put("pools", slots)
    made.put("wires", _wires(made, plan, competing, links))
    made.put("amounts", amounts)
    made.put("changes", changes)
    made.put("groups", np.array([g for g, group in enumerate(plan.groups) for _ in group.vms], np.int32))
    made.put("begins", np.min([one.attempts.due.min(axis=(0, 2)) for one in competing], axis=0))
    made.put("turns", np.zeros(len(competing) * vms, layout.TURN))
    made.put("sends", np.empty(len(competing) * vms, layout.AHEAD))
    _put_copies(made, competing)
    return made


def _put_copies(made: Tables, competing: list[_Competing]) -> None:
    made.put("copies", np.concatenate([one.tables.record for one in competing]))
    made.put("heaps", _heaps(made, competing))


def _heaps(made: Tables, competing: list[_Competing]) -> Any:
    """Room for every due run at once, of which little is ever touched."""
    heaps = np.zeros(layout.ASKED + int(made.row.n_pools), layout.HEAP)
    rows = int(made.row.n_vms) * sum(int(one.tables.row.rows) for one in competing) + len(competing) + 1
    for i, heap in enumerate(heaps):
        made.tables[f"heap {i}"] = np.empty(rows, layout.AHEAD)
        heap.rows = address(made.tables[f"heap {i}"])
    return heaps


def _wires(made: Tables, plan: Plan, competing: list[_Competing], links: list[int]) -> Any:
    """The links, each with the changes of its state."""
    wires = np.zeros(max(len(links), 1), layout.WIRE)
    clocks = link_clocks([(one.copy, one.attempts) for one in competing])
    for wire, link in zip(wires, links, strict=False):
        limits = plan.links[link]
        wire.bandwidth = limits.bytes_per_second
        wire.cap = min(limits.per_stream, limits.bytes_per_second)
        clock = clocks[link]
        if clock is not None:
            times, ups = made.tables[f"times {link}"], made.tables[f"ups {link}"] = clock.tables()
            wire.changes, wire.times, wire.ups = times.shape[1], address(times), address(ups)
    return wires


def _amounts(plan: Plan, transfers: list[TransferPlan | None]) -> tuple[Any, Any]:
    """What a run moves of a VM, by copy and group, and the points of the curves."""
    amounts = np.zeros(max(len(transfers) * len(plan.groups), 1), layout.AMOUNT)
    points: list[tuple[float, float, float]] = []
    for c, transfer in enumerate(transfers):
        if transfer is None:
            continue
        for amount, rule, full in zip(
            amounts[c * len(plan.groups) :], transfer.moved, transfer.full_bytes, strict=False
        ):
            amount.full_bytes = full
            if isinstance(rule, float):
                amount.bytes_ = rule
            else:
                amount.first, amount.count, amount.most = len(points), len(rule.windows), rule.most
                points += _curve(rule)
    return amounts, np.array(points or [(0.0, 0.0, 0.0)], dtype=layout.CHANGE)


def _curve(rule: ChangeCurve) -> list[tuple[float, float, float]]:
    before = (rule.windows[0], *rule.windows)
    logs = [math.log(window / last) for window, last in zip(rule.windows, before, strict=False)]
    return list(zip(rule.windows, rule.sizes, logs, strict=True))


def _flows(plan: Plan, streams: int, links: list[int]) -> Tables:
    """The links as `sharing` wants them: a plan of nothing else, with a job for each stream."""
    made = Tables(PLAN)
    made.row.n_jobs, made.row.n_links = streams, len(links)
    table = np.zeros(max(len(links), 1), LINK)
    for row, link in zip(table, links, strict=False):
        row.bandwidth = plan.links[link].bytes_per_second
    made.put("links", table)
    return made
