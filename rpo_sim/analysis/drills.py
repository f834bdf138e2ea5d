"""What drills have shown: a recovery of this path, for real, on the clock of the objective.

A drill is kept in the store as two observations of operation ``drill``: stage ``rta`` (on the clock of the
objective) and stage ``rpa``, joined by `operation_id`, with the platform and the labels ``scenario`` and
``tier``. As JSON lines that ``rpo-sim observations import drills.jsonl`` takes:

.. code-block:: json

    {"operation": "drill", "stage": "rta", "lower_seconds": 5400, "upper_seconds": 5400,
     "platform": "vmware", "labels": {"scenario": "site-failure", "tier": "gold"},
     "operation_id": "drill-7", "event_id": "drill-7-rta",
     "started_at": "2026-03-02T09:00:00Z", "observed_at": "2026-03-02T11:00:00Z",
     "clock": "wall, 1m", "source": "people"}

(on one line each; the same again with stage ``rpa``). A failed drill has the outcome ``failed``.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from rpo_sim.records import Observation, Outcome
from rpo_sim.results import Tier

OPERATION = "drill"


class Demonstrated(StrEnum):
    """What the latest drill of a path showed."""

    MET = "MET"
    MISSED = "MISSED"
    STALE = "STALE"
    NONE = "NONE"


def demonstrated(
    tier: Tier, scenario: str, platform: str, observations: Iterable[Observation], now: datetime
) -> Demonstrated:
    """What the latest drill of this tier's path showed.

    MET needs both the RTA and the RPA of one drill within the objectives, each by its upper bound; a drill
    older than the objective's cadence is STALE; without a drill (or an objective) there is NONE.

    Parameters
    ----------
    tier : Tier
    scenario, platform : str
    observations : iterable of Observation
        Any; those of other operations and paths are passed over.
    now : datetime, UTC
    """
    drills: dict[str, list[Observation]] = {}
    for observation in observations:
        path = (observation.operation, observation.platform, observation.labels.get("scenario"))
        if path == (OPERATION, platform, scenario) and observation.labels.get("tier") == tier.name:
            drills.setdefault(observation.operation_id or observation.event_id, []).append(observation)
    if not drills or tier.rto_seconds is None or tier.rpo_seconds is None:
        return Demonstrated.NONE
    latest = max(drills.values(), key=lambda stages: max(map(_moment, stages)))
    if (now - max(map(_moment, latest))).total_seconds() > tier.drill_every_seconds:
        return Demonstrated.STALE
    upper = {stage.stage: stage.upper_seconds for stage in latest}
    well = all(stage.outcome is Outcome.SUCCEEDED and stage.verified is not False for stage in latest)
    within = upper.get("rta", float("inf")) <= tier.rto_seconds
    recent = upper.get("rpa", float("inf")) <= tier.rpo_seconds
    return Demonstrated.MET if well and within and recent else Demonstrated.MISSED


def _moment(observation: Observation) -> datetime:
    return observation.started_at or observation.observed_at
