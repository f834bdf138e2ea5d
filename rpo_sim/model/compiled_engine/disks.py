"""The disks of a VM, each a job of its own."""

from typing import Any

from rpo_sim.model.compiled_engine.events import at_once
from rpo_sim.model.compiled_engine.jit import part
from rpo_sim.model.compiled_engine.layout import DISK, NO_ROOM
from rpo_sim.model.compiled_engine.memory import group_at, job_at
from rpo_sim.model.compiled_engine.states import STAGE


@part
def start_disks(plan: Any, run: Any, owner: int, stage: int) -> None:
    """A job per disk of the VM that a job works for; they begin before anything else of this instant."""
    me = job_at(run, owner)
    group, vm = group_at(plan, me.group), me.place
    if run.next_job + group.disks > run.jobs_size:
        run.status = NO_ROOM
        return
    first = group.first_disk + (vm - group.first) * group.disks
    me.left, me.ok, me.start = group.disks, 1, run.now
    for d in range(group.disks):
        job = run.next_job
        run.next_job += 1
        disk = job_at(run, job)
        disk.role, disk.state, disk.stage = DISK, STAGE, stage
        disk.member, disk.kind = first + d, group.first_kind + d
        disk.parent, disk.root, disk.rank, disk.group = owner, vm, me.rank, me.group
        disk.segment, disk.by = -1, -1
        at_once(run, job)
