"""The uniforms and normals of `rpo_sim.model.draws`, bit for bit, without asking numpy row by row.

Philox 4x64-10: J. Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. As numpy has it,
the counter goes up by one before each four numbers.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, types

from rpo_sim.distributions.probit import DEGREE, FIRST, PIECES, SHIFT, WIDTH, WITHIN
from rpo_sim.model.compiled_engine.addresses import INTERPRETED
from rpo_sim.model.compiled_engine.jit import inlined
from rpo_sim.model.compiled_engine.memory import long_at, real_at, set_real, word_at

_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_MAGNITUDE, _WORD = 2**63 - 1, 2**64 - 1
_INTERVALS = 52 * PIECES + 1
_I64, _I128 = ir.IntType(64), ir.IntType(128)
_intrinsic: Any = extending.intrinsic


def _product(_: Any, a: Any, b: Any) -> Any:
    """Both halves of a product at once: one instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = builder.mul(*(builder.zext(each, _I128) for each in arguments))
        high = builder.lshr(wide, ir.Constant(_I128, 64))
        halves = [builder.trunc(each, _I64) for each in (high, wide)]
        return context.make_tuple(builder, signature.return_type, halves)

    del a, b
    halves: Any = types.Tuple
    return halves((types.uint64, types.uint64))(types.uint64, types.uint64), generate


def _product_interpreted(a: Any, b: Any) -> Any:
    wide = int(a) * int(b)
    return np.uint64(wide >> 64), np.uint64(wide & _WORD)


_times: Any = _product_interpreted if INTERPRETED else _intrinsic(_product)


@inlined
def _uniform(bits: Any) -> float:
    return float((np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52)


@inlined
def _stream(k0: Any, k1: Any, attempt: int, run: int, out: int, first: int, n: int) -> None:
    """``n`` uniforms of one stream into a table, from ``first`` on."""
    for block in range((n + 3) // 4):
        c0, c1 = np.uint64(block + 1), np.uint64(0)
        c2, c3 = np.uint64(attempt), np.uint64(run)
        key0, key1 = k0, k1
        for _ in range(10):
            (high0, low0), (high1, low1) = _times(_M0, c0), _times(_M1, c2)
            c0, c1, c2, c3 = high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0
            key0, key1 = key0 + _W0, key1 + _W1
        at, left = first + 4 * block, n - 4 * block
        set_real(out, at, _uniform(c0))
        if left > 1:
            set_real(out, at + 1, _uniform(c1))
        if left > 2:
            set_real(out, at + 2, _uniform(c2))
        if left > 3:
            set_real(out, at + 3, _uniform(c3))


@inlined
def to_normals(quantiles: int, out: int, first: int, end: int) -> None:
    """As `probit` has it; the sign remembers the half."""
    for at in range(first, end):
        u = real_at(out, at)
        if u > 0.5:
            set_real(out, at, u - 1.0)
    for at in range(first, end):
        signed = long_at(out, at)
        bits = signed & _MAGNITUDE
        interval = (bits >> SHIFT) - FIRST
        t = np.float64(bits & WITHIN) * WIDTH - 1.0
        z = real_at(quantiles, DEGREE * _INTERVALS + interval)
        for power in range(1, DEGREE + 1):
            z = z * t + real_at(quantiles, (DEGREE - power) * _INTERVALS + interval)
        set_real(out, at, z if signed > 0 else -z)


def fill(
    keys: int, counts: int, streams: int, attempt: int, first_run: int, quantiles: int, out: int, runs: int
) -> None:
    """Fill a table of shape (runs, columns) with uniforms, or with the standard normals of these.

    Each stream has a key and a count of columns, and each row a counter of its own. ``quantiles`` is the
    address of the table of `probit`, or 0 if uniforms are wanted.
    """
    end = 0
    for row in range(runs):
        first = end
        for stream in range(streams):
            k0, k1 = np.uint64(word_at(keys, 2 * stream)), np.uint64(word_at(keys, 2 * stream + 1))
            n = long_at(counts, stream)
            _stream(k0, k1, attempt, first_run + row, out, end, n)
            end += n
        if quantiles != 0:
            to_normals(quantiles, out, first, end)
