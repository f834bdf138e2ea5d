"""Simulation results as rows: exact for programs, worded for people."""

import math
import shutil
import sys

import numpy as np

from rpo_sim.across_vms import ONE_VM_LEVELS
from rpo_sim.intervals import Interval
from rpo_sim.report.histogram import histogram
from rpo_sim.report.protection import protection_for_people, protection_rows
from rpo_sim.report.rows import Output, Row, render_json, render_rows
from rpo_sim.results import Evidence, FloatArray, ResultSet, TierRuns
from rpo_sim.units import format_duration, format_ratio

_AFTERWARDS = {
    "full_performance_seconds": "full performance",
    "unprotected_seconds": "time unprotected",
    "failback_seconds": "failed back",
    "cleanup_seconds": "cleaned up",
}
_LEAST_SHARE = 0.005  # of an RTA: an activity below it is not worth a line
_WIDE = 120  # columns
_BINS = 32  # of a histogram, where there is room


def gap_for(output: Output, width: int = _WIDE) -> str:
    """What stands between a value and its interval: a line break where the terminal is narrower."""
    narrow = output == "table" and sys.stdout.isatty() and shutil.get_terminal_size().columns < width
    return "\n" if narrow else " "


def render_predictions(results: list[ResultSet], output: Output) -> str:
    """Results of several platforms, as `rpo-sim simulate` prints them."""
    if output == "json":
        return render_json({"kind": "prediction", "predictions": [_document(result) for result in results]})
    if output == "csv":
        return render_rows([row for result in results for row in figure_rows(result)], output)
    return "\n".join(_page(result, output) for result in results)


def figure_rows(result: ResultSet) -> list[dict[str, object]]:
    """One row per tier and figure; seconds and ratios, exact."""
    rows = []
    for runs in result.tiers:
        for figure, values, objective in _figures(runs):
            p50, p95 = result.quantile(values, 0.5), result.quantile(values, 0.95)
            held = result.share(values <= objective) if objective is not None else None
            rows.append(
                {
                    "scenario": result.scenario,
                    "platform": result.platform,
                    "tier": runs.tier.name,
                    "figure": figure,
                    "objective_seconds": objective,
                    "required_share": runs.tier.share,
                    **_spread("p50", p50, "_seconds"),
                    **_spread("p95", p95, "_seconds"),
                    **(_spread("held", held, "_share") if held is not None else {}),
                    "n_runs": result.runs,
                    "n_observations": result.n_observations,
                }
            )
    return rows


def _figures(runs: TierRuns) -> list[tuple[str, FloatArray, float | None]]:
    tier = runs.tier
    rto = tier.rto_seconds
    return [
        ("RPA", runs.rpa, tier.rpo_seconds),
        ("RPA best surviving", runs.rpa_best, None),
        ("RTA", runs.rta, None if tier.from_declaration else rto),
        ("RTA from declaration", runs.rta_from_declaration, rto if tier.from_declaration else None),
        *((words, runs.also[name], None) for name, words in _AFTERWARDS.items() if name in runs.also),
    ]


def _spread(name: str, interval: Interval, unit: str) -> dict[str, object]:
    return {
        f"{name}{unit}": interval.value,
        f"{name}_low{unit}": interval.low,
        f"{name}_high{unit}": interval.high,
    }


def duration_text(interval: Interval, gap: str = " ") -> str:
    """A duration with its interval, for people."""
    value, low, high = (format_duration(x) for x in (interval.value, interval.low, interval.high))
    return f"{value}{gap}[{low}, {high}]"


def share_text(interval: Interval | None, gap: str = " ") -> str:
    """A share with its interval, for people."""
    if interval is None:
        return "no objective"
    low, high = format_ratio(interval.low), format_ratio(interval.high)
    return f"{format_ratio(interval.value)}{gap}[{low}, {high}]"


def basis_text(result: ResultSet) -> str:
    """How many runs and observations the figures of a result come from."""
    n = result.n_observations
    return f"{result.runs} runs, " + (f"{n} observations" if n else "no measurement at all")


def evidence_text(runs: TierRuns) -> str:
    """What the RTA rests on, for people: tenths of a percent that sum to 100.

    Rounded down, with the tenths that are then missing given to those that lost most by it.
    """
    tenths = {kind: 1000 * share for kind, share in runs.evidence_shares().items()}
    if not any(tenths.values()):
        return "nothing: never recovered"
    whole = {kind: math.floor(value) for kind, value in tenths.items()}
    for kind in sorted(Evidence, key=lambda kind: whole[kind] - tenths[kind])[: 1000 - sum(whole.values())]:
        whole[kind] += 1
    return ", ".join(f"{whole[kind] / 10:g}% {kind.label}" for kind in Evidence if whole[kind])


def activity_rows(result: ResultSet, runs: TierRuns) -> list[dict[str, object]]:
    """Where the RTA goes: mean seconds on the critical path of the tier's last VM, and what they rest on."""
    notes = {note.key: note for note in result.inputs}
    means = runs.activities.sum(axis=0) / max(1, int(np.isfinite(runs.rta).sum()))
    total = float(means.sum())
    rows = []
    for name, mean in zip(result.activities, means.tolist(), strict=True):
        keys = (f"failure.{name}", f"recovery.{name}.duration", f"recovery.{name}")
        note = next((notes[key] for key in keys if key in notes), None)
        rows.append(
            {
                "activity": name,
                "mean_seconds": mean,
                "share": mean / total if total else 0.0,
                "evidence": note.evidence.label if note else Evidence.ASSUMED.label,
                "n_observations": note.n if note else 0,
                "source": note.source if note else "assumed",
            }
        )
    return rows


def _document(result: ResultSet) -> Row:
    return {
        "scenario": result.scenario,
        "platform": result.platform,
        "seed": result.seed,
        "n_runs": result.runs,
        "interrupted": result.interrupted,
        "assumed_factor": result.assumed_factor,
        "digests": result.digests,
        "figures": figure_rows(result),
        "incident": {
            **_spread("rta_p50", result.quantile(result.incident_rta, 0.5), "_seconds"),
            **_spread("rta_p95", result.quantile(result.incident_rta, 0.95), "_seconds"),
        },
        "one_vm": {
            **_spread("rta_p50", result.one_vm_rta(0.5), "_seconds"),
            **_spread("rta_p95", result.one_vm_rta(0.95), "_seconds"),
        },
        "groups": _group_rows(result),
        "each_vm": _per_vm_row(result),
        "tiers": [
            {
                "tier": runs.tier.name,
                "vms": runs.vms,
                "no_capacity": _no_capacity_row(result, runs),
                "evidence_shares": {kind.label: share for kind, share in runs.evidence_shares().items()},
                "critical_path": activity_rows(result, runs),
                "protection": protection_rows(result, runs),
            }
            for runs in result.tiers
        ],
        "inputs": [
            {"key": note.key, "evidence": note.evidence.label, "n": note.n, "source": note.source}
            for note in result.inputs
        ],
    }


def _no_capacity_row(result: ResultSet, runs: TierRuns) -> Row | None:
    """How many VMs found no room at the target, where that is limited."""
    counts = runs.also.get("no_capacity_vms")
    if counts is None:
        return None
    share = result.share(counts > 0)
    return {
        "mean_vms": float(counts.mean()),
        "most_vms": int(counts.max()),
        **_spread("incidents", share, "_share"),
    }


def _no_capacity_text(result: ResultSet, runs: TierRuns) -> str:
    row = _no_capacity_row(result, runs)
    if row is None or not row["most_vms"]:
        return ""
    share = share_text(result.share(runs.also["no_capacity_vms"] > 0))
    return (
        f"no capacity at the target for {runs.tier.name}: in {share} of incidents, "
        f"up to {row['most_vms']} of {runs.vms} VMs"
    )


def _afterwards_text(result: ResultSet, runs: TierRuns) -> str:
    """What follows the recovery and is no part of the RTA, since the failure."""
    parts = []
    for name, words in _AFTERWARDS.items():
        if name in runs.also:
            p50, p95 = (result.quantile(runs.also[name], p) for p in (0.5, 0.95))
            parts.append(f"{words} p50 {duration_text(p50)}, p95 {duration_text(p95)}")
    return f"after the RTA of {runs.tier.name}: {'; '.join(parts)}" if parts else ""


def _group_rows(result: ResultSet) -> list[Row]:
    """RPA and RTA of the first and the last VM of each group."""
    rows: list[Row] = []
    across = result.across
    ends = {"rpa": (across.first_rpa, across.last_rpa), "rta": (across.first_rta, across.last_rta)}
    for g, (name, vms) in enumerate(result.groups):
        row: dict[str, object] = {"group": name, "vms": vms}
        for figure, (first, last) in ends.items():
            row |= _spread(f"{figure}_last_p95", result.quantile(last[:, g], 0.95), "_seconds")
            row |= _spread(f"{figure}_first_p50", result.quantile(first[:, g], 0.5), "_seconds")
        rows.append(row)
    return rows


def _page(result: ResultSet, output: Output) -> str:
    gap, line = gap_for(output), "\n\n" if output == "md" else "\n"
    bins = _BINS if gap == " " else _BINS // 2
    title = f"{result.scenario} on {result.platform}: predicted from {basis_text(result)}"
    rows = [row for runs in result.tiers for row in _for_people(result, runs, gap)]
    if len(result.tiers) > 1:
        rows.append(_incident_for_people(result, gap))
    text = render_rows(rows, output, title=title) + "\n"
    for runs in result.tiers:
        vms = "1 VM" if runs.vms == 1 else f"{runs.vms} VMs"
        text += f"RTA of {runs.tier.name} ({vms}): {histogram(runs.rta, bins=bins)}{line}"
    text += _one_vm(result, line)
    text += "" if output == "md" else "\n"
    text += render_rows(_paths_for_people(result), output, title="Where the RTA goes, on average") + "\n"
    if protection := protection_for_people(result):
        title = "What each copy loses at a random failure, and at worst"
        text += render_rows(protection, output, title=title) + "\n"
    for runs in result.tiers:
        text += f"RTA of {runs.tier.name} rests on: {evidence_text(runs)}{line}"
        notes = (_no_capacity_text(result, runs), _afterwards_text(result, runs))
        text += "".join(f"{note}{line}" for note in notes if note)
    text += _per_vm_text(result, line)
    if result.interrupted:
        text += f"interrupted: only {result.runs} runs were simulated\n"
    return text.rstrip("\n") + "\n"


def _one_vm(result: ResultSet, line: str) -> str:
    """How a single VM fares among all, where they do not end together."""
    across = result.across
    if (across.first_rta.min(axis=1) == across.last_rta.max(axis=1)).all():
        return ""
    p50, p95 = (duration_text(result.one_vm_rta(p)) for p in ONE_VM_LEVELS)
    n = sum(vms for _, vms in result.groups)
    return f"RTA of one VM among {n}: half of them within {p50}, 95% of them within {p95}{line}"


def _per_vm_row(result: ResultSet) -> Row:
    """Whether the result has every run of every VM, or how far its quantiles of a VM may be off."""
    error = result.per_vm_rta.relative_error
    return {"kept_as": "histograms" if error else "every run", "relative_error": error}


def _per_vm_text(result: ResultSet, line: str) -> str:
    row = _per_vm_row(result)
    if not row["relative_error"]:
        return ""
    error = format_ratio(result.per_vm_rta.relative_error)
    return f"figures of each VM are kept as {row['kept_as']}, within {error}; those above are exact{line}"


def _for_people(result: ResultSet, runs: TierRuns, gap: str) -> list[Row]:
    rows: list[Row] = []
    for figure, values, objective in _figures(runs):
        if objective is None and not (runs.tier.share is None and figure in ("RPA", "RTA")):
            continue
        held = result.share(values <= objective) if objective is not None else None
        rows.append(
            {
                "tier": f"{runs.tier.name} {figure}",
                "objective": _asked(objective, runs.tier.share, gap),
                f"held in{gap}[95% interval]": share_text(held, gap),
                f"p50{gap}[95% interval]": duration_text(result.quantile(values, 0.5), gap),
                f"p95{gap}[95% interval]": duration_text(result.quantile(values, 0.95), gap),
            }
        )
    return rows


def _incident_for_people(result: ResultSet, gap: str) -> Row:
    """The RTA of the last VM of all tiers."""
    return {
        "tier": "whole incident RTA",
        f"p50{gap}[95% interval]": duration_text(result.quantile(result.incident_rta, 0.5), gap),
        f"p95{gap}[95% interval]": duration_text(result.quantile(result.incident_rta, 0.95), gap),
    }


def _asked(objective: float | None, share: float | None, gap: str) -> str:
    if objective is None:
        return "none"
    return format_duration(objective) + ("" if share is None else f"{gap}in {format_ratio(share)}")


def _paths_for_people(result: ResultSet) -> list[Row]:
    """Activities on the critical paths: a column per tier, and what each rests on."""
    paths = {runs.tier.name: activity_rows(result, runs) for runs in result.tiers}
    rows: list[Row] = []
    for activities in zip(*paths.values(), strict=True):
        shares = [float(str(each["share"])) for each in activities]
        if max(shares) >= _LEAST_SHARE:
            means = [format_duration(float(str(each["mean_seconds"]))) for each in activities]
            cells = [f"{mean:>7} {share:>5.1%}" for mean, share in zip(means, shares, strict=True)]
            rows.append(
                {
                    "critical path": activities[0]["activity"],
                    **dict(zip(paths, cells, strict=True)),
                    "rests on": activities[0]["evidence"],
                    "n": activities[0]["n_observations"],
                }
            )
    return rows
