"""What a drill demonstrates."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rpo_sim.analysis.drills import Demonstrated, demonstrated
from rpo_sim.records import Observation, Outcome
from rpo_sim.results import Tier

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TIER = Tier(
    name="gold",
    rpo_seconds=900.0,
    rto_seconds=7200.0,
    share=0.95,
    from_declaration=False,
    drill_every_seconds=30 * 86400.0,
    owner=None,
)


def drill(name: str = "one", days_ago: float = 1.0, **other: Any) -> list[Observation]:
    """A drill that met both objectives, to the second."""
    at = NOW - timedelta(days=days_ago)
    rta = Observation(
        operation="drill",
        stage="rta",
        lower_seconds=7100.0,
        upper_seconds=7200.0,
        platform="vmware",
        labels={"scenario": "site-failure", "tier": "gold"},
        operation_id=name,
        event_id=f"{name}-rta",
        started_at=at,
        observed_at=at + timedelta(hours=3),
        clock="wall, 1m",
        source="people",
    )
    rpa = replace(rta, stage="rpa", lower_seconds=900.0, upper_seconds=900.0, event_id=f"{name}-rpa")
    return [replace(stage, **other) for stage in (rta, rpa)]


def shown(observations: list[Observation], tier: Tier = TIER) -> Demonstrated:
    return demonstrated(tier, "site-failure", "vmware", observations, NOW)


def test_within_both_objectives_by_the_upper_bound_is_met() -> None:
    rta, rpa = drill()
    assert shown([rta, rpa]) is Demonstrated.MET
    assert shown([replace(rta, upper_seconds=7201.0), rpa]) is Demonstrated.MISSED
    assert shown([rta, replace(rpa, upper_seconds=901.0)]) is Demonstrated.MISSED


def test_a_drill_that_measured_only_one_of_the_two_has_not_shown_both() -> None:
    rta, rpa = drill()
    assert shown([rta]) is Demonstrated.MISSED
    assert shown([rpa]) is Demonstrated.MISSED
    assert shown([rta, replace(rpa, operation_id="two")]) is Demonstrated.MISSED


@pytest.mark.parametrize("other", [{"outcome": Outcome.FAILED}, {"verified": False}])
def test_a_drill_that_failed_or_whose_data_was_wrong_is_missed(other: dict[str, Any]) -> None:
    assert shown(drill(**other)) is Demonstrated.MISSED


def test_a_drill_older_than_the_cadence_is_stale_whatever_it_showed() -> None:
    assert shown(drill(days_ago=30)) is Demonstrated.MET
    assert shown(drill(days_ago=30.1)) is Demonstrated.STALE
    assert shown(drill(days_ago=31, outcome=Outcome.FAILED)) is Demonstrated.STALE


def test_the_latest_drill_counts() -> None:
    failed = drill("two", days_ago=2, outcome=Outcome.FAILED)
    assert shown([*failed, *drill("three", days_ago=1)]) is Demonstrated.MET
    assert shown([*drill("four", days_ago=3), *failed]) is Demonstrated.MISSED


@pytest.mark.parametrize(
    "other",
    [
        {"operation": "restore"},
        {"platform": "openshift-virtualization"},
        {"labels": {"scenario": "single-vm-restore", "tier": "gold"}},
        {"labels": {"scenario": "site-failure", "tier": "silver"}},
        {"labels": {}},
    ],
)
def test_other_paths_demonstrate_nothing(other: dict[str, Any]) -> None:
    assert shown(drill(**other)) is Demonstrated.NONE


def test_without_an_objective_there_is_nothing_to_demonstrate() -> None:
    assert shown(drill(), replace(TIER, rto_seconds=None)) is Demonstrated.NONE
    assert shown([]) is Demonstrated.NONE
