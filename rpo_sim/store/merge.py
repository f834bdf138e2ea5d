"""What two sightings of one event say together."""

from dataclasses import replace

from rpo_sim.records import Observation


def merged(known: Observation, seen: Observation) -> Observation:
    """The record to keep of an event that is known and is seen again.

    A relisting changes nothing; a finished observation never reverts to running. Of two sightings of a
    running operation the later one counts, and its lower bound never falls. An operation that was first
    seen while it ran keeps its earliest entry: that is when its duration began to be watched.
    """
    if known.outcome.finished and not seen.outcome.finished:
        return known
    if known.outcome.finished:
        same = replace(seen, observed_at=known.observed_at, collection_id=known.collection_id) == known
        if same or (seen.outcome is known.outcome and _width(seen) > _width(known)):
            return known
        if seen.outcome is known.outcome and _width(seen) < _width(known):
            return seen
        return known if seen.observed_at < known.observed_at else seen
    entry = min(known.entry_seconds, seen.entry_seconds)
    if seen.outcome.finished:
        return replace(seen, entry_seconds=entry)
    latest = seen if seen.observed_at >= known.observed_at else known
    lower = max(known.lower_seconds, seen.lower_seconds)
    return replace(latest, lower_seconds=lower, entry_seconds=entry)


def _width(one: Observation) -> float:
    """How far apart the bounds lie; nan-free, for two open intervals compare as equal."""
    return one.upper_seconds - one.lower_seconds
