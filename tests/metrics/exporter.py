"""A scraped process that a test scripts step by step; Prometheus reads it as it reads any other."""

import math
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


class Histogram:
    """A cumulative histogram as client libraries keep it."""

    def __init__(self, name: str, edges: Iterable[float], labels: Mapping[str, str] | None = None) -> None:
        self.name, self.labels = name, dict(labels or {})
        self.edges = (*edges, math.inf)
        self.counts = [0] * len(self.edges)
        self.sum = 0.0

    def observe(self, *values: float) -> None:
        """Count durations."""
        for value in values:
            self.sum += value
            for place, edge in enumerate(self.edges):
                self.counts[place] += value <= edge

    def text(self) -> str:
        """In the text format."""
        lines = [f"# TYPE {self.name} histogram"]
        for edge, count in zip(self.edges, self.counts, strict=True):
            lines.append(f"{self.name}_bucket{labelled({**self.labels, 'le': shown(edge)})} {count}")
        lines.append(f"{self.name}_sum{labelled(self.labels)} {self.sum!r}")
        lines.append(f"{self.name}_count{labelled(self.labels)} {self.counts[-1]}")
        return "\n".join(lines) + "\n"


def shown(value: float) -> str:
    """A number in the text format."""
    return "+Inf" if value == math.inf else f"{value:g}"


def labelled(labels: Mapping[str, str]) -> str:
    """Labels in the text format."""
    inner = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def sample(name: str, value: float, labels: Mapping[str, str] | None = None) -> str:
    """One line in the text format."""
    return f"{name}{labelled(labels or {})} {value!r}\n"


class NativeHistogram:
    """A native histogram of schema 3 (eight buckets per power of two), in the protobuf format."""

    SCHEMA = 3

    def __init__(self, name: str, labels: Mapping[str, str]) -> None:
        self.name, self.labels = name, labels
        self.buckets: dict[int, int] = {}
        self.sum = 0.0

    def observe(self, *values: float) -> None:
        """Count durations: bucket i holds what lies in (2**((i-1)/8), 2**(i/8)]."""
        for value in values:
            place = math.ceil(math.log2(value) * 2**self.SCHEMA - 1e-9)
            self.buckets[place] = self.buckets.get(place, 0) + 1
            self.sum += value

    def protobuf(self) -> bytes:
        """The metric family, delimited."""
        low, high = min(self.buckets), max(self.buckets)
        counts = [self.buckets.get(place, 0) for place in range(low, high + 1)]
        deltas = [count - before for before, count in zip([0, *counts], counts, strict=False)]
        histogram = (
            _varint_field(1, sum(counts))
            + _double_field(2, self.sum)
            + _varint_field(5, _zigzag(self.SCHEMA))
            + _double_field(6, 1e-9)
            + _varint_field(7, 0)
            + _bytes_field(12, _varint_field(1, _zigzag(low)) + _varint_field(2, len(counts)))
            + _bytes_field(13, b"".join(_varint(_zigzag(delta)) for delta in deltas))
        )
        pairs = b"".join(
            _bytes_field(1, _bytes_field(1, name.encode()) + _bytes_field(2, value.encode()))
            for name, value in self.labels.items()
        )
        metric = pairs + _bytes_field(7, histogram)
        family = _bytes_field(1, self.name.encode()) + _varint_field(3, 4) + _bytes_field(4, metric)
        return _varint(len(family)) + family


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _zigzag(value: int) -> int:
    return value * 2 if value >= 0 else -value * 2 - 1


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double_field(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


class Exporter:
    """Serves what the test says; `step` waits until Prometheus has seen it.

    Attributes
    ----------
    page : callable () -> str or bytes
        Text, or bytes for protobuf.
    status : int
        Anything but 200 makes the scrape fail.
    process_start : float or None, seconds since 1970
    """

    def __init__(self) -> None:
        self.page: Callable[[], str | bytes] = lambda: ""
        self.status = 200
        self.process_start: float | None = None
        self._scrapes = threading.Condition()
        self._count = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """As a target of a scrape configuration."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """The exporter itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def step(self, scrapes: int = 2) -> None:
        """Wait for so many more scrapes; the second one begins after all was said, and ends the first."""
        with self._scrapes:
            wanted = self._count + scrapes
            if not self._scrapes.wait_for(lambda: self._count >= wanted, timeout=30):
                raise TimeoutError("nobody scraped the exporter")
        time.sleep(0.05)  # the answer is on its way

    def _body(self) -> tuple[bytes, str]:
        page = self.page()
        if isinstance(page, bytes):
            return page, _PROTOBUF
        if self.process_start is not None:
            page += sample("process_start_time_seconds", self.process_start)
        return page.encode(), "text/plain; version=0.0.4"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body, kind = exporter._body()
                self.send_response(exporter.status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                with exporter._scrapes:
                    exporter._count += 1
                    exporter._scrapes.notify_all()

            def log_message(self, *_args: object) -> None:
                pass

        return Handler
