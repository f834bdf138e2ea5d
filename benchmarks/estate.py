"""An estate of any size whose recovery uses waves, slots, a limit of jobs and a shared link."""

from rpo_sim.model.block import BlockDraws
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.draws import Draws
from rpo_sim.model.plan import Plan
from rpo_sim.model.run import RunInputs
from rpo_sim.scenario.load import load_scenario_text

_SCENARIO = """
version: 1
scenario: benchmark
summary: An array is lost; its VMs are restored from backup in three waves.
locations:
  primary: {{region: eu, site: a, cluster: a, backend: a}}
  vault: {{region: eu, site: b, cluster: b, backend: b}}
estate:
  groups:
    - {{name: first, count: {first}, tier: gold, disks: [{{capacity: 100Gi, used: 50%}}]}}
    - {{name: second, count: {second}, tier: gold, disks: [{{capacity: 60Gi, used: 50%}}]}}
    - {{name: third, count: {third}, tier: gold, disks: [{{capacity: 40Gi, used: 50%}}]}}
objectives:
  gold: {{rpo: 26h, rto: 4h, share_of_incidents: 95%}}
failure:
  scope: backend
  detect: {{assumed: 5m}}
  declare: {{assumed: 10m}}
shared:
  links:
    restore: {{bandwidth: 10Gbit/s, per_stream: 200MiB/s, location: vault}}
copies:
  - name: backup
    kind: backup
    every: 24h
    location: vault
    consistency: crash
    duration: {{assumed: 10m}}
    retention: {{count: 7}}
platforms:
  benchmark:
    recovery:
      path: [{{copy: backup, method: full}}]
      concurrency: {{limit: 64, until: boot}}
      waves: {{order: [[first], [second], [third]], by: script, barrier: boot}}
      stages:
        - {{stage: prepare, slots: {{sessions: 24}},
            duration: {{assumed: {{lognormal: {{p50: 1m, p95: 4m}}}}}}}}
        - {{stage: data, bytes: used, over: restore, slots: {{proxies: 16}}, timeout: 30d,
            duration: {{assumed: {{rate: {{p50: 100MB/s, p5: 50MB/s}}}}}}}}
        - {{stage: boot, duration: {{assumed: {{lognormal: {{p50: 90s, p95: 4m}}}}}}}}
"""
_FURTHER = """
        - {{stage: verify, name: check-{number},
            duration: {{assumed: {{lognormal: {{p50: 1m, p95: 2m}}}}}}}}"""


def text_of(vms: int, stages: int = 3) -> str:
    """The scenario of an estate of so many VMs, each with so many stages: three, and checks after these."""
    first, second = vms // 10, vms * 3 // 10
    text = _SCENARIO.format(first=first, second=second, third=vms - first - second)
    return text + "".join(_FURTHER.format(number=number) for number in range(stages - 3))


def plan_of(vms: int, stages: int = 3) -> Plan:
    """Its plan."""
    return compile_plan(load_scenario_text(text_of(vms, stages)).scenario, "benchmark")


def inputs_of(plan: Plan) -> RunInputs:
    """The numbers of one run in which every VM has a recovery point."""
    draws = BlockDraws(plan, Draws(1), 0)
    return RunInputs(
        block=draws,
        row=0,
        detect_seconds=float(draws.single("failure.detect", plan.failure.detect)[0]),
        declare_seconds=float(draws.single("failure.declare", plan.failure.declare)[0]),
        options=((0,),) * plan.n_vms,
    )
