"""Copies that compete have the same points in both engines, bit for bit, ties included.

`RPO_SIM_EXAMPLES=20000` tries more; the nightly run does.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpo_sim.model.plan import Plan
from tests.property.competing_copies import Copies, assert_copies_agree, competing

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'rpo-sim[fast]'")

EXAMPLES = int(os.environ.get("RPO_SIM_EXAMPLES", "600"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=competing(), rows=st.sampled_from([1, 3, 64]))
def test_both_engines_make_the_same_points(case: tuple[Plan, Copies], rows: int) -> None:
    from rpo_sim.model.compiled_engine import copies

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "_ROWS", rows)  # that there are more is no matter, but of time
        assert_copies_agree(*case)
