"""A stage that is done once for many and fails for good: its VMs go on with the next copy."""

import math

import pytest

from rpo_sim.model.compile import compile_plan
from rpo_sim.model.experiment import simulate
from rpo_sim.results import ResultSet
from rpo_sim.scenario.load import load_scenario_text

_TEXT = """
version: 1
scenario: fallback
summary: The promotion of the replica fails.
locations:
  primary: {site: a, cluster: a, backend: a}
  secondary: {site: b, cluster: b, backend: b}
estate:
  groups:
    - {name: first, count: 2, tier: gold, disks: [{capacity: 10Gi}]}
    - {name: second, count: 1, tier: gold, disks: [{capacity: 10Gi}]}
failure: {scope: site}
copies:
  - {name: replica, kind: replica, every: 10m, duration: {assumed: 1m}, location: secondary,
     retention: {count: 4}}
  - {name: backup, kind: backup, every: 1d, duration: {assumed: 1h}, location: secondary,
     retention: {count: 4}}
platforms:
  any:
    recovery:
      path: [{copy: replica, method: promote}, {copy: backup, method: full}]
      waves: {order: [[first], [second]]}
      repair: {assumed: 7m}
      stages:
        - {stage: promote, when: replica, once_per: UNIT, duration: {assumed: 2m},
           success: {assumed: SUCCESS}}
        - {stage: prepare, when: backup, once_per: group, duration: {assumed: 3m}}
        - {stage: data, when: backup, duration: {assumed: 60m}}
        - {stage: boot, duration: {assumed: 1m}}
"""


def _simulated(unit: str, success: str) -> ResultSet:
    text = _TEXT.replace("UNIT", unit).replace("SUCCESS", success)
    return simulate(compile_plan(load_scenario_text(text).scenario, "any"), runs=25)


@pytest.mark.parametrize("unit", ["wave", "group"])
def test_the_backup_is_restored_when_the_promotion_fails(unit: str) -> None:
    minutes = _simulated(unit, "0%").vm_rta / 60
    # Promote 2, repair 7, prepare 3, data 60, boot 1; the second wave does the same after the first.
    assert minutes[:, :2] == pytest.approx(73)
    assert minutes[:, 2] == pytest.approx(146)


def test_an_incident_stage_that_fails_takes_its_step_from_all() -> None:
    minutes = _simulated("incident", "0%").vm_rta / 60
    assert minutes[:, :2] == pytest.approx(73)
    assert minutes[:, 2] == pytest.approx(73 + 64)  # the promotion was tried once, for everybody


def test_a_promotion_that_works_needs_no_backup() -> None:
    minutes = _simulated("group", "100%").vm_rta / 60
    assert minutes[:, :2] == pytest.approx(3)
    assert minutes[:, 2] == pytest.approx(6)


def test_nothing_is_left_to_try_when_all_copies_need_the_failed_stage() -> None:
    text = _TEXT.replace("when: replica, once_per: UNIT", "once_per: group").replace("SUCCESS", "0%")
    result = simulate(compile_plan(load_scenario_text(text).scenario, "any"), runs=25)
    assert (result.vm_rta == math.inf).all()
    assert (result.vm_rpa == math.inf).all()
