"""What a probe may offer beside measuring; a command looks for it on the installed probes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from rpo_sim.probe import ProbeContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One object that an earlier run left behind.

    Attributes
    ----------
    what, where : str
        Kind and name of the object; cluster and namespace, host or folder.
    state : {"found", "removed", "kept"}
    reason : str
        Why it is kept, or which run left it.
    """

    what: str
    where: str
    state: Literal["found", "removed", "kept"]
    reason: str = ""


@runtime_checkable
class CleansUp(Protocol):
    """Finds and removes what its earlier runs left, and nothing else."""

    def clean_up(self, settings: Any, context: ProbeContext, *, dry_run: bool) -> Iterator[Leftover]:
        """Each leftover as it is dealt with: found (`dry_run`), removed, or kept with the reason."""


@runtime_checkable
class StatesPermissions(Protocol):
    """Says what it must be allowed to do."""

    def manifests(self) -> Mapping[str, str]:
        """By mode, the manifest that grants what this mode needs and no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """One thing that can be measured, that helps to, or that stands in the way.

    Attributes
    ----------
    topic : {"storage", "history", "metrics", "measure", "permissions"}
    what : str
        Its name.
    ok : bool
    detail : str
        What is there, or what is missing.
    remedy : str
        How to get it; empty when `ok`.
    command : str
        What measures it.
    rank : int
        Of the command among those of all probes: the lowest is run first. Reading what exists comes before
        watching (20), making objects (40), and this machine alone (90).
    """

    topic: Literal["storage", "history", "metrics", "measure", "permissions"]
    what: str
    ok: bool
    detail: str = ""
    remedy: str = ""
    command: str = ""
    rank: int = 50


@runtime_checkable
class Discovers(Protocol):
    """Says what it could measure where it is pointed at, and how; it reads only."""

    @property
    def discovery_settings(self) -> tuple[str, ...]:
        """Which of its settings say where to look: options of ``rpo-sim discover``, shared by their names."""

    def discover(self, settings: Any, context: ProbeContext) -> Iterator[Discovered]:
        """What is there, in the order to be shown."""
