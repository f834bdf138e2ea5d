"""The SimPy engine beside Ciw, another queueing simulator, on a queue that both can express."""

from benchmarks.tandem import by_ciw, plan_of
from benchmarks.timing import Row, interleaved
from rpo_sim.model.experiment import simulate

JOBS, RUNS = 100, 50
COMMAND = "python -m benchmarks.bench_ciw"


def rows() -> list[Row]:
    """Jobs per CPU second; ours include the recovery points and the critical path of each run."""
    plan = plan_of(JOBS)
    ours, theirs = interleaved(lambda: simulate(plan, runs=RUNS), lambda: by_ciw(JOBS, RUNS), rounds=3)
    return [
        Row(
            name=f"tandem queue of {JOBS} jobs; baseline: Ciw",
            value=JOBS * RUNS / ours,
            unit="jobs per CPU second",
            baseline=JOBS * RUNS / theirs,
            command=COMMAND,
        )
    ]


if __name__ == "__main__":
    for row in rows():
        print(row.to_dict())
