"""Where tables stand, for code that knows nothing of numba: importing that costs more than most commands."""

import os
from typing import Any

import numpy as np

INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
TABLES: dict[int, Any] = {}  # by address, for the interpreted kernel


def address(table: "np.ndarray[Any, Any]") -> int:
    """Where a table stands; the caller keeps it alive."""
    assert table.flags.c_contiguous
    at = int(table.ctypes.data)
    if INTERPRETED:
        TABLES[at] = table.reshape(-1)
    return at
