"""Where blocks run by default: processes for an engine in Python, threads for a compiled one.

`concurrent.futures.ProcessPoolExecutor` has one pipe for the results of all its processes: one that is killed
while it writes can leave half a message behind, for whose rest everybody waits. Here each has its own.
"""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, TypeVar

T = TypeVar("T")

GIVES_UP_THE_LOCK = frozenset({"compiled"})  # engines whose kernel lets other threads run


class LostWorker(BrokenExecutor):
    """The process that ran a call is gone; the next call gets a fresh one."""


class Processes(ThreadPoolExecutor):
    """An executor of processes: each has a thread here that talks with it alone.

    A process that is killed costs the call that it ran, which raises `LostWorker`; its thread starts another.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count, thread_name_prefix="rpo-sim worker", initializer=_block_interrupts)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._killed = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Call the function in a process; it, its arguments and its result must be picklable."""
        return super().submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As every executor; with ``wait=False`` the processes end with this one."""
        super().shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            for worker in self._workers:
                worker.end()

    def kill(self) -> None:
        """End the processes, whatever they are doing."""
        super().shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._killed = True
            for worker in self._workers:
                worker.process.terminate()
        self.shutdown()

    def _call(self, function: Callable[..., T], args: Any, kwargs: Any) -> T:
        worker = getattr(self._own, "worker", None) or self._started()
        try:
            worker.connection.send((function, args, kwargs))
            result, failure = worker.connection.recv()
        except (EOFError, OSError) as lost:  # death ends the pipe, for reading and for writing alike
            self._forget(worker)
            raise LostWorker("a worker process was killed, perhaps for want of memory") from lost
        if failure is not None:
            raise failure
        return result  # type: ignore[no-any-return]

    def _started(self) -> "_Worker":
        with self._lock:
            if self._killed:
                raise LostWorker("the worker processes were ended")
            worker = self._own.worker = _Worker()
            self._workers.add(worker)
        return worker

    def _forget(self, worker: "_Worker") -> None:
        self._own.worker = None
        with self._lock:
            self._workers.discard(worker)
            worker.process.kill()  # it may have closed its end and live on
            worker.end()


def _block_interrupts() -> None:
    """Ctrl-C is the main thread's to handle; what a thread starts inherits that, from its first moment."""
    if os.name == "posix":
        resource_tracker.ensure_running()  # which unblocks them at its first start
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


class _Worker:
    """A process and our end of its pipe."""

    def __init__(self) -> None:
        posix = os.name == "posix"
        context: Any = multiprocessing.get_context("forkserver" if posix else "spawn")
        if posix:
            context.set_forkserver_preload(["rpo_sim.model.experiment"])
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()  # so that the death of the worker is the end of the pipe

    def end(self) -> None:
        """Close the pipe, at whose end the process ends."""
        self.connection.close()
        self.process.join()


@contextmanager
def pool(workers: int, engine: str = "simpy") -> Iterator[Executor | None]:
    """An executor to share between experiments, of the kind that suits the engine; None for one worker.

    What it still does at the end is given up.
    """
    if workers <= 1:
        yield None
        return
    made = ThreadPoolExecutor(workers) if engine in GIVES_UP_THE_LOCK else Processes(workers)
    try:
        yield made
    finally:
        if isinstance(made, Processes):
            made.kill()
        else:
            made.shutdown(cancel_futures=True)


@contextmanager
def pools(workers: int) -> Iterator[Callable[[str], Executor | None]]:
    """The executor for an engine, made when it is first asked for; None for one worker."""
    with ExitStack() as stack:
        yield cache(lambda engine: stack.enter_context(pool(workers, engine)))


def _serve(connection: Connection) -> None:
    """Answer calls until the other end is closed; an interrupt is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        while True:
            connection.send_bytes(_answer(connection.recv_bytes()))


def _answer(request: bytes) -> bytes:
    """The result or what was raised, the failure to read the request or to send the result included."""
    try:
        function, args, kwargs = pickle.loads(request)
        return pickle.dumps((function(*args, **kwargs), None))
    except Exception as error:  # noqa: BLE001 - raised again where the result is waited for
        return pickle.dumps((None, error))
