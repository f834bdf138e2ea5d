"""Worker processes as an executor: errors, and the loss of one at any moment."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from rpo_sim.model.scatter import in_order
from rpo_sim.model.workers import LostWorker, Processes, pool, pools

LARGE = 20_000_000  # bytes: written in many pieces, so that a kill falls in the middle of a message


@pytest.fixture
def two() -> Iterator[Processes]:
    with pool(2) as workers:
        assert isinstance(workers, Processes)
        yield workers
    assert not multiprocessing.active_children()


def kill_a_worker() -> None:
    victim = multiprocessing.active_children()[0].pid
    assert victim is not None
    os.kill(victim, signal.SIGKILL)


def test_one_worker_needs_no_process() -> None:
    with pool(1) as workers:
        assert workers is None


def test_a_compiled_engine_gets_threads_and_gives_up_what_waits() -> None:
    before = time.monotonic()
    with pool(2, engine="compiled") as workers:
        assert type(workers) is ThreadPoolExecutor
        futures = [workers.submit(time.sleep, 0.2) for _ in range(100)]
    assert time.monotonic() - before < 2
    assert futures[-1].cancelled()


def test_each_engine_gets_its_kind_once_and_only_when_asked_for() -> None:
    with pools(2) as where:
        threads, processes = where("compiled"), where("simpy")
        assert type(threads) is ThreadPoolExecutor
        assert isinstance(processes, Processes)
        assert where("compiled") is threads
    with pools(1) as where:
        assert where("compiled") is None


def test_calls_run_in_as_many_processes_as_asked_for(two: Processes) -> None:
    assert list(two.map(pow, range(50), [2] * 50)) == [n * n for n in range(50)]
    wait([two.submit(time.sleep, 0.2) for _ in range(6)])
    pids = {two.submit(os.getpid).result() for _ in range(20)}
    assert os.getpid() not in pids
    assert len(multiprocessing.active_children()) == 2


def test_what_a_call_raises_is_raised_here(two: Processes) -> None:
    with pytest.raises(ZeroDivisionError):
        two.submit(divmod, 1, 0).result()
    assert two.submit(divmod, 1, 1).result() == (1, 0)


def test_what_cannot_be_sent_is_said_and_costs_no_process(two: Processes) -> None:
    two.submit(pow, 2, 2).result()
    (process,) = multiprocessing.active_children()
    with pytest.raises(TypeError, match="pickle"):
        two.submit(pow, threading.Lock(), 2).result()
    with pytest.raises(TypeError, match="pickle"):
        two.submit(eval, "__import__('threading').Lock()").result()
    assert two.submit(pow, 2, 2).result() == 4
    assert multiprocessing.active_children() == [process]


def test_a_quiet_end_waits_for_what_was_begun() -> None:
    with Processes(2) as workers:
        futures = [workers.submit(pow, n, 2) for n in range(20)]
    assert [future.result() for future in futures] == [n * n for n in range(20)]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("delay_seconds", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_worker_killed_in_the_middle_of_a_message_is_made_good(
    two: Processes, delay_seconds: float
) -> None:
    results = in_order(two, bytes, [(LARGE,)] * 30, in_flight=4)
    next(results)
    timer = threading.Timer(delay_seconds, kill_a_worker)
    timer.start()
    assert all(len(result) == LARGE for result in results)
    timer.join()


def test_a_call_whose_worker_is_killed_says_so_and_the_next_gets_another(two: Processes) -> None:
    future = two.submit(time.sleep, 60)
    while not multiprocessing.active_children():
        time.sleep(0.01)
    kill_a_worker()
    with pytest.raises(LostWorker, match="killed"):
        future.result(timeout=10)
    assert two.submit(pow, 2, 2).result(timeout=10) == 4


def test_workers_killed_while_idle_are_replaced(two: Processes) -> None:
    assert list(in_order(two, pow, [(n, 2) for n in range(9)], in_flight=4)) == [n * n for n in range(9)]
    for victim in multiprocessing.active_children():
        victim.kill()
        victim.join()
    assert list(in_order(two, pow, [(n, 2) for n in range(9)], in_flight=4)) == [n * n for n in range(9)]


def test_the_end_interrupts_what_is_being_done(two: Processes) -> None:
    before = time.monotonic()
    futures = [two.submit(time.sleep, 60) for _ in range(9)]
    while len(multiprocessing.active_children()) < 2:
        time.sleep(0.01)
    two.kill()
    assert time.monotonic() - before < 10
    assert all(future.done() for future in futures)
