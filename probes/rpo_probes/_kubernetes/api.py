"""Requests to the API server: plain objects in and out, errors in words, outages waited through."""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from rpo_probes._kubernetes.clock import ServerClock
from rpo_probes._kubernetes.errors import (
    Conflict,
    Expired,
    NotFound,
    Unauthorized,
    Unreachable,
    refusal,
    unreachable,
)
from rpo_sim.errors import ProbeDenied, ProbeError

Object = dict[str, Any]
"""An object of the API as its JSON says."""

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
_PAUSE_SECONDS = 0.25
_TOO_MANY = 429
PATIENCE_SECONDS = 180.0  # how long an outage of the API server is waited through, such as its upgrade
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object.

    >>> Resource("snapshot.storage.k8s.io", "v1", "volumesnapshots", "VolumeSnapshot").path("apps", "s-1")
    '/apis/snapshot.storage.k8s.io/v1/namespaces/apps/volumesnapshots/s-1'
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As an object of this kind states it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Below the server's address."""
        parts = [f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"]
        if namespace is not None and self.namespaced:
            parts.append(f"namespaces/{quote(namespace, safe='')}")
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        return "/".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list.

    Attributes
    ----------
    items : list of Object
    resource_version : str
        Of the list as a whole: where a watch goes on.
    first : bool
        Whether a list begins here; it does so again when its place expired half-way.
    """

    items: list[Object]
    resource_version: str
    first: bool


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """One request; `what` it asks in words, `on_send` called just before it leaves."""

    method: str
    path: str
    what: str
    query: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    answer_seconds: float = _ANSWER_SECONDS
    on_send: Callable[[], None] = _nothing


@dataclass(slots=True)
class Api:
    """A connection to one cluster; may be used from several threads.

    Attributes
    ----------
    load : callable
        Makes a client, reading the credentials anew.
    name : str
        The cluster's, for observations.
    cancelled : callable
        True when waiting makes no sense any more.
    patience_seconds : float, seconds
        How long a request is tried again while the server cannot be reached.
    clock : ServerClock
    turned_away : int
        Requests that the server refused because there were too many, tried again or not.
    """

    load: Callable[[], Any]
    name: str = ""
    cancelled: Callable[[], bool] = lambda: False
    patience_seconds: float = PATIENCE_SECONDS
    clock: ServerClock = field(default_factory=ServerClock)
    _client: Any = None
    turned_away: int = 0

    @property
    def client(self) -> Any:
        """The client library's."""
        if self._client is None:
            self._client = self.load()
            self.name = self.name or self.server.split("//")[-1]
        return self._client

    @property
    def server(self) -> str:
        """The address."""
        return str(self.client.configuration.host)

    def patient(self, seconds: float) -> "Api":
        """The same connection that waits so long for a server that cannot be reached, cancelled or not."""
        return Api(self.load, self.name, lambda: False, seconds, self.clock, self.client)

    def close(self) -> None:
        """Give back the connections."""
        if self._client is not None:
            self._client.close()

    def touch(self) -> None:
        """Ask for next to nothing: afterwards a connection is open, and the clocks are compared."""
        with contextlib.suppress(ProbeError):
            self._call(_Request(method="GET", path="/version", what="get the version"))

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """One object."""
        what = f"get {resource.plural} {name}"
        return self._call(_Request(method="GET", path=resource.path(namespace, name), what=what))

    def create(
        self,
        resource: Resource,
        namespace: str | None,
        body: Mapping[str, Any],
        *,
        on_send: Callable[[], None] = lambda: None,
    ) -> Object:
        """Make an object; what an earlier try made, whose answer was lost, is known by its labels.

        `on_send` is called just before the request leaves, for whoever times it; again at another try.
        """
        what = f"create {resource.plural}" + (f" in {namespace}" if namespace else "")
        try:
            path = resource.path(namespace)
            return self._call(_Request(method="POST", path=path, what=what, body=body, on_send=on_send))
        except Conflict:
            meta = body["metadata"]
            found = self.get(resource, meta["name"], namespace)
            if not meta.get("labels") or found["metadata"].get("labels") != meta["labels"]:
                raise
            return found

    def delete(self, resource: Resource, namespace: str | None, name: str, uid: str) -> None:
        """Delete the object with this uid; no harm if it is gone."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        what, path = f"delete {resource.plural} {name}", resource.path(namespace, name)
        with contextlib.suppress(NotFound, Conflict):  # gone, or another one under the same name
            self._call(_Request(method="DELETE", path=path, what=what, body=body))

    def pages(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = "",
        limit: int = 500,
    ) -> Iterator[Page]:  # fmt: skip
        """A list in parts; begins anew (`first`) if its place expires before the end."""
        what = f"list {resource.plural}" + (f" in {namespace}" if namespace else "")
        token, first = "", True
        while True:
            query = {"limit": limit, "continue": token, "labelSelector": labels, "fieldSelector": fields}
            try:
                path = resource.path(namespace)
                answer = self._call(_Request(method="GET", path=path, what=what, query=query))
            except Expired:
                if first:
                    raise
                token, first = "", True
                continue
            meta = answer.get("metadata") or {}
            yield Page(
                items=answer.get("items") or [],
                resource_version=str(meta.get("resourceVersion", "")),
                first=first,
            )
            token, first = str(meta.get("continue") or ""), False
            if not token:
                return

    def all(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """A whole list, for kinds of which there are few."""
        items: dict[str, Object] = {}
        for page in self.pages(resource, namespace, labels=labels, fields=fields):
            if page.first:
                items.clear()
            items |= {item["metadata"]["uid"]: item for item in page.items}
        return list(items.values())

    def text(self, path: str, what: str) -> str:
        """An answer that is not JSON, such as a page of metrics."""
        return str(self._send(_Request(method="GET", path=path, what=what)).read(), "utf-8")

    def stream(
        self, resource: Resource, namespace: str | None, query: Mapping[str, object], idle: float
    ) -> Any:
        """An open answer to a watch; the caller reads its lines and closes it."""
        what = f"watch {resource.plural}" + (f" in {namespace}" if namespace else "")
        query, path = {**query, "watch": "true"}, resource.path(namespace)
        return self._send(_Request(method="GET", path=path, what=what, query=query, answer_seconds=idle))

    def _call(self, request: _Request) -> Object:
        """An answer as an object; while the server cannot be reached, again and again for a while."""
        deadline, told = time.monotonic() + self.patience_seconds, False
        while True:
            try:
                return self._read(self._send(request), request.what)
            except Unreachable as error:
                if self.cancelled() or time.monotonic() >= deadline:
                    raise
                if not told:
                    _log.warning(
                        "%s; trying for %g s", str(error).partition(": look")[0], self.patience_seconds
                    )
                    told = True
                time.sleep(_PAUSE_SECONDS)

    def _read(self, answer: Any, what: str) -> Object:
        import urllib3

        try:
            content = answer.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise unreachable(self.server, error) from error
        try:
            found = json.loads(content)
        except ValueError as error:
            raise Unreachable(f"{self.server} answered {what} with something that is no JSON") from error
        return found if isinstance(found, dict) else {}

    def _send(self, request: _Request) -> Any:
        """A successful answer, unread; refused credentials are read anew, for tokens are rotated in place."""
        try:
            return self._send_once(request)
        except Unauthorized:
            self._client = self.load()
            return self._send_once(request)

    def _send_once(self, request: _Request) -> Any:
        import urllib3
        from kubernetes.client.exceptions import ApiException

        client = self.client
        stated = urlencode({name: value for name, value in request.query.items() if value not in ("", None)})
        address = self.server + request.path + (f"?{stated}" if stated else "")
        headers = {"Accept": "application/json", "Content-Type": "application/json", **client.default_headers}
        headers |= {way["key"]: way["value"] for way in client.configuration.auth_settings().values()}
        timeout = (_CONNECT_SECONDS, request.answer_seconds)
        request.on_send()
        sent = time.monotonic()
        try:
            answer = client.rest_client.request(
                request.method, address, headers=headers, body=request.body, _request_timeout=timeout
            ).response
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise unreachable(self.server, _innermost(error)) from error
        except ApiException as error:
            raise ProbeDenied(
                f"{self.server} is not trusted ({error.reason}): check the kubeconfig's certificate-authority"
            ) from error
        self._learn_time(answer.headers.get("Date"), sent)
        if not 200 <= answer.status <= 299:
            raise self._refused(answer, request.what)
        return answer

    def _refused(self, answer: Any, what: str) -> ProbeError:
        import urllib3

        try:
            content = answer.read()
        except (urllib3.exceptions.HTTPError, OSError):
            content = b""
        # who turns requests away says so in plain text; a server that is starting sends 429 as an object
        self.turned_away += answer.status == _TOO_MANY and not content.startswith(b"{")
        return refusal(answer.status, content, what=what, server=self.server)

    def _learn_time(self, date: str | None, sent: float) -> None:
        if not date:
            return
        try:
            seconds = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        self.clock.learn(date=seconds, sent=sent, received=time.monotonic())


def _innermost(error: BaseException) -> str:
    """The shortest true reason of a chain of network errors."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__
