"""The streams of a link in the order of their caps: a sorted list in short blocks, with an edge.

As in Python's `sortedcontainers`, what is put in or taken out moves no more than a block, whose numbers move
at once (see `lanes`). The streams before the edge are those that their caps hold back; each block knows how
many of its own these are. What the level of the link passes moves the edge, and nothing else. A place is a
lane of a block: they are counted through.
"""

from typing import Any

from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.lanes import (
    close_int,
    close_real,
    first_least,
    open_int,
    open_real,
    up_to,
)
from rpo_sim.model.compiled_engine.layout import LANES
from rpo_sim.model.compiled_engine.memory import block_at, flow_at, int_at, real_at, set_int, set_real

# Blocks


@part
def _new_block(run: Any, before: int) -> int:
    """An empty block that follows another, or is the first."""
    found = int(run.free_block)
    if found >= 0:
        run.free_block = block_at(run, found).behind
    else:
        found = int(run.n_blocks)
        run.n_blocks += 1
    block = block_at(run, found)
    block.count, block.capped, block.before, block.behind = 0, 0, before, -1
    block.known = 0
    if before >= 0:
        block.behind = block_at(run, before).behind
        block_at(run, before).behind = found
        if block.behind >= 0:
            block_at(run, block.behind).before = found
    return found


@part
def _drop_block(run: Any, link: int, index: int) -> None:
    """An empty block is kept for later."""
    block = block_at(run, index)
    if block.before >= 0:
        block_at(run, block.before).behind = block.behind
    if block.behind >= 0:
        block_at(run, block.behind).before = block.before
    if flow_at(run, link).edge == index:
        flow_at(run, link).edge = block.before if block.before >= 0 else block.behind
    block.behind = run.free_block
    run.free_block = index


@part
def _split(run: Any, link: int, index: int) -> None:
    """Move the upper half of a full block to a new one behind it."""
    fresh, half = _new_block(run, index), LANES // 2
    for i in range(half):
        source, target = index * LANES + half + i, fresh * LANES + i
        set_real(run.caps, target, real_at(run.caps, source))
        set_real(run.finishes, target, real_at(run.finishes, source))
        set_int(run.orders, target, int_at(run.orders, source))
        set_int(run.senders, target, int_at(run.senders, source))
    lower, upper = block_at(run, index), block_at(run, fresh)
    lower.count, upper.count = half, half
    upper.capped = max(lower.capped - half, 0)
    lower.capped -= upper.capped
    lower.known = 0
    if upper.capped > 0 and flow_at(run, link).edge == index:
        flow_at(run, link).edge = fresh


@part
def _block_of(run: Any, link: int, cap: float, order: int) -> int:
    """The block in which such a stream stands, or would: seldom far from the edge."""
    index = int(flow_at(run, link).edge)
    while block_at(run, index).before >= 0 and _stands_before(run, cap, order, index * LANES):
        index = int(block_at(run, index).before)
    behind = int(block_at(run, index).behind)
    while behind >= 0 and not _stands_before(run, cap, order, behind * LANES):
        index, behind = behind, int(block_at(run, behind).behind)
    return index


@inlined
def _stands_before(run: Any, cap: float, order: int, place: int) -> bool:
    other = real_at(run.caps, place)
    return bool(cap < other or (cap == other and order < int_at(run.orders, place)))


# Streams


@part
def put(run: Any, link: int, cap: float, order: int, job: int, capped: int, finish: float) -> None:
    """Place a stream, the newest of all; a capped one stands before the edge."""
    if flow_at(run, link).edge < 0:
        flow_at(run, link).edge = _new_block(run, -1)
    index = _block_of(run, link, cap, order)
    if block_at(run, index).count == LANES:
        _split(run, link, index)
        index = _block_of(run, link, cap, order)
    block, first = block_at(run, index), index * LANES
    lane = up_to(run.caps, first, block.count, cap)  # behind its equals
    open_real(run.caps, first, lane, cap)
    open_real(run.finishes, first, lane, finish)
    open_int(run.orders, first, lane, order)
    open_int(run.senders, first, lane, job)
    block.count += 1
    block.capped += capped
    block.known = 0


@part
def take_out(run: Any, link: int, place: int) -> None:
    """Take out the stream at a place."""
    index, lane = place // LANES, place % LANES
    block, first = block_at(run, index), index * LANES
    close_real(run.caps, first, lane)
    close_real(run.finishes, first, lane)
    close_int(run.orders, first, lane)
    close_int(run.senders, first, lane)
    block.capped -= lane < block.capped
    block.count -= 1
    block.known = 0
    if block.count == 0:
        _drop_block(run, link, index)
    else:
        _draw_edge_back(run, link, index)


@inlined
def _draw_edge_back(run: Any, link: int, index: int) -> None:
    """The edge is in the block of the last capped stream, if there is one."""
    block = block_at(run, index)
    if block.capped == 0 and block.before >= 0 and flow_at(run, link).edge == index:
        flow_at(run, link).edge = block.before


@part
def place_of(run: Any, link: int, cap: float, order: int) -> int:
    """Where a stream stands."""
    place = _block_of(run, link, cap, order) * LANES
    while int_at(run.orders, place) != order:
        place += 1
    return place


@inlined
def is_before_the_edge(run: Any, place: int) -> bool:
    """Whether the stream at a place is one that its cap holds back."""
    return bool(place % LANES < block_at(run, place // LANES).capped)


# The edge


@inlined
def last_capped(run: Any, link: int) -> int:
    """The place before the edge; there has to be one."""
    edge = int(flow_at(run, link).edge)
    return edge * LANES + int(block_at(run, edge).capped) - 1


@inlined
def first_uncapped(run: Any, link: int) -> int:
    """The place behind the edge; there has to be one."""
    edge = int(flow_at(run, link).edge)
    block = block_at(run, edge)
    if block.capped == block.count:
        return int(block.behind) * LANES
    return edge * LANES + int(block.capped)


@inlined
def uncap(run: Any, link: int, place: int, finish: float) -> None:
    """Move the edge down by the stream before it."""
    index = place // LANES
    set_real(run.finishes, place, finish)
    block_at(run, index).capped -= 1
    block_at(run, index).known = 0
    _draw_edge_back(run, link, index)


@inlined
def cap(run: Any, link: int, place: int, finish: float) -> None:
    """Move the edge up by the stream behind it."""
    index = place // LANES
    set_real(run.finishes, place, finish)
    block_at(run, index).capped += 1
    block_at(run, index).known = 0
    flow_at(run, link).edge = index


# Which finishes first; of capped equals the one with the lowest cap


@inlined
def _known(run: Any, index: int) -> Any:
    """A block that knows in which of its lanes the first ones of either side stand."""
    block = block_at(run, index)
    if not block.known:
        block.least_capped = first_least(run.finishes, index * LANES, 0, block.capped)
        block.least_uncapped = first_least(run.finishes, index * LANES, block.capped, block.count)
        block.known = 1
    return block


@inlined
def first_capped_to_finish(run: Any, link: int) -> int:
    """The place of the capped stream that finishes first; there has to be one."""
    index = int(flow_at(run, link).edge)
    block = _known(run, index)
    found = index * LANES + int(block.least_capped)
    while block.before >= 0:
        index = int(block.before)
        block = _known(run, index)
        other = index * LANES + int(block.least_capped)
        if real_at(run.finishes, other) <= real_at(run.finishes, found):
            found = other
    return found


@inlined
def first_uncapped_to_finish(run: Any, link: int) -> int:
    """The place of the uncapped stream that finishes first; there has to be one."""
    index = first_uncapped(run, link) // LANES
    block = _known(run, index)
    found = index * LANES + int(block.least_uncapped)
    while block.behind >= 0:
        index = int(block.behind)
        block = _known(run, index)
        other = index * LANES + int(block.least_uncapped)
        if real_at(run.finishes, other) <= real_at(run.finishes, found):
            found = other
    return found
