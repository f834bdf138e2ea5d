"""Peak memory of the command, results saved: it does not grow with runs times VMs.

`rpo-sim simulate --engine compiled --out FILE` on the estate of `benchmarks.estate`, two workers. The peak is
the resident set that the kernel books, read by a small process in between: a child also inherits the peak of
the process that starts it.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.estate import text_of
from benchmarks.timing import Row

VMS, RUNS, FEW = 10_000, 10_000, 1_000
MOST_MIB = 1024
COMMAND = "python -m benchmarks.bench_memory"
_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_mib(vms: int, runs: int) -> float:
    """Peak resident memory of one command, in MiB."""
    with TemporaryDirectory() as folder:
        scenario = Path(folder) / "estate.yaml"
        scenario.write_text(text_of(vms))
        rpo_sim = Path(sys.executable).with_name("rpo-sim")
        simulate: list[str | Path] = [rpo_sim, "simulate", scenario, "--runs", str(runs)]
        simulate += ["--engine", "compiled", "--workers", "2", "--out", Path(folder) / "results.json"]
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, *simulate], check=True, stdout=subprocess.PIPE, text=True
        )
    return int(done.stdout) / 1024


def rows() -> list[Row]:
    """Ten times the runs beside a tenth of them, both beyond what is kept exactly."""
    peak_mib(100, 25)  # compiles the kernel, if it was not
    many, few = peak_mib(VMS, RUNS), peak_mib(VMS, FEW)
    assert many < MOST_MIB, f"{many:.0f} MiB"
    return [
        Row(
            name=f"peak memory of {VMS:,} VMs x {RUNS:,} runs; baseline: {FEW:,} runs",
            value=many,
            unit="MiB",
            baseline=few,
            command=COMMAND,
        )
    ]


if __name__ == "__main__":
    for row in rows():
        print(row.to_dict())
