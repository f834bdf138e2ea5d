"""What a command costs before it does anything; baseline: the interpreter alone."""

import resource
import subprocess
import sys

from benchmarks.timing import Row

ROUNDS = 7
COMMAND = "python -m benchmarks.bench_startup"
HELP = "import sys; sys.argv[1:] = ['--help']; from rpo_sim.cli.app import main; main()"


def child_seconds(code: str) -> float:
    """CPU seconds of an interpreter that runs this."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows() -> list[Row]:
    """The help page against an interpreter that does nothing, in turn."""
    child_seconds(HELP)  # compiles what was never imported
    pairs = [(child_seconds(HELP), child_seconds("pass")) for _ in range(ROUNDS)]
    return [
        Row(
            name="rpo-sim --help; baseline: python -c pass",
            value=min(help_ for help_, _ in pairs),
            unit="CPU seconds",
            baseline=min(bare for _, bare in pairs),
            command=COMMAND,
        )
    ]


if __name__ == "__main__":
    for row in rows():
        print(row.to_dict())
