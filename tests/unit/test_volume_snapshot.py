"""The parts of `volume_snapshot` that need no cluster; the rest is tested on one, in tests/cluster."""

import random
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rpo_probes._kubernetes import ServerClock
from rpo_probes._kubernetes.errors import (
    Conflict,
    Expired,
    Forbidden,
    NamespaceGone,
    NotFound,
    QuotaExceeded,
    Unauthorized,
    Unreachable,
    refusal,
)
from rpo_probes._snapshot.concurrency import peaks
from rpo_probes._snapshot.facts import claim_facts, snapshot_facts
from rpo_probes._snapshot.journal import Journal, abandoned_runs, living_runs, new_run
from rpo_probes.volume_snapshot import VolumeSnapshotProbe

from rpo_sim.errors import ProbeDenied, ProbeError, ProbeUnavailable
from rpo_sim.probe_capabilities import CleansUp, StatesPermissions
from rpo_sim.probe_contract import Recorder
from tests.unit.conftest import RunCommand


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.01, 20)), min_size=1, max_size=30))
def test_concurrency_is_the_most_in_flight_during_an_operation(spans: list[tuple[float, float]]) -> None:
    named = {str(number): (start, start + length) for number, (start, length) in enumerate(spans)}
    starts = [start for start, _ in named.values()]
    for name, found in peaks(named).items():
        begin, end = named[name]
        moments = [begin, *(start for start in starts if begin <= start < end)]
        counts = [sum(low <= moment < high for low, high in named.values()) for moment in moments]
        assert found == max(counts)


def test_the_clocks_are_bounded_ever_more_tightly() -> None:
    truth, clock, chance = 1_000_000.37, ServerClock(), random.Random(1)
    for _ in range(300):
        sent = chance.uniform(0, 250)
        received = sent + chance.uniform(0.001, 0.02)
        date = float(int(truth + chance.uniform(sent, received)))
        clock.learn(date=date, sent=sent, received=received)
    low, high = clock.offset()
    assert low <= truth <= high
    assert high - low < 0.1


def test_a_clock_that_was_set_is_followed() -> None:
    clock = ServerClock()
    clock.learn(date=1000.0, sent=0.0, received=0.1)
    clock.learn(date=5000.0, sent=1.0, received=1.1)
    low, high = clock.offset()
    assert low <= 4999.5 <= high


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"message": "Unauthorized"}', Unauthorized),
        (403, b'{"message": "pods is forbidden: User x cannot list"}', Forbidden),
        (403, b'{"message": "exceeded quota: few, requested: 1"}', QuotaExceeded),
        (
            403,
            b'{"message": "being terminated", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}',
            NamespaceGone,
        ),
        (404, b'{"message": "not found", "details": {"kind": "namespaces", "name": "x"}}', NamespaceGone),
        (404, b"404 page not found", NotFound),
        (409, b'{"message": "exists"}', Conflict),
        (410, b'{"message": "too old"}', Expired),
        (429, b"", Unreachable),
        (503, b"<html>", Unreachable),
        (418, b"[]", ProbeDenied),
    ],
)
def test_answers_become_errors_with_a_remedy(status: int, body: bytes, kind: type[ProbeError]) -> None:
    error = refusal(status, body, what="list pods in apps", server="https://example:6443")
    assert type(error) is kind
    assert "list pods in apps" in str(error)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        report = VolumeSnapshotProbe().check(
            VolumeSnapshotProbe.Settings(kubeconfig=kubeconfig(tmp_path, taken.getsockname()[1])),
            Recorder(tmp_path).context,
        )
    with pytest.raises(ProbeUnavailable, match="cannot be reached"):
        report.require_ok()


def kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(body))
    return path


@pytest.mark.parametrize("text", [None, "", "{", "a: [1", "contexts: nonsense"])
def test_a_kubeconfig_that_is_none(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    settings = VolumeSnapshotProbe.Settings(kubeconfig=path)
    with pytest.raises(ProbeDenied, match="--kubeconfig"):
        VolumeSnapshotProbe().check(settings, Recorder(tmp_path).context)


def test_a_journal_is_locked_while_its_writer_lives(tmp_path: Path) -> None:
    settings = VolumeSnapshotProbe.Settings()
    run = new_run("abc", settings.target, "lab", datetime.now(UTC) + timedelta(hours=1))
    journal = Journal(tmp_path, run)
    assert living_runs(tmp_path) == {"abc"}
    with abandoned_runs(tmp_path) as found:
        assert found == {}
    journal.close(all_gone=False)
    assert living_runs(tmp_path) == set()
    with abandoned_runs(tmp_path) as found:
        assert list(found.values()) == [run]


def test_a_journal_that_broke_off_is_nothing_to_look_for(tmp_path: Path) -> None:
    (tmp_path / "run-x.jsonl").write_text('{"run_id": "x')
    with abandoned_runs(tmp_path) as found:
        assert found == {}
    assert list(tmp_path.iterdir()) == []


def test_objects_without_a_status_are_read() -> None:
    meta = {"uid": "u", "name": "n", "namespace": "a", "creationTimestamp": "2026-11-22T14:52:04Z"}
    assert not snapshot_facts({"metadata": meta}).ready
    assert not claim_facts({"metadata": meta}).bound


def test_it_offers_what_the_commands_look_for() -> None:
    assert isinstance(VolumeSnapshotProbe(), CleansUp)
    assert isinstance(VolumeSnapshotProbe(), StatesPermissions)


@pytest.mark.parametrize("mode", ["list", "record", "measure", "record-deployment"])
def test_the_roles_are_printed(quick: RunCommand, mode: str) -> None:
    shown = quick("rbac", mode, "--namespace", "mine", "--image", "registry.example/rpo-sim:1")
    assert shown.returncode == 0
    bodies = list(yaml.safe_load_all(shown.stdout))
    assert {body["metadata"].get("namespace", "mine") for body in bodies} == {"mine"}
    assert "NAMESPACE" not in shown.stdout
    assert "IMAGE" not in [line.strip() for line in shown.stdout.splitlines()]
    verbs = {verb for body in bodies for rule in body.get("rules", ()) for verb in rule["verbs"]}
    assert mode == "measure" or not verbs & {"create", "delete", "update", "patch"}


def test_an_unknown_mode_is_refused(quick: RunCommand) -> None:
    shown = quick("rbac", "everything")
    assert shown.returncode == 2
    assert "list, measure, record" in shown.stderr


def test_nothing_to_clean_up(quick: RunCommand) -> None:
    shown = quick("cleanup", "--dry-run")
    assert (shown.returncode, "Nothing is left" in shown.stdout) == (0, True)
    assert quick("cleanup", "local_disk").returncode == 2
    assert quick("cleanup", "volume_snapshot", "--set", "namespace").returncode == 2
