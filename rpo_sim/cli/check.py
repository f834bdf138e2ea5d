"""`rpo-sim check`: where the evidence of a profile is weak, and what to measure next."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rpo_sim.cli.options import OutputOption

if TYPE_CHECKING:
    from rpo_sim.distributions.evidence import Finding


def register(app: typer.Typer) -> None:
    """Add `check` to the application."""
    app.command("check")(check)


def check(
    profile: Annotated[Path, typer.Argument(metavar="PROFILE", help="A profile written by rpo-sim fit.")],
    output: OutputOption = "table",
) -> None:
    """Say in words where the evidence of a profile is weak and what to measure next.

    Advice, not a judgement: the exit code is 0 whatever it finds.
    """
    from rpo_sim.distributions.evidence import check_evidence
    from rpo_sim.distributions.profile import load_profile
    from rpo_sim.report.rows import render_rows

    loaded = load_profile(profile)
    findings = check_evidence(loaded)
    if output in ("json", "csv"):
        sys.stdout.write(render_rows([asdict(finding) for finding in findings], output))
    elif findings:
        sys.stdout.write(render_rows(_for_people(findings), output))
    weak = sum(finding.severity == "warning" for finding in findings)
    typer.echo(f"entries: {len(loaded.entries)}, warnings: {weak}, notes: {len(findings) - weak}", err=True)


def _for_people(findings: "list[Finding]") -> list[dict[str, object]]:
    """One row for what is said of several entries in the same words; warnings first."""
    same: dict[tuple[str, str, str, str], list[str]] = {}
    for one in sorted(findings, key=lambda finding: finding.severity != "warning"):
        same.setdefault((one.severity, one.rule, one.message, one.remedy), []).append(one.entry)
    return [
        {
            "severity": severity,
            "rule": rule,
            "of": "\n".join(entries),
            "message": message,
            "what to do": remedy,
        }
        for (severity, rule, message, remedy), entries in same.items()
    ]
