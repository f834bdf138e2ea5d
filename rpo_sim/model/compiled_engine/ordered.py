"""Streams in the order of a key, and the one of them that finishes first: a sorted list in short blocks.

As in Python's `sortedcontainers`, what is put in or taken out moves no more than a block. What the level of
a link passes goes from the end of one list to the end of another, whose order is the other way round.
"""

from typing import Any

from rpo_sim.model.compiled_engine.jit import inlined, part
from rpo_sim.model.compiled_engine.layout import BLOCK_SIZE
from rpo_sim.model.compiled_engine.memory import block_at, entry_at, int_at, set_int


@inlined
def _stands_before(key: float, order: int, entry: Any) -> bool:
    return bool(key < entry.key or (key == entry.key and order < entry.order))


@inlined
def _move(run: Any, source: int, target: int) -> None:
    a, b = entry_at(run, source), entry_at(run, target)
    b.key, b.finish, b.order, b.job = a.key, a.finish, a.order, a.job


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
    block.count, block.least, block.before, block.behind = 0, -1, before, -1
    if before >= 0:
        block.behind = block_at(run, before).behind
        block_at(run, before).behind = found
        if block.behind >= 0:
            block_at(run, block.behind).before = found
    return found


@part
def _drop_block(run: Any, those: int, index: int) -> None:
    """An empty block is kept for later."""
    block = block_at(run, index)
    if block.before >= 0:
        block_at(run, block.before).behind = block.behind
    if block.behind >= 0:
        block_at(run, block.behind).before = block.before
    else:
        set_int(run.last_blocks, those, block.before)
    block.behind = run.free_block
    run.free_block = index


@part
def _split(run: Any, those: int, index: int) -> int:
    """Move the upper half of a full block to a new one behind it."""
    fresh, half = _new_block(run, index), BLOCK_SIZE // 2
    for i in range(half):
        _move(run, index * BLOCK_SIZE + half + i, fresh * BLOCK_SIZE + i)
    block_at(run, index).count, block_at(run, fresh).count = half, half
    block_at(run, index).least = -1
    if block_at(run, fresh).behind < 0:
        set_int(run.last_blocks, those, fresh)
    return fresh


@part
def _block_of(run: Any, those: int, key: float, order: int) -> int:
    """The block in which such a stream stands, or would."""
    index = int_at(run.last_blocks, those)
    while block_at(run, index).before >= 0:
        if not _stands_before(key, order, entry_at(run, index * BLOCK_SIZE)):
            break
        index = int(block_at(run, index).before)
    return int(index)


@inlined
def _write(block: Any, run: Any, at: int, key: float, order: int, job: int, finish: float) -> None:
    """Where the entries of a block have made room for it."""
    entry = entry_at(run, at)
    entry.key, entry.order, entry.job, entry.finish = key, order, job, finish
    block.count += 1
    if block.count == 1 or (block.least >= 0 and finish < entry_at(run, block.least).finish):
        block.least = at


@part
def put(run: Any, those: int, key: float, order: int, job: int, finish: float) -> None:
    """Place a stream in a list."""
    if int_at(run.last_blocks, those) < 0:
        set_int(run.last_blocks, those, _new_block(run, -1))
    index = _block_of(run, those, key, order)
    if block_at(run, index).count == BLOCK_SIZE:
        fresh = _split(run, those, index)
        if not _stands_before(key, order, entry_at(run, fresh * BLOCK_SIZE)):
            index = fresh
    block, first = block_at(run, index), index * BLOCK_SIZE
    at = first + block.count
    while at > first and _stands_before(key, order, entry_at(run, at - 1)):
        _move(run, at - 1, at)
        at -= 1
    if block.least >= at:
        block.least += 1
        if finish == entry_at(run, block.least).finish:
            block.least = -1  # the newest stands before its equal
    _write(block, run, at, key, order, job, finish)


@part
def _append(run: Any, those: int, key: float, order: int, job: int, finish: float) -> None:
    """Place a stream behind all others of a list."""
    index = int_at(run.last_blocks, those)
    if index < 0 or block_at(run, index).count == BLOCK_SIZE:
        index = _new_block(run, index)
        set_int(run.last_blocks, those, index)
    block = block_at(run, index)
    _write(block, run, index * BLOCK_SIZE + block.count, key, order, job, finish)


@part
def pass_on(run: Any, source: int, target: int, finish: float) -> None:
    """Move the last stream of a list to the end of another."""
    index = int_at(run.last_blocks, source)
    block = block_at(run, index)
    block.count -= 1
    at = index * BLOCK_SIZE + int(block.count)
    if block.least == at:
        block.least = -1
    entry = entry_at(run, at)
    _append(run, target, -entry.key, -entry.order, entry.job, finish)
    if block.count == 0:
        _drop_block(run, source, index)


@part
def take_out(run: Any, those: int, at: int) -> None:
    """Take out the stream at a place of the list."""
    index = at // BLOCK_SIZE
    block = block_at(run, index)
    block.count -= 1
    if block.least == at:
        block.least = -1
    elif block.least > at:
        block.least -= 1
    for i in range(at, index * BLOCK_SIZE + block.count):
        _move(run, i + 1, i)
    if block.count == 0:
        _drop_block(run, those, index)


@inlined
def last(run: Any, those: int) -> int:
    """The place of the last stream; -1 if there is none."""
    index = int_at(run.last_blocks, those)
    return index * BLOCK_SIZE + int(block_at(run, index).count) - 1 if index >= 0 else -1


@part
def place_of(run: Any, those: int, key: float, order: int) -> int:
    """Where a stream of the list stands."""
    index = _block_of(run, those, key, order)
    at = index * BLOCK_SIZE + int(block_at(run, index).count) - 1
    while entry_at(run, at).order != order:
        at -= 1
    return at


@part
def _look_for_least(run: Any, index: int) -> int:
    block, found = block_at(run, index), index * BLOCK_SIZE
    finish = entry_at(run, found).finish
    for at in range(found + 1, found + block.count):
        other = entry_at(run, at).finish
        found = at if other < finish else found
        finish = other if other < finish else finish
    block.least = found
    return found


@inlined
def _least_of(run: Any, index: int) -> int:
    """The place of a block's stream that finishes first."""
    least = int(block_at(run, index).least)
    return least if least >= 0 else _look_for_least(run, index)


@part
def _least_of_blocks(run: Any, index: int) -> int:
    """The place of the stream that finishes first, of a block and those before it."""
    found = _least_of(run, index)
    index = int(block_at(run, index).before)
    while index >= 0:
        other = _least_of(run, index)
        if entry_at(run, other).finish <= entry_at(run, found).finish:
            found = other
        index = int(block_at(run, index).before)
    return found


@inlined
def first_to_finish(run: Any, those: int) -> int:
    """The place of the stream that finishes first, the first of equals; -1 if there is none."""
    index = int_at(run.last_blocks, those)
    if index < 0:
        return -1
    return _least_of(run, index) if block_at(run, index).before < 0 else _least_of_blocks(run, index)
