"""VM-restores per second of the SimPy engine, and how its cost grows with the estate.

Baseline: the same engine and plan with SimPy's own PriorityResource, which sorts its queue at each request.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any
from unittest import mock

import simpy

from benchmarks.estate import inputs_of, plan_of
from benchmarks.timing import Row, interleaved
from rpo_sim.model import simpy_engine

SIZES = (100, 1_000, 10_000)
COMMAND = "python -m benchmarks.bench_engine"


class SortedSlots:
    """The interface of the engine's `Slots` on `simpy.PriorityResource`."""

    def __init__(self, env: simpy.Environment, capacity: int) -> None:
        self._resource = simpy.PriorityResource(env, capacity)
        self._held: list[Any] = []

    def request(self, rank: int) -> simpy.Event | None:
        """A request at once served counts as none, as with `Slots`."""
        request = self._resource.request(priority=rank)
        self._held.append(request)
        return None if request.triggered else request

    def release(self, by: int) -> None:  # noqa: ARG002 - the journal's wish, not PriorityResource's
        """Any served request will do: slots are alike."""
        served = next(i for i, request in enumerate(self._held) if request.triggered)
        self._resource.release(self._held.pop(served))


def recovering(vms: int) -> Callable[[], object]:
    """One recovery, ready to run: its numbers are drawn already."""
    plan = plan_of(vms)
    inputs = inputs_of(plan)

    def work() -> object:
        return simpy_engine.recover(plan, inputs)

    work()
    return work


def with_sorted_slots(work: Callable[[], object]) -> Callable[[], object]:
    """The same work on the baseline's queue."""

    def baseline() -> object:
        with mock.patch("rpo_sim.model.simpy_engine.work.Slots", SortedSlots):
            return work()

    return baseline


def rows() -> list[Row]:
    """Throughput at each size, and growth beside n log n."""
    ours = [recovering(vms) for vms in SIZES]
    timed = interleaved(*ours, *map(with_sorted_slots, ours))
    seconds = dict(zip(SIZES, timed, strict=False))
    found = [
        Row(
            name=f"SimPy engine at {vms:,} VMs; baseline: simpy.PriorityResource",
            value=vms / seconds[vms],
            unit="VM-restores per CPU second",
            baseline=vms / sorted_seconds,
            command=COMMAND,
        )
        for vms, sorted_seconds in zip(SIZES, timed[len(SIZES) :], strict=True)
    ]
    for fewer, more in itertools.pairwise(SIZES):
        found.append(
            Row(
                name=f"growth of the SimPy engine's cost, {fewer:,} to {more:,} VMs; baseline: n log n",
                value=seconds[more] / seconds[fewer],
                unit="times",
                baseline=more * math.log(more) / (fewer * math.log(fewer)),
                command=COMMAND,
            )
        )
    return found


if __name__ == "__main__":
    for row in rows():
        print(row.to_dict())
