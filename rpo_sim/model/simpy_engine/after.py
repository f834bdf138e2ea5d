"""What follows the recovery, in the background: migrate, failback, reprotect, cleanup; never part of an RTA.

It competes for slots and links with whatever is still being recovered.
"""

import math

from rpo_sim.model.journal import Job
from rpo_sim.model.simpy_engine.disks import Disks
from rpo_sim.model.simpy_engine.gates import Cohort
from rpo_sim.model.simpy_engine.work import Process

_LABEL = "afterwards"


class After:
    """The processes that follow the recovery, and when each VM was through with each kind of them."""

    def __init__(self, disks: Disks, step: list[int]) -> None:
        self.disks, self.work, self.jobs, self.step = disks, disks.work, disks.jobs, step
        self.plan, self.env = disks.plan, disks.env
        plan = self.plan
        self.ended: dict[str, list[float]] = {kind: [0.0] * plan.n_vms for kind in plan.after_kinds}
        self.failed = [False] * plan.n_vms
        members = [0] * len(plan.applications)
        for group in plan.groups:
            members[group.application] += group.count
        self.application_vms = [Cohort(self.env, n) for n in members]
        self.applications = Cohort(self.env, len(plan.applications))

    def vm_is_usable(self, vm: int, g: int, step: int) -> None:
        """A VM has come to the end of its way; step -1 if it was not recovered."""
        if not self.plan.after:
            return
        if step < 0:
            self.application_vms[self.plan.groups[g].application].report(vm, False)
        else:
            self.env.process(self._of_vm(vm, g, step))

    def _of_vm(self, vm: int, g: int, step: int) -> Process:
        job = self._job(self.jobs[vm])
        job.step, job.point = step, self.jobs[vm].point
        for stage in self.plan.after:
            if stage.unit in ("vm", "disk") and step in stage.steps and not self.failed[vm]:
                ok = yield from self.disks.stage(job, stage, g)
                self._note(stage.kind, [vm], ok)
        self.application_vms[self.plan.groups[g].application].report(job.index, not self.failed[vm])
        return True

    def application_is_back(self, application: int, job: Job, recovered_at: list[float]) -> None:
        """An application is back, or was given up: what follows for it, once its VMs are through."""
        if self.plan.after:
            self.env.process(self._of_application(application, self._job(job), recovered_at))

    def _of_application(self, application: int, job: Job, recovered_at: list[float]) -> Process:
        yield from self.work.wait(job, self.application_vms[application].done, "its VMs to be through")
        vms = [vm for g in self.plan.groups if g.application == application for vm in g.vms]
        yield from self._for_all(job, "application", application, vms, recovered_at)
        self.applications.report(job.index, True)
        return True

    def incident_is_over(self, job: Job, recovered_at: list[float]) -> None:
        """All applications are back or given up: what follows once, when they are through with theirs."""
        if self.plan.after:
            self.env.process(self._of_incident(self._job(job), recovered_at))

    def _of_incident(self, job: Job, recovered_at: list[float]) -> Process:
        yield from self.work.wait(job, self.applications.done, "all applications to be through")
        yield from self._for_all(job, "incident", 0, range(self.plan.n_vms), recovered_at)
        return True

    def _for_all(
        self, job: Job, unit: str, member: int, vms: "range | list[int]", recovered_at: list[float]
    ) -> Process:
        """Stages once for many VMs: those that any of them, recovered and through so far, asks for."""
        for stage in self.plan.after:
            asking = [
                vm for vm in vms
                if recovered_at[vm] < math.inf and not self.failed[vm] and self.step[vm] in stage.steps
            ]  # fmt: skip
            if stage.unit == unit and asking:
                ok = yield from self.work.stage(job, stage, member, 0)
                self._note(stage.kind, asking, ok)
        return True

    def ends(self, recovered_at: list[float]) -> dict[str, list[float]]:
        """When each VM was through with each kind of stage, in seconds since the failure."""
        return {
            kind: [max(end, recovered) for end, recovered in zip(ends, recovered_at, strict=True)]
            for kind, ends in self.ended.items()
        }

    def _note(self, kind: str, vms: list[int], ok: bool) -> None:
        """The stage has ended; after a failure nothing that follows is done for these VMs."""
        kinds = list(self.ended)
        for vm in vms:
            if ok:
                self.ended[kind][vm] = self.env.now
                continue
            self.failed[vm] = True
            for later in kinds[kinds.index(kind) :]:
                self.ended[later][vm] = math.inf

    def _job(self, parent: Job) -> Job:
        job = Job(
            index=len(self.jobs), rank=parent.rank, parent=parent.index, root=parent.index, label=_LABEL
        )
        self.jobs.append(job)
        return job
