"""Prediction against reality: a mass restore predicted from singles and small sweeps, then done.

    python -m benchmarks.mass_restore collect --backend A --kubeconfig FILE --data FOLDER
    python -m benchmarks.mass_restore predict --backend A
    python -m benchmarks.mass_restore verify  --backend A --kubeconfig FILE --data FOLDER
    python -m benchmarks.mass_restore report
    python -m benchmarks.mass_restore forget  --backend A --above 3

`collect` measures singles and sweeps up to 12 at 1 and 20 MB. `predict` fits a mechanism to each operation
on each backend, simulates 24 and 48 at once by scenario, plan and engine, and freezes the result with a
digest; it refuses to do so once `verify` has begun on that backend. `verify` then does them. All goes into
mass_restore.json, step by step: what is there is not measured again, unless `forget` drops what was disturbed
by other work (a load average above that); a burst that was predicted stays. FOLDER is where the lab's driver
keeps its volumes.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.burst import burst_text
from benchmarks.mass_bench import MassBench, Measured
from rpo_sim.distributions.fit import fit
from rpo_sim.distributions.mechanism import PUBLISHED_LIMITS, KnownLimit
from rpo_sim.distributions.mechanism_chain import figures
from rpo_sim.distributions.mechanism_words import binding_text
from rpo_sim.distributions.profile import Profile, dump_profile
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.experiment import simulate
from rpo_sim.records import Observation
from rpo_sim.scenario.load import load_scenario_text
from rpo_sim.scenario.schema import Bind

FILE = Path(__file__).parent / "mass_restore.json"
SIZES, TRAINING, LARGE = (1_000_000, 20_000_000), (2, 4, 8, 12), (24, 48)
SINGLES, REPETITIONS, RUNS = 5, 2, 2000
STAGES = {"snapshot": "ready", "restore": "bound"}
FIGURES = ("p50", "p95", "makespan")
AIM = 0.1
_CELL = ("backend", "size_bytes", "n", "repetition")
# Of the lab's two backends: A has what the programs do when nobody sets a limit, B was told others.
_SIDECARS = tuple(limit for limit in PUBLISHED_LIMITS if limit.name != "kube-controller-manager")
# B's limits seldom bind, the lab's two cores do: API server and controllers work off in turns what operations
# ask of them, as a bucket lets them through. Its unit is a hundredth of a second.
CORES = KnownLimit(name="control plane on two cores", rate=100.0, burst=1.0, source="given", backend="B")
LIMITS = (
    CORES,
    *(replace(limit, backend="A", source="given") for limit in _SIDECARS),
    *(replace(limit, backend="B", source="given", rate=100.0, burst=200.0) for limit in _SIDECARS),
    *(limit for limit in PUBLISHED_LIMITS if limit not in _SIDECARS),
)

Document = dict[str, Any]


def load(path: Path) -> Document:
    """What was measured and predicted so far."""
    if path.exists():
        found: Document = json.loads(path.read_text(encoding="utf-8"))
        return found
    return {"version": 1, "training": [], "predicted": {}, "measured": []}


def save(document: Document, path: Path) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


# Measuring


def collect(bench: MassBench, path: Path, *, singles: int, levels: Iterable[int], repetitions: int) -> None:
    """Singles and sweeps, each burst kept at once."""
    cells = [(1, singles), *((n, repetitions) for n in levels)]
    _measure(bench, path, "training", cells)


def verify(bench: MassBench, path: Path, *, levels: Iterable[int], repetitions: int) -> None:
    """The bursts that were predicted."""
    if bench.backend not in load(path)["predicted"]:
        sys.exit(f"error: nothing is predicted for {bench.backend}; run `predict` first")
    _measure(bench, path, "measured", [(n, repetitions) for n in levels])


def _measure(bench: MassBench, path: Path, part: str, cells: list[tuple[int, int]]) -> None:
    """Repetition by repetition over all cells: an early end leaves them about equally measured."""
    for size in SIZES:
        bench.sources(size, max(n for n, _ in cells))
    for repetition in range(max(times for _, times in cells)):
        for n, times in cells:
            for size in SIZES:
                if repetition < times and not _is_there(load(path)[part], bench.backend, size, n, repetition):
                    rows = [bench.snapshots(size, n, repetition), bench.restores(size, n, repetition)]
                    document = load(path)
                    document[part] += [row.to_dict() for row in rows]
                    save(document, path)
                    for row in rows:
                        print(_line(row), file=sys.stderr, flush=True)


def _line(row: Measured) -> str:
    shown = ", ".join(f"{value:.3g}" for value in figures(np.array(row.seconds)))
    what = f"{row.backend} {row.operation} {row.n} x {row.size_bytes // 10**6} MB"
    return f"{what}: {shown} s, load {row.load:.1f}"


def _is_there(rows: list[Document], backend: str, size: int, n: int, repetition: int) -> bool:
    return any(tuple(row[key] for key in _CELL) == (backend, size, n, repetition) for row in rows)


def forget(path: Path, backend: str, above: float, megabytes: int | None) -> None:
    """Drop disturbed training bursts, to measure them again; not once a prediction rests on them."""
    document = load(path)
    if backend in document["predicted"]:
        sys.exit(f"error: the prediction for {backend} rests on these bursts")
    disturbed = [
        row
        for row in document["training"]
        if row["backend"] == backend and row["load"] > above
        if megabytes is None or row["size_bytes"] == megabytes * 10**6
    ]
    again = {tuple(row[key] for key in _CELL) for row in disturbed}
    document["training"] = [
        row for row in document["training"] if tuple(row[key] for key in _CELL) not in again
    ]
    save(document, path)


# Predicting


def observations(rows: Iterable[Document]) -> list[Observation]:
    """The bursts as observations, as a probe would give them."""
    found = []
    for row in rows:
        name = f"{row['backend']}-{row['operation']}-{row['size_bytes']}-{row['n']}-{row['repetition']}"
        for i, (start, seconds) in enumerate(zip(row["starts"], row["seconds"], strict=True)):
            started_at = datetime.fromtimestamp(row["at"] + start, UTC)
            found.append(
                Observation(
                    operation=row["operation"],
                    stage=STAGES[row["operation"]],
                    backend=row["backend"],
                    lower_seconds=seconds,
                    upper_seconds=seconds,
                    bytes_moved=row["size_bytes"],
                    concurrency=row["n"],
                    started_at=started_at,
                    observed_at=started_at + timedelta(seconds=seconds),
                    clock="monotonic, 1us",
                    source="mass_restore",
                    event_id=f"{name}-{i}",
                    labels={"burst": name},
                )
            )
    return found


def predict(path: Path, backends: Iterable[str]) -> None:
    """Fit, simulate, freeze."""
    document = load(path)
    for backend in backends:
        if any(row["backend"] == backend for row in document["measured"]):
            sys.exit(f"error: {backend} is measured already; a prediction must come first")
        rows = [row for row in document["training"] if row["backend"] == backend]
        if rows:
            document["predicted"][backend] = frozen(rows, backend)
            save(document, path)


def frozen(rows: list[Document], backend: str) -> Document:
    """The prediction for one backend with the digest of what it was made from and of itself."""
    profile = fit(observations(rows), limits=_counted(rows))
    cells = [
        {
            "operation": operation,
            "size_bytes": size,
            "n": n,
            **_predicted(profile, backend, operation, size, n),
        }
        for operation in STAGES
        for size in SIZES
        for n in LARGE
    ]
    inputs = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
    content = {"inputs_sha256": inputs, "cells": cells, "profile": json.loads(dump_profile(profile))}
    content["binding"] = {
        entry.operation: binding_text(entry.mechanism) for entry in profile.entries if entry.mechanism
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {"frozen_at": datetime.now(UTC).isoformat(), "sha256": digest, **content}


def _counted(rows: list[Document]) -> list[KnownLimit]:
    """No client made more requests per operation than all of them together, as the API server counted."""
    most = {
        operation: max(sum(row["requests"].values()) for row in rows if row["operation"] == operation)
        for operation in STAGES
    }
    return [
        limit if limit is CORES else replace(limit, most_tokens=most[limit.operation or "restore"])
        for limit in LIMITS
    ]


def _predicted(profile: Profile, backend: str, operation: str, size: int, n: int) -> dict[str, float]:
    """By scenario, plan and engine: medians over the runs."""
    stage = STAGES[operation]
    loaded = load_scenario_text(burst_text(n, f"{size // 10**6}MB", operation, stage), "burst.yaml")
    bind = Bind(operation=operation, stage=stage, backend=backend, extrapolate="linear")
    plan = compile_plan(loaded.scenario, "kubernetes", profile, {"burst.operation": bind})
    result = simulate(plan, runs=RUNS, engine="compiled")
    values = (result.one_vm_rta(0.5), result.one_vm_rta(0.95), result.quantile(result.incident_rta, 0.5))
    return {name: value.value for name, value in zip(FIGURES, values, strict=True)}


# Reporting


def compared(document: Document) -> list[Document]:
    """One row per cell: predicted, measured (median over the bursts) and the relative error."""
    rows = []
    for backend, prediction in sorted(document["predicted"].items()):
        for cell in prediction["cells"]:
            bursts = [row for row in document["measured"] if row["backend"] == backend and _same(row, cell)]
            if not bursts:
                continue
            measured = np.median([figures(np.array(row["seconds"])) for row in bursts], axis=0)
            row = {key: cell[key] for key in ("operation", "size_bytes", "n")} | {"backend": backend}
            row |= {"bursts": len(bursts), "load": max(each["load"] for each in bursts)}
            for name, value in zip(FIGURES, measured.tolist(), strict=True):
                row[name] = {"predicted": cell[name], "measured": value, "error": cell[name] / value - 1}
            rows.append(row)
    return rows


def _same(row: Document, cell: Document) -> bool:
    return all(row[key] == cell[key] for key in ("operation", "size_bytes", "n"))


def table(rows: list[Document]) -> str:
    """For people, as Markdown."""
    head = "| backend | operation | MB | at once | bursts | p50 s: predicted, measured | p95 s | makespan s |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        cells = [
            f"{row[name]['predicted']:.3g}, {row[name]['measured']:.3g} ({row[name]['error']:+.1%})"
            for name in FIGURES
        ]
        start = (row["backend"], row["operation"], row["size_bytes"] // 10**6, row["n"], row["bursts"])
        lines.append("| " + " | ".join([*map(str, start), *cells]) + " |")
    for name in FIGURES:
        within = sum(abs(row[name]["error"]) <= AIM for row in rows)
        lines.append(f"\n{name}: within {AIM:.0%} in {within} of {len(rows)} cells")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """One step of the experiment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("step", choices=("collect", "predict", "verify", "report", "forget"))
    parser.add_argument("--backend", choices=("A", "B"), default="A")
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--data", type=Path, help="the folder where the lab's driver keeps its volumes")
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--above", type=float, default=3.0, help="forget: the load from which on")
    parser.add_argument("--mb", type=int, help="forget: only this size")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="bursts of each cell")
    parser.add_argument("--subset", action="store_true", help="few bursts, and 24 at once only: some minutes")
    chosen = parser.parse_args(arguments)
    if chosen.step == "predict":
        predict(chosen.file, [chosen.backend])
    elif chosen.step == "forget":
        forget(chosen.file, chosen.backend, chosen.above, chosen.mb)
    elif chosen.step == "report":
        print(table(compared(load(chosen.file))))
    else:
        bench = MassBench(chosen.backend, chosen.kubeconfig, chosen.data)
        few, times = chosen.subset, chosen.repetitions
        if chosen.step == "collect":
            levels = (2, 6, 12) if few else TRAINING
            collect(bench, chosen.file, singles=3 if few else SINGLES, levels=levels, repetitions=times)
        else:
            verify(bench, chosen.file, levels=LARGE[:1] if few else LARGE, repetitions=1 if few else times)
        bench.close()


if __name__ == "__main__":
    main()
