"""Prometheus down, slow, warning, closed to us, or none at all: said in words, and nothing read is lost."""

import math
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rpo_probes._metrics import reading
from rpo_probes.prometheus import PrometheusProbe

from rpo_sim.collect import collect as collect_into
from rpo_sim.errors import ProbeDenied, ProbeUnavailable
from rpo_sim.probe import Finding
from rpo_sim.probe_contract import Recorder
from rpo_sim.records import Observation
from rpo_sim.store import open_store
from tests.metrics.gateway import Gateway
from tests.metrics.server import PrometheusServer, binary, free_port
from tests.metrics.world import NAME, World

HOUR = 3600
END = math.floor(time.time() / HOUR) * HOUR - 2 * HOUR
LENGTH = 4 * HOUR


@pytest.fixture(scope="module")
def history() -> str:
    return World(seed=3, begin=END - LENGTH, end=END, rate=1 / 60).openmetrics()


@pytest.fixture(scope="module")
def server(history: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    yield from started(history, tmp_path_factory.mktemp("server"))


def started(history: str, folder: Path, *options: str) -> Iterator[PrometheusServer]:
    binary()
    one = PrometheusServer(folder, {}, options)
    one.backfill(history)
    with one:
        yield one


@pytest.fixture
def gateway(server: PrometheusServer) -> Iterator[Gateway]:
    with Gateway(server.url) as one:
        yield one


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    made = Recorder(tmp_path)
    made.context = replace(made.context, now=lambda: datetime.fromtimestamp(END, UTC))
    return made


def measured(url: str, recorder: Recorder, **settings: Any) -> list[Observation]:
    chosen = PrometheusProbe.Settings(url=url, **{"since": LENGTH, **settings})
    return [seen for batch in PrometheusProbe().measure(chosen, recorder.context) for seen in batch]


def problem(url: str, recorder: Recorder, **settings: Any) -> Finding:
    report = PrometheusProbe().check(PrometheusProbe.Settings(url=url, **settings), recorder.context)
    (finding,) = [finding for finding in report.findings if not finding.ok]
    assert finding.missing
    assert finding.remedy
    return finding


def test_nobody_listens(recorder: Recorder) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ProbeUnavailable, match=r"cannot be reached .*Connection refused.*is it running"):
        measured(url, recorder)
    assert problem(url, recorder).retryable


def test_an_unknown_host(recorder: Recorder) -> None:
    with pytest.raises(ProbeUnavailable, match=r"prometheus\.invalid.* cannot be reached \("):
        measured("http://prometheus.invalid", recorder)


def test_going_down_midway_keeps_what_was_read(
    history: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has the first hours, and the record of the collection says why it ended."""
    monkeypatch.setattr(reading, "_stretch_seconds", lambda _found: 3600.0)
    monkeypatch.setattr("rpo_sim.collect._no_progress", lambda *_: None)
    (server,) = servers = [PrometheusServer(tmp_path / "server", {})]
    binary()
    server.backfill(history)
    since = time.time() - END + LENGTH
    with servers[0], open_store(tmp_path / "store.db") as store:
        probe, seen = PrometheusProbe(), []

        def progress(_done: float, _total: float | None, _message: str) -> None:
            seen.append(store.count())
            if seen[-1] > 0:
                server.stop()

        settings = probe.Settings(url=server.url, since=since)
        with pytest.raises(ProbeUnavailable, match="cannot be reached"):
            collect_into(probe, settings, store, progress=progress, state_folder=tmp_path)
        assert store.count() == seen[-1] > 10
        assert "cannot be reached" in store.collections()[0].errors[-1]


def test_too_much_for_one_answer_is_asked_for_in_pieces(
    server: PrometheusServer, history: str, tmp_path: Path, recorder: Recorder
) -> None:
    """A real limit of the server; what comes is the same."""
    whole = measured(server.url, recorder)
    for small in started(history, tmp_path / "small", "--query.max-samples=700"):
        pieces = measured(small.url, recorder)
    assert sorted(map(essence, pieces)) == sorted(map(essence, whole))


def essence(one: Observation) -> tuple[object, ...]:
    return one.started_at, one.lower_seconds, one.upper_seconds, one.count


def test_a_metric_that_is_too_slow_is_missing_and_the_others_are_there(
    gateway: Gateway, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "version: 1\nmetrics:\n  up:\n    kind: counter\n    exporter: any\n"
        "    times: [{operation: look, stage: up}]\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(reading, "_stretch_seconds", lambda _found: 600.0)
    gateway.delay_seconds = lambda query: 5.0 if query.startswith("up[") else 0.0
    seen = measured(gateway.url, recorder, timeout=0.3, metrics=(own,), since=HOUR)
    assert {one.operation for one in seen} == {"snapshot"}
    assert any(note.startswith("up is missing from ") for note in recorder.errors)


def test_slow_altogether(gateway: Gateway, recorder: Recorder) -> None:
    gateway.delay_seconds = lambda query: 5.0 if NAME in query else 0.0
    with pytest.raises(ProbeUnavailable, match=r"did not answer within 300ms.*no metric could be read"):
        measured(gateway.url, recorder, timeout=0.3, since=HOUR)


def test_warnings_of_the_server_are_told_and_distrusted(
    history: str, tmp_path: Path, recorder: Recorder, server: PrometheusServer
) -> None:
    """A real partial answer: the server's remote storage is down, and it warns of that."""
    whole = measured(server.url, recorder)
    one = PrometheusServer(tmp_path / "partial", {})
    binary()
    one.backfill(history)
    configuration = tmp_path / "partial" / "prometheus.yml"
    remote = f"\nremote_read: [{{url: 'http://127.0.0.1:{free_port()}/read', read_recent: true}}]\n"
    configuration.write_text(configuration.read_text(encoding="utf-8") + remote, encoding="utf-8")
    with one:
        partial = measured(one.url, recorder)
    assert any("warns: " in note and "connection refused" in note for note in recorder.errors)
    assert sum(seen.count for seen in partial) == sum(seen.count for seen in whole)  # local data is whole


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (401, "Unauthorized", ProbeDenied, "token.*--token-file"),
        (403, "Forbidden", ProbeDenied, "cluster-monitoring-view"),
        (404, "404 page not found", ProbeDenied, "there is no Prometheus API at this --url"),
        (400, "Bad Request. The request or configuration is malformed.", ProbeDenied, "needs --namespace"),
        (422, '{"status":"error","errorType":"execution","error":"odd"}', ProbeDenied, r"odd.*understand"),
        (503, "no healthy upstream", ProbeUnavailable, "does not work properly now: try again later"),
        (500, '{"status":"error","errorType":"internal","error":"disk"}', ProbeUnavailable, "disk"),
        (200, "<html>Log in with OpenShift</html>", ProbeDenied, "login page"),
        (200, "[1, 2", ProbeDenied, "did not answer as a Prometheus does"),
    ],
)
def test_refusals(
    gateway: Gateway, recorder: Recorder, status: int, body: str, error: type[Exception], words: str
) -> None:
    gateway.judge = lambda *_: (status, body)
    with pytest.raises(error, match=words):
        measured(gateway.url, recorder)
    assert problem(gateway.url, recorder).retryable == (error is ProbeUnavailable)


def test_a_token_is_read_anew_for_each_query(
    gateway: Gateway, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens that are mounted into a pod change; one in the environment serves as well."""
    file, asked = tmp_path / "token", []
    file.write_text("token-0\n", encoding="ascii")

    def judge(_path: str, _query: dict[str, str], token: str) -> tuple[int, str] | None:
        asked.append(token)
        file.write_text(f"token-{len(asked)}\n", encoding="ascii")
        return None if token == f"token-{len(asked) - 1}" else (401, "Unauthorized")

    gateway.judge = judge
    assert measured(gateway.url, recorder, token_file=file)
    assert len(asked) > 3
    gateway.judge = lambda _path, _query, token: None if token == "secret" else (401, "Unauthorized")
    monkeypatch.setenv("RPO_SIM_PROMETHEUS_TOKEN", "secret")
    assert measured(gateway.url, recorder)


def test_a_token_that_expires_midway_keeps_what_was_read(
    gateway: Gateway, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_stretch_seconds", lambda _found: 3600.0)
    count = [0]

    def judge(*_: object) -> tuple[int, str] | None:
        count[0] += 1
        return (401, "Unauthorized") if count[0] > 14 else None

    gateway.judge = judge
    probe, seen = PrometheusProbe(), list[object]()
    batches = probe.measure(probe.Settings(url=gateway.url, since=LENGTH), recorder.context)
    with pytest.raises(ProbeDenied, match="it may have expired"):
        seen.extend(batch for batch in batches)
    assert seen


@pytest.mark.parametrize("text", [None, "", "\xff"])
def test_a_token_file_that_is_of_no_use(
    gateway: Gateway, recorder: Recorder, tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "token").write_text(text, encoding="latin-1")
    with pytest.raises(ProbeDenied, match=r"the token file .*/token (cannot be read|is empty)"):
        measured(gateway.url, recorder, token_file=tmp_path / "token")


def test_the_namespace_goes_into_every_question(gateway: Gateway, recorder: Recorder) -> None:
    """As OpenShift's port for tenants demands."""
    gateway.judge = lambda _path, query, _token: (
        None if query.get("namespace") == "shop" else (400, "Bad Request")
    )
    with pytest.raises(ProbeDenied, match="--namespace"):
        measured(gateway.url, recorder)
    assert measured(gateway.url, recorder, namespace="shop")


def test_a_certificate_is_checked(history: str, tmp_path: Path, recorder: Recorder) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=127.0.0.1",
    ]
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *more], check=True, capture_output=True)
    config = tmp_path / "web.yml"
    config.write_text(f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\n", encoding="utf-8")
    one = PrometheusServer(tmp_path / "tls", {}, [f"--web.config.file={config}"])
    binary()
    one.backfill(history)
    one.url = one.url.replace("http:", "https:")
    one.trusted = certificate
    with one:
        with pytest.raises(ProbeDenied, match=r"certificate of https.* is not trusted \(.*--ca-file"):
            measured(one.url, recorder)
        assert measured(one.url, recorder, ca_file=certificate)
        with pytest.raises(ProbeDenied, match="no CA file"):
            measured(one.url, recorder, ca_file=tmp_path / "absent.pem")


def test_nothing_known_is_scraped(recorder: Recorder, tmp_path: Path) -> None:
    """That is not zero operations; it says so."""
    for empty in started("up 1 1700000000\n# EOF\n", tmp_path / "empty"):
        with pytest.raises(ProbeDenied, match=r"scraped none of them in the last 4h.*is not zero"):
            measured(empty.url, recorder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost:9090", "https://host:port"),
        ("http://", "https://host:port"),
        ("http://me:secret@host", "no name or password"),
        ("http://host/?x=1", "ends before /api/v1"),
    ],
)
def test_an_address_of_no_use(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PrometheusProbe.Settings(url=text)


def test_only_what_is_asked_for(server: PrometheusServer, recorder: Recorder) -> None:
    assert measured(server.url, recorder, only=("snapshot.ready",))
    assert measured(server.url, recorder, only=("snapshot",))
    with pytest.raises(ProbeDenied, match=r"--only snapshots: no known metric.*snapshot\.ready"):
        measured(server.url, recorder, only=("snapshots",))
