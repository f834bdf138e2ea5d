"""The compiled kernel from one process to the next: where it is kept, and when it is compiled anew."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import rpo_sim
from rpo_sim.errors import ModelError
from rpo_sim.model.block_runs import run_block
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.compiled_engine import cache, entries, is_kept

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")
_RUN = """
import sys
import rpo_sim
from rpo_sim.model.block_runs import run_block
from rpo_sim.model.compile import compile_plan
run_block(compile_plan(rpo_sim.load_scenario("single-vm-restore").scenario, "vmware"), 1, 0, "compiled")
print(sorted({name.partition(".")[0] for name in sys.modules} & {"numba", "scipy", "simpy"}))
"""


@pytest.fixture(scope="module")
def machine_code() -> bytes:
    """The kernel of this version, as it is kept."""
    entries._entries()
    code = cache.kept()
    assert code is not None
    return code


@contextmanager
def _files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Writing more to a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Another place for kernels; nothing is there."""
    root = tmp_path / "cache"
    monkeypatch.setattr(cache, "user_cache_path", lambda *_, **__: root)
    cache.folder.cache_clear()
    entries._entries.cache_clear()
    yield root
    cache.folder.cache_clear()
    entries._entries.cache_clear()


def test_compiled_code_is_kept_by_what_went_into_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sources = tmp_path / "model" / "compiled_engine"
    shutil.copytree(Path(cache.__file__).parent, sources)
    sharing = sources.with_name("sharing.py")
    sharing.write_text("FINISHED = 1e-9")
    probit = tmp_path / "distributions" / "probit.py"
    probit.parent.mkdir()
    probit.write_text("DEGREE = 6")
    monkeypatch.setattr(cache, "__file__", str(sources / "cache.py"))
    digests = [cache.digest()]
    for edited in (sources / "jobs.py", sources / "copies" / "runs.py", sharing, probit):
        edited.write_text(edited.read_text() + "\n# edited")
        digests.append(cache.digest())
    (sources / "lower.py").write_text("")  # never compiled
    (sources / "copies" / "engine.py").write_text("")
    digests.append(cache.digest())
    assert len(set(digests)) == 5
    assert digests[4] == digests[5]


def test_where_nothing_can_be_kept_nothing_is(place: Path) -> None:
    place.write_text("in the way")
    cache.keep(b"code")
    assert not is_kept()


def test_a_full_disk_keeps_nothing_and_stops_nobody(
    machine_code: bytes, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "_compiled", lambda: machine_code)
    plan = compile_plan(rpo_sim.load_scenario("single-vm-restore").scenario, "vmware")
    with _files_of_at_most(len(machine_code) // 2):
        found = run_block(plan, 1, 0, "compiled")
    assert [path.name for path in place.rglob("*") if path.is_file()] == [".writable"]
    np.testing.assert_array_equal(found.vm_rta, run_block(plan, 1, 0, "simpy").vm_rta)


def test_what_is_kept_is_whole_or_not_there(place: Path) -> None:
    assert not is_kept()
    cache.keep(b"code")
    assert cache.kept() == b"code"
    (file,) = place.rglob("*.o")
    whole = file.read_bytes()
    for damaged in (whole[:-1], b"", whole[:-1] + b"!", bytes(len(whole))):
        file.write_bytes(damaged)
        assert not is_kept(), damaged


def test_a_process_that_finds_the_kernel_imports_nothing_heavy() -> None:
    entries._entries()
    done = subprocess.run([sys.executable, "-c", _RUN], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_why_a_kernel_cannot_be_compiled_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_BUILD", "rpo_sim.no_such_module")
    with pytest.raises(ModelError, match=r"cannot be compiled: .*no_such_module.*; use --engine simpy"):
        entries._entries()
    assert not list(place.rglob("*.o"))


def test_a_kernel_is_of_the_sources_that_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoy = tmp_path / "rpo_sim" / "model" / "compiled_engine"
    decoy.mkdir(parents=True)
    for folder in (decoy, *decoy.parents[:2]):
        (folder / "__init__.py").touch()
    (decoy / "layout.py").write_text("raise SystemExit('the one in the working folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(entries, "_BUILD", "rpo_sim.model.compiled_engine.layout")  # prints no digest
    with pytest.raises(ModelError, match="compiled from other sources"):
        entries._compiled()
