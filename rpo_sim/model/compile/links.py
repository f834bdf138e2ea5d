"""What streams share: links with their bandwidth or contention curve, and stages that slow each other."""

import math
from dataclasses import replace

from rpo_sim.errors import NoDataError
from rpo_sim.model.compile.binding import REACH, Bindings
from rpo_sim.model.contention import law_totals, measured_totals, table_totals
from rpo_sim.model.plan import LinkPlan, OutagePlan
from rpo_sim.results import Evidence
from rpo_sim.scenario.contention import (
    AssumedLinkContention,
    AssumedStageContention,
    LinkContention,
    StageContention,
)
from rpo_sim.scenario.procedure import Stage
from rpo_sim.scenario.shared import Link


class LinkCompiler:
    """Turns links and curves into plans; ``streams`` is the most that can be in flight at once."""

    def __init__(self, bindings: Bindings) -> None:
        self.bindings = bindings

    def link(self, name: str, link: Link, streams: int) -> LinkPlan:
        """A link of the scenario.

        Raises
        ------
        NoDataError
            If more streams may be in flight than twice what a curve was measured at.
        """
        per_stream = math.inf if link.per_stream is None else link.per_stream
        plan = LinkPlan(
            name=name,
            bytes_per_second=link.available,
            per_stream=per_stream,
            outages=self._outages(name, link),
        )
        if link.contention is None or streams == 0:
            return plan
        plan = self._curve(plan, f"shared.links.{name}.contention", link.contention, streams)
        totals = tuple(min(total, link.available) for total in plan.totals)
        return replace(plan, bytes_per_second=max(totals), totals=totals)

    def _outages(self, name: str, link: Link) -> OutagePlan | None:
        if link.outages is None:
            return None
        duration = self.bindings.duration(f"links.{name}.outages", link.outages.duration)
        return OutagePlan(up_seconds=link.outages.every, duration=duration)

    def stage(self, stage: Stage, streams: int) -> LinkPlan | None:
        """The curve of a stage that is on no link; None where a measured one has no measurement yet."""
        curve = stage.contention
        assert curve is not None, "asked only of a stage with a curve"
        if curve.measured == "measured" and stage.duration is not None:
            curve = curve.model_copy(update={"measured": stage.duration.measured})
            if curve.otherwise is None and self.bindings.curve("", curve.measured, streams) is None:
                return None
        plan = LinkPlan(name=stage.key, bytes_per_second=math.inf, per_stream=1.0, paced=True)
        return self._curve(plan, f"recovery.{stage.key}.contention", curve, streams)

    def _curve(
        self, plan: LinkPlan, key: str, curve: LinkContention | StageContention, streams: int
    ) -> LinkPlan:
        if curve.measured is None:
            return replace(plan, totals=self._stated(key, curve, streams))
        measured = self.bindings.curve(key, curve.measured, streams)
        if measured is not None:
            totals = measured_totals(measured.base, streams, plan)
            return replace(plan, totals=totals, measured=measured, evidence=measured.evidence)
        if curve.otherwise is None:
            raise NoDataError(
                f"{key}: nothing is bound to {curve.measured!r}; add an `else` with a curve, or bind it to "
                "an entry of a profile (--profile FILE and `bind:`)"
            )
        return replace(plan, totals=self._stated(key, curve.otherwise, streams))

    def _stated(
        self, key: str, curve: AssumedLinkContention | AssumedStageContention, streams: int
    ) -> tuple[float, ...]:
        if curve.usl is not None:
            one = getattr(curve.usl, "one", 1.0)
            return law_totals(one, curve.usl.sigma, curve.usl.kappa, streams)
        if isinstance(curve, AssumedLinkContention):
            points = dict(curve.throughput or {})
        else:
            times = curve.durations or {}
            alone = times[min(times)]
            points = {k: k * alone / seconds for k, seconds in times.items()}
        if streams > REACH * max(points) and curve.extrapolate is None:
            raise NoDataError(
                f"{key}: up to {streams} at once (stated: {max(points)}), more than twice what the table "
                "holds; measure closer to it, limit them with `slots`, or add `extrapolate: linear`"
            )
        return table_totals(points, streams)


def weaker(plan: LinkPlan) -> Evidence | None:
    """What a curve adds to the evidence of a stage; nothing where there is none."""
    return plan.evidence if plan.totals else None
