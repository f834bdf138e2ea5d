"""Calls on an executor: order, a bounded number in flight, and what happens when workers go."""

import random
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from rpo_sim.errors import ModelError
from rpo_sim.model.scatter import ATTEMPTS, in_order
from rpo_sim.model.workers import LostWorker, Processes


class Shuffled(Executor):
    """Finishes what it was given in any order, one at a time, when somebody waits."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._given: list[tuple[Future[Any], Any, Any]] = []
        self.most = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        result = future.result

        def finish_some(timeout: float | None = None) -> Any:
            while not future.done():
                done, function, arguments = self._given.pop(self._random.randrange(len(self._given)))
                done.set_result(function(*arguments))
            return result(timeout)

        future.result = finish_some  # type: ignore[method-assign]
        self._given.append((future, fn, args))
        self.most = max(self.most, len(self._given))
        return future


@pytest.mark.parametrize("seed", range(5))
def test_results_come_in_order_whatever_ends_first(seed: int) -> None:
    executor = Shuffled(seed)
    calls = [(n, 2) for n in range(200)]
    assert list(in_order(executor, pow, calls, in_flight=16)) == [n * n for n in range(200)]
    assert executor.most == 16


def test_no_more_calls_are_made_than_may_be_in_flight() -> None:
    made = 0

    def calls() -> Any:
        nonlocal made
        for n in range(100):
            made += 1
            yield (n,)

    with ThreadPoolExecutor(2) as executor:
        for n, result in enumerate(in_order(executor, int, calls(), in_flight=5)):
            assert result == n
            assert made <= n + 5


def test_what_a_call_raises_is_raised_in_its_turn_and_the_rest_is_called_off() -> None:
    started = threading.Event()

    def work(n: int) -> int:
        started.wait()
        return 1 // n

    with ThreadPoolExecutor(1) as executor:
        submitted: list[Future[Any]] = []
        submit = executor.submit
        executor.submit = lambda *args: submitted.append(submit(*args)) or submitted[-1]  # type: ignore
        results = in_order(executor, work, [(1,), (0,), *[(1,)] * 50], in_flight=10)
        threading.Timer(0.1, started.set).start()
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)
        assert submitted[-1].cancelled()


# Code for `eval`, which worker processes can import, unlike this file
DIE = "__import__('os').kill(__import__('os').getpid(), 9)"


def test_a_lost_call_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The eighth kills its worker, unless one was killed before."""
    marker = tmp_path / "died"
    path = f"__import__('pathlib').Path({str(marker)!r})"
    calls = [(f"{n * n}",) for n in range(30)]
    calls[8] = (f"64 if {path}.exists() else ({path}.touch(), {DIE})",)
    with Processes(2) as workers:
        assert list(in_order(workers, eval, calls, in_flight=6)) == [n * n for n in range(30)]
    assert marker.exists()
    assert "what it did is done again" in caplog.text


def test_a_call_that_kills_every_worker_ends_it_in_words() -> None:
    with Processes(2) as workers:
        results = in_order(workers, eval, [(c,) for c in ("0", "1", "2", DIE, "4", "5")], in_flight=4)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ModelError, match=rf"{ATTEMPTS} workers were lost.*--workers 1"):
            next(results)


def test_an_executor_that_is_broken_for_good_is_said_to_be() -> None:
    """`ProcessPoolExecutor` takes nothing more once it has lost a process."""
    with (
        ProcessPoolExecutor(1) as workers,
        pytest.raises(ModelError, match=r"takes no more work.*a fresh one") as caught,
    ):
        list(in_order(workers, eval, [("1",), (DIE,), ("2",)], in_flight=2))
    assert isinstance(caught.value.__cause__, BrokenProcessPool)


def test_cancelled_elsewhere_is_lost_and_made_again() -> None:
    """As Dask does with what a lost worker held."""
    with ThreadPoolExecutor(1) as executor:
        gate = threading.Event()
        executor.submit(gate.wait)
        first: list[Future[Any]] = []
        submit = executor.submit
        executor.submit = lambda *args: first.append(submit(*args)) or first[-1]  # type: ignore
        results = in_order(executor, pow, [(2, 2), (3, 2)], in_flight=2)

        def call_off() -> None:
            time.sleep(0.2)
            first[1].cancel()
            gate.set()

        threading.Thread(target=call_off).start()
        assert list(results) == [4, 9]
        assert len(first) == 3
    assert not issubclass(LostWorker, ModelError)
