"""A Dask cluster as an executor: blocks on many machines, by a scheduler that is there already."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import numpy as np

import rpo_sim
from rpo_sim.errors import ModelError

T = TypeVar("T")

SCHEME = "dask://"
TIMEOUT_SECONDS = 5
WATCH_SECONDS = 0.5
_LOST = "the connection to its scheduler is lost"


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """An executor of the Dask cluster whose scheduler is at ``dask://HOST:PORT``.

    Raises
    ------
    ModelError
        If Dask is not installed, no scheduler answers, it has no workers, or one of them would compute
        something else: other versions of this package or of numpy.
    """
    try:
        import distributed
    except ImportError as error:
        raise ModelError(f"{address}: Dask is not installed: pip install 'rpo-sim[dask]'") from error
    where = _reached(address)
    try:
        client = distributed.Client(f"tcp://{where}", timeout=TIMEOUT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{address}: what answers there is no Dask scheduler ({error})") from error
    with client:
        _check_workers(address, client)
        with _Cluster(client) as executor:
            yield executor


class _Cluster(Executor):
    """Dask's own executor, whose futures would wait for ever once its scheduler is gone."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._inner = client.get_executor(pure=False)
        self._pending: set[Future[Any]] = set()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="rpo-sim dask", daemon=True).start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        if self._is_lost():
            raise BrokenExecutor(_LOST)
        future: Future[T] = self._inner.submit(fn, *args, **kwargs)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """The client is its owner's to close; only the watch ends."""
        self._ended.set()

    def _is_lost(self) -> bool:
        return self._client.status not in ("running", "connecting")

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            if self._is_lost():
                for future in self._pending.copy():
                    with suppress(InvalidStateError):  # it has ended meanwhile
                        future.set_exception(BrokenExecutor(_LOST))


def is_address(address: str) -> bool:
    """Whether it can be one at all: ``dask://HOST:PORT``."""
    host, _, port = address.removeprefix(SCHEME).rpartition(":")
    return address.startswith(SCHEME) and bool(host) and port.isdecimal()


def _reached(address: str) -> str:
    """HOST:PORT, once something there has answered as a scheduler does."""
    if not is_address(address):
        raise ModelError(f"executor {address!r}: write {SCHEME}HOST:PORT, the address of a Dask scheduler")
    where = address.removeprefix(SCHEME)
    host, _, port = where.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT_SECONDS) as connection:
            if not connection.recv(1):  # a scheduler speaks first; the client would wait for it for ever
                raise ConnectionError("it hangs up")
    except (OSError, OverflowError) as error:
        raise ModelError(
            f"{address}: no Dask scheduler answers ({error}); is the address right, does it run (dask "
            "scheduler), and is its port open from here?"
        ) from error
    return where


def _check_workers(address: str, client: Any) -> None:
    try:
        client.wait_for_workers(1, timeout=TIMEOUT_SECONDS)
    except TimeoutError as error:
        where = address.removeprefix(SCHEME)
        raise ModelError(
            f"{address}: the scheduler has no workers; start some: dask worker tcp://{where}"
        ) from error
    ours = versions()
    for worker, theirs in client.run(versions, on_error="return").items():
        if isinstance(theirs, Exception):
            raise ModelError(
                f"{address}: worker {worker} cannot run rpo-sim ({theirs}): install it there too"
            )
        if theirs != ours:
            raise ModelError(
                f"{address}: worker {worker} has {theirs}, this machine {ours}: results would depend on "
                "where they were computed; install the same versions"
            )


def versions() -> str:
    """Of what decides the numbers."""
    return f"rpo-sim {rpo_sim.__version__} with numpy {np.__version__}"
