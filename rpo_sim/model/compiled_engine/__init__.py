"""The fast engine: the plan in one kernel, compiled by numba, bit for bit as the SimPy engine has it.

Nothing outside of this package imports numba, and importing this package does not: `recover_block` does
when it is first called.
"""

import sys
from typing import TYPE_CHECKING

from rpo_sim.model.plan import Plan

if TYPE_CHECKING:
    from rpo_sim.model.block import BlockDraws
    from rpo_sim.model.choices import IntArray
    from rpo_sim.model.run import Recoveries

__all__ = ["recover_block", "unsupported"]

_MOST = 62  # steps of a path, or stages once per unit, that fit into the bits of a number


def unsupported(plan: Plan) -> str | None:
    """What a plan uses that the kernel does not do, in words; None if it can run it."""
    lists = (plan.leading, plan.trailing, *map(plan.stages_once_per, ("wave", "group", "application")))
    if len(plan.path) > _MOST:
        return f"paths of more than {_MOST} steps"
    if any(len(stages) > _MOST for stages in lists):
        return f"more than {_MOST} stages that are done once"
    return None


def recover_block(plan: Plan, block: "BlockDraws", options: "IntArray") -> "Recoveries":
    """All runs of a block; see `rpo_sim.model.compiled_engine.engine.recover_block`."""
    from rpo_sim.model.compiled_engine import jit

    if not jit.is_cached():
        sys.stderr.write("compiling the kernel, once: this takes about half a minute …\n")
        sys.stderr.flush()
    from rpo_sim.model.compiled_engine import engine

    return engine.recover_block(plan, block, options)
