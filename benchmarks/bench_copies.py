"""A nightly backup window over one link, by both engines: every run of every VM before the failure.

Of a site with some hundred VMs each night all are due at once, so many at a time have a slot, and those share
the link; a second copy sends their changes every hour over another. CPU seconds of whole blocks, taken in
turn; both engines give the same bytes, which is checked here too.
"""

from benchmarks.bench_compiled import blocks, same
from benchmarks.estate import text_of
from benchmarks.timing import Row, interleaved
from rpo_sim.model.block import RUNS_PER_BLOCK
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.plan import Plan
from rpo_sim.scenario.load import load_scenario_text

COMMAND = "python -m benchmarks.bench_copies"
VMS = 400
_LINKS = """
    backup: {bandwidth: 10Gbit/s, per_stream: 100MiB/s}
    wan: {bandwidth: 1Gbit/s}"""
_BY_LINK = """bytes: 20Gi
    over: backup
    slots: {movers: 80}
    overlap: queue
    timeout: 12h"""
_REPLICA = """
  - {name: replica, kind: replica, every: 1h, location: vault, bytes: change, over: wan,
     retention: {count: 24}}"""


def plan_of_window(vms: int = VMS) -> Plan:
    """The estate of the other benchmarks, whose copies share links instead of taking a stated time."""
    text = text_of(vms).replace("duration: {assumed: 10m}", _BY_LINK, 1)
    text = text.replace("used: 50%}]", "used: 50%}], change: {1h: 100Mi, 24h: 1Gi}")
    text = text.replace("  links:", f"  links:{_LINKS}", 1).replace(
        "\nplatforms:", f"{_REPLICA}\nplatforms:", 1
    )
    return compile_plan(load_scenario_text(text).scenario, "benchmark")


def window() -> Row:
    """Runs per CPU second of both engines."""
    plan = plan_of_window()
    assert same(plan), "the engines differ"
    fast, slow = interleaved(lambda: blocks(plan, 1, "compiled"), lambda: blocks(plan, 1, "simpy"), rounds=3)
    return Row(
        name=f"backup window over a link, {VMS} VMs; baseline: SimPy",
        value=RUNS_PER_BLOCK / fast,
        unit="runs per CPU second",
        baseline=RUNS_PER_BLOCK / slow,
        command=COMMAND,
    )


def rows() -> list[Row]:
    """The one ratio."""
    return [window()]


if __name__ == "__main__":
    for row in rows():
        print(row.to_dict())
