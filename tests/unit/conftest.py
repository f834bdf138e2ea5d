"""Results made by hand, for what judges and prints them; and the real command."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from rpo_sim.across_vms import across_vms
from rpo_sim.cli.app import app
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.plan import Plan
from rpo_sim.per_vm import EveryRun
from rpo_sim.results import Evidence, FloatArray, InputNote, ResultSet, Tier, TierRuns
from rpo_sim.scenario.load import load_scenario_text

MakeResult = Callable[..., ResultSet]
RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]
InTerminal = Callable[..., str]
COMMAND = Path(sys.executable).with_name("rpo-sim")
TINY = """\
version: 1
scenario: tiny
summary: One VM is restored from its backup.
locations:
  primary: {site: a, cluster: prod, backend: array}
  vault: {site: b, cluster: backup, backend: store}
estate:
  groups:
    - {name: web, tier: gold, disks: [{capacity: 40Gi, used: 50%}], change: {24h: 1Gi}}
objectives:
  gold: {rpo: 26h, rto: 4h, share_of_incidents: 95%, drill_every: 180d}
failure:
  scope: cluster
  detect: {assumed: 5m}
  declare: {assumed: 10m}
copies:
  - name: backup
    kind: backup
    every: 24h
    location: vault
    consistency: filesystem
    duration: {assumed: 10m}
    retention: {keep: 14d}
    immutable: 14d
    restore_test: {every: 90d}
platforms:
"""
PLATFORM = """\
  NAME:
    summary: Restored by the backup tool.
    recovery:
      path: [{copy: backup, method: full}]
      stages:
        - stage: data
          bytes: used
          duration: {measured: restore.data, else: {assumed: {lognormal: {p50: 10m, p95: 30m}}}}
          timeout: 24h
        - {stage: boot, duration: {assumed: {lognormal: {p50: BOOT, p95: 10m}}}}
"""


@pytest.fixture
def any_plan() -> Callable[..., Plan]:
    """A plan from what matters: top-level parts by name, a count of VMs; the rest is the recovery's."""

    def build(**what: Any) -> Plan:
        one = {"name": "vm", "count": what.pop("count", 1)}
        groups = [
            {"tier": "gold", "disks": [{"capacity": "1GB"}], **group} for group in what.pop("groups", [one])
        ]
        top: dict[str, Any] = {name: what.pop(name) for name in ("shared", "bind") if name in what}
        place: dict[str, Any] = {
            name: {"site": name, "cluster": name, "backend": name} for name in ("primary", "vault")
        }
        backup = {
            "name": "backup", "kind": "backup", "every": "1h", "location": "vault",
            "retention": {"count": 99}, "duration": {"assumed": "10m"}, **what.pop("copy", {}),
        }  # fmt: skip
        document: dict[str, Any] = {
            "version": 1, "scenario": "any", "summary": "Made up", "locations": place, **top,
            "estate": {"groups": groups}, "failure": {"scope": "site", **what.pop("failure", {})},
            "copies": [backup],
            "platforms": {"vmware": {"recovery": {"path": [{"copy": "backup", "method": "full"}], **what}}},
        }  # fmt: skip
        return compile_plan(load_scenario_text(json.dumps(document)).scenario, "vmware")

    return build


@pytest.fixture
def make_result() -> MakeResult:
    """A result of one VM in one tier: RPO 1h, RTO 4h, in 95% of incidents; a drill every 30 days."""

    def make(
        rta: Sequence[float] | FloatArray,
        rpa: Sequence[float] | FloatArray | None = None,
        *,
        objective: tuple[float | None, float | None, float | None] = (3600.0, 14400.0, 0.95),
        inputs: Sequence[InputNote] = (),
        activities: dict[str, float] | None = None,
        from_declaration: float | None = None,
        **other: Any,
    ) -> ResultSet:
        times = np.asarray(rta, dtype=np.float64)
        losses = np.full_like(times, 60.0) if rpa is None else np.asarray(rpa, dtype=np.float64)
        rpo, rto, share = objective
        named = activities or {"data": 1.0}
        finite = np.where(np.isfinite(times), times, 0.0)
        evidence = np.zeros((len(times), len(Evidence)))
        evidence[:, Evidence.ASSUMED] = finite
        runs = TierRuns(
            tier=Tier(
                name="gold",
                rpo_seconds=rpo,
                rto_seconds=rto,
                share=share,
                from_declaration=from_declaration is not None,
                drill_every_seconds=30 * 86400.0,
                owner=None,
            ),
            vms=1,
            rpa=losses,
            rpa_best=losses,
            rta=times,
            rta_from_declaration=times - (from_declaration or 0.0),
            evidence=other.pop("evidence", evidence),
            activities=finite[:, None] * np.array(list(named.values())),
        )
        stated: dict[str, Any] = {
            "scenario": "site-failure",
            "platform": "vmware",
            "seed": 1,
            "runs_per_block": 25,
            "assumed_factor": 1.0,
            "interrupted": False,
            "tiers": (runs,),
            "activities": tuple(named),
            "inputs": tuple(inputs),
            "groups": (("web", 1),),
            "age": np.zeros_like(times),
            "across": across_vms(losses[:, None], times[:, None], [slice(0, 1)]),
            "per_vm_rpa": EveryRun(losses[:, None]),
            "per_vm_rta": EveryRun(times[:, None]),
            "digests": {},
        }
        return ResultSet(**{**stated, **other})

    return make


@pytest.fixture
def rpo_sim(tmp_path: Path) -> RunCommand:
    """The installed command, run in a folder of its own."""

    def run(*arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
        stated: dict[str, Any] = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 120}
        return subprocess.run([COMMAND, *arguments], **{**stated, **options})

    return run


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """The same in this process, which spares its start; one worker, unless others are asked for."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        words = [str(argument) for argument in arguments]
        if words[0] in ("simulate", "parity") or (words[0] == "verdict" and not words[1].endswith(".json")):
            words += [] if {"--workers", "--executor"} & set(words) else ["--workers", "1"]
        ran = CliRunner().invoke(app, words)
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        return subprocess.CompletedProcess(words, ran.exit_code, ran.stdout, unboxed(ran.stderr))

    return run


def unboxed(text: str) -> str:
    """Without the box around usage errors, and on one line each."""
    return re.sub(r" *│\n│ *", " ", text)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A scenario of one VM, on the platforms `alike`, `same` and `slower`, that is quick to simulate."""
    stages = [("alike", "2m"), ("same", "2m"), ("slower", "9m")]
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY + "".join(PLATFORM.replace("NAME", n).replace("BOOT", b) for n, b in stages))
    return path


@pytest.fixture
def in_terminal(tmp_path: Path) -> InTerminal:
    """What the installed command shows on a terminal of so many columns, stderr included."""

    def run(*arguments: str | Path, columns: int = 80) -> str:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
        environment["TERM"] = "xterm"
        process = subprocess.Popen(
            [COMMAND, *arguments], cwd=tmp_path, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
        os.close(ours)
        process.wait(timeout=60)
        return shown.decode()

    return run


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the last writer is gone
        return b""
