"""The clock: what happens next, in exactly SimPy's order.

SimPy orders events by (time, order of scheduling). What is scheduled for a later time goes into a heap by
(time, sequence number); what is scheduled for this very instant into a ring, first in, first out: its
sequence number is larger than that of anything which was scheduled for this instant when it still lay
ahead. Two kinds of event have places of their own: the alarm of a link, of which one at a time counts, and
the time-outs of transfers, which expire in the order in which they were set, stage by stage.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.layout import EXPIRY, NO_ROOM, RESUME
from rpo_sim.model.compiled_engine.memory import expiries_at, instant_at, stream_at, timed_at


@inlined
def happen(run: Any, what: int, who: int, turn: int) -> None:
    """Schedule for this instant."""
    size = run.instants_size
    if run.n_instants == size:
        run.status = NO_ROOM
        return
    entry = instant_at(run, (run.instant + run.n_instants) & (size - 1))
    entry.what, entry.who, entry.turn = what, who, turn
    run.n_instants += 1


@inlined
def _move(run: Any, source: int, target: int) -> None:
    a, b = timed_at(run, source), timed_at(run, target)
    b.time, b.sequence, b.job = a.time, a.sequence, a.job


@part
def resume_after(run: Any, job: int, seconds: float) -> None:
    """Schedule a job to go on."""
    at = run.now + seconds
    if at <= run.now:
        happen(run, RESUME, job, 0)
        return
    run.sequence += 1
    hole = run.n_timed
    run.n_timed += 1
    while hole > 0:  # the newest goes behind its equals: its sequence number is the largest
        above = (hole - 1) >> 1
        if timed_at(run, above).time <= at:
            break
        _move(run, above, hole)
        hole = above
    entry = timed_at(run, hole)
    entry.time, entry.sequence, entry.job = at, run.sequence, job


@part
def next_timed(run: Any) -> int:
    """Take the first job off the heap."""
    job: int = timed_at(run, 0).job
    run.n_timed -= 1
    size = run.n_timed
    if size == 0:
        return job
    last = timed_at(run, size)
    time, sequence = last.time, last.sequence
    hole, below = 0, 1
    while below < size:
        if below + 1 < size:
            a, b = timed_at(run, below), timed_at(run, below + 1)
            if b.time < a.time or (b.time == a.time and b.sequence < a.sequence):
                below += 1
        least = timed_at(run, below)
        if least.time > time or (least.time == time and least.sequence > sequence):
            break
        _move(run, below, hole)
        hole = below
        below = 2 * hole + 1
    _move(run, size, hole)
    return job


@part
def set_expiry(run: Any, job: int, stage: int, seconds: float) -> None:
    """Have a transfer time out. Per stage these come in order, as each lasts as long as the others."""
    stream = stream_at(run, job)
    at = run.now + seconds
    stream.expires = math.inf
    if at <= run.now:
        happen(run, EXPIRY, job, stream.turn)
        return
    run.sequence += 1
    stream.expires, stream.expiry, stream.later = at, run.sequence, -1
    queue = expiries_at(run, stage)
    stream.sooner = queue.last
    if queue.last >= 0:
        stream_at(run, queue.last).later = job
    else:
        queue.first = job
    queue.last = job


@part
def drop_expiry(run: Any, job: int, stage: int) -> None:
    """Forget a time-out that has come or is not needed any more."""
    stream, queue = stream_at(run, job), expiries_at(run, stage)
    if stream.expires == math.inf:
        return
    stream.expires = math.inf
    if stream.sooner >= 0:
        stream_at(run, stream.sooner).later = stream.later
    else:
        queue.first = stream.later
    if stream.later >= 0:
        stream_at(run, stream.later).sooner = stream.sooner
    else:
        queue.last = stream.sooner
