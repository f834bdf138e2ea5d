"""`rpo_sim.model.sharing` for the kernel: the same sums in the same order.

The streams of a link stand in the order of their caps. Before the edge are those that their caps hold back,
with the times at which they finish; behind it are the others, with the bytes at which they do.
"""

import math
from typing import Any

from rpo_sim.model.compiled_engine.events import happen, set_alarm
from rpo_sim.model.compiled_engine.jit import inlined, part, wide
from rpo_sim.model.compiled_engine.layout import STREAM_DONE
from rpo_sim.model.compiled_engine.memory import (
    alarm_at,
    flow_at,
    int_at,
    link_at,
    real_at,
    set_int,
    stream_at,
)
from rpo_sim.model.compiled_engine.ordered import (
    cap,
    first_capped_to_finish,
    first_uncapped,
    first_uncapped_to_finish,
    is_before_the_edge,
    last_capped,
    place_of,
    put,
    take_out,
    uncap,
)
from rpo_sim.model.sharing import FINISHED, HAIR, TICK


@inlined
def clear(run: Any, link: int, bandwidth: float) -> None:
    """A link on which nothing was ever sent."""
    flow = flow_at(run, link)
    flow.bandwidth = bandwidth
    flow.now, flow.served, flow.capped_rate, flow.order = 0.0, 0.0, 0.0, 0
    flow.capped, flow.uncapped, flow.changed, flow.edge = 0, 0, 0, -1


@inlined
def _left_over(flow: Any) -> float:
    """What capped streams leave to the others."""
    return float(flow.bandwidth - flow.capped_rate)


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
def _forget(run: Any, link: int, at: int) -> None:
    flow = flow_at(run, link)
    if is_before_the_edge(run, at):
        _hold_back_no_more(flow, real_at(run.caps, at))
    else:
        flow.uncapped -= 1
    take_out(run, link, at)


@inlined
def _is_too_fast(flow: Any, cap: float) -> bool:
    """Whether a capped stream would get more than its share; without others, all of them together."""
    if flow.uncapped == 0:
        return bool(flow.capped_rate > flow.bandwidth * (1 + HAIR))
    return bool(cap * flow.uncapped > _left_over(flow) * (1 + HAIR))


@inlined
def _uncap_highest(run: Any, link: int, at: int) -> None:
    flow, highest = flow_at(run, link), real_at(run.caps, at)
    left = (real_at(run.finishes, at) - flow.now) * highest
    _hold_back_no_more(flow, highest)
    flow.uncapped += 1
    uncap(run, link, at, flow.served + left)


@inlined
def _cap_lowest(run: Any, link: int, at: int) -> None:
    flow, lowest = flow_at(run, link), real_at(run.caps, at)
    left = real_at(run.finishes, at) - flow.served
    flow.uncapped -= 1
    flow.capped += 1
    flow.capped_rate += lowest
    cap(run, link, at, flow.now + left / lowest)


@part
def _rebalance(plan: Any, run: Any, link: int) -> None:
    """Give each stream its share again."""
    flow, limits = flow_at(run, link), link_at(plan, link)
    count = flow.capped + flow.uncapped
    if limits.totals and count:
        flow.bandwidth = real_at(run.totals, limits.first_total + min(count, limits.totals) - 1)
    while flow.capped:
        at = last_capped(run, link)
        if not _is_too_fast(flow, real_at(run.caps, at)):
            break
        _uncap_highest(run, link, at)
    while flow.uncapped:
        at = first_uncapped(run, link)
        if real_at(run.caps, at) * flow.uncapped > _left_over(flow):
            break
        _cap_lowest(run, link, at)
    if flow.uncapped:
        flow.level = _left_over(flow) / flow.uncapped


@inlined
def _seconds_left(flow: Any, finish: float) -> float:
    """Of an uncapped stream; no less than moves the clock, or what is left would be so for ever."""
    left = finish - flow.served
    return float(max(left / flow.level, abs(flow.now) * TICK)) if left > 0 else 0.0


@inlined
def next_finish(plan: Any, run: Any, link: int) -> float:
    """When the next stream finishes if nothing changes, each given its share; inf on an idle link."""
    _rebalance(plan, run, link)
    flow, at = flow_at(run, link), math.inf
    if flow.capped:
        at = real_at(run.finishes, first_capped_to_finish(run, link))
    if flow.uncapped:
        at = min(
            at, flow.now + _seconds_left(flow, real_at(run.finishes, first_uncapped_to_finish(run, link)))
        )
    return float(max(at, flow.now))


@inlined
def _drop_alarm(run: Any, link: int) -> None:
    """Something has begun or ended: the alarm does not count any more, the next is set when all has."""
    flow = flow_at(run, link)
    alarm_at(run, link).time = math.inf
    if not flow.changed:
        flow.changed = 1
        set_int(run.changed, run.n_changed, link)
        run.n_changed += 1


@part
def set_link_alarm(plan: Any, run: Any, link: int) -> None:
    """The instant is over: wake the link when its next stream finishes."""
    flow_at(run, link).changed = 0
    at = next_finish(plan, run, link)
    if at < math.inf:
        set_alarm(run, link, run.now + (at - run.now))


@inlined
def add(run: Any, link: int, job: int, bytes_: float, cap: float) -> None:
    """Start a transfer, without an alarm."""
    flow, stream = flow_at(run, link), stream_at(run, job)
    _advance(flow, run.now)
    order = flow.order
    flow.order += 1
    stream.bytes_, stream.cap, stream.order, stream.link = bytes_, cap, order, link
    stream.finished, stream.settled = 0, 0
    if flow.capped and cap < real_at(run.caps, last_capped(run, link)):
        flow.capped += 1
        flow.capped_rate += cap
        put(run, link, cap, order, job, 1, flow.now + bytes_ / cap)
    else:
        flow.uncapped += 1
        put(run, link, cap, order, job, 0, flow.served + bytes_)


@part
def send(run: Any, link: int, job: int, bytes_: float, cap: float) -> None:
    """Start a transfer; the job is resumed when it has finished."""
    add(run, link, job, bytes_, cap)
    _drop_alarm(run, link)


@inlined
def remove(run: Any, link: int, job: int) -> None:
    """Stop a transfer that has not finished, without an alarm."""
    _advance(flow_at(run, link), run.now)
    stream = stream_at(run, job)
    _forget(run, link, place_of(run, link, stream.cap, stream.order))


@part
def give_up(run: Any, job: int) -> None:
    """Stop a transfer that has not finished."""
    link = wide(stream_at(run, job).link)
    remove(run, link, job)
    _drop_alarm(run, link)


@part
def _by_order(run: Any, place: int, job: int) -> None:
    """Place a job among the first so many that have finished, in the order in which they started."""
    order = stream_at(run, job).order
    while place > 0 and stream_at(run, int_at(run.finished, place - 1)).order > order:
        set_int(run.finished, place, int_at(run.finished, place - 1))
        place -= 1
    set_int(run.finished, place, job)


@inlined
def _finished_capped(run: Any, link: int) -> int:
    """The place of a capped stream that has finished; -1 if there is none."""
    flow = flow_at(run, link)
    if not flow.capped:
        return -1
    at = first_capped_to_finish(run, link)
    left = (real_at(run.finishes, at) - flow.now) * real_at(run.caps, at)
    return at if left <= FINISHED * stream_at(run, int_at(run.senders, at)).bytes_ else -1


@inlined
def _finished_uncapped(run: Any, link: int) -> int:
    """The place of an uncapped stream that has finished; -1 if there is none."""
    flow = flow_at(run, link)
    if not flow.uncapped:
        return -1
    at = first_uncapped_to_finish(run, link)
    left = real_at(run.finishes, at) - flow.served
    return at if left <= FINISHED * stream_at(run, int_at(run.senders, at)).bytes_ else -1


@inlined
def finished(run: Any, link: int) -> int:
    """Take off the streams that have finished, into a table in the order in which they started; how many."""
    count = 0
    _advance(flow_at(run, link), run.now)
    at = _finished_capped(run, link)
    while at >= 0:
        _by_order(run, count, int_at(run.senders, at))
        _forget(run, link, at)
        count += 1
        at = _finished_capped(run, link)
    at = _finished_uncapped(run, link)
    while at >= 0:
        _by_order(run, count, int_at(run.senders, at))
        _forget(run, link, at)
        count += 1
        at = _finished_uncapped(run, link)
    return count


@part
def ring(run: Any, link: int) -> None:
    """The alarm of a link: tell the streams that have finished, in the order in which they started."""
    for i in range(finished(run, link)):
        stream = stream_at(run, int_at(run.finished, i))
        stream.finished = 1
        happen(run, STREAM_DONE, int_at(run.finished, i), stream.turn)
    _drop_alarm(run, link)
