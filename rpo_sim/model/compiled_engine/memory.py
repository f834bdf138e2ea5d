"""Tables by their address: what the pieces of the kernel read and write.

numba passes an array as seven values and a tuple of arrays as hundreds; here a table is known by its
address, and a row of it is a record in place. Each function below is one or two machine instructions.
Where numba compiles nothing (`NUMBA_DISABLE_JIT=1`, for finding faults) they look the address up.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import extending, types

from rpo_sim.model.compiled_engine import layout
from rpo_sim.model.compiled_engine.addresses import INTERPRETED, TABLES

_I64 = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_intrinsic: Any = extending.intrinsic


def _where(builder: Any, table: Any, index: Any, size: int, kind: Any) -> Any:
    """A pointer to a row."""
    offset = builder.mul(index, ir.Constant(_I64, size), flags=["nsw"])
    start = builder.inttoptr(table, _BYTES)
    return builder.bitcast(builder.gep(start, [offset], inbounds=True), kind)


def rows_in(column: str, kind: "np.dtype[Any]") -> Callable[[Any, int], Any]:
    """Rows of the table whose address stands in a column of a record."""
    if INTERPRETED:
        return lambda owner, index: TABLES[int(getattr(owner, column))][int(index)]
    row = numba.from_dtype(kind)

    def at(_: Any, owner: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
            start = builder.ptrtoint(arguments[0], _I64)
            place = builder.add(start, ir.Constant(_I64, owner.offset(column)))
            table = builder.load(builder.inttoptr(place, _I64.as_pointer()), align=8)
            table.set_metadata(
                "invariant.load", builder.module.add_metadata([])
            )  # tables stay where they are
            return _where(builder, table, arguments[1], row.size, context.get_value_type(row))

        del index
        return row(owner, types.int64), generate

    found: Callable[[Any, int], Any] = _intrinsic(at)
    return found


def record_of(kind: "np.dtype[Any]") -> Callable[[int], Any]:
    """The record at an address."""
    if INTERPRETED:
        return lambda at: TABLES[int(at)][0]
    row = numba.from_dtype(kind)

    def found(_: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(row))

        del at
        return row(types.int64), generate

    made: Callable[[int], Any] = _intrinsic(found)
    return made


def _number(stored: Any, seen: Any) -> Callable[[int, int], Any]:
    """Reads a number of a table of such numbers."""
    if INTERPRETED:
        return lambda table, index: TABLES[int(table)].view(str(stored))[int(index)].item()
    kind = ir.DoubleType() if seen is types.float64 else ir.IntType(stored.bitwidth)

    def at(_: Any, table: Any, index: Any) -> Any:
        def generate(__: Any, builder: Any, ___: Any, arguments: Any) -> Any:
            size = stored.bitwidth // 8
            value = builder.load(
                _where(builder, arguments[0], arguments[1], size, kind.as_pointer()), align=size
            )
            if seen is types.float64:
                return value
            return (builder.sext if stored.signed else builder.zext)(value, _I64)

        del table, index
        return seen(types.int64, types.int64), generate

    found: Callable[[int, int], Any] = _intrinsic(at)
    return found


def _change(stored: Any, seen: Any) -> Callable[[int, int, Any], None]:
    """Changes a number of a table of such numbers."""
    if INTERPRETED:

        def change(table: int, index: int, value: Any) -> None:
            TABLES[int(table)].view(str(stored))[int(index)] = value

        return change
    kind = ir.DoubleType() if seen is types.float64 else ir.IntType(stored.bitwidth)

    def put(_: Any, table: Any, index: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
            size, new = stored.bitwidth // 8, arguments[2]
            if seen is not types.float64 and size < 8:
                new = builder.trunc(new, kind)
            builder.store(
                new, _where(builder, arguments[0], arguments[1], size, kind.as_pointer()), align=size
            )
            return context.get_dummy_value()

        del table, index, value
        return types.void(types.int64, types.int64, seen), generate

    made: Callable[[int, int, Any], None] = _intrinsic(put)
    return made


int_at, set_int = _number(types.int32, types.int64), _change(types.int32, types.int64)
long_at, set_long = _number(types.int64, types.int64), _change(types.int64, types.int64)
word_at = _number(types.uint64, types.uint64)
byte_at = _number(types.uint8, types.int64)
real_at, set_real = _number(types.float64, types.float64), _change(types.float64, types.float64)

# The records themselves

plan_at = record_of(layout.PLAN)
run_at = record_of(layout.RUN)
draws_at = record_of(layout.DRAWS)
outcome_at = record_of(layout.OUTCOME)

# Rows of the plan's tables

stage_at = rows_in("stages", layout.STAGE)
token_at = rows_in("stage_tokens", layout.TOKEN)
group_at = rows_in("groups", layout.GROUP)
op_at = rows_in("ops", layout.OP)
link_at = rows_in("links", layout.LINK)
bucket_at = rows_in("buckets", layout.BUCKET)
wave_groups = rows_in("wave_groups", layout.SPAN)
group_quorums = rows_in("group_quorums", layout.SPAN)
needed_by = rows_in("needed_by", layout.SPAN)
application_vms = rows_in("application_vms", layout.SPAN)
list_at = rows_in("lists", layout.SPAN)
shifts_of = rows_in("shifts", layout.SPAN)

# Rows of a run's tables

job_at = rows_in("jobs", layout.JOB)
stream_at = rows_in("streams", layout.STREAM)
timed_at = rows_in("timed", layout.TIMED)
alarm_at = rows_in("alarms", layout.ALARM)
instant_at = rows_in("instants", layout.INSTANT)
segment_at = rows_in("segments", layout.SEGMENT)
pool_at = rows_in("pools", layout.POOL)
flow_at = rows_in("flows", layout.FLOW)
block_at = rows_in("blocks", layout.BLOCK)
level_at = rows_in("levels", layout.LEVEL)
expiries_at = rows_in("expiries", layout.EXPIRIES)
cohort_at = rows_in("cohorts", layout.COHORT)
share_at = rows_in("shares", layout.SHARE)
