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
