"""One connection to a Prometheus, around the traps of the client library.

Its range methods take their default bounds at import and round bounds to whole seconds, its answers leave out
the warnings of the server, and its retries end in an error that hides the answer. So only its plain queries
are used, over a session of ours that reads each answer whole.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from requests.auth import AuthBase
from urllib3.util.retry import Retry

from rpo_probes._prometheus.answers import RawSeries, read_series
from rpo_probes._prometheus.refusals import body_of, explained
from rpo_probes._prometheus.target import Target

_RETRY = Retry(
    total=2, connect=0, read=False, status=2, status_forcelist=(429, 502), backoff_factor=0.3,
    raise_on_status=False,
)  # fmt: skip
_BEYOND_SECONDS = 1.0  # read more at the left: since Prometheus 3 a range leaves out its first moment


class _Bearer(AuthBase):
    """The token of the target; also keeps a .netrc from replacing it."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self.target.token()
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


class _Session(requests.Session):
    """Turns refusals into errors in words, and keeps what the server warns of."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.verify = target.certificates()
        self.target = target
        self.warnings: list[str] = []
        self.infos: list[str] = []
        if target.token() is not None:
            self.auth = _Bearer(target)

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; the answer is a success.

        Raises
        ------
        ProbeDenied, ProbeUnavailable
        """
        try:
            response = super().request(method, url, *args, **kwargs)
        except requests.exceptions.RequestException as error:
            raise explained(error, self.target) from error
        body = body_of(response, self.target)
        self.warnings = [str(text) for text in body.get("warnings") or ()]
        self.infos = [str(text) for text in body.get("infos") or ()]
        parsed: Any = lambda **_options: body  # noqa: E731 - large answers are parsed once
        response.json = parsed  # type: ignore[method-assign]
        return response


class Connection:
    """Queries to one Prometheus.

    Parameters
    ----------
    target : Target
    notice : callable, optional
        Takes each warning and info of the server.

    Attributes
    ----------
    warned : bool
        Whether the last answer came with a warning: it may be incomplete.
    """

    def __init__(self, target: Target, notice: Callable[[str], None] = lambda _text: None) -> None:
        self._session = _Session(target)
        self._notice = notice
        self._namespace = {"namespace": target.namespace} if target.namespace else {}
        self._client = PrometheusConnect(
            url=target.url, session=self._session, retry=_RETRY, timeout=target.timeout_seconds
        )
        self._timeout = f"{target.timeout_seconds * 1000:.0f}ms"  # it reads no fractions
        self.warned = False

    def close(self) -> None:
        """Give back the sockets."""
        self._client.close()

    def instant(self, query: str, at: float | None = None) -> list[RawSeries]:
        """The answer to a query as of a moment, seconds since 1970; now by default."""
        params: dict[str, str] = {**self._namespace, "timeout": self._timeout}
        if at is not None:
            params["time"] = f"{at:.3f}"
        result = self._client.custom_query(query, params=params)
        self._tell()
        return read_series(result)

    def raw(self, selector: str, start: float, end: float) -> list[RawSeries]:
        """The samples of a selector as they were scraped, from `start` to before `end`."""
        seconds = round(end - start + _BEYOND_SECONDS)
        found = self.instant(f"{selector}[{seconds}s]", at=end)
        return [series.within(start, end) for series in found]

    def series(self, selectors: Sequence[str], start: float, end: float) -> list[dict[str, str]]:
        """Labels of the series that match any selector and had samples in that time."""
        params: dict[str, Any] = {**self._namespace, "match[]": list(selectors)}
        found: list[Mapping[str, str]] = self._client.get_series(
            datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC), params=params
        )
        self._tell()
        return [{**labels} for labels in found]

    def _tell(self) -> None:
        self.warned = bool(self._session.warnings)
        for text in [*self._session.warnings, *self._session.infos]:
            self._notice(text)
