"""`rpo-sim lint`: whether scenario files are valid, and whether they are wise."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rpo_sim.scenario.lint import LintFinding

Output = Literal["table", "json", "csv", "md"]

_FILES_HELP = "Scenario files, or names of shipped ones such as site-failure."
_OUTPUT_HELP = "How findings are printed; json adds why each rule exists and what to do."


def register(app: typer.Typer) -> None:
    """Add the command `lint`."""
    app.command("lint")(lint)


def lint(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE_OR_NAME...", help=_FILES_HELP)] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help=_OUTPUT_HELP)] = "table",
    rules: Annotated[
        bool, typer.Option("--rules", help="List all rules and why each exists; read no file.")
    ] = False,
) -> None:
    """Check scenarios: are they valid, and do they offend against what is known about recovery?

    An error is something that cannot be meant, such as a path in which no copy survives the failure.
    A warning may be meant. Exit code 1 if there is an error, else 0.
    """
    from dataclasses import asdict

    from rpo_sim.report.rows import render_rows
    from rpo_sim.scenario.lint import RULES
    from rpo_sim.scenario.lint import lint as check
    from rpo_sim.scenario.load import load_scenario

    if rules:
        rows = [
            {"rule": rule.name, "severity": rule.severity, "why": rule.why, "remedy": rule.remedy}
            for rule in RULES.values()
        ]
        typer.echo(render_rows(rows, output, title="Rules"), nl=False)
        return
    if not files:
        raise typer.BadParameter("name at least one scenario file, or use --rules", param_hint="FILE_OR_NAME")
    loaded = [load_scenario(file) for file in files]
    findings = [finding for scenario in loaded for finding in check(scenario)]
    errors = sum(finding.severity == "error" for finding in findings)
    counts = {"files": len(loaded), "errors": errors, "warnings": len(findings) - errors}
    if output == "table":
        typer.echo(_for_people(findings, counts), nl=False)
    else:
        typer.echo(
            render_rows([asdict(finding) for finding in findings], output, title="Findings", meta=counts),
            nl=False,
        )
    if errors:
        raise typer.Exit(1)


def _for_people(findings: Sequence["LintFinding"], counts: dict[str, int]) -> str:
    """Findings as compilers print them, so that editors can jump to the line."""
    lines = []
    for finding in findings:
        platform = f"{finding.platform}: " if finding.platform else ""
        lines += [
            f"{finding.where}: {finding.severity}: {platform}{finding.message} [{finding.rule}]",
            f"    why: {finding.why}",
            f"    remedy: {finding.remedy}",
        ]
    lines.append(", ".join(f"{count} {name if count != 1 else name[:-1]}" for name, count in counts.items()))
    return "\n".join(lines) + "\n"
