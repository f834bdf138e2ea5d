"""Too large to keep every VM of every run: near the exact results, the same bytes, little memory."""

import gc
import json
import os
import signal
import tracemalloc
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.estate import plan_of
from rpo_sim.errors import NoDataError, ScenarioError
from rpo_sim.histograms import RELATIVE_ERROR, Histograms
from rpo_sim.model.block import RUNS_PER_BLOCK
from rpo_sim.model.block_runs import run_block, run_some
from rpo_sim.model.checkpoint import open_checkpoint
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.engines import Engine
from rpo_sim.model.experiment import simulate
from rpo_sim.model.kept import keep
from rpo_sim.model.plan import Plan
from rpo_sim.model.workers import pool
from rpo_sim.report.predictions import render_predictions
from rpo_sim.results import ResultSet
from rpo_sim.results_file import load_results, results_text, save_results
from rpo_sim.scenario.load import load_scenario

RUNS = 100


def text_of(*results: ResultSet) -> str:
    return "".join(results_text(list(results)))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile_plan(load_scenario("site-failure").scenario, "vmware")


@pytest.fixture(scope="module")
def exact(plan: Plan) -> ResultSet:
    return simulate(plan, runs=RUNS)


@pytest.fixture(scope="module")
def large(plan: Plan) -> ResultSet:
    return simulate(plan, runs=RUNS, exact_cells=0)


def test_all_but_the_figures_of_single_vms_is_the_same(exact: ResultSet, large: ResultSet) -> None:
    one, other = (json.loads(text_of(result))["results"][0] for result in (exact, large))
    for name in ("vm_rpa", "vm_rta"):
        assert other.pop(name)["kind"] == "log-linear histograms"
        assert len(one.pop(name)) == RUNS
    assert one == other


def test_figures_of_single_vms_are_near_the_exact_ones(exact: ResultSet, large: ResultSet) -> None:
    frames = [result.vm_frame() for result in (exact, large)]
    for name in frames[0]:
        one, other = (frame[name] for frame in frames)
        if str(name).endswith("_seconds"):
            np.testing.assert_allclose(other, one, rtol=RELATIVE_ERROR)
        elif name != "relative_error":
            assert one.tolist() == other.tolist()
    assert [frame["relative_error"].unique().tolist() for frame in frames] == [[0.0], [RELATIVE_ERROR]]
    at = int(np.ceil(0.95 * RUNS)) - 1
    np.testing.assert_array_equal(frames[0]["rta_p95_seconds"], np.sort(exact.vm_rta, axis=0)[at])


def test_the_limit_is_runs_times_vms(plan: Plan) -> None:
    cells = 25 * plan.n_vms
    assert simulate(plan, runs=25, exact_cells=cells).per_vm_rta.relative_error == 0
    assert simulate(plan, runs=25, exact_cells=cells - 1).per_vm_rta.relative_error > 0


def test_every_run_of_a_vm_is_not_pretended(large: ResultSet) -> None:
    with pytest.raises(NoDataError, match=r"100 runs of \d+ VMs are too many to keep each: .*fewer runs"):
        large.vm_rta  # noqa: B018


def test_it_is_said_what_was_kept(exact: ResultSet, large: ResultSet) -> None:
    note = "figures of each VM are kept as histograms, within 0.391%; those above are exact"
    assert note in render_predictions([large], "table")
    assert "figures of each VM" not in render_predictions([exact], "table")
    kept = [json.loads(render_predictions([result], "json"))["predictions"][0] for result in (exact, large)]
    assert kept[0]["each_vm"] == {"kept_as": "every run", "relative_error": 0.0}
    assert kept[1]["each_vm"] == {"kept_as": "histograms", "relative_error": RELATIVE_ERROR}


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_the_same_bytes_wherever_blocks_run(
    plan: Plan, large: ResultSet, workers: int, engine: Engine
) -> None:
    if engine == "compiled":
        pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")
    with pool(workers, engine) as executor:
        other = simulate(plan, runs=RUNS, exact_cells=0, engine=engine, executor=executor)
    assert text_of(other) == text_of(large)


# Files


def test_saved_and_loaded_to_the_bit(exact: ResultSet, large: ResultSet, tmp_path: Path) -> None:
    save_results([exact, large], tmp_path / "r.json")
    again = load_results(tmp_path / "r.json")
    assert text_of(*again) == text_of(exact, large)
    assert [type(result.per_vm_rpa) for result in again] == [type(exact.per_vm_rpa), Histograms]


def test_results_of_the_first_version_are_still_read(exact: ResultSet, tmp_path: Path) -> None:
    """They had every run of every VM, and nothing across them."""
    document = json.loads(text_of(exact))
    document["schema_version"] = 1
    del document["results"][0]["across"]
    (tmp_path / "r.json").write_text(json.dumps(document))
    assert text_of(*load_results(tmp_path / "r.json")) == text_of(exact)


@pytest.mark.parametrize("damage", ["runs", "across", "counts", "vms"])
def test_damaged_histograms_are_refused(large: ResultSet, tmp_path: Path, damage: str) -> None:
    document = json.loads(text_of(large))
    result = document["results"][0]
    if damage == "across":
        del result["across"]
    elif damage == "counts":
        result["vm_rta"]["counts"] = result["vm_rta"]["counts"][:-8]
    else:
        result["vm_rta"][damage] += 1
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(ScenarioError, match=r"is damaged .*; simulate again"):
        load_results(tmp_path / "r.json")


# Checkpoints


def kept_in(path: Path, plan: Plan, runs: int, exact_cells: int) -> ResultSet:
    with open_checkpoint(path) as checkpoint:
        return simulate(plan, runs=runs, exact_cells=exact_cells, checkpoint=checkpoint)


def test_a_checkpoint_serves_both_kinds(
    plan: Plan, exact: ResultSet, large: ResultSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every run makes histograms; histograms do not make every run, which is then simulated again."""
    computed: list[int] = []

    def counted(plan: Plan, seed: int, runs: range, engine: Engine) -> Any:
        computed.append(runs.start // RUNS_PER_BLOCK)
        return run_some(plan, seed, runs, engine)

    monkeypatch.setattr("rpo_sim.model.kept.run_some", counted)
    path, many = tmp_path / "kept", 10**9
    kept_in(path, plan, 50, 0)
    assert text_of(kept_in(path, plan, RUNS, 0)) == text_of(large)
    assert computed == [0, 1, 2, 3]
    assert text_of(kept_in(path, plan, RUNS, many)) == text_of(exact)
    assert computed == [0, 1, 2, 3] * 2
    assert text_of(kept_in(path, plan, RUNS, 0)) == text_of(large)
    assert text_of(kept_in(path, plan, RUNS, many)) == text_of(exact)
    assert computed == [0, 1, 2, 3] * 2


# Interrupts


def test_an_interrupt_does_not_cut_a_block_in_two(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real Ctrl-C while the third block is counted: all of it is, and no more."""
    seen: list[int] = []
    add = Histograms.add

    def pressed(self: Histograms, codes: Any) -> None:
        seen.append(1)
        if len(seen) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        add(self, codes)

    monkeypatch.setattr(Histograms, "add", pressed)
    result = simulate(plan, runs=RUNS, exact_cells=0)
    assert (result.interrupted, result.runs, len(seen)) == (True, 75, 6)
    assert (result.per_vm_rpa.runs, result.per_vm_rta.runs) == (75, 75)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# Memory


def peak_bytes(plan: Plan, runs: int, exact_cells: int, executor: Executor | None = None) -> int:
    """The most that was allocated at a time, but for what each thread keeps from then on."""
    simulate(plan, runs=1_600, engine="compiled", exact_cells=exact_cells, executor=executor)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        simulate(plan, runs=runs, engine="compiled", exact_cells=exact_cells, executor=executor)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_runs_times_vms() -> None:
    """Only by what is kept per run, whatever the VMs; every run of every VM takes 16 bytes for each."""
    pytest.importorskip("numba", reason="SimPy takes too long: pip install 'rpo-sim[fast]'")
    plan, few, many = plan_of(1000), 1_600, 8_000  # calls are as large as they get with either
    with ThreadPoolExecutor(2) as two:
        for executor in (None, two):
            grown = peak_bytes(plan, many, 0, executor) - peak_bytes(plan, few, 0, executor)
            assert grown < 1000 * (many - few) + 16_000_000  # threads may be at work at the same moment
    assert peak_bytes(plan, many, 10**9) - peak_bytes(plan, few, 10**9) > 16_000 * (many - few)


def test_what_is_kept_of_a_run_does_not_depend_on_the_vms() -> None:
    sizes = []
    for each in (plan_of(10), plan_of(200)):
        kept = keep(each, run_block(each, 1, 0)).coded()
        per_vm = kept.vm_rpa.nbytes + kept.vm_rta.nbytes
        assert per_vm == 25 * each.n_vms * 4
        sizes.append(sum(values.nbytes for values in kept.arrays().values()) - per_vm)
    assert sizes[0] == sizes[1] < 25 * 1000
