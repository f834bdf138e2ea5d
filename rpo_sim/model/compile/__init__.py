"""From a scenario and a profile to a plan."""

from rpo_sim.model.compile.compiler import compile_plan

__all__ = ["compile_plan"]
