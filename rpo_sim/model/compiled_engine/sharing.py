"""`rpo_sim.model.sharing` for the kernel: the same sums in the same order.

Each stream stands in two heaps of its link: uncapped ones by the bytes at which they finish and by lowest
cap, capped ones by their time of finish and by highest cap. The heaps know where each stream stands, so one
that leaves is taken out at once, where the reference leaves a stale entry behind.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.events import happen
from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.layout import ALARM, STREAM_DONE
from rpo_sim.model.compiled_engine.memory import (
    flow_at,
    heap_at,
    int_at,
    link_at,
    real_at,
    set_int,
    stream_at,
)
from rpo_sim.model.sharing import _HAIR, FINISHED

_BY_TIME, _BY_SERVED, _LOWEST, _HIGHEST = range(4)


@inlined
def _before(a: Any, b: Any, kind: int) -> bool:
    """Whether one stream stands before another in a heap of that kind."""
    if kind == _LOWEST:
        return bool(a.cap < b.cap or (a.cap == b.cap and a.order < b.order))
    if kind == _HIGHEST:
        return bool(a.cap > b.cap or (a.cap == b.cap and a.order < b.order))
    return bool(a.finish < b.finish or (a.finish == b.finish and a.order < b.order))


@inlined
def _top(run: Any, link: int, kind: int) -> int:
    """The first job of a heap; -1 if it is empty."""
    heap = heap_at(run, 4 * link + kind)
    return int_at(heap.jobs, 0) if heap.count > 0 else -1


@inlined
def _put(run: Any, heap: Any, kind: int, at: int, job: int) -> None:
    set_int(heap.jobs, at, job)
    if kind >= _LOWEST:
        stream_at(run, job).cap_at = at
    else:
        stream_at(run, job).at = at


@inlined
def _rise(run: Any, heap: Any, kind: int, at: int, job: int) -> int:
    """Move a place towards the top for as long as the job stands before who is above."""
    while at > 0:
        above = (at - 1) >> 1
        other = int_at(heap.jobs, above)
        if not _before(stream_at(run, job), stream_at(run, other), kind):
            break
        _put(run, heap, kind, at, other)
        at = above
    return at


@part
def _push(run: Any, link: int, kind: int, job: int) -> None:
    heap = heap_at(run, 4 * link + kind)
    heap.count += 1
    _put(run, heap, kind, _rise(run, heap, kind, heap.count - 1, job), job)


@part
def _take_out(run: Any, link: int, kind: int, job: int) -> None:
    heap = heap_at(run, 4 * link + kind)
    heap.count -= 1
    size = heap.count
    hole = stream_at(run, job).cap_at if kind >= _LOWEST else stream_at(run, job).at
    if hole == size:
        return
    moved = int_at(heap.jobs, size)
    hole = _rise(run, heap, kind, hole, moved)
    below = 2 * hole + 1
    while below < size:
        other = int_at(heap.jobs, below)
        if below + 1 < size:
            right = int_at(heap.jobs, below + 1)
            if _before(stream_at(run, right), stream_at(run, other), kind):
                below += 1
                other = right
        if not _before(stream_at(run, other), stream_at(run, moved), kind):
            break
        _put(run, heap, kind, hole, other)
        hole = below
        below = 2 * hole + 1
    _put(run, heap, kind, hole, moved)


@inlined
def _level(flow: Any) -> float:
    if flow.uncapped == 0:
        return math.inf
    return float((flow.bandwidth - flow.capped_rate) / flow.uncapped)


@inlined
def _left(flow: Any, stream: Any) -> float:
    if stream.capped:
        return float((stream.finish - flow.now) * stream.cap)
    return float(stream.finish - flow.served)


@inlined
def _advance(flow: Any, now: float) -> None:
    if flow.uncapped:
        flow.served += _level(flow) * (now - flow.now)
    flow.now = now


@part
def _cap(run: Any, link: int, job: int, left: float) -> None:
    flow, stream = flow_at(run, link), stream_at(run, job)
    stream.capped, stream.finish = 1, flow.now + left / stream.cap
    flow.capped += 1
    flow.capped_rate += stream.cap
    _push(run, link, _BY_TIME, job)
    _push(run, link, _HIGHEST, job)


@part
def _uncap(run: Any, link: int, job: int, left: float) -> None:
    flow, stream = flow_at(run, link), stream_at(run, job)
    stream.capped, stream.finish = 0, flow.served + left
    flow.uncapped += 1
    _push(run, link, _BY_SERVED, job)
    _push(run, link, _LOWEST, job)


@part
def _forget(run: Any, link: int, job: int) -> None:
    flow, stream = flow_at(run, link), stream_at(run, job)
    if not stream.capped:
        _take_out(run, link, _BY_SERVED, job)
        _take_out(run, link, _LOWEST, job)
        flow.uncapped -= 1
        return
    _take_out(run, link, _BY_TIME, job)
    _take_out(run, link, _HIGHEST, job)
    flow.capped -= 1
    flow.capped_rate = flow.capped_rate - stream.cap if flow.capped else 0.0


@part
def _adapt(plan: Any, run: Any, link: int) -> None:
    """The throughput of as many streams as there are; less may be too little even for the capped ones."""
    flow, limits = flow_at(run, link), link_at(plan, link)
    count = flow.capped + flow.uncapped
    if limits.totals == 0 or count == 0:
        return
    flow.bandwidth = real_at(run.totals, limits.first_total + min(count, limits.totals) - 1)
    high = _top(run, link, _HIGHEST)
    if not flow.uncapped and high >= 0 and flow.capped_rate > flow.bandwidth * (1 + _HAIR):
        left = _left(flow, stream_at(run, high))
        _forget(run, link, high)
        _uncap(run, link, high, left)


@part
def _rebalance(plan: Any, run: Any, link: int) -> None:
    _adapt(plan, run, link)
    flow = flow_at(run, link)
    while True:
        level = _level(flow)
        high = _top(run, link, _HIGHEST)
        if high >= 0 and stream_at(run, high).cap > level * (1 + _HAIR):
            left = _left(flow, stream_at(run, high))
            _forget(run, link, high)
            _uncap(run, link, high, left)
            continue
        low = _top(run, link, _LOWEST)
        if low < 0 or stream_at(run, low).cap > level:
            return
        left = _left(flow, stream_at(run, low))
        _forget(run, link, low)
        _cap(run, link, low, left)


@part
def _set_alarm(run: Any, link: int) -> None:
    """Wake the link when its next stream finishes; an alarm set before does not count any more."""
    flow = flow_at(run, link)
    flow.turn += 1
    flow.alarm = math.inf
    at = math.inf
    capped, uncapped = _top(run, link, _BY_TIME), _top(run, link, _BY_SERVED)
    if capped >= 0:
        at = stream_at(run, capped).finish
    if uncapped >= 0:
        finish = stream_at(run, uncapped).finish
        at = min(at, flow.now + max(finish - flow.served, 0.0) / _level(flow))
    at = max(at, flow.now)
    if at == math.inf:
        return
    at = run.now + (at - run.now)
    if at <= run.now:
        happen(run, ALARM, link, flow.turn)
        return
    run.sequence += 1
    flow.alarm, flow.sequence = at, run.sequence


@part
def _is_capped_at_once(plan: Any, run: Any, link: int, cap: float) -> bool:
    """Whether the first thing that rebalancing would do is to cap a stream that has come in uncapped."""
    if link_at(plan, link).totals:
        return False  # it would adapt the throughput first
    flow, high, low = flow_at(run, link), _top(run, link, _HIGHEST), _top(run, link, _LOWEST)
    level = float((flow.bandwidth - flow.capped_rate) / (flow.uncapped + 1))
    if high >= 0 and stream_at(run, high).cap > level * (1 + _HAIR):
        return False
    return bool(cap <= level and (low < 0 or cap < stream_at(run, low).cap))


@part
def send(plan: Any, run: Any, link: int, job: int, bytes_: float, cap: float) -> None:
    """Start a transfer; the job is resumed when it has finished."""
    flow, stream = flow_at(run, link), stream_at(run, job)
    _advance(flow, run.now)
    stream.bytes_, stream.cap, stream.order, stream.link = bytes_, cap, flow.order, link
    stream.finished, stream.settled = 0, 0
    flow.order += 1
    if _is_capped_at_once(plan, run, link, cap):
        _cap(run, link, job, (flow.served + bytes_) - flow.served)
    else:
        _uncap(run, link, job, bytes_)
    _rebalance(plan, run, link)
    _set_alarm(run, link)


@part
def give_up(plan: Any, run: Any, job: int) -> None:
    """Stop a transfer that has not finished."""
    link = stream_at(run, job).link
    _advance(flow_at(run, link), run.now)
    _forget(run, link, job)
    _rebalance(plan, run, link)
    _set_alarm(run, link)


@part
def _by_order(run: Any, place: int, job: int) -> None:
    """Place a job among the first so many that have finished, in the order in which they started."""
    order = stream_at(run, job).order
    while place > 0 and stream_at(run, int_at(run.finished, place - 1)).order > order:
        set_int(run.finished, place, int_at(run.finished, place - 1))
        place -= 1
    set_int(run.finished, place, job)


@part
def ring(plan: Any, run: Any, link: int) -> None:
    """The alarm of a link: tell the streams that have finished, in the order in which they started."""
    flow, count = flow_at(run, link), 0
    _advance(flow, run.now)
    for kind in range(_BY_SERVED + 1):
        job = _top(run, link, kind)
        while job >= 0 and _left(flow, stream_at(run, job)) <= FINISHED * stream_at(run, job).bytes_:
            _forget(run, link, job)
            _by_order(run, count, job)
            count += 1
            job = _top(run, link, kind)
    _rebalance(plan, run, link)
    for i in range(count):
        stream = stream_at(run, int_at(run.finished, i))
        stream.finished = 1
        happen(run, STREAM_DONE, int_at(run.finished, i), stream.turn)
    _set_alarm(run, link)
