"""The comparison of the two engines would notice: each of these faults in the kernel makes it fail.

The kernel is interpreted here (`NUMBA_DISABLE_JIT=1`), in a process per fault, so that nothing is compiled.
`RPO_SIM_MUTANTS=1` tries them all; a normal run tries three.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")

HERE = Path(__file__).resolve()
PACKAGE = HERE.parents[2] / "rpo_sim/model/compiled_engine"
MUTANTS = [
    ("ahead.py", "at < timed_at(run, place - 1).time", "at <= timed_at(run, place - 1).time"),
    ("slots.py", "other.asked_at != run.now or ", ""),
    ("jobs.py", "those.left == 0, those.good > 0", "those.left == 0, those.good > 1"),
    ("jobs.py", "those.good >= those.least or", "those.good > those.least or"),
    ("path.py", "run, quorum_back(plan), vm", "run, quorum_ready(plan), vm"),
    ("path.py", "job_at(run, vm).step = -1", "job_at(run, vm).step = 0"),
    ("kernel.py", "        job = behind\n", "        job = -1\n"),
    ("jobs.py", "min(limits.burst, state.level", "min(limits.burst * 2, state.level"),
    ("stage.py", "run.tries, stage.first_try + me.member, int_at", "run.tries, stage.first_try, int_at"),
    ("stage.py", "if seconds > stage.timeout:", "if seconds >= stage.timeout:"),
    ("repair.py", "who = job if me.root < 0 else me.root", "who = job"),
    ("path.py", "if op.passed & SAFE:", "if op.passed & RELEASED:"),
    ("stage.py", "if not stream.finished:", "if stream.finished < 0:"),
    ("kernel.py", "run.n_instants > 0 and run.next_time > run.now", "run.n_instants > 0"),
    ("kernel.py", "if run.urgent_at < run.n_urgent:", "if run.n_instants == 0 and run.n_urgent:"),
    ("kernel.py", "done < run.n_changed and run.next_time > run.now", "done < run.n_changed"),
    ("sharing.py", "if limits.totals and count:", "if limits.totals and count > 1:"),
    ("sharing.py", "flow.capped_rate > flow.bandwidth * (1 + HAIR)", "flow.capped_rate > flow.bandwidth * 2"),
    ("sharing.py", "if flow.capped and cap <", "if flow.capped and cap >"),
    ("ordered.py", "index * LANES, 0, block.capped)", "index * LANES, 0, block.count)"),
    ("ordered.py", "block.capped -= lane < block.capped", "block.capped -= 0"),
    ("stage.py", "bytes_ = seconds if link.paced", "bytes_ = seconds + 1.0 if link.paced"),
    ("stage.py", "vm * plan.n_steps + me.tried)", "vm * plan.n_steps)"),
    ("stage.py", "        point = me.point\n", "        point = 0\n"),
    ("path.py", "    _begin_program(plan, run, vm)\n    return PROGRAM", "    return PROGRAM"),
    ("path.py", "me.point >= most", "me.point > most"),
    ("slots.py", "turn) - before", "turn)"),
    ("slots.py", "    if slots.first >= 0:\n        _set", "    if slots.first < 0:\n        _set"),
    ("slots.py", "by == SHIFT", "by < SHIFT"),
    ("afterwards.py", "set_int(run.given_up, vm, 1)", "set_int(run.given_up, vm, 0)"),
    ("afterwards.py", "range(kind, plan.n_kinds)", "range(kind, kind + 1)"),
    ("afterwards.py", "AFTER_TURN_HAD if is_here(run, cohort, job) else RESTS", "AFTER_TURN_HAD"),
    ("stage.py", "(ratio - 1), 0.0)", "ratio, 0.0)"),
    ("path.py", "gives_its_place_back(plan, run, vm)\n", "pass\n"),
    ("jobs.py", "- real_at(plan.demands, demands + i) < 0", "- real_at(plan.demands, demands + i) <= 0"),
    ("critical.py", "at <= segment.end", "at < segment.end"),
    ("critical.py", "range(_follow(run, last) - 1, -1, -1)", "range(_follow(run, last))"),
    ("copies/engine.py", "        if before:\n", "        if before < 0:\n"),
    ("copies/runs.py", "_COALESCE and turn.n_waiting == 0", "_COALESCE"),
    ("copies/runs.py", "end.time < time or (end.time == time and end.first < sequence)", "end.time < time"),
    ("copies/runs.py", "or ahead_at(late, 1).time < time", "or ahead_at(late, 1).time <= time"),
    ("copies/heaps.py", "a.second < b.second", "a.second > b.second"),
    ("copies/heaps.py", "if below < size and _before(", "if below < size and not _before("),
    ("copies/heaps.py", "while hole > 1 and", "while hole > 2 and"),
    ("copies/runs.py", "or c.now + me.hold > real_at(me.until", "or c.now > real_at(me.until"),
    ("copies/runs.py", "turn.last_cut = turn.cut_at", "turn.last_cut = c.now"),
    ("copies/runs.py", " or turn_at(c, copy * c.n_vms + vm).current == number:", " or number >= 0:"),
    ("copies/links.py", "a.sequence < b.sequence", "a.sequence > b.sequence"),
    ("copies/links.py", "me.timeout, sequence + 1", "me.timeout, c.events + 1"),
    ("copies/links.py", "up, False) - 1", "up, True) - 1"),
    ("copies/links.py", "math.isnan(last)", "not math.isnan(last)"),
    ("copies/links.py", "amount.full_bytes * me.factor", "amount.full_bytes"),
    ("copies/links.py", ".arrived = 0", ".arrived = 1"),
]  # fmt: skip
TRIED = (
    MUTANTS
    if os.environ.get("RPO_SIM_MUTANTS")
    else [fault for fault in MUTANTS if fault[1].startswith(("who = job", "if run.urgent_at", "math.isnan"))]
)

_RUN = """
import importlib.util, sys, types
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
package, fault_file, old, new, tests = sys.argv[1:]
class Faulty(importlib.machinery.SourceFileLoader):
    def get_data(self, path):
        text = super().get_data(path)
        if path.endswith(fault_file):
            assert old.encode() in text, "the kernel has no such line any more"
            text = text.replace(old.encode(), new.encode())
        return text
    def get_code(self, name):
        return self.source_to_code(self.get_data(self.path), self.path)
class Finder:
    def find_spec(self, name, path=None, target=None):
        stem = name.removeprefix("rpo_sim.model.compiled_engine.")
        if stem.replace(".", "/") + ".py" != fault_file or stem == name:
            return None
        file = package + "/" + fault_file
        return importlib.util.spec_from_loader(name, Faulty(name, file))
sys.meta_path.insert(0, Finder())
root = types.ModuleType("tests"); root.__path__ = [tests]; sys.modules["tests"] = root
if fault_file.startswith("copies/"):
    from tests.property.competing_copies import assert_copies_agree as agree, competing
    cases, most = competing(), 4000
else:
    from tests.property.any_plan import any_plan
    from tests.property.test_engines_agree import assert_engines_agree as agree
    cases, most = st.tuples(any_plan(), st.integers(0, 1000)), 400
@seed(1)
@settings(max_examples=most, database=None, deadline=None, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
@given(case=cases)
def compare(case):
    try:
        agree(*case)
    except Exception:
        print("caught", flush=True)
        import os; os._exit(7)
compare()
"""


@pytest.mark.parametrize(("file", "old", "new"), TRIED)
def test_a_fault_in_the_kernel_is_noticed(file: str, old: str, new: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _RUN, str(PACKAGE), file, old, new, str(HERE.parents[1])],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 7, f"nothing noticed it: {ended.stderr[-2000:]}"
