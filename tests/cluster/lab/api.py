"""Plain requests to an API server: paths and dictionaries, for what arranges and checks tests."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from kubernetes import config

from tests.cluster.lab.kubeconfig import write_kubeconfig

T = TypeVar("T")
Json = dict[str, Any]
CORE, SNAPSHOTS = "/api/v1", "/apis/snapshot.storage.k8s.io/v1"
STORAGE, RBAC = "/apis/storage.k8s.io/v1", "/apis/rbac.authorization.k8s.io/v1"
_MERGE = "application/merge-patch+json"
# After an outage each watch of a controller waits up to 30 s, doubled by jitter, before it looks again, and
# one controller may wait for another.
PATIENCE_SECONDS = 150.0


class ApiError(Exception):
    """The API server refused; `status` is the HTTP code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """One user's requests.

    Parameters
    ----------
    kubeconfig : file whose current context is used
    timeout_seconds : limit of one request
    """

    def __init__(self, kubeconfig: Path, timeout_seconds: float = 30.0) -> None:
        self._client: Any = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        self._timeout = timeout_seconds

    def get(self, path: str, **query: str | int) -> Json | None:
        """The object or list, or None where there is none."""
        try:
            return self._call("GET", f"{path}?{urlencode(query)}" if query else path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, **query: str | int) -> list[Json]:
        """The items of a list; empty where the kind itself is unknown."""
        return list((self.get(path, **query) or {}).get("items") or ())

    def create(self, path: str, body: Json) -> Json:
        """Create an object in a collection."""
        return self._call("POST", path, body)

    def patch(self, path: str, body: Json) -> Json:
        """Merge changes into an object."""
        return self._call("PATCH", path, body, _MERGE)

    def delete(self, path: str, **options: Any) -> None:
        """Delete an object, with the options of DeleteOptions; one that is gone already is no error."""
        try:
            self._call("DELETE", path, options or None)
        except ApiError as error:
            if error.status != 404:
                raise

    def wait_gone(self, path: str, seconds: float = 60.0) -> None:
        """Wait until an object is gone."""
        wait_for(f"{path} to be gone", lambda: self.get(path) is None, seconds)

    def write_kubeconfig(self, file: Path, token: str, namespace: str) -> None:
        """Write a kubeconfig for another user of the same API server."""
        known = self._client.configuration
        write_kubeconfig(
            file, known.host, Path(known.ssl_ca_cert) if known.ssl_ca_cert else None, token, namespace
        )

    def _call(self, method: str, path: str, body: Json | None = None, kind: str = "application/json") -> Json:
        settings = self._client.configuration
        headers = {"Accept": "application/json", "Content-Type": kind}
        headers |= {way["key"]: way["value"] for way in settings.auth_settings().values()}
        answer = self._client.rest_client.request(
            method, settings.host + path, headers=headers, body=body, _request_timeout=self._timeout
        )
        found: Json = json.loads(answer.read())
        if answer.status >= 400:
            raise ApiError(answer.status, f"{method} {path}: {found.get('message', answer.reason)}")
        return found


def wait_for(what: str, look: Callable[[], T], seconds: float = 30.0, pause_seconds: float = 0.05) -> T:
    """Look until there is something true, and return it.

    Raises
    ------
    TimeoutError
        Nothing after that time.
    """
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(pause_seconds)
