"""The uniforms and normals of `rpo_sim.model.draws`, bit for bit, without asking numpy row by row.

Philox 4x64-10: J. Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. As numpy has it,
the counter goes up by one before each four numbers.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.core import config

from rpo_sim.distributions.probit import DEGREE, FIRST, SHIFT, WIDTH, WITHIN
from rpo_sim.model.compiled_engine.jit import compiled, inlined

_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_MAGNITUDE, _WORD = 2**63 - 1, 2**64 - 1
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


_interpreted = bool(getattr(config, "DISABLE_JIT"))  # noqa: B009 - numba sets its settings at run time
_times: Any = _product_interpreted if _interpreted else _intrinsic(_product)


@inlined
def _uniform(bits: Any) -> float:
    return float((np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52)


@inlined
def _stream(k0: Any, k1: Any, attempt: int, run: int, first: int, n: int, out: Any) -> None:
    """``n`` uniforms of one stream into a row, from column ``first`` on."""
    for block in range((n + 3) // 4):
        c0, c1 = np.uint64(block + 1), np.uint64(0)
        c2, c3 = np.uint64(attempt), np.uint64(run)
        key0, key1 = k0, k1
        for _ in range(10):
            (high0, low0), (high1, low1) = _times(_M0, c0), _times(_M1, c2)
            c0, c1, c2, c3 = high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0
            key0, key1 = key0 + _W0, key1 + _W1
        at, left = first + 4 * block, n - 4 * block
        out[at] = _uniform(c0)
        if left > 1:
            out[at + 1] = _uniform(c1)
        if left > 2:
            out[at + 2] = _uniform(c2)
        if left > 3:
            out[at + 3] = _uniform(c3)


@inlined
def to_normals(quantiles: Any, out: Any) -> None:
    """As `probit` has it; the sign remembers the half."""
    for column in range(len(out)):
        if out[column] > 0.5:
            out[column] -= 1.0
    signed = out.view(np.int64)
    for column in range(len(out)):
        bits = signed[column] & _MAGNITUDE
        interval = (bits >> SHIFT) - FIRST
        t = np.float64(bits & WITHIN) * WIDTH - 1.0
        z = quantiles[DEGREE, interval]
        for power in range(1, DEGREE + 1):
            z = z * t + quantiles[DEGREE - power, interval]
        out[column] = z if signed[column] > 0 else -z


@compiled
def fill(keys: Any, counts: Any, attempt: int, first_run: int, quantiles: Any, out: Any) -> None:
    """Fill a table of shape (runs, columns) with uniforms, or with the standard normals of these.

    Each stream has a key and a count of columns, and each row a counter of its own. ``quantiles`` is the
    table of `probit`, or empty if uniforms are wanted.
    """
    for row in range(len(out)):
        first = 0
        for stream in range(len(keys)):
            n = counts[stream]
            _stream(keys[stream, 0], keys[stream, 1], attempt, first_run + row, first, n, out[row])
            first += n
        if quantiles.size:
            to_normals(quantiles, out[row])
