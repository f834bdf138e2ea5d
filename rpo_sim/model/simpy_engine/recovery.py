"""One recovery from the failure to the last confirmed service, as SimPy processes."""

import math
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from typing import Any, cast

import simpy

from rpo_sim.errors import ModelError
from rpo_sim.model.journal import WAIT, Job, Segment
from rpo_sim.model.plan import GroupPlan, Plan, StagePlan
from rpo_sim.model.run import Recovery, RunInputs
from rpo_sim.model.simpy_engine.resources import Pipe, Slots, Tokens
from rpo_sim.results import Evidence

Process = Generator[simpy.Event, Any, bool]


def recover(plan: Plan, inputs: RunInputs) -> Recovery:
    """Run the recovery of one run to its end.

    Raises
    ------
    ModelError
        If a stage may last for ever and has no time-out.
    """
    return _Incident(plan, inputs).run()


class _Cohort:
    """Jobs that something waits for: `done` comes when each has succeeded or failed, or at once on a failure.

    The value of ``done`` is (the job that brought it about, whether all succeeded).
    """

    __slots__ = ("_hasty", "_left", "_ok", "_some", "done")

    def __init__(self, env: simpy.Environment, size: int, *, hasty: bool = False) -> None:
        self.done = env.event()
        self._left, self._hasty, self._ok, self._some = size, hasty, True, False

    def report(self, job: int, ok: bool) -> None:
        """One member has succeeded or failed."""
        self._left -= 1
        self._ok &= ok
        self._some |= ok
        if not self.done.triggered and (self._left == 0 or (self._hasty and not ok)):
            self.done.succeed((job, self._ok if self._hasty else self._some))


class _Incident:
    """The processes of one recovery and what they share."""

    def __init__(self, plan: Plan, inputs: RunInputs) -> None:
        self.plan, self.inputs = plan, inputs
        self.env = env = simpy.Environment()
        self.slots = [Slots(env, pool.capacity) for pool in plan.pools]
        self.pipes = [Pipe(env, link.bytes_per_second) for link in plan.links]
        self.tokens = [Tokens(bucket.rate, bucket.burst) for bucket in plan.buckets]
        self.jobs = [Job(index=i, rank=rank) for i, rank in enumerate(plan.ranks)]
        self.wave_open = [env.event() for _ in range(plan.waves)]
        self.group_turn = [env.event() for _ in plan.groups]
        self.group_open = [env.event() for _ in plan.groups]
        in_wave = [sum(g.count for g in plan.groups if g.wave == w) for w in range(plan.waves)]
        self.wave_safe = [_Cohort(env, n) for n in in_wave]
        self.group_safe = [_Cohort(env, group.count, hasty=True) for group in plan.groups]
        self.needs_met = [self._needs_of(group) for group in plan.groups]
        members = [0] * len(plan.applications)
        for group in plan.groups:
            members[group.application] += group.count
        self.application_up = [_Cohort(env, n) for n in members]
        self.all_done = _Cohort(env, len(plan.applications))
        self.options = list(inputs.options)
        self.step = [-1] * plan.n_vms
        self.safe = [False] * plan.n_vms
        self.recovered_at = [math.inf] * plan.n_vms
        self.confirmed_by = [-1] * plan.n_vms
        self.declared_at = 0.0
        self.tries: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.rows: dict[tuple[int, int], tuple[list[float], list[bool] | None]] = {}

    def run(self) -> Recovery:
        """Start all processes, run until nothing happens any more, and see that all came to an end."""
        env, plan = self.env, self.plan
        env.process(self._lead())
        for wave in range(plan.waves):
            env.process(self._wave(wave))
        for g in plan.group_order:
            env.process(self._group(g))
            for vm in plan.groups[g].vms:
                env.process(self._vm(vm, g))
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
            step=self.step,
            confirmed_by=self.confirmed_by,
            declared_at=self.declared_at,
            jobs=self.jobs,
        )

    def _needs_of(self, group: GroupPlan) -> _Cohort:
        """Whether all groups that it needs are past the barrier; one that fails decides at once."""
        met = _Cohort(self.env, len(group.needs), hasty=True)
        for need in group.needs:
            callbacks = self.group_safe[need].done.callbacks
            assert callbacks is not None
            callbacks.append(lambda done: met.report(*done.value))
        return met

    def _lead(self) -> Process:
        """Detect, declare, and what is done once before the first wave."""
        job, failure, inputs = self.jobs[self.plan.incident], self.plan.failure, self.inputs
        if failure.detect is not None:
            yield from self._spend(job, "detect", failure.detect.evidence, inputs.detect_seconds)
        if failure.declare is not None:
            yield from self._spend(job, "declare", failure.declare.evidence, inputs.declare_seconds)
        self.declared_at = self.env.now
        yield from self._for_all(job, self.plan.leading, 0, range(self.plan.n_vms))
        self.wave_open[0].succeed((job.index, True))
        return True

    def _wave(self, wave: int) -> Process:
        """Wait for its turn, do what is done once per wave, let its groups begin, and start the next wave."""
        job = self.jobs[self.plan.incident + 1 + wave]
        yield from self._wait(job, self.wave_open[wave], "the wave before")
        groups = [g for g in self.plan.group_order if self.plan.groups[g].wave == wave]
        vms = [vm for g in groups for vm in self.plan.groups[g].vms]
        yield from self._for_all(job, self.plan.stages_once_per("wave"), wave, vms)
        for g in groups:
            self.group_turn[g].succeed((job.index, True))
        by, _ = yield self.wave_safe[wave].done
        if wave + 1 < self.plan.waves:
            self.wave_open[wave + 1].succeed((by, True))
        return True

    def _group(self, g: int) -> Process:
        """What is done once per group, before its VMs begin."""
        job = self.jobs[self.plan.incident + 1 + self.plan.waves + g]
        yield from self._wait(job, self.group_turn[g], "its wave")
        yield from self._for_all(job, self.plan.stages_once_per("group"), g, self.plan.groups[g].vms)
        self.group_open[g].succeed((job.index, True))
        return True

    def _application(self, application: int) -> Process:
        """When all its VMs are up or given up: what is done once per application."""
        first = self.plan.incident + 1 + self.plan.waves + len(self.plan.groups)
        job = self.jobs[first + application]
        ok = yield from self._wait(job, self.application_up[application].done, "its VMs")
        if ok:
            vms = [vm for g in self.plan.groups if g.application == application for vm in g.vms]
            used = {self.step[vm] for vm in vms}
            stages = [s for s in self.plan.stages_once_per("application") if used & set(s.steps)]
            ok = yield from self._stages(job, stages, application)
            if ok:
                self._confirm((vm for vm in vms if self.step[vm] >= 0), job)
        self.all_done.report(job.index, ok)
        return ok

    def _last(self) -> Process:
        """What is done once at the end: then nobody has recovered before it."""
        job = self.jobs[-1]
        ok = yield from self._wait(job, self.all_done.done, "all applications")
        if ok and self.plan.trailing:
            ok = yield from self._stages(job, self.plan.trailing, 0)
            recovered = [vm for vm, at in enumerate(self.recovered_at) if at < math.inf]
            self._confirm(recovered, job, math.inf if not ok else self.env.now)
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
            ok = yield from self._stage(job, stage, member, 0)
            if not ok:
                for vm in vms:
                    left = (step for step in self.options[vm] if step not in stage.steps)
                    self.options[vm] = tuple(left)
                if any(self.options[vm] for vm in vms):
                    yield from self._repair(job)
        return True

    def _wanted(self, stages: Iterable[StagePlan], vms: Iterable[int], done: set[int]) -> StagePlan | None:
        first = {options[0] for vm in vms if (options := self.options[vm])}
        return next((s for s in stages if s.index not in done and first & set(s.steps)), None)

    # One VM

    def _vm(self, vm: int, g: int) -> Process:
        """Wait for its turn and for those it needs, then try its recovery points one after the other."""
        job, group = self.jobs[vm], self.plan.groups[g]
        ok = yield from self._wait(job, self.group_open[g], "its group's turn")
        if group.needs:
            what = "needs " + ", ".join(self.plan.groups[need].name for need in group.needs)
            ok = yield from self._wait(job, self.needs_met[g].done, what)
        if ok:
            ok = yield from self._along_the_path(job, g)
        self._is_safe(vm, g, ok)
        self.application_up[group.application].report(vm, ok)
        return ok

    def _along_the_path(self, job: Job, g: int) -> Process:
        for tried, step in enumerate(self.options[job.index]):
            if tried:
                yield from self._repair(job)
            ok = yield from self._attempt(job, g, step)
            if ok:
                self.step[job.index] = step
                return True
        return False

    def _attempt(self, job: Job, g: int, step: int) -> Process:
        """All VM stages of one step of the path; the job slot is held from the first through `until`."""
        program = self.plan.programs[step]
        pool, ok = self.plan.job_pool, True
        if pool is not None:
            yield from self._acquire(job, pool)
        for stage in program.stages:
            ok = yield from self._vm_stage(job, stage, g)
            if not ok:
                break
            if stage.index == program.release_after and pool is not None:
                self.slots[pool].release(job.index)
                pool = None
            if stage.index == program.safe_after:
                self._is_safe(job.index, g, True)
        if pool is not None:
            self.slots[pool].release(job.index)
        return ok

    def _is_safe(self, vm: int, g: int, ok: bool) -> None:
        """Past the barrier (or failed): counted once for its wave and for who needs its group."""
        if not self.safe[vm]:
            self.safe[vm] = True
            self.group_safe[g].report(vm, ok)
            self.wave_safe[self.plan.groups[g].wave].report(vm, ok)

    def _vm_stage(self, job: Job, stage: StagePlan, g: int) -> Process:
        if stage.unit == "vm":
            ok: bool = yield from self._stage(job, stage, job.index, g)
            return ok
        start, finished = self.env.now, list[tuple[int, bool]]()
        group = self.plan.groups[g]
        first = group.first_disk + (job.index - group.first) * group.disks
        disks = []
        for d in range(group.disks):
            disk = Job(index=len(self.jobs), rank=job.rank, parent=job.index)
            self.jobs.append(disk)
            work = self._disk(disk, stage, first + d, group.first_kind + d, finished)
            disks.append(self.env.process(work))
        yield self.env.all_of(disks)
        self._note_wait(job, start, "its disks", finished[-1][0])
        return all(ok for _, ok in finished)

    def _disk(
        self, job: Job, stage: StagePlan, member: int, kind: int, finished: list[tuple[int, bool]]
    ) -> Process:
        ok = yield from self._stage(job, stage, member, kind)
        finished.append((job.index, ok))
        return ok

    # Stages of any unit

    def _stages(self, job: Job, stages: Iterable[StagePlan], member: int) -> Process:
        for stage in stages:
            ok = yield from self._stage(job, stage, member, 0)
            if not ok:
                return False
        return True

    def _stage(self, job: Job, stage: StagePlan, member: int, kind: int) -> Process:
        """A stage with its retries; a retry draws again and begins the stage anew."""
        for retry in range(stage.retries + 1):
            if retry:
                yield from self._repair(job)
            ok = yield from self._once(job, stage, member, kind)
            if ok:
                return True
        return False

    def _once(self, job: Job, stage: StagePlan, member: int, kind: int) -> Process:
        """Slots in listed order, then tokens, then the work itself, alone or on a link."""
        for pool in stage.pools:
            yield from self._acquire(job, pool)
        for bucket, tokens in stage.tokens:
            seconds = self.tokens[bucket].wait_seconds(self.env.now, tokens)
            if seconds > 0:
                name = f"tokens of {self.plan.buckets[bucket].name}"
                yield from self._spend(job, name, Evidence.ASSUMED, seconds)
        number = self.tries[stage.index, member]
        self.tries[stage.index, member] += 1
        durations, successes = self._row(stage, number)
        ok = successes is None or successes[member]
        if stage.link is None or durations[member] == math.inf:
            seconds = min(durations[member], stage.timeout)
            ok = ok and durations[member] <= stage.timeout
            yield from self._spend(job, stage.key, stage.evidence, seconds)
        else:
            in_time = yield from self._transfer(job, stage, kind, durations[member])
            ok = ok and in_time
        for pool in stage.pools:
            self.slots[pool].release(job.index)
        return ok

    def _row(self, stage: StagePlan, number: int) -> tuple[list[float], list[bool] | None]:
        key = (stage.index, number)
        if key not in self.rows:
            inputs = self.inputs
            self.rows[key] = inputs.stage_seconds(stage, number), inputs.stage_succeeds(stage, number)
        return self.rows[key]

    def _transfer(self, job: Job, stage: StagePlan, kind: int, alone_seconds: float) -> Process:
        """Move the stage's bytes, no faster than alone, than one stream may, and than the link allows."""
        link = self.plan.links[stage.link or 0]
        pipe, start = self.pipes[stage.link or 0], self.env.now
        bytes_ = stage.bytes_[kind] * stage.link_factor
        cap = min(link.per_stream, bytes_ / alone_seconds if alone_seconds > 0 else math.inf)
        ok = True
        if bytes_ > 0:
            stream, done = pipe.send(job.index, bytes_, cap)
            yield done if stage.timeout == math.inf else done | self.env.timeout(stage.timeout)
            ok = done.triggered
            if not ok:
                pipe.give_up(stream)
        self._note(job, start, stage.key, stage.evidence)
        return ok

    def _repair(self, job: Job) -> Process:
        """What people do between a failure and the next try."""
        plan = self.plan
        if plan.repair is None:
            return True
        if plan.repair_pool is not None:
            yield from self._acquire(job, plan.repair_pool)
        who = job.index if job.parent < 0 else job.parent
        number = self.tries[-1, who]
        self.tries[-1, who] += 1
        seconds = self.inputs.repair_seconds(number)[who]
        yield from self._spend(job, "repair", plan.repair.evidence, seconds)
        if plan.repair_pool is not None:
            self.slots[plan.repair_pool].release(job.index)
        return True

    # What takes time, and is noted

    def _spend(self, job: Job, what: str, evidence: Evidence, seconds: float) -> Process:
        start = self.env.now
        if seconds == math.inf:
            yield self.env.event()  # never comes; `run` tells which remedy there is
        yield self.env.timeout(seconds)
        self._note(job, start, what, evidence)
        return True

    def _acquire(self, job: Job, pool: int) -> Process:
        request = self.slots[pool].request(job.rank)
        if request is not None:
            start = self.env.now
            by = yield request
            self._note_wait(job, start, self.plan.pools[pool].name, by)
        return True

    def _wait(self, job: Job, event: simpy.Event, what: str) -> Process:
        start = self.env.now
        if not event.processed:
            yield event
        by, ok = cast("tuple[int, bool]", event.value)
        self._note_wait(job, start, what, by)
        return ok

    def _note(self, job: Job, start: float, what: str, evidence: Evidence) -> None:
        if self.env.now > start:
            job.segments.append(Segment(start, self.env.now, what, evidence))

    def _note_wait(self, job: Job, start: float, what: str, by: int) -> None:
        if self.env.now > start:
            job.segments.append(Segment(start, self.env.now, what, WAIT, by))
