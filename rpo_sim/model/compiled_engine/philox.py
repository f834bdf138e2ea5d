"""The uniforms of `rpo_sim.model.draws`, bit for bit, without asking numpy row by row.

Philox 4x64-10: J. Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. As numpy has it,
the counter goes up by one before each four numbers.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, types

from rpo_sim.model.compiled_engine.addresses import INTERPRETED
from rpo_sim.model.compiled_engine.jit import inlined
from rpo_sim.model.compiled_engine.memory import set_real

_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_I64, _I128 = ir.IntType(64), ir.IntType(128)
_intrinsic: Any = extending.intrinsic


def _upper_half(_: Any, a: Any, b: Any) -> Any:
    def generate(__: Any, builder: Any, ___: Any, arguments: Any) -> Any:
        wide = [builder.zext(each, _I128) for each in arguments]
        return builder.trunc(builder.lshr(builder.mul(*wide), ir.Constant(_I128, 64)), _I64)

    del a, b
    return types.uint64(types.uint64, types.uint64), generate


def _upper_half_interpreted(a: Any, b: Any) -> Any:
    return np.uint64(int(a) * int(b) >> 64)


_upper: Any = _upper_half_interpreted if INTERPRETED else _intrinsic(_upper_half)


@inlined
def _uniform(bits: Any) -> float:
    return float((np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52)


def fill(low: int, high: int, attempt: int, first_run: int, out: int, runs: int, n: int) -> None:
    """Fill a table of shape (runs, n) with uniforms; each row has a counter of its own.

    ``low`` and ``high`` are the words of the key, ``out`` is the table's address.
    """
    for row in range(runs):
        for block in range((n + 3) // 4):
            c0, c1 = np.uint64(block + 1), np.uint64(0)
            c2, c3 = np.uint64(attempt), np.uint64(first_run + row)
            k0, k1 = np.uint64(low), np.uint64(high)
            for _ in range(10):
                high0, high1 = _upper(_M0, c0), _upper(_M1, c2)
                low0, low1 = _M0 * c0, _M1 * c2
                c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
                k0, k1 = k0 + _W0, k1 + _W1
            at, left = row * n + 4 * block, n - 4 * block
            set_real(out, at, _uniform(c0))
            if left > 1:
                set_real(out, at + 1, _uniform(c1))
            if left > 2:
                set_real(out, at + 2, _uniform(c2))
            if left > 3:
                set_real(out, at + 3, _uniform(c3))
