"""One recovery, from the failure to the last service: what is done once per incident, wave and group."""

import math
from collections.abc import Iterable, Sequence

import simpy

from rpo_sim.errors import ModelError
from rpo_sim.model.journal import Job
from rpo_sim.model.plan import Plan, StagePlan
from rpo_sim.model.run import Ending, Recovery, RunInputs
from rpo_sim.model.simpy_engine.gates import Gates
from rpo_sim.model.simpy_engine.vms import Vms
from rpo_sim.model.simpy_engine.work import Process, Work


def recover(plan: Plan, inputs: RunInputs) -> Recovery:
    """Run the recovery of one run to its end.

    Raises
    ------
    ModelError
        If a stage may last for ever and has no time-out.
    """
    return _Incident(plan, inputs).run()


class _Incident:
    """The processes of the incident, its waves, groups and applications."""

    def __init__(self, plan: Plan, inputs: RunInputs) -> None:
        self.plan, self.inputs = plan, inputs
        self.env = env = simpy.Environment()
        self.jobs = [Job(index=i, rank=rank) for i, rank in enumerate(plan.ranks)]
        self.gates = Gates(env, plan)
        self.work = Work(env, plan, inputs)
        self.vms = Vms(self.work, self.gates, self.jobs)
        self.recovered_at = [math.inf] * plan.n_vms
        self.confirmed_by = [-1] * plan.n_vms
        self.declared_at = 0.0

    def run(self) -> Recovery:
        """Start all processes, run until nothing happens any more, and see that all came to an end."""
        env, plan = self.env, self.plan
        env.process(self._lead())
        for wave in range(plan.waves):
            env.process(self._wave(wave))
        for g in plan.group_order:
            env.process(self._group(g))
            for vm in plan.groups[g].vms:
                env.process(self.vms.recover(vm, g))
        for application in range(len(plan.applications)):
            env.process(self._application(application))
        last = env.process(self._last())
        env.run()
        if not last.triggered:
            raise ModelError(
                f"{plan.scenario} on {plan.platform}: the recovery never ends: a stage lasts for ever (give "
                "it a `timeout`), or stages that take slots in different orders hold each other up"
            )
        return Recovery(
            recovered_at=self.recovered_at,
            step=self.vms.step,
            confirmed_by=self.confirmed_by,
            declared_at=self.declared_at,
            jobs=self.jobs,
            ending=[self._ending(vm) for vm in range(plan.n_vms)],
            after=self.vms.after.ends(self.recovered_at),
        )

    def _ending(self, vm: int) -> Ending:
        unconfirmed = self.vms.ending[vm] is Ending.RECOVERED and self.recovered_at[vm] == math.inf
        return Ending.UNCONFIRMED if unconfirmed else self.vms.ending[vm]

    def _lead(self) -> Process:
        """Detect, declare, and what is done once before the first wave."""
        job, failure, inputs = self.jobs[self.plan.incident], self.plan.failure, self.inputs
        if failure.detect is not None:
            yield from self.work.spend(job, "detect", failure.detect.evidence, inputs.detect_seconds)
        if failure.declare is not None:
            yield from self.work.spend(job, "declare", failure.declare.evidence, inputs.declare_seconds)
        self.declared_at = self.env.now
        yield from self._for_all(job, self.plan.leading, 0, range(self.plan.n_vms))
        self.gates.wave_open[0].succeed((job.index, True))
        return True

    def _wave(self, wave: int) -> Process:
        """Wait for its turn, do what is done once per wave, let its groups begin, and start the next wave."""
        job = self.jobs[self.plan.incident + 1 + wave]
        yield from self.work.wait(job, self.gates.wave_open[wave], "the wave before")
        groups = [g for g in self.plan.group_order if self.plan.groups[g].wave == wave]
        vms = [vm for g in groups for vm in self.plan.groups[g].vms]
        yield from self._for_all(job, self.plan.stages_once_per("wave"), wave, vms)
        for g in groups:
            self.gates.group_turn[g].succeed((job.index, True))
        by, _ = yield self.gates.wave_safe[wave].done
        if wave + 1 < self.plan.waves:
            self.gates.wave_open[wave + 1].succeed((by, True))
        return True

    def _group(self, g: int) -> Process:
        """What is done once per group, before its VMs begin."""
        job = self.jobs[self.plan.incident + 1 + self.plan.waves + g]
        yield from self.work.wait(job, self.gates.group_turn[g], "its wave")
        yield from self._for_all(job, self.plan.stages_once_per("group"), g, self.plan.groups[g].vms)
        self.gates.group_open[g].succeed((job.index, True))
        return True

    def _application(self, application: int) -> Process:
        """When all its VMs are up or given up: what is done once per application."""
        first = self.plan.incident + 1 + self.plan.waves + len(self.plan.groups)
        job = self.jobs[first + application]
        ok = yield from self.work.wait(job, self.gates.application_up[application].done, "its VMs")
        if ok:
            vms = [vm for g in self.plan.groups if g.application == application for vm in g.vms]
            used = {self.vms.step[vm] for vm in vms}
            stages = [s for s in self.plan.stages_once_per("application") if used & set(s.steps)]
            ok = yield from self.work.stages(job, stages, application)
            if ok:
                self._confirm((vm for vm in vms if self.vms.step[vm] >= 0), job)
        self.gates.all_done.report(job.index, ok)
        self.vms.after.application_is_back(application, job, self.recovered_at)
        return ok

    def _last(self) -> Process:
        """What is done once at the end: then nobody has recovered before it."""
        job = self.jobs[-1]
        ok = yield from self.work.wait(job, self.gates.all_done.done, "all applications")
        if ok and self.plan.trailing:
            ok = yield from self.work.stages(job, self.plan.trailing, 0)
            recovered = [vm for vm, at in enumerate(self.recovered_at) if at < math.inf]
            self._confirm(recovered, job, math.inf if not ok else self.env.now)
        self.vms.after.incident_is_over(job, self.recovered_at)
        return ok

    def _confirm(self, vms: Iterable[int], job: Job, at: float | None = None) -> None:
        for vm in vms:
            self.recovered_at[vm] = self.env.now if at is None else at
            self.confirmed_by[vm] = job.index

    def _for_all(self, job: Job, stages: Sequence[StagePlan], member: int, vms: Sequence[int]) -> Process:
        """Stages done once for many VMs: those that the first choice of any of them asks for.

        One that fails for good takes the steps of the path that need it from all these VMs; what their next
        choice then asks for is done as well.
        """
        done: set[int] = set()
        while (stage := self._wanted(stages, vms, done)) is not None:
            done.add(stage.index)
            ok = yield from self.work.stage(job, stage, member, 0)
            if not ok:
                for vm in vms:
                    left = (step for step in self.vms.options[vm] if step not in stage.steps)
                    self.vms.options[vm] = tuple(left)
                if any(self.vms.options[vm] for vm in vms):
                    yield from self.work.repair(job)
        return True

    def _wanted(self, stages: Iterable[StagePlan], vms: Iterable[int], done: set[int]) -> StagePlan | None:
        first = {options[0] for vm in vms if (options := self.vms.options[vm])}
        return next((s for s in stages if s.index not in done and first & set(s.steps)), None)
