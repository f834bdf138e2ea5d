"""What stands before a Prometheus in practice: it asks for a token, or a namespace, and may be slow."""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit


class Gateway:
    """Passes requests on to a real Prometheus, as far as its `judge` lets it.

    Attributes
    ----------
    judge : callable (path, query parameters, token) -> (status, body) or None
        None passes the request on.
    delay_seconds : callable (query) -> float
        How long an answer is held back.
    """

    def __init__(self, url: str) -> None:
        self.judge: Callable[[str, dict[str, str], str], tuple[int, str] | None] = lambda *_: None
        self.delay_seconds: Callable[[str], float] = lambda _query: 0.0
        self._upstream = url
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._stop = threading.Event()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Self:
        """The gateway itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, token: str) -> tuple[int, bytes]:
        """What a client gets for a path with its parameters."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        judged = self.judge(urlsplit(path).path, query, token)
        if judged is not None:
            return judged[0], judged[1].encode()
        self._stop.wait(self.delay_seconds(query.get("query", "")))
        try:
            with urllib.request.urlopen(self._upstream + path, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 503, f"upstream: {error}".encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                status, body = gateway.answer(self.path, token)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:  # the client has gone
                    time.sleep(0)

            def log_message(self, *_args: object) -> None:
                pass

        return Handler
