"""Start-up stays light: what is heavy is imported by the command that needs it."""

import subprocess
import sys

import pytest

HEAVY = {
    "distributed", "kubernetes", "numba", "numpy", "pandas", "prometheus_api_client", "pyarrow", "pydantic",
    "scipy", "simpy", "sqlalchemy", "yaml", "rpo_probes",
}  # fmt: skip
HELP = "from rpo_sim.cli.app import app; app([{}], standalone_mode=False)"


def loaded_by(code: str) -> set[str]:
    """Top-level modules that an interpreter has loaded after this code."""
    program = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("code", ["import rpo_sim", HELP.format("'--help'")])
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert not loaded_by(code) & HEAVY


@pytest.mark.parametrize("command", ["demo", "simulate", "observations"])
def test_the_help_of_a_command_loads_nothing_of_its_own(command: str) -> None:
    parser = {"pydantic"}  # the framework's reader of arguments
    assert not loaded_by(HELP.format(f"{command!r}, '--help'")) & (HEAVY - parser)


def test_the_public_names_are_all_there() -> None:
    loaded = loaded_by("import rpo_sim\nfor name in rpo_sim.__all__: getattr(rpo_sim, name)")
    assert {"numpy", "pydantic"} <= loaded
