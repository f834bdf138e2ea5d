"""Worker processes, each on a pipe of its own, so that the loss of one is noticed at once.

With one queue for all, as in `concurrent.futures`, a worker that is killed while it writes leaves half a
message behind, and everybody waits for the other half.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from rpo_sim.errors import ModelError

T = TypeVar("T")


class Workers:
    """Processes that run functions; made by `pool`."""

    def __init__(self, count: int) -> None:
        posix = os.name == "posix"
        context: Any = multiprocessing.get_context("forkserver" if posix else "spawn")
        if posix:
            context.set_forkserver_preload(["rpo_sim.model.experiment"])
        self._round = 0
        self._processes: list[Any] = []
        self._connections: list[Connection] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()  # so that the death of the worker is the end of the pipe
            self._processes.append(process)
            self._connections.append(ours)
        self._idle = list(self._connections)

    def in_order(self, function: Callable[..., T], calls: Sequence[tuple[Any, ...]]) -> Iterator[T]:
        """Results of ``function(*call)`` for each call, in the order of the calls.

        Raises
        ------
        ModelError
            If a worker was killed. What the function raises is raised here.
        """
        self._round += 1
        sent, finished = 0, dict[int, T]()
        for wanted in range(len(calls)):
            while wanted not in finished:
                while self._idle and sent < len(calls):
                    with _a_lost_worker_noticed():  # it may have died while it was idle
                        self._idle.pop().send((self._round, sent, function, calls[sent]))
                    sent += 1
                for number, result in self._received():
                    finished[number] = result
            yield finished.pop(wanted)

    def _received(self) -> Iterator[tuple[int, Any]]:
        """What has come in; answers to calls that nobody waits for any more are dropped."""
        busy = [each for each in self._connections if each not in self._idle]
        for connection in wait(busy):
            assert isinstance(connection, Connection)
            with _a_lost_worker_noticed():
                asked, number, result, error = connection.recv()
            self._idle.append(connection)
            if asked != self._round:
                continue
            if error is not None:
                raise error
            yield number, result

    def stop(self) -> None:
        """End the processes, whatever they are doing."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()


@contextmanager
def _a_lost_worker_noticed() -> Iterator[None]:
    """A worker's death ends its pipe, for reading and for writing alike."""
    try:
        yield
    except (EOFError, OSError) as lost:
        raise ModelError(
            "a worker process was killed, perhaps for want of memory: try again with --workers 1"
        ) from lost


@contextmanager
def pool(workers: int) -> Iterator[Workers | None]:
    """Worker processes to share between experiments; None for one worker."""
    if workers <= 1:
        yield None
        return
    made = Workers(workers)
    try:
        yield made
    finally:
        made.stop()


def _serve(connection: Connection) -> None:
    """Answer calls until the other end is closed; an interrupt is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        while True:
            asked, number, function, call = connection.recv()
            result, failure = None, None
            try:
                result = function(*call)
            except Exception as error:  # noqa: BLE001 - raised again where the result is waited for
                failure = error
            connection.send((asked, number, result, failure))
