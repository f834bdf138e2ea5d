"""Worker processes: order, errors, and the loss of one at any moment."""

import multiprocessing
import os
import signal
import threading

import pytest

from rpo_sim.errors import ModelError
from rpo_sim.model.workers import pool

LARGE = 20_000_000  # bytes: written in many pieces, so that a kill falls in the middle of a message


def test_one_worker_needs_no_process() -> None:
    with pool(1) as workers:
        assert workers is None


def test_results_come_in_the_order_of_the_calls_round_after_round() -> None:
    with pool(3) as workers:
        assert workers is not None
        for _ in range(3):
            assert list(workers.in_order(pow, [(n, 2) for n in range(50)])) == [n * n for n in range(50)]


def test_what_nobody_waits_for_any_more_is_dropped() -> None:
    with pool(2) as workers:
        assert workers is not None
        first = workers.in_order(pow, [(n, 3) for n in range(20)])
        assert next(first) == 0
        assert list(workers.in_order(pow, [(n, 2) for n in range(20)])) == [n * n for n in range(20)]


def test_what_a_call_raises_is_raised_here() -> None:
    with pool(2) as workers:
        assert workers is not None
        with pytest.raises(ZeroDivisionError):
            list(workers.in_order(divmod, [(1, 1), (1, 0)]))


@pytest.mark.parametrize("delay_seconds", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_killed_worker_is_noticed_even_in_the_middle_of_a_message(delay_seconds: float) -> None:
    with pool(2) as workers:
        assert workers is not None
        results = workers.in_order(bytes, [(LARGE,)] * 500)
        next(results)
        victim = multiprocessing.active_children()[0].pid
        assert victim is not None
        timer = threading.Timer(delay_seconds, os.kill, (victim, signal.SIGKILL))
        timer.start()
        with pytest.raises(ModelError, match="killed"):
            for _ in results:
                pass
    assert not multiprocessing.active_children()


def test_a_worker_killed_while_idle_is_noticed_when_it_is_next_asked() -> None:
    with pool(2) as workers:
        assert workers is not None
        assert list(workers.in_order(pow, [(1, 2)])) == [1]
        for victim in multiprocessing.active_children():
            victim.kill()
            victim.join()
        with pytest.raises(ModelError, match="killed"):
            list(workers.in_order(pow, [(1, 2)]))
