"""What waits for what: turns of waves and groups, and cohorts of VMs that somebody waits for."""

import simpy

from rpo_sim.model.plan import GroupPlan, Plan


class Cohort:
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


class Gates:
    """The turns that open, and the cohorts that they wait for."""

    def __init__(self, env: simpy.Environment, plan: Plan) -> None:
        self._env = env
        self.wave_open = [env.event() for _ in range(plan.waves)]
        self.group_turn = [env.event() for _ in plan.groups]
        self.group_open = [env.event() for _ in plan.groups]
        in_wave = [sum(g.count for g in plan.groups if g.wave == w) for w in range(plan.waves)]
        self.wave_safe = [Cohort(env, n) for n in in_wave]
        self.group_safe = [Cohort(env, group.count, hasty=True) for group in plan.groups]
        self.needs_met = [self._needs_of(group) for group in plan.groups]
        members = [0] * len(plan.applications)
        for group in plan.groups:
            members[group.application] += group.count
        self.application_up = [Cohort(env, n) for n in members]
        self.all_done = Cohort(env, len(plan.applications))

    def _needs_of(self, group: GroupPlan) -> Cohort:
        """Whether all groups that it needs are past the barrier; one that fails decides at once."""
        met = Cohort(self._env, len(group.needs), hasty=True)
        for need in group.needs:
            callbacks = self.group_safe[need].done.callbacks
            assert callbacks is not None
            callbacks.append(lambda done: met.report(*done.value))
        return met
