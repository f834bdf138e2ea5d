"""The entries of the compiled kernel. They are called without numba, whose import costs a second.

Machine code that was kept is loaded as it is, by LLVM; what was not kept is compiled in a process of its own
(see `build`). Every argument is a whole number of 64 bits, such as the address of a table.
"""

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from rpo_sim.errors import ModelError
from rpo_sim.model.compiled_engine.addresses import INTERPRETED
from rpo_sim.model.compiled_engine.cache import digest, keep, kept

ARGUMENTS = {"run_block": 5, "fill": 8, "simulate": 4}
_BUILD = "rpo_sim.model.compiled_engine.build"
_loading = threading.Lock()  # threads that come together compile once


def run_block(plan: int, run: int, draws: int, first: int, out: int) -> int:
    """See `rpo_sim.model.compiled_engine.kernel.run_block`."""
    return int(_entry("run_block")(plan, run, draws, first, out))


def fill(
    keys: int, counts: int, streams: int, attempt: int, first_run: int, quantiles: int, out: int, runs: int
) -> None:
    """See `rpo_sim.model.compiled_engine.philox.fill`."""
    _entry("fill")(keys, counts, streams, attempt, first_run, quantiles, out, runs)


def simulate(copies: int, plan: int, run: int, first: int) -> int:
    """See `rpo_sim.model.compiled_engine.copies.runs.simulate`."""
    return int(_entry("simulate")(copies, plan, run, first))


def load() -> None:
    """Have the entries ready."""
    _entry("run_block")


def _entry(name: str) -> Callable[..., Any]:
    with _loading:
        return _entries()[name]


@cache
def _entries() -> dict[str, Callable[..., Any]]:
    if INTERPRETED:
        from rpo_sim.model.compiled_engine import kernel, philox
        from rpo_sim.model.compiled_engine.copies import runs

        return {"run_block": kernel.run_block, "fill": philox.fill, "simulate": runs.simulate}
    code = kept()
    if code is None:
        code = _compiled()
        keep(code)
    library = _loaded(code)
    return {name: _function(library, name) for name in ARGUMENTS}


def _loaded(code: bytes) -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine(jit=True)
    library = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    library.add_object_file(binding.ObjectFileRef.from_data(code))
    library.finalize_object()
    return library


def _function(library: Any, name: str) -> Callable[..., int]:
    """As numba calls: with places for the result and an exception, then the arguments; 0 if all is well."""
    places, numbers = [ctypes.c_void_p] * 2, [ctypes.c_int64] * ARGUMENTS[name]
    function: Any = ctypes.CFUNCTYPE(ctypes.c_int32, *places, *numbers)(library.get_function_address(name))
    function.loaded = library  # LLVM unloads the machine code with the last reference to this

    def called(*arguments: int) -> int:
        result, exception = ctypes.c_int64(), ctypes.c_void_p()
        status = function(ctypes.addressof(result), ctypes.addressof(exception), *arguments)
        assert status == 0, "nothing in the kernel raises"
        return result.value

    return called


def _compiled() -> bytes:
    """Machine code of this version for this processor.

    It is compiled from the sources of this process, whatever lies in the working folder (``-P``).
    """
    environment = {**os.environ, "NUMBA_OPT": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", _BUILD],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ModelError(f"the kernel cannot be compiled: {' '.join(said)}; use --engine simpy")
    if not done.stdout.startswith(digest().encode()):
        raise ModelError("the kernel was compiled from other sources; try again, or use --engine simpy")
    return done.stdout.removeprefix(digest().encode())
