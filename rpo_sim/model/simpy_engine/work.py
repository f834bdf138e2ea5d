"""A stage's execution, for any unit: slots, tokens, time or a transfer, retries and repairs; all is noted."""

import math
from collections import defaultdict
from collections.abc import Generator, Iterable
from typing import Any, cast

import simpy

from rpo_sim.model.journal import NEXT_SHIFT, WAIT, Job, Segment
from rpo_sim.model.plan import Plan, StagePlan
from rpo_sim.model.run import RunInputs
from rpo_sim.model.simpy_engine.resources import Pipe, Slots, Tokens
from rpo_sim.model.simpy_engine.shifts import SHIFT, ShiftSlots
from rpo_sim.model.since_point import bytes_since
from rpo_sim.results import Evidence

Process = Generator[simpy.Event, Any, bool]


class Work:
    """What jobs do with their time, and what they compete for; each public method is a process."""

    def __init__(self, env: simpy.Environment, plan: Plan, inputs: RunInputs) -> None:
        self.env, self.plan, self.inputs = env, plan, inputs
        self.slots: list[Slots | ShiftSlots] = [
            ShiftSlots(env, pool.shifts, inputs.time_of_day) if pool.shifts else Slots(env, pool.capacity)
            for pool in plan.pools
        ]
        self.pipes = [
            Pipe(env, link.bytes_per_second, inputs.link_totals(i)) for i, link in enumerate(plan.links)
        ]
        self.tokens = [Tokens(bucket.rate, bucket.burst) for bucket in plan.buckets]
        self.tries: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.slopes: dict[tuple[int, int], list[float]] = {}
        self.rows: dict[tuple[int, int], tuple[list[float], list[bool] | None]] = {}

    def stages(self, job: Job, stages: Iterable[StagePlan], member: int) -> Process:
        """Stages one after the other, until one fails for good."""
        for stage in stages:
            ok = yield from self.stage(job, stage, member, 0)
            if not ok:
                return False
        return True

    def stage(self, job: Job, stage: StagePlan, member: int, kind: int) -> Process:
        """A stage with its retries; a retry draws again and begins the stage anew."""
        for retry in range(stage.retries + 1):
            if retry:
                yield from self.repair(job)
            ok = yield from self._once(job, stage, member, kind)
            if ok:
                return True
        return False

    def _once(self, job: Job, stage: StagePlan, member: int, kind: int) -> Process:
        """Slots in listed order, then tokens, then the work itself, alone or on a link."""
        for pool in stage.pools:
            yield from self.acquire(job, pool)
        for bucket, tokens in stage.tokens:
            seconds = self.tokens[bucket].wait_seconds(self.env.now, tokens)
            if seconds > 0:
                asked = self.plan.buckets[bucket]
                yield from self.spend(job, f"tokens of {asked.name}", asked.evidence, seconds)
        number = self.tries[stage.index, member]
        self.tries[stage.index, member] += 1
        durations, successes = self._row(stage, number)
        alone, bytes_ = durations[member], self._bytes(job, stage, kind)
        if stage.duration_twice is not None:
            alone = self._resized(stage, number, member, alone, bytes_ / (stage.bytes_[kind] or 1))
        alone += bytes_ * stage.scan_seconds_per_byte
        ok = successes is None or successes[member]
        moved = self._moved(stage, bytes_, alone)
        if alone == math.inf or moved <= 0:
            seconds = min(alone, stage.timeout)
            ok = ok and alone <= stage.timeout
            yield from self.spend(job, stage.key, stage.evidence, seconds)
        else:
            in_time = yield from self._transfer(job, stage, moved, alone)
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

    def _bytes(self, job: Job, stage: StagePlan, kind: int) -> float:
        """Bytes that the stage moves: known beforehand, or decided by the point restored."""
        if not stage.since_point:
            return stage.bytes_[kind] if stage.bytes_ else 0
        vm = job.origin
        group = next(g for g in self.plan.groups if vm in g.vms)
        point = (job.step, vm, job.point)
        return bytes_since(stage, group, kind, self.inputs.window(*point), self.inputs.chain_bytes(*point))

    def _resized(self, stage: StagePlan, number: int, member: int, alone: float, ratio: float) -> float:
        """The duration at another size than all in use: a straight line through the two that were drawn."""
        key = (stage.index, number)
        if key not in self.slopes:
            self.slopes[key] = self.inputs.stage_slopes(stage, number)
        slope = self.slopes[key][member]
        return max(alone + slope * (ratio - 1), 0.0) if alone < math.inf else alone

    def _moved(self, stage: StagePlan, bytes_: float, alone_seconds: float) -> float:
        """Bytes on its link, if it has one; where jobs only slow each other, the time of the job alone."""
        if stage.link is None:
            return 0
        return alone_seconds if self.plan.links[stage.link].paced else bytes_ * stage.link_factor

    def _transfer(self, job: Job, stage: StagePlan, bytes_: float, alone_seconds: float) -> Process:
        """Move bytes, no faster than alone, than one stream may, and than the link allows."""
        link = self.plan.links[stage.link or 0]
        pipe, start = self.pipes[stage.link or 0], self.env.now
        cap = min(link.per_stream, bytes_ / alone_seconds if alone_seconds > 0 else math.inf)
        stream, done = pipe.send(job.index, bytes_, cap)
        yield done if stage.timeout == math.inf else done | self.env.timeout(stage.timeout)
        ok = done.triggered
        if not ok:
            pipe.give_up(stream)
        self._note(job, start, stage.key, stage.evidence)
        return ok

    def repair(self, job: Job) -> Process:
        """What people do between a failure and the next try."""
        plan = self.plan
        if plan.repair is None:
            return True
        if plan.repair_pool is not None:
            yield from self.acquire(job, plan.repair_pool)
        who = job.origin
        number = self.tries[-1, who]
        self.tries[-1, who] += 1
        seconds = self.inputs.repair_seconds(number)[who]
        yield from self.spend(job, "repair", plan.repair.evidence, seconds)
        if plan.repair_pool is not None:
            self.slots[plan.repair_pool].release(job.index)
        return True

    # What takes time, and is noted

    def spend(self, job: Job, what: str, evidence: Evidence, seconds: float) -> Process:
        """Let time pass for an activity; for ever if it is infinite."""
        start = self.env.now
        if seconds == math.inf:
            yield self.env.event()  # never comes; `run` tells which remedy there is
        yield self.env.timeout(seconds)
        self._note(job, start, what, evidence)
        return True

    def acquire(self, job: Job, pool: int) -> Process:
        """Wait for a slot of a pool."""
        request = self.slots[pool].request(job.rank)
        if request is not None:
            start = self.env.now
            by = yield request
            if by == SHIFT:
                self._note(job, start, NEXT_SHIFT, Evidence.ASSUMED)
            else:
                self.note_wait(job, start, self.plan.pools[pool].name, by)
        return True

    def wait(self, job: Job, event: simpy.Event, what: str) -> Process:
        """Wait for a gate, whose value is (the job that opened it, whether all is well)."""
        start = self.env.now
        if not event.processed:
            yield event
        by, ok = cast("tuple[int, bool]", event.value)
        self.note_wait(job, start, what, by)
        return ok

    def _note(self, job: Job, start: float, what: str, evidence: Evidence) -> None:
        if self.env.now > start:
            job.segments.append(Segment(start, self.env.now, what, evidence))

    def note_wait(self, job: Job, start: float, what: str, by: int) -> None:
        """Note a wait that ends now."""
        if self.env.now > start:
            job.segments.append(Segment(start, self.env.now, what, WAIT, by))
