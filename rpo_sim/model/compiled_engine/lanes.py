"""Sixteen numbers of a table at once, without a branch: what is done to each is known before it is looked at.

A processor guesses at branches which way they go; where only the data know, every second guess is wrong and
costs as much as twenty additions. LLVM makes of these vectors whatever the processor has.
Where numba compiles nothing, numpy does the same.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

from rpo_sim.model.compiled_engine.addresses import INTERPRETED, TABLES
from rpo_sim.model.compiled_engine.layout import LANES

_I16, _I32, _I64, _DOUBLE = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.DoubleType()
_COUNTED = ir.VectorType(_I32, LANES)
_intrinsic: Any = extending.intrinsic
_get_or_insert: Any = cgutils.get_or_insert_function


def _interpreted(table: Any, first: Any, kind: Any) -> Any:
    return TABLES[int(table)].view(str(kind))[int(first) : int(first) + LANES]


def _from(builder: Any, table: Any, first: Any, kind: Any, size: int) -> Any:
    """A pointer to sixteen numbers."""
    at = builder.add(table, builder.mul(first, _I64(size)))
    return builder.inttoptr(at, ir.VectorType(kind, LANES).as_pointer())


def _all(builder: Any, value: Any) -> Any:
    """Sixteen times the same."""
    kind = ir.VectorType(value.type, LANES)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, _I32(0))
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(_COUNTED, [0] * LANES))


def _lanes(builder: Any, compared: str, lane: Any) -> Any:
    """Which lanes are before, at or behind one."""
    numbers = ir.Constant(_COUNTED, list(range(LANES)))
    return builder.icmp_signed(compared, numbers, _all(builder, builder.trunc(lane, _I32)))


def _bits(builder: Any, lanes: Any) -> Any:
    return builder.zext(builder.bitcast(lanes, _I16), _I64)


def _first_least() -> Callable[[int, int, int, int], int]:
    """The first lane, from ``low`` to before ``high``, of those that hold the least number.

    Where there is none it is one that does not exist.
    """
    if INTERPRETED:

        def interpreted(table: int, first: int, low: int, high: int) -> int:
            found = _interpreted(table, first, types.float64)[int(low) : int(high)]
            return int(low + np.argmin(found)) if len(found) else LANES

        return interpreted

    def least(_: Any, table: Any, first: Any, low: Any, high: Any) -> Any:
        def generate(__: Any, builder: Any, ___: Any, arguments: Any) -> Any:
            table, first, low, high = arguments
            numbers = builder.load(_from(builder, table, first, _DOUBLE, 8), align=8)
            asked = builder.and_(_lanes(builder, ">=", low), _lanes(builder, "<", high))
            numbers = builder.select(asked, numbers, _all(builder, _DOUBLE(np.inf)))
            name = f"llvm.vector.reduce.fmin.v{LANES}f64"
            reduce = _get_or_insert(builder.module, ir.FunctionType(_DOUBLE, [numbers.type]), name)
            value = builder.call(reduce, [numbers], fastmath=("nnan",))
            equal = builder.fcmp_ordered("==", numbers, _all(builder, value))
            return builder.cttz(_bits(builder, builder.and_(asked, equal)), ir.IntType(1)(0))

        del table, first, low, high
        return types.int64(types.int64, types.int64, types.int64, types.int64), generate

    found: Callable[[int, int, int, int], int] = _intrinsic(least)
    return found


first_least = _first_least()


def _up_to() -> Callable[[int, int, int, float], int]:
    """How many of the first ``count`` lanes hold no more than a number."""
    if INTERPRETED:
        return lambda table, first, count, number: int(
            (_interpreted(table, first, types.float64)[: int(count)] <= number).sum()
        )

    def up_to(_: Any, table: Any, first: Any, count: Any, number: Any) -> Any:
        def generate(__: Any, builder: Any, ___: Any, arguments: Any) -> Any:
            table, first, count, number = arguments
            numbers = builder.load(_from(builder, table, first, _DOUBLE, 8), align=8)
            small = builder.fcmp_ordered("<=", numbers, _all(builder, number))
            return builder.ctpop(_bits(builder, builder.and_(small, _lanes(builder, "<", count))))

        del table, first, count, number
        return types.int64(types.int64, types.int64, types.int64, types.float64), generate

    found: Callable[[int, int, int, float], int] = _intrinsic(up_to)
    return found


up_to = _up_to()


def _open(stored: Any, seen: Any) -> Callable[[int, int, int, Any], None]:
    """Put a number into a lane; those from there on make room, and the last is lost."""
    if INTERPRETED:

        def interpreted(table: int, first: int, lane: int, number: Any) -> None:
            numbers = _interpreted(table, first, stored)
            numbers[int(lane) + 1 :] = numbers[int(lane) : -1].copy()
            numbers[int(lane)] = number

        return interpreted
    kind = _DOUBLE if seen is types.float64 else ir.IntType(stored.bitwidth)

    def open_(_: Any, table: Any, first: Any, lane: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
            table, first, lane, number = arguments
            at = _from(builder, table, first, kind, stored.bitwidth // 8)
            old = builder.load(at, align=stored.bitwidth // 8)
            if seen is not types.float64:
                number = builder.trunc(number, kind)
            moved = builder.shuffle_vector(old, old, ir.Constant(_COUNTED, [0, *range(LANES - 1)]))
            new = builder.select(_lanes(builder, "==", lane), _all(builder, number), moved)
            new = builder.select(_lanes(builder, "<", lane), old, new)
            builder.store(new, at, align=stored.bitwidth // 8)
            return context.get_dummy_value()

        del table, first, lane, number
        return types.void(types.int64, types.int64, types.int64, seen), generate

    made: Callable[[int, int, int, Any], None] = _intrinsic(open_)
    return made


def _close(stored: Any) -> Callable[[int, int, int], None]:
    """Take the number out of a lane; those behind it move up."""
    if INTERPRETED:

        def interpreted(table: int, first: int, lane: int) -> None:
            numbers = _interpreted(table, first, stored)
            numbers[int(lane) : -1] = numbers[int(lane) + 1 :].copy()

        return interpreted
    kind = _DOUBLE if stored is types.float64 else ir.IntType(stored.bitwidth)

    def close(_: Any, table: Any, first: Any, lane: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
            table, first, lane = arguments
            at = _from(builder, table, first, kind, stored.bitwidth // 8)
            old = builder.load(at, align=stored.bitwidth // 8)
            order = [*range(1, LANES), LANES - 1]
            moved = builder.shuffle_vector(old, old, ir.Constant(_COUNTED, order))
            new = builder.select(_lanes(builder, "<", lane), old, moved)
            builder.store(new, at, align=stored.bitwidth // 8)
            return context.get_dummy_value()

        del table, first, lane
        return types.void(types.int64, types.int64, types.int64), generate

    made: Callable[[int, int, int], None] = _intrinsic(close)
    return made


open_real, close_real = _open(types.float64, types.float64), _close(types.float64)
open_int, close_int = _open(types.int32, types.int64), _close(types.int32)
