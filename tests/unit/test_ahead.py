"""What lies ahead comes in the order of Python's heap, however much it is, and ties as they were put in."""

import heapq

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

numba = pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")

from rpo_sim.model.compiled_engine import layout  # noqa: E402
from rpo_sim.model.compiled_engine.ahead import next_ahead, put_ahead  # noqa: E402
from rpo_sim.model.compiled_engine.memory import run_at  # noqa: E402
from rpo_sim.model.compiled_engine.state import Tables  # noqa: E402

MOST = 400


@numba.njit  # type: ignore[untyped-decorator]
def do(state: int, times: npt.NDArray[np.float64], taken: npt.NDArray[np.int64]) -> int:
    """Put in a job at each time, numbered through; a time of -1 takes one out. How many were taken."""
    run, count = run_at(state), 0
    for i in range(len(times)):
        if times[i] >= 0:
            put_ahead(run, times[i], i, i)
        else:
            taken[count] = next_ahead(run)
            count += 1
    return count


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_jobs_come_as_from_a_heap(seed: int, instants: int) -> None:
    """It grows beyond a list and shrinks to one again, several times; few instants make many ties."""
    random, now = np.random.default_rng(seed), 0.0
    heap: list[tuple[float, int]] = []
    steps: list[float] = []
    expected: list[int] = []

    def take() -> float:
        at, job = heapq.heappop(heap)
        expected.append(job)
        steps.append(-1.0)
        return at

    for most in random.integers(1, MOST, 4):
        while len(heap) < most:
            if heap and random.random() < 0.2:
                now = take()
            at = now + float(random.integers(0, instants))
            heapq.heappush(heap, (at, len(steps)))
            steps.append(at)
        while heap:
            now = take()
    made = Tables(layout.RUN)
    made.put("timed", np.zeros(MOST + layout.LIST_PLACES, layout.TIMED))
    taken = np.zeros(len(expected), np.int64)
    assert do(made.at, np.array(steps), taken) == len(expected)
    assert taken.tolist() == expected
