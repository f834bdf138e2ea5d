"""The two engines, and which one runs a plan: they give the same numbers, one is read and one is fast."""

import importlib.util
from typing import Literal

from rpo_sim.errors import ModelError
from rpo_sim.model.plan import Plan

Engine = Literal["simpy", "compiled"]
Asked = Literal["simpy", "compiled", "auto"]

# VM-restores, of which SimPy does some 20,000 in a second
WORTHWHILE = 5_000  # to load the kernel takes a third of the time
WORTH_TELLING = 200_000  # nobody waits longer than ten seconds for what the kernel would do at once
WORTH_COMPILING = 1_000_000  # to compile takes half a minute, once
_INSTALL = "pip install 'rpo-sim[fast]'"


def choose(plan: Plan, asked: Asked, runs: int) -> tuple[Engine, str | None]:
    """The engine to use, and what the user should know about it.

    Parameters
    ----------
    plan : Plan
    asked : {"simpy", "compiled", "auto"}
        ``auto`` compiles where it can and where there is enough to do.
    runs : int

    Raises
    ------
    ModelError
        If the compiled engine was asked for and cannot run this plan.
    """
    restores = runs * plan.n_vms
    if asked == "simpy" or (asked == "auto" and restores < WORTHWHILE):
        return "simpy", None
    reason = _obstacle(plan)
    if reason is None:
        from rpo_sim.model.compiled_engine import is_kept

        compiles = asked == "compiled" or restores >= WORTH_COMPILING or is_kept()
        return "compiled" if compiles else "simpy", None
    if asked == "compiled":
        raise ModelError(f"--engine compiled: {reason[0]}; {reason[1]}, or use --engine simpy")
    return "simpy", f"the SimPy engine serves: {reason[0]}" if restores >= WORTH_TELLING else None


def _obstacle(plan: Plan) -> tuple[str, str] | None:
    """Why the compiled engine cannot run a plan, and the remedy."""
    if importlib.util.find_spec("numba") is None:
        return f"numba is not installed ({_INSTALL} makes it many times faster)", "install it"
    from rpo_sim.model.compiled_engine import unsupported

    reason = unsupported(plan)
    return None if reason is None else (f"the compiled engine cannot do {reason} yet", "leave that out")
