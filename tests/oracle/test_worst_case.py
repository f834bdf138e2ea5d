"""The worst case by windows: the sums of the paper, held against the greatest loss that the runs show.

L_i + accW_i with L_i = Σ (hold + propagation); in a cycle the full's propagation counts (Keeton and
Merchant, "A framework for evaluating storage system dependability", DSN 2004).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import strike
from rpo_sim.model.protection.worst_case import worst_cases

PlanOf = Callable[..., Plan]

HOUR = 3600.0
CHAIN = {"from": "snapshot", "hold": "10m", "offset": "5m"}
SNAPSHOT = {"name": "snapshot", "every": "1h", "duration": {"assumed": "5m"}}
BACKUP = {"name": "backup", "every": "4h", "duration": {"assumed": "30m"}}
UNIFORM = {"assumed": {"uniform": {"low": "5m", "high": "15m"}}}
LOGNORMAL = {"assumed": {"lognormal": {"p50": "5m", "p95": "15m"}}}
CHANGE = [{"name": "vm", "change": {"15m": "60Mi", "24h": "2Gi"}, "disks": [{"capacity": "10Gi"}]}]
ANY_LENGTH = {"assumed": {"uniform": {"low": "0s", "high": "8h"}}}
APPLICATION = [{"name": "vm", "count": 3, "application": "shop"}]
WAN = {"links": {"wan": {"bandwidth": "1MiB/s"}}}
FOUND = {"scope": "object", "kind": {"corruption": {"age": {"assumed": "6h"}}}}


def greatest(plan: Plan, blocks: int = 40) -> float:
    """The greatest loss from the last copy that the runs show."""
    most = 0.0
    for block in range(blocks):
        draws = BlockDraws(plan, Draws(1), block)
        incident = strike(plan, draws)
        newest = recovery_points(plan, draws, incident, simpy_engine.protect)
        most = max(most, float((incident.failed_at[:, None] - newest[-1]).max()))
    return most


@pytest.mark.parametrize(
    ("build", "seconds"),
    [
        ({"copies": [BACKUP]}, 1800 + 4 * HOUR),
        ({"copies": [SNAPSHOT, BACKUP | CHAIN]}, 300 + 600 + 1800 + 4 * HOUR),
        ({"copies": [SNAPSHOT, BACKUP | {"from": "snapshot"}]}, 1 * HOUR + 1800 + 4 * HOUR),
        ({"copies": [BACKUP | {"duration": UNIFORM, "lag": "1h"}]}, 900 + HOUR + 4 * HOUR),
        ({"copies": [BACKUP | {"duration": {"assumed": "5h"}, "overlap": "skip"}]}, 5 * HOUR + 8 * HOUR),
        ({"copies": [BACKUP | {"duration": {"assumed": "5h"}, "overlap": "allow"}]}, 5 * HOUR + 4 * HOUR),
        ({"copies": [BACKUP | {"duration": {"assumed": "5h"}, "overlap": "coalesce"}]}, 5 * HOUR + 5 * HOUR),
        ({"copies": [BACKUP | {"every": "back-to-back"}]}, 1800 + 1800),
        (
            {"copies": [BACKUP | {"cycle": {"full": "24h", "duration": {"assumed": "3h"}}}]},
            3 * HOUR + 4 * HOUR,
        ),
        ({"copies": [BACKUP | {"every": "synchronous", "duration": None, "retention": None}]}, 0.0),
        (
            {
                "groups": CHANGE,
                "shared": WAN,
                "copies": [BACKUP | {"every": "15m", "duration": None, "over": "wan", "bytes": "change"}],
            },
            60 + 900,
        ),
        ({"copies": [BACKUP], "failure": FOUND}, 6 * HOUR + 4 * HOUR),
        (  # the next starts when the last ends, not when the source's point arrives: just before it, at times
            {
                "copies": [
                    SNAPSHOT,
                    BACKUP | CHAIN | {"hold": None, "duration": {"assumed": "4.75h"}, "overlap": "coalesce"},
                ]
            },
            300 + HOUR + 4.75 * HOUR + 4.75 * HOUR,
        ),
        ({"copies": [BACKUP | {"retention": {"weekly": 1}}]}, 1800 + 4 * HOUR),
        ({"groups": APPLICATION, "copies": [BACKUP | {"cut_together": True}]}, 1800 + 4 * HOUR),
    ],
)
def test_the_runs_reach_but_do_not_pass_the_sum_of_windows(
    plan_of: PlanOf, build: dict[str, Any], seconds: float
) -> None:
    plan = plan_of(**build)
    case, best = worst_cases(plan, 0)[-2:]
    assert case.seconds == pytest.approx(seconds, rel=1e-9)
    assert case.because == ""
    assert best.seconds <= case.seconds
    found = greatest(plan)
    assert found <= seconds * (1 + 1e-9)
    assert found >= 0.95 * seconds


@pytest.mark.parametrize(
    ("build", "because"),
    [
        ({"copies": [BACKUP | {"success": {"assumed": "98%"}}]}, "runs may fail (98.0% succeed)"),
        ({"copies": [BACKUP | {"duration": LOGNORMAL}]}, "the duration has no upper bound (lognormal)"),
        ({"copies": [BACKUP | {"duration": UNIFORM, "timeout": "10m"}]}, "longer than their time-out"),
        ({"copies": [BACKUP | {"location": "primary"}]}, "the failure destroys it"),
        (
            {"copies": [SNAPSHOT | {"success": {"assumed": "9%"}}, BACKUP | CHAIN]},
            "runs of snapshot may fail",
        ),
        ({"copies": [BACKUP | {"retention": {"keep": "4h"}}]}, "points expire before"),
        ({"copies": [BACKUP | {"duration": {"assumed": "5h"}, "overlap": "replace"}]}, "overlap: replace"),
        ({"copies": [BACKUP | {"immutable": "4h"}], "failure": {"scope": "admin"}}, "immutability"),
        ({"copies": [BACKUP | {"retention": {"count": 1}}], "failure": FOUND}, "surely kept"),
        ({"copies": [BACKUP | {"retention": {"daily": 9}}], "failure": FOUND}, "calendar retention"),
        (  # of three points the oldest may be 8 h old: runs may take 8 h, or nothing
            {
                "copies": [BACKUP | {"duration": ANY_LENGTH, "retention": {"count": 3}, "overlap": "allow"}],
                "failure": {**FOUND, "kind": {"corruption": {"age": {"assumed": "9h"}}}},
            },
            "surely kept",
        ),
        (  # three copies within an hour of one point of the source
            {
                "copies": [BACKUP, SNAPSHOT | {"from": "backup", "every": "30m", "retention": {"count": 3}}],
                "failure": FOUND,
            },
            "surely kept",
        ),
        (
            {
                "groups": APPLICATION,
                "copies": [BACKUP | {"duration": ANY_LENGTH, "overlap": "skip", "cut_together": True}],
            },
            "may miss different runs",
        ),
        (
            {
                "groups": APPLICATION,
                "copies": [
                    SNAPSHOT | {"stagger": "uniform"},
                    BACKUP | {"from": "snapshot", "cut_together": True},
                ],
            },
            "different cuts",
        ),
        (
            {
                "copies": [BACKUP | {"overlap": "queue", "slots": {"movers": 1}}],
                "count": 3,
            },
            "runs wait for slots of movers",
        ),
        (
            {
                "shared": {
                    "links": {"wan": {**WAN["links"]["wan"], "outages": {"every": "9d", "duration": UNIFORM}}}
                },
                "copies": [BACKUP | {"duration": None, "over": "wan", "bytes": "60Mi"}],
            },
            "outages of link wan come at random",
        ),
        (
            {
                "copies": [BACKUP | {"every": "synchronous", "duration": None, "retention": None}],
                "failure": FOUND,
            },
            "a synchronous copy has the bad data at once",
        ),
    ],
)
def test_what_bounds_nothing_is_named(plan_of: PlanOf, build: dict[str, Any], because: str) -> None:
    case, best = worst_cases(plan_of(**build), 0)[-2:]
    assert case.seconds == math.inf
    assert because in case.because
    assert best.seconds < math.inf or ": " in best.because


def test_streams_on_a_shared_link_are_bounded_by_all_that_it_carries(plan_of: PlanOf) -> None:
    """n transfers of s bytes on a link of B without caps: none takes longer than (n + 1)·s/B, here n·s/B."""
    copy = BACKUP | {"duration": None, "over": "wan", "bytes": "60Mi"}
    plan = plan_of(count=5, copies=[copy], shared=WAN)
    case = worst_cases(plan, 0)[0]
    found = greatest(plan, blocks=8)
    assert 300 + 4 * HOUR * 0.9 < found <= case.seconds == pytest.approx(360 + 4 * HOUR)
    assert np.isfinite(case.lag_seconds)
