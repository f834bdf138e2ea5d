"""Heaps of what comes next, in tables: by time, then by two whole numbers that tell equals apart.

The rows of a heap are numbered from 1; row 0 holds what goes in, and what was taken out last.
"""

from typing import Any

from rpo_sim.model.compiled_engine.copies.tables import ahead_at
from rpo_sim.model.compiled_engine.jit import inlined, part


@inlined
def _before(a: Any, b: Any) -> bool:
    if a.time != b.time:
        return bool(a.time < b.time)
    return bool(a.first < b.first or (a.first == b.first and a.second < b.second))


@inlined
def _move(heap: Any, source: int, target: int) -> None:
    a, b = ahead_at(heap, source), ahead_at(heap, target)
    b.time, b.first, b.second, b.copy, b.number, b.vm = a.time, a.first, a.second, a.copy, a.number, a.vm
    b.asked_at, b.granted_at = a.asked_at, a.granted_at


@part
def push(heap: Any, time: float, first: int, second: int, copy: int, number: int, vm: int) -> None:
    """Put one in; what else is to be known of it stands in row 0 already."""
    new = ahead_at(heap, 0)
    new.time, new.first, new.second, new.copy, new.number, new.vm = time, first, second, copy, number, vm
    heap.count += 1
    hole = heap.count
    while hole > 1 and _before(new, ahead_at(heap, hole >> 1)):
        _move(heap, hole >> 1, hole)
        hole >>= 1
    _move(heap, 0, hole)


@part
def pop(heap: Any) -> None:
    """Take the first out, into row 0."""
    _move(heap, 1, 0)
    last, size = ahead_at(heap, heap.count), heap.count - 1
    heap.count = size
    hole, below = 1, 2
    while below <= size:
        if below < size and _before(ahead_at(heap, below + 1), ahead_at(heap, below)):
            below += 1
        if _before(last, ahead_at(heap, below)):
            break
        _move(heap, below, hole)
        hole, below = below, 2 * below
    _move(heap, size + 1, hole)
