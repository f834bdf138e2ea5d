"""All benchmarks in one run, written to results.json beside this file and shown as a table."""

import json
from pathlib import Path

from benchmarks import (
    bench_ciw,
    bench_compiled,
    bench_copies,
    bench_engine,
    bench_fit,
    bench_memory,
    bench_scaleout,
    bench_snapshots,
    bench_startup,
)

BENCHES = (
    bench_startup,
    bench_fit,
    bench_engine,
    bench_compiled,
    bench_copies,
    bench_memory,
    bench_ciw,
    bench_scaleout,
    bench_snapshots,
)
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run, write, show."""
    found = [row.to_dict() for bench in BENCHES for row in bench.rows()]
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for row in found:
        print(f"{row['value']:>10} {row['unit']:<27} x {row['ratio']:<6}  {row['name']}")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
