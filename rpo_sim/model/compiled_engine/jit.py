"""numba, as the kernel uses it."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

# A number of a record has 32 bits; numba would compile all that it is given to once more. Every piece that
# has many below it takes whole numbers of 64.
wide: Any = np.int64
F = TypeVar("F", bound=Callable[..., Any])
_njit: Any = numba.njit
_AS_WRITTEN = {"nogil": True, "error_model": "numpy"}  # and no fastmath: sums are not to be regrouped


def part(function: F) -> F:
    """A piece of a kernel, for other pieces to call."""
    made: F = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_AS_WRITTEN)(function)
    return made


def inlined(function: F) -> F:
    """A piece so small that it is compiled into whatever calls it."""
    made: F = _njit(forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **_AS_WRITTEN)(function)
    return made
