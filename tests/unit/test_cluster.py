"""A real Dask cluster on this machine: the same bytes, workers and a scheduler lost, what is refused."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import distributed
import pytest

from rpo_sim.errors import ModelError
from rpo_sim.model.cluster import cluster
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.experiment import simulate
from rpo_sim.scenario.load import load_scenario

Run = Callable[..., "subprocess.CompletedProcess[str]"]
DASK = Path(sys.executable).with_name("dask")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A scheduler and its workers, all real processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._where = f"127.0.0.1:{free_port()}"
        self.address = f"dask://{self._where}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._started("scheduler", "--host", "127.0.0.1", "--port", self._where[10:])
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(self._where[10:]))):
                return
            time.sleep(0.05)
        raise AssertionError("no scheduler")

    def _started(self, kind: str, *options: str) -> "subprocess.Popen[bytes]":
        command: list[str | Path] = [
            DASK,
            kind,
            *options,
            "--no-dashboard",
            "--dashboard-address",
            "127.0.0.1:0",
        ]
        with (self._folder / "log").open("ab") as log:
            self.processes.append(subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log))
        return self.processes[-1]

    def add_workers(self, count: int) -> "list[subprocess.Popen[bytes]]":
        """Once they are connected."""
        one = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--local-directory", self._folder)
        made = [self._started("worker", f"tcp://{self._where}", *map(str, one)) for _ in range(count)]
        with distributed.Client(f"tcp://{self._where}", set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)
        return made


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without workers."""
    made = Cluster(tmp_path)
    yield made
    for process in reversed(made.processes):
        process.kill()
        process.wait()


def test_a_cluster_gives_the_same_bytes_although_a_worker_is_killed(
    dask: Cluster, rpo_sim: Run, tiny: Path
) -> None:
    """First there are no workers, then two, then one, then no scheduler."""
    with (
        pytest.raises(ModelError, match="has no workers; start some: dask worker tcp://127"),
        cluster(dask.address),
    ):
        pass
    first, _ = dask.add_workers(2)
    plan = compile_plan(load_scenario(tiny).scenario, "alike")
    alone = simulate(plan, seed=5, runs=2000)

    def kill_one(done: int, of: int) -> None:
        if done == 50:
            first.kill()

    def kill_scheduler(done: int, of: int) -> None:
        if done == 50:
            dask.scheduler.kill()

    with cluster(dask.address) as executor:
        spread = simulate(plan, seed=5, runs=2000, executor=executor, progress=kill_one)
    assert first.wait(timeout=60) == -signal.SIGKILL
    assert spread.vm_rta.tobytes() == alone.vm_rta.tobytes()
    assert spread.vm_rpa.tobytes() == alone.vm_rpa.tobytes()
    assert spread.tiers[0].activities.tobytes() == alone.tiers[0].activities.tobytes()
    told = [
        rpo_sim("simulate", tiny, "--runs", "100", "-o", "json", *where)
        for where in (("--workers", "1"), ("--executor", dask.address))
    ]
    assert [(ran.returncode, ran.stderr) for ran in told] == [(0, "")] * 2
    assert told[0].stdout == told[1].stdout
    with pytest.raises(ModelError, match="its scheduler is lost"), cluster(dask.address) as executor:
        simulate(plan, runs=5000, executor=executor, progress=kill_scheduler)


def test_a_scheduler_that_is_not_there_is_refused_soon(rpo_sim: Run, tiny: Path) -> None:
    ran = rpo_sim("simulate", tiny, "--executor", f"dask://127.0.0.1:{free_port()}")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert "no Dask scheduler answers" in ran.stderr
    assert "dask scheduler" in ran.stderr


def test_what_answers_but_is_no_scheduler_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpo_sim.model.cluster.TIMEOUT_SECONDS", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ModelError, match="no Dask scheduler answers"),
        cluster(f"dask://127.0.0.1:{silent.getsockname()[1]}"),
    ):
        pass


@pytest.mark.parametrize(
    "address", ["ray://here:1", "dask://", "dask://here", "dask://here:port", "dask://:1"]
)
def test_an_address_is_written_whole(address: str) -> None:
    with pytest.raises(ModelError, match="write dask://HOST:PORT"), cluster(address):
        pass


def test_without_dask_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModelError, match=r"pip install 'rpo-sim\[dask\]'"), cluster("dask://here:1"):
        pass


def test_a_cluster_brings_its_own_workers(quick: Run, tiny: Path) -> None:
    ran = quick("simulate", tiny, "--executor", "dask://127.0.0.1:1", "--workers", "2")
    assert ran.returncode == 2
    assert "leave out --workers" in ran.stderr


def test_what_is_no_address_is_a_mistake_of_usage(quick: Run, tiny: Path) -> None:
    ran = quick("simulate", tiny, "--executor", "foo://127.0.0.1:1")
    assert ran.returncode == 2
    assert "write dask://HOST:PORT" in ran.stderr
