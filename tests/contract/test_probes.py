"""Every bundled probe passes the contract that third parties import."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field
from rpo_probes.local_disk import LocalDiskProbe
from rpo_probes.prometheus import PrometheusProbe

from rpo_sim.probe import CheckReport, Finding, Probe, ProbeContext, probe_names
from rpo_sim.probe_contract import ProbeContract
from rpo_sim.records import Observation
from tests.metrics.server import PrometheusServer, binary
from tests.metrics.world import World


class TestLocalDisk(ProbeContract):
    def make_probe(self) -> Probe:
        return LocalDiskProbe()

    def make_settings(self, folder: Path) -> BaseModel:
        return LocalDiskProbe.Settings(
            path=folder, sizes=(1 << 18, 1 << 20), concurrency=(1, 2), repetitions=2, keep_free="1Mi"
        )


class TestPrometheus(ProbeContract):
    """A real Prometheus with 30 hours of history, which it reads in two stretches."""

    @pytest.fixture(autouse=True)
    def _served(self, prometheus_with_history: str) -> None:
        self.url = prometheus_with_history

    def make_probe(self) -> Probe:
        return PrometheusProbe()

    def make_settings(self, folder: Path) -> BaseModel:
        return PrometheusProbe.Settings(url=self.url, since=40 * 3600.0)


@pytest.fixture(scope="module")
def prometheus_with_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    binary()
    now = time.time()
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), {})
    server.backfill(World(seed=5, begin=now - 36 * 3600, end=now - 6 * 3600, rate=1 / 300).openmetrics())
    with server:
        yield server.url


ON_A_CLUSTER = {"volume_snapshot": "test_volume_snapshot_measure.py"}


def test_every_bundled_probe_is_under_contract() -> None:
    tested = {cls().make_probe().name for cls in ProbeContract.__subclasses__() if cls.__module__ == __name__}
    for name, file in ON_A_CLUSTER.items():
        assert "(ProbeContract)" in (Path(__file__).parents[1] / "cluster" / file).read_text()
        tested.add(name)
    bundled = {name for name in probe_names() if not name.startswith("third_party")}
    assert bundled <= tested


class _Sloppy:
    """Breaks several promises; without this the contract could be empty words."""

    class Settings(BaseModel):
        model_config = ConfigDict(extra="ignore")
        url: str = Field(default="")

    name = "sloppy"
    version = "1"
    summary = "A probe\nof two lines."
    mutating = True

    def check(self, settings: BaseModel, context: ProbeContext) -> CheckReport:
        return CheckReport(findings=(Finding(what="", ok=False),))

    def measure(self, settings: BaseModel, context: ProbeContext) -> Iterator[Sequence[Observation]]:
        for number in range(3):
            context.progress(-number, None, "")
            yield [
                Observation(
                    operation="restore",
                    stage="data",
                    lower_seconds=1.0,
                    upper_seconds=1.0,
                    observed_at=datetime(2024, 1, 1, tzinfo=UTC),
                    clock="guess",
                    source="another",
                    event_id="always the same",
                    operation_id="one",
                )
            ]


class _SloppyUnderContract(ProbeContract):
    def make_probe(self) -> Probe:
        return _Sloppy()

    def make_settings(self, folder: Path) -> BaseModel:
        (folder / "made").touch()
        return _Sloppy.Settings()


_CONTRACT = sorted(name for name in vars(ProbeContract) if name.startswith("test_"))


@pytest.mark.parametrize("name", [name for name in _CONTRACT if name != "test_settings_survive_as_text"])
def test_each_promise_can_be_broken(name: str, tmp_path: Path) -> None:
    promise = getattr(_SloppyUnderContract(), name)
    with pytest.raises(AssertionError):
        promise(tmp_path) if "tmp_path" in promise.__func__.__code__.co_varnames else promise()
