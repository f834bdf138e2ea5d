"""A queue that two simulators can express: jobs that are all there at 0 pass two stages of few servers."""

from typing import Any

import ciw
import numpy as np

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.plan import Plan
from rpo_sim.scenario.load import load_scenario_text

STAGES = ((2, 10.0), (3, 20.0))  # servers, mean minutes of an exponential service

_SCENARIO = """
version: 1
scenario: tandem
summary: VMs are restored by few sessions and then booted by few operators, first come, first served.
locations:
  primary: {{site: a, cluster: a, backend: a}}
  vault: {{site: b, cluster: b, backend: b}}
estate:
  groups:
{groups}
failure: {{scope: site}}
copies:
  - name: backup
    kind: backup
    every: 24h
    location: vault
    duration: {{assumed: 10m}}
    retention: {{count: 7}}
platforms:
  alike:
    recovery:
      path: [{{copy: backup, method: full}}]
      stages:
        - {{stage: prepare, slots: {{first: {slots[0]}}},
            duration: {{assumed: {{exponential: {{mean: {minutes[0]}m}}}}}}}}
        - {{stage: boot, slots: {{second: {slots[1]}}},
            duration: {{assumed: {{exponential: {{mean: {minutes[1]}m}}}}}}}}
"""


def plan_of(jobs: int) -> Plan:
    """Ours; each VM is an application of its own, so that it need not wait for the others' end."""
    groups = "\n".join(f"    - {{name: vm{i}, tier: gold, disks: [{{capacity: 1Gi}}]}}" for i in range(jobs))
    slots, minutes = zip(*STAGES, strict=True)
    text = _SCENARIO.format(groups=groups, slots=slots, minutes=[round(m) for m in minutes])
    return compile_plan(load_scenario_text(text).scenario, "alike")


def network_of(jobs: int) -> Any:
    """Ciw's: one batch at 0, and nobody after it."""
    return ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([0.0, float("inf")]), None],
        batching_distributions=[ciw.dists.Deterministic(jobs), ciw.dists.Deterministic(1)],
        service_distributions=[ciw.dists.Exponential(1 / (60 * minutes)) for _, minutes in STAGES],
        number_of_servers=[servers for servers, _ in STAGES],
        routing=[[0.0, 1.0], [0.0, 0.0]],
    )


def by_ciw(jobs: int, runs: int, seed: int = 1) -> FloatArray:
    """When the jobs left the last stage, seconds, in order, shape (runs, jobs)."""
    network, rows = network_of(jobs), []
    for run in range(runs):
        ciw.seed(seed * 1_000_000 + run)
        queue = ciw.Simulation(network)
        queue.simulate_until_max_customers(jobs, method="Finish")
        rows.append(sorted(r.exit_date for r in queue.get_all_records() if r.node == len(STAGES)))
    return np.array(rows)
