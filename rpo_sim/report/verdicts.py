"""Verdicts and parity as rows."""

import math
import shutil
import sys
import textwrap
from collections.abc import Sequence
from itertools import groupby

from rpo_sim.analysis.drills import Demonstrated
from rpo_sim.analysis.parity import Difference
from rpo_sim.analysis.verdict import TierVerdict, Verdict
from rpo_sim.intervals import Interval
from rpo_sim.report.predictions import duration_text, evidence_text, gap_for, share_text
from rpo_sim.report.protection import worst_case_text
from rpo_sim.report.rows import Output, Row, render_rows
from rpo_sim.units import format_duration, format_ratio

_PIPED = 110  # columns of text that is piped or filed
_PARITY_WIDTH = 130  # columns in which two platforms stand side by side


def render_verdicts(verdicts: Sequence[TierVerdict], output: Output) -> str:
    """Verdicts, as `rpo-sim verdict` prints them."""
    if output in ("json", "csv"):
        return render_rows([_exact(verdict) for verdict in verdicts], output, meta={"kind": "verdict"})
    pages = groupby(verdicts, key=lambda verdict: (verdict.scenario, verdict.platform))
    return "\n".join(_page(list(page), output) for _, page in pages)


def _page(verdicts: Sequence[TierVerdict], output: Output) -> str:
    """The verdicts of one scenario on one platform, and what stands behind them."""
    first, gap = verdicts[0], gap_for(output)
    measured = f"{first.n_observations} observations" if first.n_observations else "no measurement at all"
    title = f"{first.scenario} on {first.platform}: {len(first.runs.rta)} runs, {measured}"
    text = render_rows([_for_people(verdict, gap) for verdict in verdicts], output, title=title) + "\n"
    for verdict in verdicts:
        name = verdict.runs.tier.name
        notes = [*map(str, verdict.reasons), *_undemonstrated(verdict)]
        if verdict.share is not None:
            alone = f"RPO alone {share_text(verdict.share_rpo)}, RTO alone {share_text(verdict.share_rto)}"
            notes.insert(0, f"held in: {alone}")
        text += "".join(bullet(f"{name}: {note}", output) for note in notes)
        if verdict.runs.worst_cases:
            worst = worst_case_text(verdict.runs.worst_cases[-1])
            text += bullet(f"{name}: worst data loss by the windows of the copies: {worst}", output)
        text += bullet(f"{name}: RTA rests on {evidence_text(verdict.runs)}", output)
    return text


def bullet(text: str, output: Output) -> str:
    """A line of a list, folded where the terminal ends."""
    if output == "md":
        return f"- {text}\n"
    width = min(shutil.get_terminal_size((_PIPED, 0)).columns if sys.stdout.isatty() else _PIPED, _PIPED)
    folded = textwrap.wrap(text, max(40, width - 3), break_on_hyphens=False, break_long_words=False)
    return " - " + "\n   ".join(folded) + "\n"


def _undemonstrated(verdict: TierVerdict) -> list[str]:
    """What a drill would change, where the prediction alone is not enough."""
    every = format_duration(verdict.runs.tier.drill_every_seconds)
    if verdict.predicted is not Verdict.MET:
        return []
    if verdict.demonstrated is Demonstrated.NONE:
        return ["no drill: MET needs one that showed it; `rpo-sim verdict --help` tells how to record it"]
    if verdict.demonstrated is Demonstrated.STALE:
        return [f"stale drill: the latest is older than {every}; drill again"]
    return []


def _exact(verdict: TierVerdict) -> dict[str, object]:
    tier = verdict.runs.tier
    row: dict[str, object] = {
        "scenario": verdict.scenario,
        "platform": verdict.platform,
        "tier": tier.name,
        "rpo_seconds": tier.rpo_seconds,
        "rto_seconds": tier.rto_seconds,
        "clock": "declaration" if tier.from_declaration else "failure",
        "required_share": tier.share,
    }
    for name in ("share", "share_rpo", "share_rto"):
        interval: Interval | None = getattr(verdict, name)
        if interval is not None:
            row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    if verdict.runs.worst_cases:
        worst = verdict.runs.worst_cases[-1]
        row |= {"worst_case_rpa_seconds": worst.seconds, "worst_case_note": worst.because}
    shares = verdict.runs.evidence_shares()
    return row | {
        "predicted": verdict.predicted,
        "demonstrated": verdict.demonstrated,
        "verdict": verdict.headline,
        "reasons": [str(reason) for reason in verdict.reasons],
        "n_runs": len(verdict.runs.rta),
        "n_observations": verdict.n_observations,
        **{f"rta_{kind.label}_share": share for kind, share in shares.items()},
    }


def _for_people(verdict: TierVerdict, gap: str) -> Row:
    return {
        "tier": verdict.runs.tier.name,
        "objective": _objective(verdict, gap),
        f"held in{gap}[95% interval]": share_text(verdict.share, gap),
        "predicted": verdict.predicted,
        "demonstrated" if gap == " " else "demon-\nstrated": verdict.demonstrated,
        "verdict": verdict.headline,
    }


def _objective(verdict: TierVerdict, gap: str) -> str:
    tier = verdict.runs.tier
    if tier.rpo_seconds is None or tier.rto_seconds is None or tier.share is None:
        return "none stated"
    rpo, rto = format_duration(tier.rpo_seconds), format_duration(tier.rto_seconds)
    clock = f"{gap}(declared)" if tier.from_declaration else ""
    comma = gap if gap != " " else ", "
    return f"RPO {rpo}{comma}RTO {rto}{clock}{comma}in {format_ratio(tier.share)}"


def render_parity(differences: Sequence[Difference], platforms: tuple[str, str], output: Output) -> str:
    """Two platforms side by side, as `rpo-sim parity` prints them."""
    if output in ("json", "csv"):
        rows = [_exact_difference(difference, platforms) for difference in differences]
        return render_rows(rows, output, meta={"kind": "parity"})
    gap, pages = gap_for(output, _PARITY_WIDTH), []
    for scenario, found in groupby(differences, key=lambda difference: difference.scenario):
        page = list(found)
        n = page[0].n_observations
        measured = f"{n[1]} and {n[0]} observations" if any(n) else "no measurement at all"
        same = f"the same {page[0].difference.n} incidents"
        title = f"{scenario}: {platforms[1]} less {platforms[0]}, {same}, {measured}"
        pages.append(
            render_rows([_difference_row(each, platforms, gap) for each in page], output, title=title)
        )
    return "\n".join(pages)


def _exact_difference(difference: Difference, platforms: tuple[str, str]) -> dict[str, object]:
    row: dict[str, object] = {
        "scenario": difference.scenario,
        "tier": difference.tier,
        "figure": difference.figure,
        "first": platforms[0],
        "second": platforms[1],
    }
    parts = {"first": difference.first, "second": difference.second, "difference": difference.difference}
    for name, interval in parts.items():
        for key, value in (("", interval.value), ("_low", interval.low), ("_high", interval.high)):
            row[f"{name}_value{key}" if name != "difference" else f"difference{key}"] = _no_nan(value)
    return row | {
        "shown": difference.shown,
        "reading": difference.reading,
        "n_runs": difference.difference.n,
        "first_n_observations": difference.n_observations[0],
        "second_n_observations": difference.n_observations[1],
    }


def _no_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _difference_row(difference: Difference, platforms: tuple[str, str], gap: str) -> Row:
    text = share_text if difference.figure == "met" else duration_text
    figure = "both met" if difference.figure == "met" else difference.figure
    first, second = (name if gap == " " else name.replace("-", "-\n", 1) for name in platforms)
    change = signed_text(difference, gap)
    row = {
        "tier": f"{difference.tier}{gap}{figure}",
        first: text(difference.first, gap),
        second: text(difference.second, gap),
        f"difference{gap}[95% interval]": change if gap == " " else f"{change}\n{difference.reading}",
    }
    return row | ({"which is": difference.reading} if gap == " " else {})


def signed_text(difference: Difference, gap: str = " ") -> str:
    """A difference with its interval, for people."""
    points = difference.figure == "met"

    def one(value: float) -> str:
        if math.isnan(value):
            return "?"
        size = f"{100 * abs(value):.1f}" if points else format_duration(abs(value))
        return ("+" if value > 0 else "-" if value < 0 else "") + size

    interval = difference.difference
    if math.isnan(interval.value):
        return "unknown"
    unit = " points" if points else ""
    if math.isnan(interval.low):
        return f"{one(interval.value)}{unit}"
    return f"{one(interval.value)}{unit}{gap}[{one(interval.low)}, {one(interval.high)}]"
