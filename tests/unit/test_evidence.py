"""What `check` says: each weakness by name, and nothing about strong evidence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rpo_sim.distributions import LogNormal
from rpo_sim.distributions.evidence import RULES, Finding, check_evidence
from rpo_sim.distributions.profile import Profile, ProfileEntry

NOW = datetime(2026, 3, 2, tzinfo=UTC)
STRONG: dict[str, Any] = {
    "operation": "restore",
    "stage": "data",
    "backend": "ext4",
    "distribution": LogNormal(mu=3.0, sigma=0.4),
    "n": 200,
    "n_succeeded": 200,
    "n_failed": 8,
    "failure_interval": (0.017, 0.074),
    "size_range_bytes": (2**20, 2**30),
    "size_basis": "bytes_moved",
    "concurrency_range": (1, 8),
    "clock": "monotonic, 1ns",
    "window": (NOW - timedelta(days=30), NOW - timedelta(days=1)),
    "days": 20,
    "sources": ("local_disk",),
    "verified": 200,
    "goodness_p": 0.5,
    "digest": "ab",
}


def findings(**fields: Any) -> list[Finding]:
    profile = Profile(created_at=NOW, entries=(ProfileEntry(**(STRONG | fields)),))
    return check_evidence(profile, now=NOW)


def test_strong_evidence_is_left_alone() -> None:
    assert findings() == []


WEAKNESSES: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "few-measurements",
        {"n": 58},
        "p95 needs 59",
        "measure 1 more: rpo-sim measure local_disk --repetitions 1",
    ),
    ("few-measurements", {"n": 14}, "only p80 with 95 %", "measure 45 more"),
    (
        "few-failures",
        {"n_failed": 0, "failure_interval": (0.0, 0.018)},
        "no failure in 200",
        "keep collecting",
    ),
    ("narrow-sizes", {"size_range_bytes": (2**29, 2**30)}, "less than 4 to 1", "--sizes 256Mi,2048Mi"),
    ("narrow-sizes", {"size_range_bytes": None, "size_basis": None}, "without a size", "--sizes"),
    ("one-concurrency", {"concurrency_range": (1, 1)}, "only 1 at a time", "--concurrency 1,2,4"),
    ("one-concurrency", {"concurrency_range": None}, "unknown concurrency", "rpo-sim measure local_disk"),
    ("one-day", {"days": 1}, "one day", "other days"),
    ("unverified", {"verified": 0}, "200 of 200", "verifies the data"),
    (
        "old",
        {"window": (NOW - timedelta(days=200), NOW - timedelta(days=100))},
        "14w2d|100d",
        "measure again",
    ),
    ("coarse-clock", {"resolution_seconds": 10.0}, "±5s, with a median of 20.1s", "finer clock"),
    ("heavy-censoring", {"n_censored": 30}, "30 of 200", "collect again"),
    ("poor-fit", {"goodness_p": 0.001}, "fits poorly", "rpo-sim fit --operation"),
    ("from-the-fit", {"warnings": ("2 negative durations",)}, "2 negative", "rpo-sim observations list"),
]


@pytest.mark.parametrize(("rule", "fields", "message", "remedy"), WEAKNESSES)
def test_each_weakness_is_named(rule: str, fields: dict[str, Any], message: str, remedy: str) -> None:
    (found,) = findings(**fields)
    assert found.rule == rule
    assert any(part in found.message for part in message.split("|"))
    assert remedy in found.remedy
    assert found.entry == "restore.data on ext4"


def test_every_rule_has_a_case() -> None:
    elsewhere = {"mechanism"}  # on fitted bursts, in test_mechanism_use.py
    assert {rule for rule, *_ in WEAKNESSES} | elsewhere == set(RULES)


def test_options_of_local_disk_are_not_offered_for_other_probes() -> None:
    (found,) = findings(n=10, sources=("csi_snapshot",))
    assert found.remedy == "measure 49 more: rpo-sim measure csi_snapshot"


def test_what_was_not_fitted_is_a_finding() -> None:
    profile = Profile(created_at=NOW, entries=(), warnings=("restore.boot was not fitted: …",))
    (found,) = check_evidence(profile, now=NOW)
    assert (found.rule, found.severity) == ("not-fitted", "warning")
