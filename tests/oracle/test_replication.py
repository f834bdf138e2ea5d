"""Replication over links against exact answers: deltas that settle, shared links, outages, no windows.

Sources: the asynchronous batched mirror and its windows after Keeton and Merchant, "A framework for
evaluating storage system dependability" (DSN 2004); renewal theory for what a random moment sees.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from rpo_sim.distributions.base import FloatArray
from rpo_sim.errors import ModelError
from rpo_sim.model import simpy_engine
from rpo_sim.model.block import BlockDraws
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Plan
from rpo_sim.model.protection.attempts import attempts
from rpo_sim.model.protection.histories import recovery_points
from rpo_sim.model.protection.incident import strike
from rpo_sim.model.protection.overlap import BEGIN
from rpo_sim.model.protection.transfers import transferred

PlanOf = Callable[..., Plan]
Agrees = Callable[[FloatArray, float], None]

MIB = 2**20


def rpas(plan: Plan, blocks: int = 40, seed: int = 1) -> FloatArray:
    """RPAs of all VMs from the first copy, without their recovery: one row per block."""
    rows = []
    for block in range(blocks):
        draws = BlockDraws(plan, Draws(seed), block)
        incident = strike(plan, draws)
        newest = recovery_points(plan, draws, incident, simpy_engine.protect)
        rows.append((incident.failed_at[:, None] - newest[0]).ravel())
    return np.array(rows)


def sent(every: str = "1h", **fields: Any) -> dict[str, Any]:
    """A copy that only its link times."""
    return {"every": every, "stagger": "uniform", "duration": None, "over": "wan", "bytes": "60Mi", **fields}


def wan(**fields: Any) -> dict[str, Any]:
    return {"links": {"wan": {"bandwidth": "1MiB/s", **fields}}}


def churning(count: int = 1, **windows: str) -> list[dict[str, Any]]:
    change = {key.removeprefix("w"): size for key, size in windows.items()}
    return [{"name": "vm", "count": count, "change": change, "disks": [{"capacity": "100Gi"}]}]


def test_a_transfer_takes_its_bytes_over_the_bandwidth(plan_of: PlanOf, agrees: Agrees) -> None:
    """RPA ~ V/B + U(0, T)."""
    rpa = rpas(plan_of(count=1, copy=sent(), shared=wan()), blocks=80)
    assert stats.kstest((rpa.ravel() - 60) / 3600, "uniform").pvalue > 1e-4
    assert rpa.min() >= 60


def test_efficiency_and_reserved_traffic_leave_less(plan_of: PlanOf) -> None:
    """D = V / (B·efficiency − reserved): 60 MiB at 0.75 − 0.25 MiB/s."""
    plan = plan_of(count=1, copy=sent(), shared=wan(efficiency="75%", reserved="256KiB/s"))
    rpa = rpas(plan, blocks=80)
    assert stats.kstest((rpa.ravel() - 120) / 3600, "uniform").pvalue > 1e-4


def test_streams_share_a_link_equally(plan_of: PlanOf) -> None:
    """Processor sharing: n equal transfers that start together all take n·V/B."""
    plan = plan_of(count=10, copy=sent(stagger="none"), shared=wan())
    assert plan.copies[0].competes_for
    rpa = rpas(plan, blocks=4)
    assert np.ptp(rpa.reshape(-1, 10), axis=1).max() < 1e-6
    assert rpa.min() >= 600
    assert rpa.max() <= 4200
    assert stats.kstest((rpas(plan, blocks=8)[:, ::10].ravel() - 600) / 3600, "uniform").pvalue > 1e-4


def test_a_delta_settles_at_its_fixed_point(plan_of: PlanOf, agrees: Agrees) -> None:
    """τ_{k+1} = V(τ_k)/B ends at V(τ) = B·τ; back to back RPA ~ τ + U(0, τ)."""
    groups = churning(w1m="600Mi", w1h="7200Mi")
    plan = plan_of(groups=groups, copy=sent("back-to-back", bytes="change"), shared=wan(bandwidth="4MiB/s"))

    def volume(tau: float) -> float:
        return 600 + (7200 - 600) * math.log(tau / 60) / math.log(60)

    tau = optimize.brentq(lambda t: volume(t) - 4 * t, 60, 3600)
    assert plan.copies[0].transfer is not None
    assert plan.copies[0].transfer.settled_seconds == pytest.approx(tau, rel=1e-9)
    rpa = rpas(plan, blocks=80)
    assert stats.kstest((rpa.ravel() - tau) / tau, "uniform").pvalue > 1e-4


def test_a_delta_finds_its_fixed_point_from_far(plan_of: PlanOf) -> None:
    """The iteration contracts from a first window ten times too long."""
    groups = churning(w1m="600Mi", w1h="7200Mi")
    plan = plan_of(groups=groups, copy=sent("back-to-back", bytes="change"), shared=wan(bandwidth="4MiB/s"))
    copy = plan.copies[0]
    assert copy.transfer is not None
    tau = copy.transfer.settled_seconds
    draws = BlockDraws(plan, Draws(1), 0)
    runs = attempts(copy, draws, strike(plan, draws))
    far = replace(copy, transfer=replace(copy.transfer, settled_seconds=10 * tau))
    cut_at, available_at = transferred(plan, far, runs, BEGIN["queue"])
    first, last = (available_at - cut_at)[0], (available_at - cut_at)[-1]
    assert (first > 2 * tau).all()
    np.testing.assert_allclose(last, tau, rtol=1e-6)


def test_a_hold_sets_the_pace_of_a_light_delta(plan_of: PlanOf) -> None:
    """V(τ) = r·τ: τ = hold / (1 − r/B), here 30 s / (1 − 1/4)."""
    groups = churning(w1h="900Mi")  # 0.25 MiB/s
    copy = sent("back-to-back", bytes="change", hold="30s")
    plan = plan_of(groups=groups, copy=copy, shared=wan())
    assert plan.copies[0].transfer is not None
    assert plan.copies[0].transfer.settled_seconds == pytest.approx(40, rel=1e-9)
    rpa = rpas(plan, blocks=80)
    assert stats.kstest((rpa.ravel() - 40) / 40, "uniform").pvalue > 1e-4
    with pytest.raises(ModelError, match="less than 1 s"):
        plan_of(groups=groups, copy=sent("back-to-back", bytes="change"), shared=wan())
    heavy = [{"name": "vm", "change": {"1h": "7Gi"}, "disks": [{"capacity": "2000000Gi"}]}]
    with pytest.raises(ModelError, match="behind for ever"):
        plan_of(groups=heavy, copy=sent("back-to-back", bytes="change"), shared=wan())


@pytest.mark.parametrize("link", [{"per_stream": "100kB/s", "bandwidth": "9MiB/s"}, {}])
@pytest.mark.parametrize("calm", ["900Mi", "0B"])
def test_a_calm_vm_among_busy_ones_needs_a_hold_or_an_interval(
    plan_of: PlanOf, link: dict[str, str], calm: str
) -> None:
    """V(τ) = r·τ with r below its rate: τ shrinks for ever, however long the runs of others take."""
    busy = churning(w1m="100Mi", w48h="100Mi")[0] | {"name": "busy"}
    groups = [busy, *churning(w1h=calm if link == {} else "30Mi")]
    copy = sent("back-to-back", bytes="change")
    with pytest.raises(ModelError, match="the VMs that change least"):
        plan_of(groups=groups, copy=copy, shared=wan(**link))
    held = plan_of(groups=groups, copy=copy | {"hold": "30s"}, shared=wan(**link))
    assert (rpas(held, blocks=1) >= 30).all()


def test_transfers_back_to_back_that_time_out_at_once_are_refused(plan_of: PlanOf) -> None:
    copy = sent("back-to-back", timeout="0s")
    with pytest.raises(ModelError, match="less than 1 s"):
        plan_of(groups=churning(w1h="900Mi"), copy=copy, shared=wan())


def test_a_delta_that_outlasts_its_interval_grows(plan_of: PlanOf) -> None:
    """V(10 m) needs 15 minutes: with `skip` every second due run is dropped, so that each moves the change
    of 20 minutes: D = V(20 m)/B, RPA ~ D + U(0, 20 m)."""
    groups = churning(w10m="900Mi", w20m="1100Mi", w1h="2000Mi")
    plan = plan_of(groups=groups, copy=sent("10m", bytes="change", overlap="skip"), shared=wan())
    rpa = rpas(plan, blocks=80)
    assert stats.kstest((rpa.ravel() - 1100) / 1200, "uniform").pvalue > 1e-4


def test_a_synchronous_copy_loses_nothing_and_saves_nothing(plan_of: PlanOf) -> None:
    """All windows are 0; what is corrupt is corrupt on both sides at once."""
    copy = {"every": "synchronous", "duration": None, "retention": None}
    assert (rpas(plan_of(count=3, copy=copy), blocks=2) == 0).all()
    failure = {"scope": "object", "kind": {"corruption": {"age": {"assumed": "1m"}}}}
    assert np.isinf(rpas(plan_of(count=3, copy=copy, failure=failure), blocks=2)).all()


@pytest.mark.parametrize(
    ("shape", "beyond"),
    [
        ({"exponential": {"mean": "30m"}}, lambda a: np.exp(-a / 1800)),
        ({"fixed": "30m"}, lambda a: max(0.0, 1 - a / 1800)),
        ({"uniform": {"low": "0s", "high": "1h"}}, lambda a: (1 - a / 3600) ** 2),
    ],
)
def test_a_random_moment_sees_long_outages_more_often(
    plan_of: PlanOf, shape: dict[str, Any], beyond: Callable[[float], float]
) -> None:
    """Copies that take next to no time, due each minute; outages of mean d after up times of mean u.

    P(down) = d/(u + d), and the age A of an outage in progress has P(A > a) = ∫_a^∞ (1 − F)/d (renewal
    theory). While the link is down RPA = A + the time from the last due run to the start of the outage,
    U(0, T); after it, RPA is more than T only until the run that waited has gone. So for x > T,
    P(RPA > x) = P(down)·P(A + U(0, T) > x).
    """
    outages = {"every": "10m", "duration": {"assumed": shape}}
    copy = sent("1m", bytes="1B", overlap="coalesce")
    plan = plan_of(copy=copy, shared=wan(outages=outages, bandwidth="1000MiB/s"))
    assert not plan.copies[0].competes_for
    rpa = rpas(plan, blocks=200)
    offsets = (np.arange(1000) + 0.5) / 1000 * 60
    for x in (120.0, 900.0, 1500.0):
        exact = 0.75 * float(np.mean([beyond(x - offset) for offset in offsets]))
        assert abs(float((rpa > x).mean()) - exact) < 4 * (exact * (1 - exact) / rpa.size) ** 0.5
