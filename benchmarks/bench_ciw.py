"""Both engines beside Ciw, another queueing simulator, on a queue that all three can express.

That their answers agree is tested in tests/oracle/test_against_ciw.py.
"""

from benchmarks.tandem import by_ciw, plan_of
from benchmarks.timing import Row, interleaved
from rpo_sim.model.engines import Engine
from rpo_sim.model.experiment import simulate

JOBS, RUNS = 100, 50
COMMAND = "python -m benchmarks.bench_ciw"
MORE: dict[Engine, int] = {"simpy": 1, "compiled": 20}  # times as many runs, so that each takes a while


def rows() -> list[Row]:
    """Jobs per CPU second; ours include the recovery points and the critical path of each run."""
    plan = plan_of(JOBS)
    simulate(plan, runs=1, engine="compiled")
    *ours, theirs = interleaved(
        lambda: simulate(plan, runs=RUNS * MORE["simpy"], engine="simpy"),
        lambda: simulate(plan, runs=RUNS * MORE["compiled"], engine="compiled"),
        lambda: by_ciw(JOBS, RUNS),
        rounds=3,
    )
    return [
        Row(
            name=f"tandem queue of {JOBS} jobs, {engine} engine; baseline: Ciw",
            value=JOBS * RUNS * more / seconds,
            unit="jobs per CPU second",
            baseline=JOBS * RUNS / theirs,
            command=COMMAND,
        )
        for (engine, more), seconds in zip(MORE.items(), ours, strict=True)
    ]


if __name__ == "__main__":
    for row in rows():
        print(row.to_dict())
