"""Results as a pandas table."""

import numpy as np

import rpo_sim


def test_a_frame_has_one_row_per_run_and_tier_and_its_evidence_sums_to_the_rta() -> None:
    prediction = rpo_sim.predict(rpo_sim.load_scenario("site-failure"), "vmware", runs=50, vary=False)
    result, frame = prediction.base, prediction.base.to_frame()
    assert len(frame) == 50 * len(result.tiers)
    assert frame.groupby("tier", sort=False).size().to_dict() == {"gold": 50, "silver": 50}
    gold = frame[frame["tier"] == "gold"].set_index("run")
    np.testing.assert_array_equal(gold["rta_seconds"], result.tiers[0].rta)
    parts = frame[["measured_seconds", "extrapolated_seconds", "assumed_seconds"]].sum(axis=1)
    finite = np.isfinite(frame["rta_seconds"])
    np.testing.assert_allclose(parts[finite], frame["rta_seconds"][finite])
