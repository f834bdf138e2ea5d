"""A stage of a VM, or of each of its disks, which are jobs of their own."""

from rpo_sim.model.journal import Job
from rpo_sim.model.plan import StagePlan
from rpo_sim.model.simpy_engine.work import Process, Work


class Disks:
    """Starts the jobs of disks, and waits for them."""

    def __init__(self, work: Work, jobs: list[Job]) -> None:
        self.env, self.plan, self.work, self.jobs = work.env, work.plan, work, jobs

    def stage(self, job: Job, stage: StagePlan, g: int) -> Process:
        """A stage of a VM, or of all its disks at once."""
        if stage.unit == "vm":
            ok: bool = yield from self.work.stage(job, stage, job.origin, g)
            return ok
        start, finished = self.env.now, list[tuple[int, bool]]()
        group, vm = self.plan.groups[g], job.origin
        first = group.first_disk + (vm - group.first) * group.disks
        disks = []
        for d in range(group.disks):
            disk = Job(
                index=len(self.jobs),
                rank=job.rank,
                parent=job.index,
                step=job.step,
                point=job.point,
                root=job.origin,
            )
            self.jobs.append(disk)
            work = self._disk(disk, stage, first + d, group.first_kind + d, finished)
            disks.append(self.env.process(work))
        yield self.env.all_of(disks)
        self.work.note_wait(job, start, "its disks", finished[-1][0])
        return all(ok for _, ok in finished)

    def _disk(
        self, job: Job, stage: StagePlan, member: int, kind: int, finished: list[tuple[int, bool]]
    ) -> Process:
        ok = yield from self.work.stage(job, stage, member, kind)
        finished.append((job.index, ok))
        return ok
