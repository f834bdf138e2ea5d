"""Tokens that were measured are drawn anew for each block of runs, in both engines alike."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.burst import burst_text
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.draws import Draws
from rpo_sim.model.engines import Engine
from rpo_sim.model.experiment import simulate
from rpo_sim.model.plan import Plan
from rpo_sim.model.tokens import with_drawn_tokens
from rpo_sim.scenario.load import load_scenario_text

N, TOKENS, RATE, BURST = 12, 6, 5.0, 10.0
BELOW, ABOVE = 0.3, 0.1


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Operations that wait for tokens and for nothing else, whose cost is uncertain."""
    text = burst_text(N, "20MB").replace("{measured: burst.operation}", "{assumed: 0s}")
    text = text.replace("tokens: measured", f"tokens: {{api: {TOKENS}}}").partition("\nbind:")[0]
    text += f"\nshared:\n  buckets:\n    api: {{rate: {RATE:g}/s, burst: {BURST:g}}}\n"
    stated = compile_plan(load_scenario_text(text).scenario, "kubernetes")
    return replace(
        stated, buckets=tuple(replace(each, tokens_spread=(BELOW, ABOVE)) for each in stated.buckets)
    )


def factor(plan: Plan, block: int, seed: int = 1) -> float:
    ((_, tokens),) = with_drawn_tokens(plan, Draws(seed), block).stages[0].tokens
    return tokens / TOKENS


def test_the_draws_have_the_deviation_of_the_estimate(plan: Plan) -> None:
    logs = np.log([factor(plan, block) for block in range(4000)])
    below, above = logs[logs < 0], logs[logs > 0]
    assert abs(len(below) - 2000) < 4 * np.sqrt(1000), "half of them are less than the estimate"
    for side, deviation in ((below, BELOW), (above, ABOVE)):
        assert np.sqrt(np.mean(side**2)) == pytest.approx(deviation, rel=4 / np.sqrt(2 * len(side)))


def test_what_is_stated_is_not_drawn(plan: Plan) -> None:
    certain = replace(plan, buckets=tuple(replace(each, tokens_spread=(0.0, 0.0)) for each in plan.buckets))
    assert with_drawn_tokens(certain, Draws(1), 3) is certain


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_a_burst_takes_as_long_as_its_drawn_tokens_gather(plan: Plan, engine: Engine) -> None:
    """The last of n has waited for all tokens but those that the bucket held: (n × tokens - burst) / rate."""
    result = simulate(plan, runs=100, engine=engine)
    closed = [(N * TOKENS * factor(plan, block) - BURST) / RATE for block in range(4)]
    assert result.incident_rta == pytest.approx(np.repeat(closed, 25))
    assert len(set(closed)) == 4
