"""Follow the objects of one kind through restarts, cut connections and expired places (410 Gone).

Nothing is lost and nothing told twice: what is listed again unchanged is passed over, and what is missing
from a new list has gone. Each change says between which two moments it happened.
"""

import contextlib
import json
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from rpo_probes._kubernetes.api import Api, Object, Resource
from rpo_probes._kubernetes.errors import Expired, Unreachable
from rpo_sim.errors import ProbeError, ProbeUnavailable

_SERVER_ENDS_SECONDS = 60  # the server ends a watch after this; our next request shows that all is well
_IDLE_SECONDS = 90.0  # a watch silent for longer is dead
_LIVE_SECONDS = 0.5  # a gap shorter than this does not make what follows late
_PAUSE_SECONDS = 0.25
_DELIVERY_SECONDS = 0.25  # what happened so shortly before a cut may not have been told


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object as it was found, or gone.

    Attributes
    ----------
    kind : {"seen", "gone", "synced", "alive"}
        ``synced``: a list is complete, what comes next happens now; ``alive``: nothing happened.
    object : Object
        As it is now, or as it was last known.
    version : str
        Of the kind as a whole: from here the watch can be taken up again.
    after, at : float, monotonic seconds
        The change happened later than `after` (minus infinity: not known) and no later than `at`.
    listed : bool
        Found in a list: what led here was not seen.
    created : bool
        Told as newly made.
    """

    kind: Literal["seen", "gone", "synced", "alive"]
    object: Object
    version: str
    after: float
    at: float
    listed: bool = False
    created: bool = False

    @property
    def live(self) -> bool:
        """Whether it was seen as it happened."""
        return not self.listed and self.at - self.after < _LIVE_SECONDS

    @property
    def uid(self) -> str:
        """The object's."""
        return str(self.object["metadata"]["uid"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a watch stands, to be taken up again later, in another process too.

    Attributes
    ----------
    resource_version : str
    at : float, monotonic seconds
        Up to when all changes are known.
    """

    resource_version: str
    at: float


class Watch:
    """The changes of one kind of object, from a list or a position onwards.

    Parameters
    ----------
    api : Api
    resource : Resource
    namespace : str, optional
    labels : str
        A selector.
    start : Position, optional
        Go on from here; without it all objects are listed first.
    known : iterable of Object
        Objects (their metadata suffices) that a later list must have, or they are gone.
    patience_seconds : float, seconds
        For how long an unreachable server is tried.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        start: Position | None = None,
        known: Iterable[Object] = (),
        patience_seconds: float = 300.0,
    ) -> None:
        self._api, self._resource, self._namespace, self._labels = api, resource, namespace, labels
        self._patience_seconds = patience_seconds
        self._known = {item["metadata"]["uid"]: ("", item) for item in known}  # version, and the names alone
        self._version = start.resource_version if start else ""
        self._contact = start.at if start else float("-inf")
        self._stopped = threading.Event()
        self._answer: Any = None

    @property
    def position(self) -> Position:
        """Where it stands, after the last change that was taken."""
        return Position(resource_version=self._version, at=self._contact)

    @property
    def stopped(self) -> bool:
        """Whether it was asked to end."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End soon; from any thread."""
        self._stopped.set()
        answer = self._answer
        if answer is not None:
            _hang_up(answer)

    def changes(self) -> Iterator[Change]:
        """Until `stop`; raises what cannot be waited through."""
        failing_since: float | None = None
        while not self._stopped.is_set():
            try:
                if not self._version:
                    yield from self._list()
                for change in self._follow():
                    failing_since = None
                    if change is not None:
                        yield change
                failing_since = None
            except Expired:
                self._version = ""
            except ProbeUnavailable:
                now = time.monotonic()
                failing_since = failing_since or now
                if self._stopped.is_set():
                    return
                if now - failing_since > self._patience_seconds:
                    raise
                self._stopped.wait(_PAUSE_SECONDS)

    def _list(self) -> Iterator[Change]:
        after, present = self._contact, set[str]()
        before = time.monotonic()
        for page in self._api.pages(self._resource, self._namespace, labels=self._labels):
            if page.first:
                present.clear()
                asked, at, version = before, time.monotonic(), page.resource_version
            for item in page.items:
                present.add(item["metadata"]["uid"])
                if self._is_news(item):
                    yield Change(kind="seen", object=item, version="", after=after, at=at, listed=True)
            before = time.monotonic()
        for uid in self._known.keys() - present:
            _, item = self._known.pop(uid)
            yield Change(kind="gone", object=item, version="", after=after, at=at, listed=True)
        self._version, self._contact = version, asked
        yield Change(kind="synced", object={}, version=version, after=after, at=at, listed=True)

    def _is_news(self, item: Object) -> bool:
        meta = item["metadata"]
        known = self._known.get(meta["uid"])
        if known is not None and known[0] == meta["resourceVersion"]:
            return False
        names = {key: meta[key] for key in ("uid", "name", "namespace") if key in meta}
        self._known[meta["uid"]] = (meta["resourceVersion"], {"metadata": names})
        return True

    def _follow(self) -> Iterator[Change | None]:
        """The events of one connection; None for what was known already."""
        query = {
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": _SERVER_ENDS_SECONDS,
            "labelSelector": self._labels,
        }
        self._answer = self._api.stream(self._resource, self._namespace, query, _IDLE_SECONDS)
        connected = time.monotonic()
        late = connected - self._contact >= _LIVE_SECONDS
        until = self._newest_version() if late else 0
        try:
            for now, line in _lines(self._answer, self._api.server):
                item, kind = line["object"], line["type"]
                if kind == "ERROR":
                    raise _watch_error(item, self._resource)
                version = item["metadata"]["resourceVersion"]
                late = late and _number(version) <= until
                after = self._contact - _DELIVERY_SECONDS if late else now
                self._version = version
                if not late:
                    self._contact = now
                yield self._change(kind, item, after, now)
            if not self._stopped.is_set():
                self._contact = time.monotonic()  # the server ended it, as agreed: all that happened was told
        finally:
            answer, self._answer = self._answer, None
            _hang_up(answer)

    def _newest_version(self) -> float:
        """The newest version there is: what is told up to it happened before this connection."""
        page = next(self._api.pages(self._resource, self._namespace, labels=self._labels, limit=1))
        return _number(page.resource_version)

    def _change(self, event: str, item: Object, after: float, now: float) -> Change | None:
        version = item["metadata"]["resourceVersion"]
        if event == "BOOKMARK":
            return Change(kind="alive", object={}, version=version, after=after, at=now)
        if event == "DELETED":
            self._known.pop(item["metadata"]["uid"], None)
            return Change(kind="gone", object=item, version=version, after=after, at=now)
        if not self._is_news(item):
            return None
        return Change(
            kind="seen", object=item, version=version, after=after, at=now, created=event == "ADDED"
        )


class Follower:
    """A watch in a thread of its own, so that each change is stamped as it arrives.

    Parameters
    ----------
    watch : Watch
    tag : object
        Comes with each change.
    into : queue.Queue
        Where (tag, change) goes; (tag, error) if the watch ends with one.
    """

    def __init__(
        self, watch: Watch, tag: object, into: "queue.Queue[tuple[Any, Change | ProbeError]]"
    ) -> None:
        self.watch = watch
        self._tag, self._into = tag, into
        self._thread = threading.Thread(target=self._run, name=f"watch-{tag}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the end."""
        self.watch.stop()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            for change in self.watch.changes():
                self._put(change)
        except ProbeError as error:
            self._put(error)

    def _put(self, arrival: Change | ProbeError) -> None:
        """Wait for room: who reads more slowly than objects are listed must not fill the memory."""
        while not self.watch.stopped:
            with contextlib.suppress(queue.Full):
                self._into.put((self._tag, arrival), timeout=0.5)
                return


def _lines(answer: Any, server: str) -> Iterator[tuple[float, dict[str, Any]]]:
    """Each event with the moment of its arrival."""
    import urllib3

    rest = b""
    try:
        for part in answer.stream(amt=None, decode_content=True):
            now = time.monotonic()
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                if line:
                    yield now, json.loads(line)
    except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
        raise Unreachable(f"the watch on {server} was cut ({error}): it is taken up again") from error


def _watch_error(status: Object, resource: Resource) -> ProbeError:
    what = f"watch {resource.plural}: {status.get('message', 'refused')}"
    return Expired(what) if status.get("code") == 410 else Unreachable(f"{what}: it is taken up again")


def _number(version: str) -> float:
    """Versions count upwards on every server that keeps its objects in etcd; elsewhere all is late."""
    return float(version) if version.isdigit() else float("inf")


def _hang_up(answer: Any) -> None:
    with contextlib.suppress(Exception):  # it may be broken in any way, and is thrown away
        answer.shutdown()
    with contextlib.suppress(Exception):
        answer.close()
