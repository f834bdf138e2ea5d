"""What is done to sixteen numbers at once is what numpy does to them one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

numba = pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")

from rpo_sim.model.compiled_engine import lanes  # noqa: E402
from rpo_sim.model.compiled_engine.layout import LANES  # noqa: E402

FIRST_LEAST, UP_TO, OPEN_REAL, CLOSE_REAL, OPEN_INT, CLOSE_INT = range(6)


@numba.njit  # type: ignore[untyped-decorator]
def do(what: int, reals: int, ints: int, lane: int, end: int, number: float) -> int:
    """One operation on the second sixteen of two tables."""
    if what == FIRST_LEAST:
        return lanes.first_least(reals, LANES, lane, end)
    if what == UP_TO:
        return lanes.up_to(reals, LANES, end, number)
    if what == OPEN_REAL:
        lanes.open_real(reals, LANES, lane, number)
    if what == CLOSE_REAL:
        lanes.close_real(reals, LANES, lane)
    if what == OPEN_INT:
        lanes.open_int(ints, LANES, lane, end)
    if what == CLOSE_INT:
        lanes.close_int(ints, LANES, lane)
    return 0


few = st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 1.0, 2.0, 1e300, np.inf])


@given(
    st.lists(few, min_size=3 * LANES, max_size=3 * LANES),
    st.integers(0, LANES - 1),
    st.integers(1, LANES),
    few,
)
def test_lanes_are_found_and_moved(values: list[float], lane: int, more: int, number: float) -> None:
    end = min(lane + more, LANES)
    reals, ints = np.array(values), np.arange(3 * LANES, dtype=np.int32)
    those, numbers = reals[LANES : 2 * LANES].copy(), ints[LANES : 2 * LANES].copy()

    def done(what: int) -> int:
        return int(do(what, reals.ctypes.data, ints.ctypes.data, lane, end, number))

    assert done(FIRST_LEAST) == lane + np.argmin(those[lane:end])
    assert done(UP_TO) == (those[:end] <= number).sum()
    done(OPEN_REAL)
    opened = np.insert(those, lane, number)[:LANES]
    np.testing.assert_array_equal(reals[LANES : 2 * LANES], opened)
    done(CLOSE_REAL)
    np.testing.assert_array_equal(reals[LANES : 2 * LANES - 1], np.delete(opened, lane))
    done(OPEN_INT)
    moved = np.insert(numbers, lane, end)[:LANES]
    np.testing.assert_array_equal(ints[LANES : 2 * LANES], moved)
    done(CLOSE_INT)
    np.testing.assert_array_equal(ints[LANES : 2 * LANES - 1], np.delete(moved, lane))
    assert reals[:LANES].tolist() + reals[2 * LANES :].tolist() == values[:LANES] + values[2 * LANES :]
