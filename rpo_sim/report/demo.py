"""What the demo shows at its end: what was measured, what follows from it, and what does not."""

from collections.abc import Sequence
from itertools import groupby, pairwise

from rpo_sim.analysis.parity import compare
from rpo_sim.analysis.prediction import Prediction
from rpo_sim.analysis.verdict import Doubt, TierVerdict, judge
from rpo_sim.distributions.profile import ProfileEntry
from rpo_sim.records import Observation
from rpo_sim.report.predictions import duration_text, share_text
from rpo_sim.report.rows import Row, render_rows
from rpo_sim.report.verdicts import signed_text
from rpo_sim.results import Evidence
from rpo_sim.units import format_bytes, format_duration, format_ratio


def render_demo(
    observations: Sequence[Observation], entry: ProfileEntry, predictions: Sequence[Prediction]
) -> str:
    """The demo's report as text."""
    parts = [_measured(observations, entry), _predicted(predictions, entry.n), _parity(predictions), _NOTES]
    return "\n".join(parts)


_NOTES = """\
How to read this: RPA is the data lost, RTA the time until the service is back, each the worst VM of the tier;
"held in" is the share of incidents in which both stay within the objective. Only the data stage rests on
restores of this disk, stretched to the size of the scenario's disks (extrapolated). All else is assumed until
you measure it, and INCONCLUSIVE is the honest answer until then.
"""


def _measured(observations: Sequence[Observation], entry: ProfileEntry) -> str:
    restores = [seen for seen in observations if (seen.operation, seen.stage) == ("restore", "data")]
    verified = sum(seen.verified is True for seen in restores)
    sizes = entry.size_range_bytes or (0, 0)
    at_once = entry.concurrency_range or (1, 1)
    return (
        f"Measured on this disk ({entry.backend}): {len(restores)} restores of {format_bytes(sizes[0])} to "
        f"{format_bytes(sizes[1])}, {at_once[0]} to {at_once[1]} at once; {verified} verified by digest, "
        f"{len(restores) - verified} not.\n"
    )


def _predicted(predictions: Sequence[Prediction], n: int) -> str:
    """All platforms under their scenario, whose line states the objective; doubts as footnotes."""
    verdicts = [(prediction, verdict) for prediction in predictions for verdict in judge(prediction)]
    doubts = list(dict.fromkeys(reason.doubt for _, verdict in verdicts for reason in verdict.reasons))
    rows: list[Row] = []
    for heading, group in groupby(
        sorted(verdicts, key=lambda pair: (pair[1].scenario, pair[1].runs.tier.name)), key=_heading
    ):
        rows.append(dict(zip(_COLUMNS, heading, strict=False)))
        rows += [_row(prediction, verdict, doubts) for prediction, verdict in group]
    first = predictions[0].base
    title = (
        f"Predicted from {first.runs} incidents each and n = {n} of these restores; "
        "demonstrated: NONE, no drill was ever recorded"
    )
    text = render_rows(rows, "table", title=title) + "\n"
    text += "".join(f" {doubts.index(doubt) + 1} {doubt}: {_DOUBTS[doubt]}\n" for doubt in doubts)
    return text + _resting_on_this_disk(verdicts)


def _resting_on_this_disk(verdicts: Sequence[tuple[Prediction, TierVerdict]]) -> str:
    """The span of the shares of the RTA that are not assumed."""
    shares = {1 - verdict.runs.evidence_shares()[Evidence.ASSUMED]: verdict for _, verdict in verdicts}
    least, most = min(shares), max(shares)
    where = f"{shares[most].scenario} on {shares[most].platform}"
    return f" RTA resting on this disk: {least:.1%} to {most:.1%} ({where}); the rest on assumptions\n"


_COLUMNS = ("scenario, tier", "RPA p95", "RTA p95", "held in", "predicted")
_DOUBTS = {
    Doubt.NO_OBJECTIVE: "state one in the scenario",
    Doubt.FEW_RUNS: "leave out --runs",
    Doubt.FEW_MEASUREMENTS: "measure more",
    Doubt.CLOSE: "the interval holds the share that is asked; simulate more",
    Doubt.UNTRIED: "they were not halved and doubled",
    Doubt.ASSUMPTIONS: "it changes if they take half or twice as long; `rpo-sim verdict` names the heaviest",
    Doubt.NEVER_RESTORED: "a path that was never restored for real cannot be MET",
}


def _heading(pair: tuple[Prediction, TierVerdict]) -> tuple[str, ...]:
    verdict = pair[1]
    tier = verdict.runs.tier
    goals = [
        "no objective" if seconds is None else f"objective {format_duration(seconds)}"
        for seconds in (tier.rpo_seconds, tier.rto_seconds)
    ]
    asked = "" if tier.share is None else f"asked {format_ratio(tier.share)}"
    return f"{verdict.scenario}, {tier.name}", *goals, asked


def _row(prediction: Prediction, verdict: TierVerdict, doubts: Sequence[Doubt]) -> Row:
    runs, base = verdict.runs, prediction.base
    notes = " ".join(str(doubts.index(reason.doubt) + 1) for reason in verdict.reasons)
    cells = (
        f"  {base.platform}",
        duration_text(base.quantile(runs.rpa, 0.95)),
        duration_text(base.quantile(runs.judged_rta, 0.95)),
        share_text(verdict.share),
        f"{verdict.predicted} {notes}".rstrip(),
    )
    return dict(zip(_COLUMNS, cells, strict=True))


def _parity(predictions: Sequence[Prediction]) -> str:
    rows: list[Row] = []
    for one, other in pairwise(predictions):
        if one.base.scenario == other.base.scenario:
            rows += [
                {
                    "scenario, tier": f"{found.scenario}, {found.tier}",
                    "difference": signed_text(found),
                    "which is": found.reading,
                }
                for found in compare(one.base, other.base)
                if found.figure == "RTA p95"
            ]
    if not rows:
        return ""
    platforms = [prediction.base.platform for prediction in predictions[:2]]
    title = f"Parity: RTA p95 on {platforms[1]} less that on {platforms[0]}, in the same incidents"
    return f"{title}\n\n{render_rows(rows, 'table')}"
