"""A real Prometheus of the test's own, on a free port and with data of its own."""

import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest


def binary(name: str = "prometheus") -> str:
    """Where it is installed; else the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class PrometheusServer:
    """Started by entering it, stopped by leaving it.

    Parameters
    ----------
    folder : Path
    targets : mapping of job to addresses
    options : sequence of str
        More command-line options.
    """

    def __init__(
        self, folder: Path, targets: Mapping[str, Sequence[str]], options: Sequence[str] = ()
    ) -> None:
        self.folder, self.options = folder, tuple(options)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.trusted: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(_configuration(targets), encoding="utf-8")

    def backfill(self, openmetrics: str) -> None:
        """Put samples with time stamps into the data, before it is started."""
        source = self.folder / "history.txt"
        source.write_text(openmetrics, encoding="utf-8")
        command = [binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(source)]
        subprocess.run([*command, str(self.folder / "data")], check=True, capture_output=True)

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [
            binary(), f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}",
            "--enable-feature=native-histograms", "--log.level=error", *self.options,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not self._ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise AssertionError((self.folder / "log").read_text(encoding="utf-8"))
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            context = ssl.create_default_context(cafile=self.trusted) if self.trusted else None
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5, context=context) as answer:
                ready: bool = answer.status == 200
        except (urllib.error.URLError, OSError):
            return False
        return ready

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)

    def __enter__(self) -> Self:
        """The running server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


def _configuration(targets: Mapping[str, Sequence[str]]) -> str:
    jobs = "".join(
        f"  - job_name: {job}\n    static_configs: [{{targets: [{', '.join(map(repr, addresses))}]}}]\n"
        for job, addresses in targets.items()
    )
    return f"global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n{jobs or '  []'}"
