"""What a run is about to create, written down before it does; and who owns what is found later."""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rpo_probes._kubernetes import Object, Resource, Target

MANAGED_BY = "app.kubernetes.io/managed-by"
RUN = "rpo-sim.io/run"
PART = "rpo-sim.io/part"
UNTIL = "rpo-sim.io/until"
HOST = "rpo-sim.io/host"
TOOL = "rpo-sim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run that creates objects.

    Attributes
    ----------
    run_id : str
        The collection's; in a label of each object.
    kubeconfig, context, namespace : str
        Where; empty for the default.
    host : str
    until : str
        RFC 3339: a run that is alive after this has a defect.
    """

    run_id: str
    kubeconfig: str
    context: str
    namespace: str
    host: str
    until: str

    @property
    def selector(self) -> str:
        """Of all its objects."""
        return f"{MANAGED_BY}={TOOL},{RUN}={self.run_id}"

    @property
    def target(self) -> Target:
        """The cluster."""
        path = Path(self.kubeconfig) if self.kubeconfig else None
        return Target(kubeconfig=path, context=self.context or None)

    def metadata(self, name: str, part: str) -> Object:
        """Of an object that this run makes."""
        return {
            "name": name,
            "labels": {MANAGED_BY: TOOL, RUN: self.run_id, PART: part},
            "annotations": {UNTIL: self.until, HOST: self.host},
        }


def new_run(run_id: str, target: Target, namespace: str, until: datetime) -> Run:
    """A run of this host."""
    return Run(
        run_id=run_id,
        kubeconfig=str(target.kubeconfig.expanduser().absolute()) if target.kubeconfig else "",
        context=target.context or "",
        namespace=namespace,
        host=socket.gethostname(),
        until=until.astimezone(UTC).isoformat(timespec="seconds"),
    )


class Journal:
    """The file of one run in the state folder, locked while its writer lives.

    Parameters
    ----------
    state_folder : Path
    run : Run
    """

    def __init__(self, state_folder: Path, run: Run) -> None:
        self.path = state_folder / f"run-{run.run_id}.jsonl"
        self._file = self.path.open("x", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._write({name: getattr(run, name) for name in Run.__slots__})

    def about_to_create(self, resource: Resource, names: Iterable[str]) -> None:
        """On disk when this returns."""
        self._write({"kind": resource.plural, "names": list(names)})

    def _write(self, line: Mapping[str, object]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self, *, all_gone: bool) -> None:
        """Let go; the file goes too if nothing is left to look for."""
        if all_gone:
            self.path.unlink(missing_ok=True)
        self._file.close()


@contextlib.contextmanager
def abandoned_runs(state_folder: Path) -> Iterator[dict[Path, Run]]:
    """Journals of runs that have ended without cleaning up, held locked meanwhile."""
    with contextlib.ExitStack() as held:
        found: dict[Path, Run] = {}
        for path in sorted(state_folder.glob("run-*.jsonl")):
            try:
                file = held.enter_context(path.open(encoding="utf-8"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # its run is alive, or has just ended well
            run = _read_run(file.readline())
            if run is None:
                path.unlink(missing_ok=True)  # broke off in its first line, before anything was made
            else:
                found[path] = run
        yield found


def living_runs(state_folder: Path) -> set[str]:
    """Identities of the runs of this host that are going on."""
    living = set()
    for path in state_folder.glob("run-*.jsonl"):
        with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                living.add(path.stem.removeprefix("run-"))
    return living


def _read_run(line: str) -> Run | None:
    """None if the first line broke off."""
    try:
        return Run(**json.loads(line))
    except (ValueError, TypeError):
        return None
