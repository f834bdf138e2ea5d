"""The engine's work grows no faster than n log n: work is counted, so a busy machine changes nothing."""

import heapq
import math
from collections import Counter

import pytest
import simpy

from benchmarks.bench_engine import SortedSlots
from benchmarks.estate import inputs_of, plan_of
from rpo_sim.model import sharing, simpy_engine

SIZES = (500, 4_000)


def work_of(vms: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Events, comparisons of who goes first for a slot, and entries in the heaps of the links."""
    counted: Counter[str] = Counter()

    class Rank(int):
        def __lt__(self, other: int) -> bool:
            counted["comparisons"] += 1
            return int(self) < int(other)

    def step(env: simpy.Environment) -> None:
        counted["events"] += 1
        original_step(env)

    class CountingHeap:
        heappop = staticmethod(heapq.heappop)

        @staticmethod
        def heappush(heap: list[object], entry: object) -> None:
            counted["link entries"] += 1
            heapq.heappush(heap, entry)  # type: ignore[type-var]

    plan = plan_of(vms)
    inputs = inputs_of(plan)
    plan.__dict__["ranks"] = tuple(map(Rank, plan.ranks))  # where its cached property is kept
    original_step = simpy.Environment.step
    with monkeypatch.context() as patch:
        patch.setattr(simpy.Environment, "step", step)
        patch.setattr(sharing, "heapq", CountingHeap)
        recovery = simpy_engine.recover(plan, inputs)
    assert max(recovery.recovered_at) < math.inf
    assert all(counted[what] > vms for what in ("events", "comparisons", "link entries"))
    return counted


def allowed(vms: int) -> float:
    return 1.5 * vms * math.log2(vms)


@pytest.mark.parametrize("vms", SIZES)
def test_work_grows_no_faster_than_n_log_n(vms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(work_of(vms, monkeypatch).values()) <= allowed(vms)


def test_a_queue_sorted_at_each_request_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpo_sim.model.simpy_engine.work.Slots", SortedSlots)
    assert work_of(SIZES[-1], monkeypatch)["comparisons"] > 10 * allowed(SIZES[-1])
