"""The wheel that users get: built from the source distribution, installed in an environment of its own."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel; its dependencies are lent by the one under test."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # A path file adds folders without reading the path files in them: not that of the editable install.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def run(folder: Path, *command: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [folder / command[0], *command[1:]], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_packages_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    info = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    tops = {name.split("/")[0] for name in set(names) - info}
    assert tops == {"rpo_sim", "rpo_probes"}
    for expected in ("rpo_sim/py.typed", "rpo_probes/py.typed", "rpo_sim/scenario/template.yaml"):
        assert expected in names
    assert sum(name.startswith("rpo_sim/_scenarios/") and name.endswith(".yaml") for name in names) == 5
    assert any(name.endswith("licenses/LICENSE") for name in info)
    assert not [name for name in names if "/test" in name or name.endswith(".pyc")]


def test_the_source_distribution_can_be_tested(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "requirements.lock", "requirements-dev.lock", "tests/conftest.py", "LICENSE"} <= names
    assert not [name for name in names if name.startswith((".venv", ".git/", ".ci"))]


def test_the_installed_command_works(installed: Path) -> None:
    home = run(
        installed, "python", "-c", "import rpo_sim, rpo_probes; print(rpo_sim.__file__, rpo_probes.__file__)"
    )
    assert home.count(str(installed.parent)) == 2
    assert run(installed, "rpo-sim", "--version").startswith("rpo-sim ")
    listed = json.loads(run(installed, "rpo-sim", "scenarios", "list", "-o", "json"))
    assert len(listed["rows"]) == 5
    assert "local_disk" in run(installed, "rpo-sim", "measure", "--help")
    assert "single-vm-restore" in run(installed, "rpo-sim", "simulate", "single-vm-restore", "--runs", "25")
