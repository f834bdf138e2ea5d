"""The fast engine: the plan in one kernel, compiled by numba, bit for bit as the SimPy engine has it.

Nothing outside of this package imports numba, and this package only to compile: what was compiled once is
loaded without it.
"""

import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from rpo_sim.model.compiled_engine.cache import kept
from rpo_sim.model.plan import Plan

if TYPE_CHECKING:
    from rpo_sim.model.block import BlockDraws
    from rpo_sim.model.choices import Choices
    from rpo_sim.model.plan import CopyPlan
    from rpo_sim.model.protection.records import Attempts, Points
    from rpo_sim.model.run import Recoveries

__all__ = ["fill", "is_kept", "prepare", "protect", "recover_block", "unsupported"]

# What the kernel knows of a plan. A field that stands in none of these lists belongs to a mechanism that it
# does not have; a plan that leaves such a field as it is by default does not use the mechanism.
_KNOWN: dict[str, str] = {
    "Plan": "scenario platform groups tiers applications waves pools links buckets copies failure path "
    "choose stages job_pool job_until barrier repair repair_pool target after tried assumed_factor",
    "GroupPlan": "name first count tier application wave place needs needs_least demand disks first_disk "
    "first_kind used change writes",
    "Pool": "name capacity shifts",
    "LinkPlan": "name bytes_per_second per_stream totals paced measured evidence outages",
    "BucketPlan": "name rate burst evidence tokens_spread",
    "FailurePlan": "scope detect declare age hours",
    "StagePlan": "index key unit by steps duration success times pools link bytes_ link_factor tokens "
    "timeout retries curve_evidence since_point kind scan_seconds_per_byte duration_twice",
    "PathStepPlan": "copy method estimate_seconds at_most",
}
_MOST = 62  # steps of a path, or stages once per unit, that fit into the bits of a number


def unsupported(plan: Plan) -> str | None:
    """What a plan uses that the kernel does not do, in words; None if it can run it."""
    lists = (plan.leading, plan.trailing, *map(plan.stages_once_per, ("wave", "group", "application")))
    if len(plan.path) > _MOST:
        return f"paths of more than {_MOST} steps"
    if any(len(stages) > _MOST for stages in lists):
        return f"more than {_MOST} stages that are done once"
    shared = (*plan.pools, *plan.links, *plan.buckets)
    parts: tuple[Any, ...] = (plan, plan.failure, *plan.groups, *shared, *plan.stages, *plan.path)
    for part in parts:
        known = _KNOWN[type(part).__name__].split()
        for field in fields(part):
            if field.name not in known and getattr(part, field.name) != field.default:
                return f"`{field.name}` (of {getattr(part, 'name', getattr(part, 'key', 'the plan'))})"
    return None


def is_kept() -> bool:
    """Whether the kernel was compiled before."""
    return kept() is not None


def prepare() -> None:
    """Compile the kernel now if it was not yet: once, before many workers would each do so."""
    from rpo_sim.model.compiled_engine import entries

    if not is_kept():
        sys.stderr.write("compiling the kernel, once: this takes about half a minute …\n")
        sys.stderr.flush()
        entries.load()


def fill(keys: Any, counts: Any, attempt: int, first_run: int, quantiles: Any, out: Any) -> None:
    """Fill a table with uniforms or normals; see `rpo_sim.model.compiled_engine.philox.fill`."""
    from rpo_sim.model.compiled_engine import entries
    from rpo_sim.model.compiled_engine.addresses import address

    table = address(quantiles) if quantiles.size else 0
    entries.fill(
        address(keys), address(counts), len(counts), attempt, first_run, table, address(out), len(out)
    )


def protect(plan: Plan, copies: "list[tuple[CopyPlan, Attempts]]") -> "list[Points]":
    """The points of copies that compete with each other for slots and links."""
    from rpo_sim.model.compiled_engine.copies import engine

    return engine.protect(plan, copies)


def recover_block(plan: Plan, block: "BlockDraws", given: "Choices") -> "Recoveries":
    """All runs of a block; see `rpo_sim.model.compiled_engine.engine.recover_block`."""
    from rpo_sim.model.compiled_engine import engine

    return engine.recover_block(plan, block, given)
