"""From the pieces of the kernel to machine code: a program that writes it to its output, behind its digest.

numba optimises a piece anew within each piece that calls it, the whole kernel at last as often as it has
levels. So it is told to optimise nothing (`NUMBA_OPT=0`, which holds for a process), and the kernel is
optimised once, as a whole: what only the kernel calls is its own, to be inlined or dropped.
"""

import sys
from typing import Any

import numba
from llvmlite import binding

from rpo_sim.model.compiled_engine import kernel, philox
from rpo_sim.model.compiled_engine.cache import digest
from rpo_sim.model.compiled_engine.copies import runs
from rpo_sim.model.compiled_engine.entries import ARGUMENTS
from rpo_sim.model.compiled_engine.jit import part

_ENTRIES: dict[str, Any] = {
    "run_block": kernel.run_block,
    "fill": philox.fill,
    "simulate": runs.simulate,
}


def _lowered(name: str) -> Any:
    """The module of an entry with all that it calls; the entry alone can be seen from outside."""
    signature = (numba.int64,) * ARGUMENTS[name]
    entry: Any = part(_ENTRIES[name])
    entry.compile(signature)
    module = binding.parse_assembly(entry.inspect_llvm(signature))
    for each in (*module.functions, *module.global_variables):
        if not each.is_declaration:
            if each.is_function and each.linkage == binding.Linkage.external:
                each.name = name
            else:
                each.linkage = "internal"
    return module


def _optimised(module: Any, machine: Any) -> None:
    tuning = binding.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = True
    builder = binding.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    missing = [each.name for each in module.functions if each.is_declaration]
    assert all(name.startswith("llvm.") for name in missing), f"not for code that stands alone: {missing}"


def machine_code() -> bytes:
    """The kernel for this processor."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    module, *others = map(_lowered, _ENTRIES)
    for other in others:
        module.link_in(other)
    target = binding.Target.from_triple(module.triple)
    relocation = "static" if target.name.startswith("x86") else "default"  # as numba loads code
    machine = target.create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
        reloc=relocation,
        codemodel="jitdefault",
        jit=True,
    )
    module.data_layout = str(machine.target_data)
    _optimised(module, machine)
    code: bytes = machine.emit_object(module)
    return code


if __name__ == "__main__":
    sys.stdout.buffer.write(digest().encode() + machine_code())
