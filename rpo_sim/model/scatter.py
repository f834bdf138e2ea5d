"""Calls on any executor: their results in order, so many in flight, and again what was lost with a worker."""

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any, TypeVar

from rpo_sim.errors import ModelError

T = TypeVar("T")

ATTEMPTS = 4  # a call that has cost four workers is itself to blame

_log = logging.getLogger(__name__)


def in_order(
    executor: Executor, function: Callable[..., T], calls: Iterable[tuple[Any, ...]], *, in_flight: int
) -> Iterator[T]:
    """Results of ``function(*call)`` for each call, in the order of the calls.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Only its ``submit`` is used. Results do not depend on when or where a call ends.
    in_flight : int
        Calls submitted and not yet handed on, at most: it bounds what waits in memory for its turn.

    Raises
    ------
    ModelError
        If a call was lost with its worker `ATTEMPTS` times, or the executor takes no more calls.
        What the function raises is raised here.
    """
    waiting: deque[tuple[tuple[Any, ...], Future[T]]] = deque()
    try:
        for call in calls:
            waiting.append((call, _submitted(executor, 0, function, call)))
            if len(waiting) >= in_flight:
                yield _result(executor, function, *waiting.popleft())
        while waiting:
            yield _result(executor, function, *waiting.popleft())
    finally:
        for _, future in waiting:
            future.cancel()


def _result(executor: Executor, function: Callable[..., T], call: tuple[Any, ...], future: "Future[T]") -> T:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return future.result()
        except Exception as error:
            if not _is_loss(error):
                raise
            if attempt == ATTEMPTS:
                raise ModelError(
                    f"{ATTEMPTS} workers were lost with the same part of the work, the last one so: {error}; "
                    "perhaps for want of memory: try again with --workers 1"
                ) from error
            _log.warning("a worker was lost (%s); what it did is done again", error or type(error).__name__)
        future = _submitted(executor, attempt, function, call)
    raise AssertionError("the last attempt returns or raises")


def _submitted(
    executor: Executor, attempt: int, function: Callable[..., T], call: tuple[Any, ...]
) -> "Future[T]":
    try:
        return executor.submit(_attempt, attempt, function, call)
    except BrokenExecutor as error:
        raise ModelError(f"the executor takes no more work ({error}): try again with a fresh one") from error


def _attempt(number: int, function: Callable[..., T], call: tuple[Any, ...]) -> T:  # noqa: ARG001
    """The number tells a repetition from the call before: Dask answers equal calls with the first result."""
    return function(*call)


def _is_loss(error: Exception) -> bool:
    """Whether the worker went, not the work wrong."""
    dask = sys.modules.get("distributed")  # who uses it has imported it
    return isinstance(error, (BrokenExecutor, CancelledError)) or (
        dask is not None and isinstance(error, dask.KilledWorker)
    )
