"""`rpo-sim discover`: what can be measured here, and how; each installed probe tells what it finds."""

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from rpo_sim.cli.options import OutputOption

if TYPE_CHECKING:
    from rpo_sim.probe import Probe
    from rpo_sim.probe_capabilities import Discovered

_TOPICS = {
    "measure": "what can be measured",
    "storage": "storage",
    "history": "history",
    "metrics": "metrics",
    "permissions": "permissions",
}
_PROBE_HELP = "Ask only this probe (repeatable). Default: all that can look around."


def register(app: typer.Typer) -> None:
    """Add the command `discover`."""
    app.command("discover", cls=_DiscoverCommand)(discover)


def discover() -> None:
    """Say in one screen what can be measured here and how, what is missing, and what to run first.

    Reads only: the cluster of the current kubeconfig, Prometheus where --url says, and this machine. What a
    probe cannot reach is shown as missing, and the others are asked all the same; the exit code is 0.
    """


class _DiscoverCommand(TyperCommand):
    """Its options are those settings of the installed probes that say where to look."""

    _built: Any = None

    @property
    def params(self) -> Any:
        """The options, made when they are asked for: probes are not imported before."""
        if self._built is None:
            self._built = _with_options()
            self.callback = self._built.callback
        return self._built.params

    @params.setter
    def params(self, _none: Any) -> None:
        """The framework finds none on the function."""


def _with_options() -> Any:
    def run(probe: list[str] | None, output: Any, **options: object) -> None:
        given = {name: value for name, value in options.items() if value is not None}
        _discover(_discovering(), probe or [], given, output)

    parameters = [
        _keyword(name, str | None, typer.Option(help=_meaning(name, probes), metavar="VALUE"), None)
        for name, probes in _shared_settings(_discovering()).items()
    ]
    probe_option = typer.Option("--probe", metavar="NAME", help=_PROBE_HELP, show_default=False)
    parameters.append(_keyword("probe", list[str] | None, probe_option, None))
    parameters.append(_keyword("output", OutputOption, None, "table"))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    app = typer.Typer(add_completion=False)
    app.command("discover")(run)
    return typer.main.get_command(app)


def _keyword(name: str, kind: Any, option: Any, default: object) -> inspect.Parameter:
    annotation = kind if option is None else Annotated[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _discovering() -> "dict[str, Probe]":
    from rpo_sim.probe import discover_probes
    from rpo_sim.probe_capabilities import Discovers

    probes, broken = discover_probes()
    for one in broken:
        typer.echo(f"warning: {one.error}", err=True)
    return {name: probe for name, probe in probes.items() if isinstance(probe, Discovers)}


def _places(probe: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = probe.discovery_settings
    return names


def _shared_settings(probes: "Mapping[str, Probe]") -> "dict[str, list[Probe]]":
    """The probes that have a setting, by its name."""
    shared: dict[str, list[Probe]] = {}
    for probe in probes.values():
        for name in _places(probe):
            shared.setdefault(name, []).append(probe)
    return shared


def _meaning(name: str, probes: "Iterable[Probe]") -> str:
    """The help text of an option, in the words of each probe that has it."""
    return " ".join(f"{probe.name}: {probe.Settings.model_fields[name].description}" for probe in probes)


def _discover(
    probes: "Mapping[str, Probe]", only: list[str], given: Mapping[str, object], output: Any
) -> None:
    from rpo_sim.report.rows import render_rows

    unknown = [name for name in only if name not in probes]
    if unknown:
        raise typer.BadParameter(
            f"--probe {', '.join(unknown)}: those that look around are {', '.join(probes)}"
        )
    found = [
        (name, one)
        for name, probe in probes.items()
        if not only or name in only
        for one in _ask(probe, given)
    ]
    first = min((one for _, one in found if one.command), key=lambda one: one.rank, default=None)
    command = first.command if first else None
    found.sort(key=lambda pair: list(_TOPICS).index(pair[1].topic))
    if output in ("json", "csv"):
        rows = [_row(name, one) for name, one in found]
        typer.echo(render_rows(rows, output, meta={"run_first": command}), nl=False)
    else:
        for topic, title in _TOPICS.items():
            rows = [_for_people(one) for _, one in found if one.topic == topic]
            if rows:
                typer.echo(render_rows(rows, output, title=title.capitalize()))
    if command is not None and output != "json":
        typer.echo(f"run first: {command}", err=output == "csv")


def _ask(probe: "Probe", given: Mapping[str, object]) -> "list[Discovered]":
    """What one probe finds; what it cannot do is a finding too."""
    from rpo_sim.collect import probe_context
    from rpo_sim.errors import RpoSimError
    from rpo_sim.probe import settings_from_text
    from rpo_sim.probe_capabilities import Discovered

    found: list[Discovered] = []
    texts = {name: value for name, value in given.items() if name in _places(probe)}
    try:
        settings = settings_from_text(probe, texts)
        notes: list[str] = []
        context = probe_context(probe, note_error=notes.append)
        asked: Any = probe
        found.extend(asked.discover(settings, context))
        for note in notes:
            typer.echo(f"note: {note}", err=True)
    except RpoSimError as error:
        missing, _, remedy = str(error).partition(": ")
        found.append(Discovered(topic="measure", what=probe.name, ok=False, detail=missing, remedy=remedy))
    return found


def _row(name: str, one: "Discovered") -> dict[str, object]:
    return {
        "topic": one.topic,
        "probe": name,
        "what": one.what,
        "ok": one.ok,
        "detail": one.detail,
        "remedy": one.remedy,
        "command": one.command,
    }


def _for_people(one: "Discovered") -> dict[str, object]:
    return {
        "": "+" if one.ok else "-",
        "what": one.what,
        "detail": one.detail,
        "how": one.command or one.remedy,
    }
