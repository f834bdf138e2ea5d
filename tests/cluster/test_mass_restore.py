"""Prediction against reality, a part of it: 24 at once, predicted from bursts of up to 12, then done.

The whole, on both backends, is kept in benchmarks/mass_restore.json.
"""

from pathlib import Path

import pytest

from benchmarks.mass_bench import MassBench
from benchmarks.mass_restore import SIZES, STAGES, collect, compared, load, predict, table, verify
from tests.cluster.cluster import Cluster

HONEST = 0.4  # other work on the same cores decides what the driver takes


def test_a_mass_restore_is_predicted_from_small_bursts(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = cluster.lab
    file = tmp_path / "mass_restore.json"
    bench = MassBench("B", lab.kubeconfig, lab.layout.data, namespace=cluster.namespace, settle_seconds=2.0)
    try:
        collect(bench, file, singles=3, levels=(2, 6, 12), repetitions=2)
        predict(file, ["B"])
        verify(bench, file, levels=(24,), repetitions=1)
    finally:
        bench.close()
    document = load(file)
    rows = compared(document)
    with capsys.disabled():
        print(f"\n{table(rows)}")
    assert {(row["operation"], row["size_bytes"]) for row in rows} == {(o, s) for o in STAGES for s in SIZES}
    for row in rows:
        assert abs(row["makespan"]["error"]) < HONEST, row
    with pytest.raises(SystemExit, match="a prediction must come first"):
        predict(file, ["B"])
    spent = [sum(row["requests"].values()) for row in document["training"] if row["operation"] == "restore"]
    assert all(4 <= requests <= 40 for requests in spent)
