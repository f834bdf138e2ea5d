"""Blocks in more than one process: two workers beside one, a Dask cluster beside local processes.

Wall seconds, since the work is elsewhere; what else the machine does is in them. Workers are started first.
"""

import time
from collections.abc import Callable
from concurrent.futures import Executor

from benchmarks.estate import plan_of
from benchmarks.timing import Row
from rpo_sim.model.cluster import cluster
from rpo_sim.model.experiment import simulate
from rpo_sim.model.workers import pool

VMS, RUNS, ROUNDS = 100, 200, 2
COMMAND = "python -m benchmarks.bench_scaleout"


def rows() -> list[Row]:
    """Runs per second in each."""
    from distributed import LocalCluster

    plan = plan_of(VMS)

    def on(executor: Executor | None) -> Callable[[], object]:
        return lambda: simulate(plan, runs=RUNS, executor=executor)

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local,
        cluster(local.scheduler_address.replace("tcp://", "dask://")) as dask,
        pool(2) as two,
    ):
        for executor in (two, dask):
            on(executor)()
        one, processes, clustered = elapsed(on(None), on(two), on(dask))

    def row(name: str, seconds: float, baseline: float) -> Row:
        return Row(
            name=name,
            value=RUNS / seconds,
            unit="runs per second",
            baseline=RUNS / baseline,
            command=COMMAND,
        )

    return [
        row(f"two workers at {VMS} VMs; baseline: one", processes, one),
        row(f"two workers of a Dask cluster at {VMS} VMs; baseline: two processes", clustered, processes),
    ]


def elapsed(*works: Callable[[], object]) -> list[float]:
    """Wall seconds of each, the best of some rounds taken in turn."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for i, work in enumerate(works):
            start = time.perf_counter()
            work()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    for row in rows():
        print(row.to_dict())
