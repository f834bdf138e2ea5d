"""What waits for what: turns of waves and groups, and cohorts of VMs that somebody waits for."""

from typing import cast

import simpy

from rpo_sim.model.plan import Plan


class Cohort:
    """Jobs that something waits for: `done` comes when each has succeeded or failed.

    With ``least`` it comes as soon as so many have succeeded, or no longer can. The value of ``done`` is
    (the job that brought it about, whether that many, else whether any, succeeded).
    """

    __slots__ = ("_good", "_least", "_left", "done")

    def __init__(self, env: simpy.Environment, size: int, *, least: int | None = None) -> None:
        self.done = env.event()
        self._left, self._least, self._good = size, least, 0

    def report(self, job: int, ok: bool) -> None:
        """One member has succeeded or failed."""
        self._left -= 1
        self._good += ok
        if self.done.triggered:
            return
        if self._least is None:
            if self._left == 0:
                self.done.succeed((job, self._good > 0))
        elif self._good >= self._least or self._good + self._left < self._least:
            self.done.succeed((job, self._good >= self._least))

    def heard(self, done: simpy.Event) -> None:
        """A cohort that is itself a member has come to its end."""
        job, ok = cast("tuple[int, bool]", done.value)
        self.report(job, ok)


class Quorums:
    """What groups need of each other: ``met[g]`` comes when each need of group g is met, or one cannot be.

    VMs report when they have succeeded or failed; one cohort serves all who need as many of a group.
    """

    def __init__(self, env: simpy.Environment, plan: Plan) -> None:
        self._cohorts: list[dict[int, Cohort]] = [{} for _ in plan.groups]
        self.met = [Cohort(env, len(group.needs), least=len(group.needs)) for group in plan.groups]
        for met, group in zip(self.met, plan.groups, strict=True):
            for need, least in zip(group.needs, group.needs_least, strict=True):
                count = plan.groups[need].count
                cohort = self._cohorts[need].setdefault(least, Cohort(env, count, least=least))
                callbacks = cohort.done.callbacks
                assert callbacks is not None
                callbacks.append(met.heard)

    def report(self, g: int, vm: int, ok: bool) -> None:
        """A VM of group g has come so far, or has failed."""
        for cohort in self._cohorts[g].values():
            cohort.report(vm, ok)


class Gates:
    """The turns that open, and the cohorts that they wait for."""

    def __init__(self, env: simpy.Environment, plan: Plan) -> None:
        self.wave_open = [env.event() for _ in range(plan.waves)]
        self.group_turn = [env.event() for _ in plan.groups]
        self.group_open = [env.event() for _ in plan.groups]
        in_wave = [sum(g.count for g in plan.groups if g.wave == w) for w in range(plan.waves)]
        self.wave_safe = [Cohort(env, n) for n in in_wave]
        self.ready = Quorums(env, plan)  # past the barrier: those who need them may begin
        self.back = Quorums(env, plan)  # at the end of their way: those who need them may be back
        members = [0] * len(plan.applications)
        for group in plan.groups:
            members[group.application] += group.count
        self.application_up = [Cohort(env, n) for n in members]
        self.all_done = Cohort(env, len(plan.applications))
