"""Real snapshots and restores: a CSI host-path driver on a Kubernetes 1.36 control plane, 776 objects.

``duration_audit_s`` is the truth (API server, microseconds); the time stamps are what an object shows of it.
"""

import csv
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from rpo_sim.distributions import LogNormal, SizeScaled
from rpo_sim.distributions.evidence import check_evidence
from rpo_sim.distributions.fit import fit
from rpo_sim.distributions.likelihood import durations, fit_family
from rpo_sim.records import Observation

ROWS = list(csv.DictReader((Path(__file__).parents[1] / "data" / "lab-snapshots-and-restores.csv").open()))
MOMENT = datetime(2026, 11, 22, 15, tzinfo=UTC)


def observations(operation: str, backend: str, phase: str) -> list[Observation]:
    return [
        Observation(
            operation=operation,
            stage="ready" if operation == "snapshot" else "bound",
            backend=backend,
            lower_seconds=float(row["duration_audit_s"]),
            upper_seconds=float(row["duration_audit_s"]),
            bytes_moved=int(row["data_bytes"]),
            concurrency=int(row["concurrency"]),
            started_at=MOMENT,
            observed_at=MOMENT + timedelta(minutes=1),
            clock="API server, 1us",
            source="lab",
            event_id=str(i),
        )
        for i, row in enumerate(ROWS)
        if (row["operation"], row["backend"], row["phase"]) == (operation, backend, phase)
    ]


def median(operation: str, backend: str, size: int, concurrency: int) -> float:
    return float(
        np.median(
            [
                float(row["duration_audit_s"])
                for row in ROWS
                if (row["operation"], row["backend"]) == (operation, backend)
                and (int(row["data_bytes"]), int(row["concurrency"])) == (size, concurrency)
            ]
        )
    )


@pytest.mark.parametrize(("operation", "backend"), [("restore", "A"), ("restore", "B"), ("snapshot", "B")])
@pytest.mark.parametrize("size", [10**6, 2 * 10**7, 6 * 10**7])
def test_singles_follow_the_line_through_their_sizes(operation: str, backend: str, size: int) -> None:
    (entry,) = fit(observations(operation, backend, "single")).entries
    assert isinstance(entry.distribution, SizeScaled)
    predicted = math.exp(entry.distribution.at(size_bytes=size, concurrency=1).mu)
    assert predicted == pytest.approx(median(operation, backend, size, 1), rel=0.12)


def test_a_curve_through_concurrency_is_rough_and_the_check_says_so() -> None:
    """A token bucket decides here: the fit must be refused by its own test, and the check must name it."""
    found = observations("restore", "A", "sweep")
    profile = fit([*observations("restore", "A", "single"), *found])
    assert isinstance(profile.entries[0].distribution, SizeScaled)
    rules = {finding.rule: finding for finding in check_evidence(profile, now=MOMENT)}
    assert "another mechanism" in rules["poor-fit"].message
    assert {"one-day", "unverified"} <= set(rules)


@pytest.mark.parametrize("concurrency", [8, 12])
def test_whole_second_stamps_give_the_same_quantiles(concurrency: int) -> None:
    rows = [
        row
        for row in ROWS
        if (row["operation"], row["backend"], int(row["concurrency"])) == ("restore", "A", concurrency)
    ]
    stamped = []
    for row in rows:
        start, end = (
            datetime.fromisoformat(row[name]) for name in ("creation_timestamp", "pv_last_phase_transition")
        )
        whole = (end - start).total_seconds()
        stamped.append((max(whole - 1, 0.0), whole + 1))
    exact = [(value, value) for value in (float(row["duration_audit_s"]) for row in rows)]
    truth = fit_family("lognormal", durations(exact)).distribution
    read = fit_family("lognormal", durations(stamped)).distribution
    assert isinstance(truth, LogNormal)
    u = np.array([0.5, 0.95])
    np.testing.assert_allclose(read.ppf(u), truth.ppf(u), rtol=0.04)
