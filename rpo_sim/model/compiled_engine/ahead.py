"""What lies ahead: jobs that go on at a later time, by (time, sequence number).

While they are few they stand in a sorted list: what comes next is taken from its front, and what is new goes
in from behind, past those that come later. When they become many, the list is taken for what it is too, a
heap, four below each; it is sorted again once few are left.
"""

from typing import Any

from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.layout import FEW, LIST_PLACES, MANY
from rpo_sim.model.compiled_engine.memory import timed_at


@inlined
def _move(run: Any, source: int, target: int) -> None:
    a, b = timed_at(run, source), timed_at(run, target)
    b.time, b.sequence, b.job = a.time, a.sequence, a.job


@part
def put_ahead(run: Any, at: float, sequence: int, job: int) -> None:
    """Have a job go on at a later time; its sequence number is the largest so far."""
    if run.n_timed == MANY and not run.is_heap:
        _to_the_front(run)
        run.is_heap = 1
    if run.is_heap:
        _push(run, at, sequence, job)
        return
    if run.first_timed + run.n_timed == LIST_PLACES:
        _to_the_front(run)
    place = run.first_timed + run.n_timed
    run.n_timed += 1
    while place > run.first_timed and at < timed_at(run, place - 1).time:
        _move(run, place - 1, place)
        place -= 1
    entry = timed_at(run, place)
    entry.time, entry.sequence, entry.job = at, sequence, job


@part
def next_ahead(run: Any) -> int:
    """Take the job that comes first."""
    job: int = timed_at(run, run.first_timed).job
    run.n_timed -= 1
    if run.is_heap:
        _pop(run)
        if run.n_timed == FEW:
            _sort(run)
    else:
        run.first_timed += 1
    return job


@part
def _to_the_front(run: Any) -> None:
    """Move the list to the front of its table."""
    for i in range(run.n_timed):
        _move(run, run.first_timed + i, i)
    run.first_timed = 0


@part
def _sort(run: Any) -> None:
    """Make a list of the heap."""
    run.is_heap = 0
    for i in range(1, run.n_timed):
        _move(run, i, run.n_timed)
        entry, hole = timed_at(run, run.n_timed), i
        while hole > 0 and _comes_before(entry, timed_at(run, hole - 1)):
            _move(run, hole - 1, hole)
            hole -= 1
        _move(run, run.n_timed, hole)


# The heap


@inlined
def _comes_before(a: Any, b: Any) -> int:
    """1 or 0: which it is cannot be foretold, so this is to be calculated and not branched on."""
    return int((a.time < b.time) | ((a.time == b.time) & (a.sequence < b.sequence)))


@inlined
def _first_of(run: Any, one: int, other: int) -> int:
    return one + (other - one) * _comes_before(timed_at(run, other), timed_at(run, one))


@part
def _push(run: Any, at: float, sequence: int, job: int) -> None:
    hole = int(run.n_timed)
    run.n_timed += 1
    while hole > 0:  # the newest goes behind its equals: its sequence number is the largest
        above = (hole - 1) >> 2
        if timed_at(run, above).time <= at:
            break
        _move(run, above, hole)
        hole = above
    entry = timed_at(run, hole)
    entry.time, entry.sequence, entry.job = at, sequence, job


@part
def _pop(run: Any) -> None:
    """Fill the place of the first: the hole goes to the bottom, and the last entry up from there."""
    size = run.n_timed
    hole, below = 0, 1
    while below + 3 < size:
        two = _first_of(run, below, below + 1)
        first = _first_of(run, two, _first_of(run, below + 2, below + 3))
        _move(run, first, hole)
        hole, below = first, 4 * first + 1
    if below < size:  # fewer than four
        first = below
        for other in range(below + 1, size):
            first = _first_of(run, first, other)
        _move(run, first, hole)
        hole = first
    last = timed_at(run, size)
    while hole > 0:
        above = (hole - 1) >> 2
        if not _comes_before(last, timed_at(run, above)):
            break
        _move(run, above, hole)
        hole = above
    _move(run, size, hole)
