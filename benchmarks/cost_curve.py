"""What a simulation costs, over VMs, stages and runs, by both engines: the picture cost.png.

Each point is the whole job of `simulate`: draws, recovery points, recoveries, critical paths, results. CPU
seconds, the best of two; where runs are not what grows, 25 by SimPy and 500 by the compiled engine. The
scenario is that of `benchmarks.estate`, with as many further stages as asked.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.estate import plan_of
from benchmarks.timing import interleaved
from rpo_sim.model.engines import Engine
from rpo_sim.model.experiment import simulate

PICTURE = Path(__file__).with_name("cost.png")
ENGINES: tuple[Engine, ...] = ("simpy", "compiled")
VMS: dict[Engine, tuple[int, ...]] = {"simpy": (100, 1_000, 3_000), "compiled": (100, 1_000, 10_000, 30_000)}
STAGES = (3, 6, 12, 24)
MANY: dict[Engine, int] = {"simpy": 25, "compiled": 500}  # runs where these are not what grows
RUNS: dict[Engine, tuple[int, ...]] = {"simpy": (25, 100, 200), "compiled": (25, 100, 400, 1_600, 6_400)}


def seconds(engine: Engine, vms: int = 300, stages: int = 3, runs: int = 25) -> float:
    """CPU seconds of one experiment."""
    plan = plan_of(vms, stages)
    return interleaved(lambda: simulate(plan, runs=runs, engine=engine), rounds=2)[0]


def line(axis: Axes, engine: Engine, points: Sequence[int], costs: Sequence[float]) -> None:
    """One engine's cost over what grows."""
    label = {"simpy": "SimPy engine", "compiled": "compiled engine"}[engine]
    axis.plot(points, costs, "o-", label=label)


def draw() -> None:
    """Measure, and write the picture."""
    simulate(plan_of(100), runs=25, engine="compiled")
    mpl.use("Agg")
    figure, (by_vms, by_stages, by_runs) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    for engine in ENGINES:
        runs = MANY[engine]
        each = [1e6 * seconds(engine, vms=n, runs=runs) / (runs * n) for n in VMS[engine]]
        line(by_vms, engine, VMS[engine], each)
        each = [1e6 * seconds(engine, stages=n, runs=runs) / (300 * runs) for n in STAGES]
        line(by_stages, engine, STAGES, each)
        line(by_runs, engine, RUNS[engine], [seconds(engine, runs=n) for n in RUNS[engine]])
    by_vms.set(xlabel="VMs (3 stages)", ylabel="CPU µs per VM-restore")
    by_stages.set(xlabel="stages per VM (300 VMs)", ylabel="CPU µs per VM-restore")
    by_runs.set(xlabel="runs (300 VMs, 3 stages)", ylabel="CPU seconds")
    for axis in (by_vms, by_stages, by_runs):
        axis.set(xscale="log", yscale="log")
        axis.grid(alpha=0.3)
    by_stages.set_xticks(STAGES, labels=[str(n) for n in STAGES], minor=False)
    by_stages.minorticks_off()
    by_vms.legend()
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    draw()
    print(f"written to {PICTURE}")
