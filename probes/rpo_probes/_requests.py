"""What an operation costs in requests: counters of the API server and of its clients, before and after.

A client limit counts requests, so requests per operation are its tokens. A controller that exposes
``rest_client_requests_total`` tells its own; the API server's ``apiserver_request_total`` tells those of all,
by resource and verb but not by whom. Watches, and reads from a cache, cost nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rpo_probes._kubernetes import Api
from rpo_sim.errors import NoDataError

CLIENT, SERVER = "rest_client_requests_total", "apiserver_request_total"
_LINE = re.compile(r"^(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)\{(?P<labels>.*)\} (?P<value>[0-9.eE+-]+)$")
_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')
_FREE = ("WATCH", "CONNECT")  # one long request, made before the burst


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """Requests by what was asked: ``verb resource/subresource`` of the server, ``verb`` of a client."""

    counts: Mapping[str, float]

    def since(self, before: "RequestCounts") -> "RequestCounts":
        """Those made after ``before``; a counter that fell was restarted and is read from zero."""
        grown = {}
        for what, value in self.counts.items():
            earlier = before.counts.get(what, 0.0)
            grown[what] = value - earlier if value >= earlier else value
        return RequestCounts(counts={what: value for what, value in grown.items() if value > 0})

    def per_operation(self, operations: int) -> dict[str, float]:
        """The same, divided."""
        if operations < 1:
            raise NoDataError("no operation between the two readings: read again after a burst")
        return {what: value / operations for what, value in self.counts.items()}


def read_counts(text: str) -> RequestCounts:
    """The request counters in a page of metrics.

    Raises
    ------
    NoDataError
        If it has none; storage sidecars often do not.

    >>> page = 'apiserver_request_total{code="200",resource="pods",subresource="status",verb="PUT"} 4'
    >>> read_counts(page).counts
    {'PUT pods/status': 4.0}
    """
    counts: dict[str, float] = {}
    for name, labels, value in _samples(text):
        if labels.get("verb") in _FREE:
            continue
        if name == SERVER:
            parts = (labels.get("resource", ""), labels.get("subresource", ""))
            what = f"{labels.get('verb', '')} {'/'.join(part for part in parts if part)}"
        else:
            what = labels.get("method", "")
        counts[what] = counts.get(what, 0.0) + value
    if not counts:
        raise NoDataError(
            f"neither {SERVER} nor {CLIENT} is here: read the API server's /metrics, or sweep at two sizes"
        )
    return RequestCounts(counts=counts)


def server_counts(api: Api) -> RequestCounts:
    """Those of the API server that a connection leads to; needs `get` on the path /metrics."""
    answer = api.text("/metrics", "read the API server's metrics")
    return read_counts(answer)


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        found = _LINE.match(line) if line.startswith((CLIENT, SERVER)) else None
        if found is not None and found["name"] in (CLIENT, SERVER):
            yield found["name"], dict(_LABEL.findall(found["labels"])), float(found["value"])
