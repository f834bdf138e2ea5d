"""Hundreds of jobs at once: what lies ahead becomes a heap and a list again, and a link has many blocks.

The scenarios of `test_engines_agree` are small; here nothing limits how many VMs are at work.
"""

import pytest

from rpo_sim.model.compile import compile_plan
from rpo_sim.scenario.load import load_scenario_text
from tests.property.test_engines_agree import assert_engines_agree

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")

_SCENARIO = """
version: 1
scenario: crowd
summary: All VMs of an array are restored at once.
locations:
  primary: {{region: eu, site: a, cluster: a, backend: a}}
  vault: {{region: eu, site: b, cluster: b, backend: b}}
estate:
  groups:
    - {{name: large, count: 60, tier: gold, disks: [{{capacity: 90Gi, used: 50%}}]}}
    - {{name: small, count: 140, tier: gold, disks: [{{capacity: 20Gi, used: 50%}}]}}
objectives:
  gold: {{rpo: 26h, rto: 4h, share_of_incidents: 95%}}
failure: {{scope: backend, detect: {{assumed: {detect}}}}}
shared:
  links:
    restore: {{bandwidth: {bandwidth}, per_stream: {per_stream}, location: vault}}
copies:
  - name: backup
    kind: backup
    every: 24h
    location: vault
    consistency: crash
    duration: {{assumed: 10m}}
    retention: {{count: 7}}
platforms:
  one:
    recovery:
      path: [{{copy: backup, method: full}}]
      stages:
        - {{stage: prepare, duration: {prepare}}}
        - {{stage: data, bytes: used, over: restore, timeout: {timeout}, retries: 1, duration: {data}}}
        - {{stage: verify, duration: {prepare}}}
        - {{stage: boot, slots: {{starters: 9}}, duration: {boot}}}
"""
_SPREAD = "{assumed: {lognormal: {p50: 2m, p95: 9m}}}"
_RATES = "{assumed: {rate: {p50: 100MB/s, p5: 20MB/s}}}"


@pytest.mark.parametrize(
    ("bandwidth", "per_stream", "timeout", "prepare", "data"),
    [
        ("10Gbit/s", "200MiB/s", "30d", _SPREAD, _RATES),  # the level passes many on its way up
        ("10Gbit/s", "8MB/s", "40m", _SPREAD, _RATES),  # most are held back alike, and some are given up
        ("20Gbit/s", "200MiB/s", "25m", "{assumed: 1m}", _RATES),  # whole minutes: many at the same instant
        ("20Gbit/s", "12MB/s", "1h", "{assumed: 1m}", "{assumed: 5m}"),  # all alike
    ],
)
def test_crowds_recover_alike(bandwidth: str, per_stream: str, timeout: str, prepare: str, data: str) -> None:
    text = _SCENARIO.format(
        detect="0s", bandwidth=bandwidth, per_stream=per_stream, timeout=timeout, prepare=prepare, data=data,
        boot=_SPREAD,
    )  # fmt: skip
    assert_engines_agree(compile_plan(load_scenario_text(text).scenario, "one"), 7)


def test_transfers_too_short_for_the_clock_end_alike() -> None:
    """Milliseconds, forty days after the failure: what is left may be less than the clock can tell."""
    text = _SCENARIO.format(
        detect="40d", bandwidth="200Tbit/s", per_stream="100TB/s", timeout="1h", prepare=_SPREAD,
        data="{assumed: {rate: {p50: 90TB/s, p5: 20TB/s}}}", boot=_SPREAD,
    )  # fmt: skip
    assert_engines_agree(compile_plan(load_scenario_text(text).scenario, "one"), 7)
