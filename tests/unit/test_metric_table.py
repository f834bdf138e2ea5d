"""The table of known metrics, and those that users write: each fault is told by its line."""

from pathlib import Path

import pytest
from rpo_probes._metrics.table import Metric, known_metrics, with_own

from rpo_sim.errors import ScenarioError

GOOD = """\
version: 1
metrics:
  my_restore_seconds:
    kind: histogram
    exporter: our backup tool
    driver: driver
    class: storageclass
    times:
      - {when: {phase: data, result: "!error"}, operation: restore, stage: data}
      - {when: {phase: data}, operation: restore, stage: data, outcome: failed}
"""


def own(tmp_path: Path, text: str) -> dict[str, Metric]:
    file = tmp_path / "own.yaml"
    file.write_text(text, encoding="utf-8")
    return with_own([file])


def test_a_new_metric_is_a_few_lines(tmp_path: Path) -> None:
    metric = own(tmp_path, GOOD)["my_restore_seconds"]
    labels = {"phase": "data", "result": "ok", "driver": "rbd", "storageclass": "fast"}
    timed = metric.timed(labels)
    assert timed is not None
    assert (timed.operation, timed.stage, timed.ended.value) == ("restore", "data", "succeeded")
    assert metric.backend(labels) == "rbd/fast"
    failed = metric.timed({**labels, "result": "error"})
    assert failed is not None
    assert failed.ended.value == "failed"
    assert metric.timed({"phase": "boot"}) is None
    assert metric.selector("my_restore_seconds_count") == 'my_restore_seconds_count{phase=~"data"}'


def test_an_own_entry_replaces_a_known_one(tmp_path: Path) -> None:
    name = "velero_backup_duration_seconds"
    table = own(tmp_path, GOOD.replace("my_restore_seconds", name))
    assert table[name].exporter == "our backup tool"
    assert set(table) == set(known_metrics())


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("kind: histogram", "kind: histogramm", 4, "did you mean `histogram`"),
        ("kind: histogram", "kind: gauge", 3, "a gauge needs `id`"),
        ("kind: histogram", "kind: counter\n    bytes: moved_bytes", 3, "`bytes` is for gauges"),
        ("    exporter: our backup tool\n", "", 3, "exporter: missing"),
        ("stage: data}\n      - {when", "stge: data}\n      - {when", 9, "did you mean `stage`"),
        ("driver: driver", "driver: driver\n    below: 5", 7, "with its unit, such as 5s"),
        ("driver: driver", "driver: driver\n    below: -5s", 7, "below"),
        ("my_restore_seconds", "my-restore", 3, "my-restore"),
        ("version: 1", "version: 2", 1, "version"),
        ("version: 1\n", "", 1, "version: missing"),
        ("outcome: failed", "outcome: broken", 10, "outcome"),
        ('"!error"', "!error", 9, "not readable as YAML"),
        ("    kind: histogram", "    kind: counter\n    kind: histogram", 5, "again"),
    ],
)
def test_a_fault_is_told_by_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    with pytest.raises(ScenarioError) as caught:
        own(tmp_path, GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert f"own.yaml:{line}: " in message, message
    assert words in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "own.yaml:1: empty"),
        ("- 1\n", "a metrics file is a mapping"),
        ("version: 1\n", "metrics: missing"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        own(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"cannot read .*absent\.yaml: No such file"):
        with_own([tmp_path / "absent.yaml"])


@pytest.mark.parametrize("name", known_metrics())
def test_each_known_metric_teaches(name: str) -> None:
    """It says who serves it; gauges and whole-second values say how far off they may be."""
    metric = known_metrics()[name]
    assert metric.exporter
    assert metric.kind != "counter" or not metric.below
    operations = {line.operation for line in metric.times}
    assert all(operation.islower() for operation in operations)
    assert not any(name.endswith(suffix) for suffix in ("_bucket", "_count", "_sum"))
