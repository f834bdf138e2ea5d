"""`rpo_sim.model.sharing` for the kernel: the same sums in the same order.

The streams of a link, in the order of their caps, stand in two lists that end where the level is: those that
their caps hold back, with the times at which they finish, and, the other way round, the others, with the
bytes at which they do. What the level passes goes from the end of one to the end of the other.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.events import happen, set_alarm
from rpo_sim.model.compiled_engine.jit import inlined, part, wide
from rpo_sim.model.compiled_engine.layout import LINK_ALARM, STREAM_DONE
from rpo_sim.model.compiled_engine.memory import (
    alarm_at,
    entry_at,
    flow_at,
    int_at,
    link_at,
    real_at,
    set_int,
    stream_at,
)
from rpo_sim.model.compiled_engine.ordered import first_to_finish, last, pass_on, place_of, put, take_out
from rpo_sim.model.sharing import _HAIR, FINISHED

_CAPPED, _UNCAPPED = range(2)  # lists by cap: the last of these has the highest, the last of those the lowest


@inlined
def clear(run: Any, link: int, bandwidth: float) -> None:
    """A link on which nothing was ever sent."""
    flow = flow_at(run, link)
    flow.bandwidth = bandwidth
    flow.now, flow.served, flow.capped_rate, flow.order = 0.0, 0.0, 0.0, 0
    flow.capped, flow.uncapped, flow.turn = 0, 0, 0
    set_int(run.last_blocks, 2 * link + _CAPPED, -1)
    set_int(run.last_blocks, 2 * link + _UNCAPPED, -1)


@inlined
def _level(flow: Any) -> float:
    if flow.uncapped == 0:
        return math.inf
    return float((flow.bandwidth - flow.capped_rate) / flow.uncapped)


@inlined
def _advance(flow: Any, now: float) -> None:
    if flow.uncapped:
        flow.served += flow.level * (now - flow.now)
    flow.now = now


@inlined
def _hold_back_no_more(flow: Any, cap: float) -> None:
    flow.capped -= 1
    flow.capped_rate = flow.capped_rate - cap if flow.capped else 0.0


@inlined
def _forget_capped(run: Any, link: int, at: int) -> None:
    _hold_back_no_more(flow_at(run, link), entry_at(run, at).key)
    take_out(run, 2 * link + _CAPPED, at)


@inlined
def _forget_uncapped(run: Any, link: int, at: int) -> None:
    take_out(run, 2 * link + _UNCAPPED, at)
    flow_at(run, link).uncapped -= 1


@inlined
def _is_too_fast(flow: Any, cap: float, level: float) -> bool:
    """Whether a capped stream would get more than its share; without a level, all of them together."""
    if flow.uncapped == 0:
        return bool(flow.capped_rate > flow.bandwidth * (1 + _HAIR))
    return bool(cap > level * (1 + _HAIR))


@inlined
def _uncap_highest(run: Any, link: int, entry: Any) -> float:
    """Move it from list to list; the level then."""
    flow, cap = flow_at(run, link), entry.key
    left = (entry.finish - flow.now) * cap
    stream_at(run, entry.job).capped = 0
    _hold_back_no_more(flow, cap)
    flow.uncapped += 1
    pass_on(run, 2 * link + _CAPPED, 2 * link + _UNCAPPED, flow.served + left)
    return _level(flow)


@inlined
def _cap_lowest(run: Any, link: int, entry: Any) -> float:
    """Move it from list to list; the level then."""
    flow, cap = flow_at(run, link), -entry.key
    left = entry.finish - flow.served
    stream_at(run, entry.job).capped = 1
    flow.uncapped -= 1
    flow.capped += 1
    flow.capped_rate += cap
    pass_on(run, 2 * link + _UNCAPPED, 2 * link + _CAPPED, flow.now + left / cap)
    return _level(flow)


@part
def _rebalance(plan: Any, run: Any, link: int) -> None:
    """Give each stream its share again."""
    flow, limits = flow_at(run, link), link_at(plan, link)
    count = flow.capped + flow.uncapped
    if limits.totals and count:
        flow.bandwidth = real_at(run.totals, limits.first_total + min(count, limits.totals) - 1)
    level = _level(flow)
    while flow.capped:
        entry = entry_at(run, last(run, 2 * link + _CAPPED))
        if not _is_too_fast(flow, entry.key, level):
            break
        level = _uncap_highest(run, link, entry)
    while flow.uncapped:
        entry = entry_at(run, last(run, 2 * link + _UNCAPPED))
        if -entry.key > level:
            break
        level = _cap_lowest(run, link, entry)
    flow.level = level


@inlined
def next_finish(run: Any, link: int) -> float:
    """When the next stream finishes if nothing changes; inf on an idle link."""
    flow, at = flow_at(run, link), math.inf
    capped = first_to_finish(run, 2 * link + _CAPPED)
    uncapped = first_to_finish(run, 2 * link + _UNCAPPED)
    if capped >= 0:
        at = entry_at(run, capped).finish
    if uncapped >= 0:
        finish = entry_at(run, uncapped).finish
        at = min(at, flow.now + max(finish - flow.served, 0.0) / flow.level)
    return float(max(at, flow.now))


@part
def _set_alarm(run: Any, link: int) -> None:
    """Wake the link when its next stream finishes; an alarm set before does not count any more."""
    flow = flow_at(run, link)
    flow.turn += 1
    alarm_at(run, link).time = math.inf
    at = next_finish(run, link)
    if at == math.inf:
        return
    at = run.now + (at - run.now)
    if at <= run.now:
        happen(run, LINK_ALARM, link, flow.turn)
        return
    set_alarm(run, link, at)


@inlined
def add(plan: Any, run: Any, link: int, job: int, bytes_: float, cap: float) -> None:
    """Start a transfer, without an alarm."""
    flow, stream = flow_at(run, link), stream_at(run, job)
    _advance(flow, run.now)
    order = flow.order
    flow.order += 1
    stream.bytes_, stream.cap, stream.order, stream.link = bytes_, cap, order, link
    stream.finished, stream.settled = 0, 0
    stream.capped = 0
    if flow.capped and cap < entry_at(run, last(run, 2 * link + _CAPPED)).key:
        stream.capped = 1
        flow.capped += 1
        flow.capped_rate += cap
        put(run, 2 * link + _CAPPED, cap, order, job, flow.now + bytes_ / cap)
    else:
        flow.uncapped += 1
        put(run, 2 * link + _UNCAPPED, -cap, -order, job, flow.served + bytes_)
    _rebalance(plan, run, link)


@part
def send(plan: Any, run: Any, link: int, job: int, bytes_: float, cap: float) -> None:
    """Start a transfer; the job is resumed when it has finished."""
    add(plan, run, link, job, bytes_, cap)
    _set_alarm(run, link)


@inlined
def remove(plan: Any, run: Any, link: int, job: int) -> None:
    """Stop a transfer that has not finished, without an alarm."""
    _advance(flow_at(run, link), run.now)
    stream = stream_at(run, job)
    if stream.capped:
        _forget_capped(run, link, place_of(run, 2 * link + _CAPPED, stream.cap, stream.order))
    else:
        _forget_uncapped(run, link, place_of(run, 2 * link + _UNCAPPED, -stream.cap, -stream.order))
    _rebalance(plan, run, link)


@part
def give_up(plan: Any, run: Any, job: int) -> None:
    """Stop a transfer that has not finished."""
    link = wide(stream_at(run, job).link)
    remove(plan, run, link, job)
    _set_alarm(run, link)


@part
def _by_order(run: Any, place: int, job: int) -> None:
    """Place a job among the first so many that have finished, in the order in which they started."""
    order = stream_at(run, job).order
    while place > 0 and stream_at(run, int_at(run.finished, place - 1)).order > order:
        set_int(run.finished, place, int_at(run.finished, place - 1))
        place -= 1
    set_int(run.finished, place, job)


@inlined
def _take_off_capped(run: Any, link: int) -> int:
    """A capped stream that has finished; -1 if there is none."""
    flow, at = flow_at(run, link), first_to_finish(run, 2 * link + _CAPPED)
    if at < 0:
        return -1
    entry = entry_at(run, at)
    job = int(entry.job)
    if (entry.finish - flow.now) * entry.key > FINISHED * stream_at(run, job).bytes_:
        return -1
    _forget_capped(run, link, at)
    return job


@inlined
def _take_off_uncapped(run: Any, link: int) -> int:
    """An uncapped stream that has finished; -1 if there is none."""
    flow, at = flow_at(run, link), first_to_finish(run, 2 * link + _UNCAPPED)
    if at < 0:
        return -1
    entry = entry_at(run, at)
    job = int(entry.job)
    if entry.finish - flow.served > FINISHED * stream_at(run, job).bytes_:
        return -1
    _forget_uncapped(run, link, at)
    return job


@inlined
def finished(plan: Any, run: Any, link: int) -> int:
    """Take off the streams that have finished, into a table in the order in which they started; how many."""
    count = 0
    _advance(flow_at(run, link), run.now)
    job = _take_off_capped(run, link)
    while job >= 0:
        _by_order(run, count, job)
        count += 1
        job = _take_off_capped(run, link)
    job = _take_off_uncapped(run, link)
    while job >= 0:
        _by_order(run, count, job)
        count += 1
        job = _take_off_uncapped(run, link)
    _rebalance(plan, run, link)
    return count


@part
def ring(plan: Any, run: Any, link: int) -> None:
    """The alarm of a link: tell the streams that have finished, in the order in which they started."""
    for i in range(finished(plan, run, link)):
        stream = stream_at(run, int_at(run.finished, i))
        stream.finished = 1
        happen(run, STREAM_DONE, int_at(run.finished, i), stream.turn)
    _set_alarm(run, link)
