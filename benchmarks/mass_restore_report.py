"""Write mass_restore.md: held-out bursts of the data set in tests/data, then the experiment on the lab.

python -m benchmarks.mass_restore_report
"""

from pathlib import Path

import numpy as np

from benchmarks.lab_data import observations
from benchmarks.mass_restore import AIM, FIGURES, FILE, STAGES, compared, load, table
from rpo_sim.distributions.mechanism import Mechanism
from rpo_sim.distributions.mechanism_chain import figures
from rpo_sim.distributions.mechanism_fit import fit_mechanism
from rpo_sim.distributions.mechanism_words import binding_text

PAGE = FILE.with_suffix(".md")
SIZE = 20_000_000
_HEAD = """\
# A mass restore, predicted and done

Snapshots and restores of many volumes at once, predicted from singles and smaller bursts by a fitted
mechanism: client limits (token buckets) before and after a driver's queue. Each cell: predicted, measured
(relative error). Written by `python -m benchmarks.mass_restore_report`.
"""
_EARLIER = """
## Held out of a data set

776 objects of [tests/data](../tests/data/lab-snapshots-and-restores.csv), 20 MB, four bursts each; fitted
on singles and the smaller bursts only, with the published limits of the controllers as assumptions.

"""
_REAL = """
## Done on the lab

A real API server with its controllers, a CSI driver and its sidecars on two cores. A: client limits as
shipped (5/s, burst 10); B: 100/s, burst 200; the controller manager keeps 20/s and 30 on both. Fitted on
singles and sweeps of 2, 4, 8 and 12 at 1 and 20 MB; the prediction was frozen, with a digest, before the
bursts of 24 and 48 began. p50 and p95 are of single operations within a burst; with several bursts, the
median of each figure. Before each burst the controllers came to rest: for 4 s nobody asked for anything of
storage, so that every bucket was full. B's limits seldom bind, and the two cores themselves are among the
limits that were tried there. All of it, with the requests per operation that the API server counted, is in
[mass_restore.json](mass_restore.json).

"""


def held_out() -> str:
    """The table of the data set, and what binds by all of it."""
    lines = [
        "| backend | operation | fitted up to | at once | p50 s: predicted, measured | p95 s | makespan s |",
        "|---|---|---|---|---|---|---|",
    ]
    errors, binding = [], []
    for backend in ("A", "B"):
        for operation in STAGES:
            for up_to in (4, 8):
                found = fit_mechanism(observations(operation, backend, up_to=up_to))
                for n in (8, 12):
                    if n > up_to:
                        predicted, measured = _both(found, backend, operation, n)
                        errors.append(np.divide(predicted, measured) - 1)
                        start = f"| {backend} | {operation} | {up_to} | {n} | "
                        lines.append(start + " | ".join(map(_cell, predicted, measured)) + " |")
            whole = fit_mechanism(observations(operation, backend))
            binding.append(f"- {operation} on {backend}: {binding_text(whole)}")
    for i, name in enumerate(FIGURES):
        within = sum(abs(row[i]) <= AIM for row in errors)
        lines.append(f"\n{name}: within {AIM:.0%} in {within} of {len(errors)} cells")
    return "\n".join(lines) + "\n\nWhat bursts wait for, fitted on all of it:\n\n" + "\n".join(binding) + "\n"


def _both(found: Mechanism, backend: str, operation: str, n: int) -> tuple[list[float], list[float]]:
    bursts: dict[str, list[float]] = {}
    for item in observations(operation, backend, fewest=n, up_to=n):
        bursts.setdefault(item.labels["burst"], []).append(item.lower_seconds)
    measured = np.median([figures(np.array(each)) for each in bursts.values()], axis=0)
    return figures(found.burst(n, SIZE)).tolist(), measured.tolist()


def _cell(predicted: float, measured: float) -> str:
    return f"{predicted:.3g}, {measured:.3g} ({predicted / measured - 1:+.1%})"


def experiment(path: Path) -> str:
    """The table of the lab, when each prediction was frozen, and what binds."""
    document = load(path)
    rows = compared(document)
    if not rows:
        return "Not yet done.\n"
    lines = [table(rows)]
    for backend, prediction in sorted(document["predicted"].items()):
        lines.append(f"{backend}: frozen {prediction['frozen_at']}, SHA-256 {prediction['sha256'][:16]}…\n")
        lines += [f"- {name}: {text}" for name, text in sorted(prediction["binding"].items())]
    heavy = [f"{row['backend']} {row['operation']} {row['n']}" for row in rows if row["load"] > 3]
    if heavy:
        lines.append(
            f"\nOther work was on the two cores (load average above 3) in {len(heavy)} of {len(rows)} cells."
        )
    return "\n".join(lines) + f"\n{document.get('note', '')}"


if __name__ == "__main__":
    PAGE.write_text(_HEAD + _EARLIER + held_out() + _REAL + experiment(FILE), encoding="utf-8")
