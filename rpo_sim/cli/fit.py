"""`rpo-sim fit`: from the measurement store to a profile."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rpo_sim.cli.options import (
    BackendOption,
    OperationOption,
    Output,
    OutputOption,
    PlatformOption,
    SinceOption,
    SourceOption,
    StageOption,
    StoreOption,
    UntilOption,
    selection,
)

if TYPE_CHECKING:
    from rpo_sim.distributions.profile import Profile, ProfileEntry


def register(app: typer.Typer) -> None:
    """Add `fit` to the application."""
    app.command("fit")(fit)


def fit(
    store: StoreOption = None,
    operation: OperationOption = None,
    stage: StageOption = None,
    backend: BackendOption = None,
    platform: PlatformOption = None,
    source: SourceOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    mix_sources: Annotated[
        bool,
        typer.Option(
            "--mix-sources",
            help="Let sources or clocks share a distribution. They may have timed different things: refused "
            "unless you say so.",
        ),
    ] = False,
    family: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this family (repeatable): lognormal, weibull, gamma, loglogistic. Default: lognormal "
            "below 300 durations, else the best that passes a test of fit, else the durations as measured.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RATE/BURST[,key=value]",
            help="A client limit that bursts may wait for (repeatable), as its --kube-api-qps and "
            "--kube-api-burst say; keys: backend, operation, tokens (requests per operation, where counted). "
            "Given limits replace the published defaults of Kubernetes' storage controllers.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-O",
            metavar="FILE",
            help="Where to write the profile; - for stdout, without the summary.",
        ),
    ] = "profile.json",
    output: OutputOption = "table",
) -> None:
    """Fit distributions to what was measured and write them as a profile.

    Each kind of operation gets its own: by operation, stage, platform, backend, method and cache. Failures
    and unfinished operations count too. The profile is what a scenario binds its measured stages to.
    """
    from rpo_sim.distributions.fit import FAMILIES
    from rpo_sim.distributions.fit import fit as fit_profile
    from rpo_sim.distributions.mechanism import PUBLISHED_LIMITS
    from rpo_sim.distributions.mechanism_words import binding_text, parse_limit
    from rpo_sim.distributions.profile import dump_profile, save_profile
    from rpo_sim.store import open_store

    where = selection(operation, stage, backend, platform, source, since, until)
    with open_store(store, read_only=True) as opened:
        observations = list(opened.observations(where))
    profile = fit_profile(
        observations,
        families=family or list(FAMILIES),
        mix_sources=mix_sources,
        limits=[parse_limit(text) for text in limit] if limit else PUBLISHED_LIMITS,
    )
    for warning in profile.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if out == "-":
        sys.stdout.write(dump_profile(profile))
        return
    save_profile(profile, out)
    sys.stdout.write(_summary(profile, output))
    for entry in profile.entries:
        if entry.mechanism is not None:
            typer.echo(f"{entry.name}: bursts wait for: {binding_text(entry.mechanism)}", err=True)
    typer.echo(f"profile of {len(profile.entries)} entries written to {Path(out)}", err=True)
    typer.echo(f"where its evidence is weak: rpo-sim check {Path(out)}", err=True)


def _summary(profile: "Profile", output: Output) -> str:
    from rpo_sim.distributions.summary import profile_rows
    from rpo_sim.report.rows import render_rows

    if output in ("table", "md"):
        return render_rows([_for_people(entry) for entry in profile.entries], output)
    return render_rows(profile_rows(profile), output)


def _for_people(entry: "ProfileEntry") -> dict[str, object]:
    from rpo_sim.distributions.summary import quantile_with_interval
    from rpo_sim.units import format_bytes, format_duration

    def quantile(probability: float) -> str:
        value, low, high = map(format_duration, quantile_with_interval(entry, probability))
        return f"{value} [{low}, {high}]"

    sizes = [format_bytes(size) for size in entry.size_range_bytes or ()]
    levels = [str(level) for level in entry.concurrency_range or ()]
    sized = entry.distribution.kind == "size_scaled"
    return {
        "operation": f"{entry.operation}.{entry.stage}",
        "where": " ".join(part for part in (entry.platform, entry.cluster, entry.backend) if part),
        "how": entry.telling_labels,
        "family": entry.distribution.kind,
        "n": entry.n,
        "failed": entry.n_failed,
        "p50 [95% interval]": quantile(0.5),
        "p95 [95% interval]": quantile(0.95),
        "at": ", ".join([*sizes[1:], f"{levels[0]} at once" if levels else ""]) if sized else "",
        "sizes measured": "..".join(dict.fromkeys(sizes)),
        "at once": "..".join(dict.fromkeys(levels)),
    }
