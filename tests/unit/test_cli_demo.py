"""`rpo-sim demo`, for real but short."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rpo_sim.results import Evidence
from rpo_sim.results_file import load_results
from rpo_sim.scenario.shipped import shipped_names

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_demo_ends_in_a_page_that_a_newcomer_understands(rpo_sim: Run, tmp_path: Path) -> None:
    ran = rpo_sim("demo", "--folder", "kept", "--runs", "25", "--max-duration", "12s")
    assert ran.returncode == 0, ran.stderr
    steps = [line[:3] for line in ran.stderr.splitlines() if line[:1].isdigit()]
    assert steps == ["1/4", "2/4", "3/4", "4/4"]
    text = ran.stdout
    assert text.startswith("Measured on this disk (local-disk:")
    assert max(map(len, text.splitlines())) <= 120
    assert len(text.splitlines()) <= 60
    for name in shipped_names():
        assert f"{name}, " in text
    assert text.count("openshift-virtualization  ") >= 5
    assert "too few runs: leave out --runs" in text
    assert "Parity: RTA p95 on openshift-virtualization less that on vmware" in text
    results = load_results(tmp_path / "kept" / "results.json")
    assert len(results) == 30
    bound = [note for each in results for note in each.inputs if note.n]
    assert {note.evidence for note in bound} <= {Evidence.MEASURED, Evidence.EXTRAPOLATED}
    assert not any(note.restores for each in results for note in each.inputs)  # this disk is no platform
    judged = rpo_sim("verdict", "kept/results.json", "-o", "json")
    assert judged.returncode == 4
    assert {row["demonstrated"] for row in json.loads(judged.stdout)["rows"]} == {"NONE"}


@pytest.mark.parametrize("place", ["file", "/proc/demo"])
def test_a_folder_that_cannot_be_made_is_refused_at_once(quick: Run, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    ran = quick("demo", "--folder", place)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "name another with --folder" in ran.stderr
