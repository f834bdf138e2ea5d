"""`rpo-sim rbac MODE`: print what a measurement must be allowed to do, to be applied or read."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command `rbac`."""
    app.command("rbac")(rbac)


def rbac(
    mode: Annotated[
        str, typer.Argument(metavar="MODE", help="list, record, measure, or record-deployment; see --help.")
    ],
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="Namespace of the account, and where `measure` may create.")
    ] = "rpo-sim",
    image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="Image with rpo-sim in it, for a Deployment.", show_default=False),
    ] = None,
    probe: Annotated[
        str | None, typer.Option(metavar="PROBE", help="Of this probe, if several have such a mode.")
    ] = None,
) -> None:
    """Print the least that a mode of a probe must be allowed to do on a cluster.

    `rpo-sim rbac record | kubectl apply -f -` makes an account with these permissions and no others, called
    rpo-sim-record after its mode. `rpo-sim rbac record-deployment --image IMAGE` runs a recorder with it.
    """
    found = _manifests(probe)
    matching = {name: texts[mode] for name, texts in found.items() if mode in texts}
    if not matching:
        known = sorted({mode for texts in found.values() for mode in texts})
        raise typer.BadParameter(f"no mode {mode!r}: there are {', '.join(known) or 'none'}")
    if len(matching) > 1:
        raise typer.BadParameter(f"{mode} is a mode of {', '.join(matching)}: choose one with --probe")
    (text,) = matching.values()
    if "IMAGE" in text and image is not None:
        text = text.replace("image: IMAGE", f"image: {image}")
    typer.echo(text.replace("NAMESPACE", namespace), nl=False)


def _manifests(name: str | None) -> dict[str, dict[str, str]]:
    from rpo_sim.probe import discover_probes, load_probe
    from rpo_sim.probe_capabilities import StatesPermissions

    probes = {name: load_probe(name)} if name is not None else discover_probes()[0]
    return {
        name: dict(probe.manifests())
        for name, probe in probes.items()
        if isinstance(probe, StatesPermissions)
    }
