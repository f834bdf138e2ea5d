"""What `record` must remember to go on after a restart: where its watches stand, and what was pending."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rpo_probes._kubernetes import Position
from rpo_probes._snapshot.facts import ClaimFacts, SnapshotFacts
from rpo_probes._snapshot.track import Moment, Track
from rpo_sim.probe import ProbeContext
from rpo_sim.records import Outcome

_VERSION = 1


@dataclass(slots=True, kw_only=True)
class Memory:
    """The state between two starts. On disk all moments are seconds since 1970, by this host's clock.

    Attributes
    ----------
    began_at : float, seconds since 1970
        By the server's clock: what was created later and is found finished was missed, and is told.
    positions : dict of str to Position
        By plural of the kind.
    tracks : list of Track
    """

    began_at: float
    positions: dict[str, Position] = field(default_factory=dict)
    tracks: list[Track] = field(default_factory=list)


class MemoryFile:
    """The file for one cluster and namespace.

    Parameters
    ----------
    context : ProbeContext
    server : str
    namespace : str or None
    """

    def __init__(self, context: ProbeContext, server: str, namespace: str | None) -> None:
        key = hashlib.sha256(f"{server} {namespace or ''}".encode()).hexdigest()[:16]
        self.path: Path = context.state_folder / f"record-{key}.json"
        self._context = context

    def load(self) -> Memory | None:
        """What was remembered; None if nothing was, or it cannot be read."""
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            if stored["version"] != _VERSION:
                return None
            shift = self._shift()
            return Memory(
                began_at=stored["began_at"],
                positions={
                    kind: Position(resource_version=version, at=at - shift)
                    for kind, (version, at) in stored["positions"].items()
                },
                tracks=[_track(one, shift) for one in stored["tracks"]],
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._context.note_error(f"{self.path} cannot be read ({error}): recording starts afresh")
            return None

    def save(self, memory: Memory) -> None:
        """Whole or not at all."""
        shift = self._shift()
        stored = {
            "version": _VERSION,
            "began_at": memory.began_at,
            "positions": {
                kind: [position.resource_version, position.at + shift]
                for kind, position in memory.positions.items()
            },
            "tracks": [_stored(track, shift) for track in memory.tracks],
        }
        fresh = self.path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(stored, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def _shift(self) -> float:
        """Seconds since 1970 less monotonic seconds: a restart begins another monotonic clock."""
        return self._context.now().timestamp() - self._context.monotonic()


def _stored(track: Track, shift: float) -> dict[str, Any]:
    return {
        "operation": track.operation,
        "facts": asdict(track.facts),
        "key": track.key,
        "began": [track.began[0] + shift, track.began[1] + shift],
        "first_seen": track.first_seen + shift,
        "cut": _moved(track.cut, shift),
        "ended": _moved(track.ended, shift),
        "ended_status": track.ended_status,
        "outcome": track.outcome.value,
        "concurrency": track.concurrency,
    }


def _track(stored: dict[str, Any], shift: float) -> Track:
    kind = SnapshotFacts if stored["operation"] == "snapshot" else ClaimFacts
    return Track(
        operation=stored["operation"],
        facts=kind(**stored["facts"]),
        key=stored["key"],
        began=(stored["began"][0] - shift, stored["began"][1] - shift),
        first_seen=stored["first_seen"] - shift,
        cut=_moved(stored["cut"], -shift),
        ended=_moved(stored["ended"], -shift),
        ended_status=stored["ended_status"],
        outcome=Outcome(stored["outcome"]),
        concurrency=stored["concurrency"],
    )


def _moved(moment: Sequence[float] | None, shift: float) -> Moment | None:
    return None if moment is None else (moment[0] + shift, moment[1] + shift)
