"""The verdict: does a tier meet its objectives, in the share of incidents that was asked for?

Two verdicts stand side by side and are never merged: the predicted one (from the simulation) and the
demonstrated one (from drills). The headline is the worse of the two.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from rpo_sim.analysis.drills import Demonstrated, demonstrated
from rpo_sim.analysis.prediction import Prediction
from rpo_sim.intervals import Interval
from rpo_sim.records import Observation
from rpo_sim.results import Evidence, ResultSet, TierRuns
from rpo_sim.units import format_ratio

LEAST_RUNS = 2000  # 80 blocks of 25: below, the variance between blocks is not known well enough
_NAMED = 3  # assumptions that a reason names
_WIDER = 1.5  # an interval that much wider than runs alone would give is due to the measurements


class Verdict(StrEnum):
    """A statement about the share of incidents in which an objective holds."""

    MET = "MET"
    MISSED = "MISSED"
    INCONCLUSIVE = "INCONCLUSIVE"


class Doubt(StrEnum):
    """Why a prediction is INCONCLUSIVE."""

    NO_OBJECTIVE = "no objective"
    FEW_RUNS = "too few runs"
    FEW_MEASUREMENTS = "too few measurements"
    CLOSE = "too close to tell"
    UNTRIED = "assumptions not tried"
    ASSUMPTIONS = "turns on assumptions"
    NEVER_RESTORED = "never restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A doubt, and in ``text`` what it is about and what to do."""

    doubt: Doubt
    text: str

    def __str__(self) -> str:
        """Both, as a line."""
        return f"{self.doubt}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TierVerdict:
    """What can be said of one tier.

    Attributes
    ----------
    share, share_rpo, share_rto : Interval or None
        Share of incidents in which both objectives hold, and each alone; None without an objective.
    predicted, demonstrated, headline
    reasons : tuple of Reason
        Why the prediction is INCONCLUSIVE; empty otherwise.
    n_observations : int
        Behind the measured inputs.
    """

    scenario: str
    platform: str
    runs: TierRuns
    share: Interval | None
    share_rpo: Interval | None
    share_rto: Interval | None
    predicted: Verdict
    reasons: tuple[Reason, ...]
    demonstrated: Demonstrated
    headline: Verdict
    n_observations: int


def judge(
    prediction: Prediction, observations: Iterable[Observation] = (), *, now: datetime | None = None
) -> tuple[TierVerdict, ...]:
    """The verdicts of a prediction, tier by tier.

    Parameters
    ----------
    prediction : Prediction
    observations : iterable of Observation
        Where drills are looked for.
    now : datetime, UTC, optional
        Against which the age of a drill is told; the present by default.
    """
    seen, moment = list(observations), now or datetime.now(UTC)
    base = prediction.base
    return tuple(_judge_tier(prediction, t, seen, moment) for t in range(len(base.tiers)))


def _judge_tier(prediction: Prediction, t: int, seen: list[Observation], now: datetime) -> TierVerdict:
    base = prediction.base
    runs = base.tiers[t]
    shown = demonstrated(runs.tier, base.scenario, base.platform, seen, now)
    share = _share(base, t)
    predicted, reasons = _predicted(prediction, t, drilled=shown is not Demonstrated.NONE)
    return TierVerdict(
        scenario=base.scenario,
        platform=base.platform,
        runs=runs,
        share=share,
        share_rpo=share and base.share(runs.rpa <= (runs.tier.rpo_seconds or 0.0)),
        share_rto=share and base.share(runs.judged_rta <= (runs.tier.rto_seconds or 0.0)),
        predicted=predicted,
        reasons=reasons,
        demonstrated=shown,
        headline=_worse(predicted, shown),
        n_observations=base.n_observations,
    )


def _share(result: ResultSet, t: int) -> Interval | None:
    """Share of incidents in which the tier meets RPO and RTO; None without objectives."""
    runs = result.tiers[t]
    if runs.tier.rpo_seconds is None or runs.tier.rto_seconds is None:
        return None
    return result.share((runs.rpa <= runs.tier.rpo_seconds) & (runs.judged_rta <= runs.tier.rto_seconds))


def from_interval(share: Interval, required: float) -> Verdict:
    """MET if the whole interval reaches the required share, MISSED if none of it does."""
    if share.low >= required:
        return Verdict.MET
    return Verdict.MISSED if share.high < required else Verdict.INCONCLUSIVE


def _predicted(prediction: Prediction, t: int, *, drilled: bool) -> tuple[Verdict, tuple[Reason, ...]]:
    base = prediction.base
    tier, share = base.tiers[t].tier, _share(base, t)
    if share is None or tier.share is None:
        text = f"state RPO, RTO and a share of incidents for tier {tier.name}"
        return Verdict.INCONCLUSIVE, (Reason(doubt=Doubt.NO_OBJECTIVE, text=text),)
    plain = from_interval(share, tier.share)
    reasons = []
    if share.n < LEAST_RUNS:
        reasons.append(Reason(doubt=Doubt.FEW_RUNS, text=f"{share.n}; simulate with --runs {LEAST_RUNS}"))
    elif plain is Verdict.INCONCLUSIVE:
        reasons.append(_too_wide(base, share, tier.share))
    if plain is not Verdict.INCONCLUSIVE:
        reasons += _turns(prediction, t, plain, tier.share)
    restored = drilled or any(note.restores for note in base.inputs)
    if plain is Verdict.MET and not restored:
        text = f"restore for real on {base.platform}: measure it, or record a drill"
        reasons.append(Reason(doubt=Doubt.NEVER_RESTORED, text=text))
    return (Verdict.INCONCLUSIVE, tuple(reasons)) if reasons else (plain, ())


def _too_wide(base: ResultSet, share: Interval, required: float) -> Reason:
    """Whether measuring or simulating more would help."""
    weakest = min((note for note in base.inputs if note.n), key=lambda note: note.n, default=None)
    by_runs = 2 * 1.96 * (share.value * (1 - share.value) / share.n) ** 0.5
    if weakest is not None and share.high - share.low > _WIDER * by_runs:
        text = f"{weakest.n} behind {weakest.key}; measure more"
        return Reason(doubt=Doubt.FEW_MEASUREMENTS, text=text)
    asked = format_ratio(required)
    text = f"{asked} lies within the interval; simulate more, such as --runs {4 * share.n}"
    return Reason(doubt=Doubt.CLOSE, text=text)


def _turns(prediction: Prediction, t: int, plain: Verdict, required: float) -> list[Reason]:
    """The verdict under halved and doubled assumptions; one that changes turns on them."""
    if not prediction.assumptions_tried:
        text = "simulate with --vary, which also halves and doubles the assumed durations"
        return [Reason(doubt=Doubt.UNTRIED, text=text)]
    changed = []
    for varied in prediction.varied:
        share = _share(varied, t)
        if share is not None and (other := from_interval(share, required)) is not plain:
            changed.append(f"{other} if they take {_as_long(varied.assumed_factor)} as long")
    reasons = [
        Reason(
            doubt=Doubt.ASSUMPTIONS,
            text=f"{plain} as stated, but it cannot be if they take {_as_long(factor)} as long: {why}",
        )
        for factor, why in prediction.impossible.items()
    ]
    if changed:
        named = ", ".join(_assumptions(prediction, t))
        text = f"{plain} as stated, {' and '.join(changed)}; measure first {named}"
        reasons.append(Reason(doubt=Doubt.ASSUMPTIONS, text=text))
    return reasons


def _as_long(factor: float) -> str:
    return "half" if factor < 1 else "twice"


def _assumptions(prediction: Prediction, t: int) -> list[str]:
    """The assumed inputs that weigh most: by seconds on the critical path, or by what moves the RPA."""
    base = prediction.base
    runs = base.tiers[t]
    assumed = {
        note.key
        for note in base.inputs
        if note.evidence is not Evidence.MEASURED and not note.key.endswith(".success")
    }
    moved = [_reach(result, t) for result in (base, *prediction.varied)]
    if len({rpo for rpo, _ in moved}) > 1 and len({rto for _, rto in moved}) == 1:
        copies = sorted(key for key in assumed if key.startswith(("copies.", "failure.age")))
        return copies[:_NAMED]
    weights = dict(zip(base.activities, runs.activities.mean(axis=0).tolist(), strict=True))
    named = {
        key: max(weights.get(part, 0.0) for part in key.split("."))
        for key in assumed
        if not key.startswith("copies.")
    }
    heavy = [key for key in named if named[key] > 0] or list(named)
    return sorted(heavy, key=lambda key: (-named[key], key))[:_NAMED]


def _reach(result: ResultSet, t: int) -> tuple[bool, bool]:
    """Whether RPO and RTO, each alone, are surely held in the required share."""
    runs, tier = result.tiers[t], result.tiers[t].tier
    required = tier.share or 0.0
    rpo = result.share(runs.rpa <= (tier.rpo_seconds or 0.0)).low >= required
    return rpo, result.share(runs.judged_rta <= (tier.rto_seconds or 0.0)).low >= required


def _worse(predicted: Verdict, shown: Demonstrated) -> Verdict:
    if predicted is Verdict.MISSED or shown is Demonstrated.MISSED:
        return Verdict.MISSED
    both = predicted is Verdict.MET and shown is Demonstrated.MET
    return Verdict.MET if both else Verdict.INCONCLUSIVE


def exit_code(headlines: Sequence[Verdict]) -> int:
    """3 if any objective is missed, else 4 if any is inconclusive, else 0."""
    if Verdict.MISSED in headlines:
        return 3
    return 4 if Verdict.INCONCLUSIVE in headlines else 0
