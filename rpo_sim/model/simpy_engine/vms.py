"""A VM's way through its recovery: its turn, those it needs, its points one after the other."""

import math

from rpo_sim.model.journal import Job
from rpo_sim.model.plan import GroupPlan
from rpo_sim.model.run import Ending
from rpo_sim.model.simpy_engine.after import After
from rpo_sim.model.simpy_engine.disks import Disks
from rpo_sim.model.simpy_engine.gates import Gates
from rpo_sim.model.simpy_engine.work import Process, Work


class Vms:
    """The processes of all VMs, and how far each has come."""

    def __init__(self, work: Work, gates: Gates, jobs: list[Job]) -> None:
        self.env, self.plan, self.work, self.gates, self.jobs = work.env, work.plan, work, gates, jobs
        n = self.plan.n_vms
        self.options = list(work.inputs.options)
        self.step = [-1] * n
        self.safe = [False] * n
        self.ending = [Ending.FAILED] * n
        self.disks = Disks(work, jobs)
        self.after = After(self.disks, self.step)
        self.free = [total for _, total in self.plan.target]

    def recover(self, vm: int, g: int) -> Process:
        """Wait for its turn and for those it needs, then try its recovery points one after the other.

        It is back when those it needs are: they may have passed the barrier and still be on their way.
        """
        job, group = self.jobs[vm], self.plan.groups[g]
        ok = yield from self.work.wait(job, self.gates.group_open[g], "its group's turn")
        if group.needs:
            ok = yield from self.work.wait(job, self.gates.ready.met[g].done, "needs " + self._needed(g))
        if not ok:
            self.ending[vm] = Ending.NEEDS
        elif self._takes_its_place(vm, group):
            ok = yield from self._along_the_path(job, g)
            if not ok:
                self.free = [free + taken for free, taken in zip(self.free, group.demand, strict=True)]
        else:
            ok = False
        self._is_safe(vm, g, ok)
        self.after.vm_is_usable(vm, g, self.step[vm])
        if ok and group.needs:
            what = "needs " + self._needed(g) + " to be back"
            ok = yield from self.work.wait(job, self.gates.back.met[g].done, what)
            if not ok:
                self.step[vm], self.ending[vm] = -1, Ending.NEEDS
        self.gates.back.report(g, vm, ok)
        self.gates.application_up[group.application].report(vm, ok)
        return ok

    def _needed(self, g: int) -> str:
        """The groups that a group needs, with how many of each if not all."""
        group, found = self.plan.groups[g], []
        for need, least in zip(group.needs, group.needs_least, strict=True):
            other = self.plan.groups[need]
            found.append(other.name if least == other.count else f"{least} of {other.name}")
        return ", ".join(found)

    def _takes_its_place(self, vm: int, group: GroupPlan) -> bool:
        """Take what the VM demands of the target, or nothing where any of it is short: first come."""
        if not self.options[vm]:
            self.ending[vm] = Ending.NO_POINT
            return False
        left = [free - demand for free, demand in zip(self.free, group.demand, strict=True)]
        if any(each < 0 for each in left):
            self.ending[vm] = Ending.NO_CAPACITY
            return False
        self.free = left
        return True

    def _along_the_path(self, job: Job, g: int) -> Process:
        for tried, step in enumerate(self.options[job.index]):
            if tried:
                yield from self.work.repair(job)
            ok = yield from self._attempt(job, g, step)
            if ok:
                self.step[job.index], self.ending[job.index] = step, Ending.RECOVERED
                return True
        return False

    def _attempt(self, job: Job, g: int, step: int) -> Process:
        """All VM stages of one step of the path; the job slot is held from the first through `until`.

        When a scan finds a point bad, all begins anew with the next older one.
        """
        program = self.plan.programs[step]
        pool, ok, job.step, job.point = self.plan.job_pool, True, step, 0
        if pool is not None:
            yield from self.work.acquire(job, pool)
        stages = iter(program.stages)
        while (stage := next(stages, None)) is not None:
            ok = yield from self.disks.stage(job, stage, g)
            if ok and stage.index == program.scan_after and self._is_tainted(job):
                job.point += 1
                ok, stages = self._has_another(job), iter(program.stages)
                if ok:
                    continue
            if not ok:
                break
            if stage.index == program.release_after and pool is not None:
                self.work.slots[pool].release(job.index)
                pool = None
            if stage.index == program.safe_after:
                self._is_safe(job.index, g, True)
        if pool is not None:
            self.work.slots[pool].release(job.index)
        return ok

    def _is_tainted(self, job: Job) -> bool:
        """Whether the point that was scanned is one of the bad ones, which are the newest."""
        return job.point < len(self.work.inputs.suspects_of(job.step, job.index))

    def _has_another(self, job: Job) -> bool:
        """Whether the step has a point after those found bad, and may try it."""
        most = self.plan.path[job.step].at_most
        clean = self.work.inputs.windows[job.step][job.index] < math.inf
        return (most is None or job.point < most) and (self._is_tainted(job) or clean)

    def _is_safe(self, vm: int, g: int, ok: bool) -> None:
        """Past the barrier (or failed): counted once for its wave and for who needs its group."""
        if not self.safe[vm]:
            self.safe[vm] = True
            self.gates.ready.report(g, vm, ok)
            self.gates.wave_safe[self.plan.groups[g].wave].report(vm, ok)
