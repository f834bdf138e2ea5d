"""`python -m tests.cluster.lab up|down|status|build`: results on stdout, the rest on stderr."""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster.lab.build import build, missing
from tests.cluster.lab.components import BACKENDS
from tests.cluster.lab.errors import LabError
from tests.cluster.lab.lab import Lab

DEFAULT_FOLDER = Path(tempfile.gettempdir()) / f"rpo-sim-lab-{os.getuid()}"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.lab", description="A real control plane to test on."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    state = argparse.ArgumentParser(add_help=False)
    state.add_argument(
        "--state", type=Path, default=DEFAULT_FOLDER, help="folder of the lab's state (%(default)s)"
    )
    up = commands.add_parser("up", parents=[state], help="start a lab; prints the path of its kubeconfig")
    up.add_argument(
        "--backend", choices=BACKENDS, default="b", help="a: client limits as shipped; b: higher ones"
    )
    commands.add_parser("down", parents=[state], help="end the lab and remove its state")
    commands.add_parser("status", parents=[state], help="what runs")
    building = commands.add_parser("build", help="build the programs; prints their folder")
    building.add_argument(
        "--if-possible", action="store_true", help="succeed where they cannot be built or run"
    )
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends through the same clean-up as Ctrl-C
    try:
        return _COMMANDS[chosen.command](chosen)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _up(chosen: argparse.Namespace) -> int:
    begun = time.monotonic()
    lab = Lab.up(chosen.state, chosen.backend)
    print(
        f"the lab is up after {time.monotonic() - begun:.1f} s, Prometheus at {lab.prometheus_url}",
        file=sys.stderr,
    )
    print(lab.kubeconfig)
    return 0


def _down(chosen: argparse.Namespace) -> int:
    Lab.find(chosen.state).down()
    return 0


def _status(chosen: argparse.Namespace) -> int:
    lab = Lab.find(chosen.state)
    status = lab.status()
    for name, state in status.items():
        print(f"{name:<24} {state:<8} {lab.layout.url(name) if name in lab.layout.ports else ''}".rstrip())
    return 0 if set(status.values()) == {"running"} else 1


def _build(chosen: argparse.Namespace) -> int:
    if chosen.if_possible and (lacks := missing()):
        print(f"the lab is not built: {'; '.join(lacks)}", file=sys.stderr)
        return 0
    print(build())
    return 0


_COMMANDS = {"up": _up, "down": _down, "status": _status, "build": _build}

if __name__ == "__main__":
    sys.exit(main())
