"""Which steps of their paths VMs would try first, and which are struck off for all of them at once."""

from typing import Any

from rpo_sim.model.compiled_engine.jit import part
from rpo_sim.model.compiled_engine.layout import GROUPS, LEAD
from rpo_sim.model.compiled_engine.memory import group_at, int_at, set_int, wave_groups


@part
def _first_choices(plan: Any, run: Any, first: int, count: int) -> int:
    wanted = 0
    for vm in range(first, first + count):
        if int_at(run.options, vm * plan.n_steps + 0) >= 0:
            wanted |= 1 << int(int_at(run.options, vm * plan.n_steps + 0))
    return wanted


@part
def first_choices_of(plan: Any, run: Any, role: int, place: int) -> int:
    """What the VMs would try first: of all, of a wave, of a group."""
    if role == LEAD:
        return _first_choices(plan, run, 0, plan.n_vms)
    if role == GROUPS:
        return _first_choices(plan, run, group_at(plan, place).first, group_at(plan, place).count)
    wanted, span = 0, wave_groups(plan, place)
    for i in range(span.first, span.first + span.count):
        group = group_at(plan, int_at(plan.group_order, i))
        wanted |= _first_choices(plan, run, group.first, group.count)
    return wanted


@part
def _strike(plan: Any, run: Any, first: int, count: int, steps: int) -> int:
    """Take steps from the paths of VMs; whether any has one left."""
    some = 0
    for vm in range(first, first + count):
        kept = 0
        for i in range(plan.n_steps):
            step = int_at(run.options, vm * plan.n_steps + i)
            if step >= 0 and not (steps >> step) & 1:
                set_int(run.options, vm * plan.n_steps + kept, step)
                kept += 1
        for i in range(kept, plan.n_steps):
            set_int(run.options, vm * plan.n_steps + i, -1)
        some |= kept > 0
    return some


@part
def strike_from(plan: Any, run: Any, role: int, place: int, steps: int) -> int:
    """Take steps from the paths of all, of a wave's, of a group's VMs; whether any has one left."""
    if role == LEAD:
        return _strike(plan, run, 0, plan.n_vms, steps)
    if role == GROUPS:
        return _strike(plan, run, group_at(plan, place).first, group_at(plan, place).count, steps)
    some, span = 0, wave_groups(plan, place)
    for i in range(span.first, span.first + span.count):
        group = group_at(plan, int_at(plan.group_order, i))
        some |= _strike(plan, run, group.first, group.count, steps)
    return some
