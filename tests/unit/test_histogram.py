"""The histogram of one line."""

import numpy as np

from rpo_sim.report.histogram import histogram


def bars(text: str) -> str:
    return text.split("▐")[1].split("▌")[0]


def test_heights_follow_the_counts() -> None:
    values = np.repeat([100.0, 200.0, 300.0, 400.0], [8, 4, 0, 2])
    assert bars(histogram(values, bins=4)) == "█▄ ▂"
    assert histogram(values, bins=4).startswith("1m40s ▐")
    assert histogram(values, bins=4).endswith("▌ 6m40s")


def test_a_single_run_in_a_bin_is_still_seen() -> None:
    values = np.concatenate([np.full(990, 10.0), np.linspace(11, 100, 10)])
    assert bars(histogram(values, bins=8)).count("▁") >= 4


def test_the_outermost_runs_do_not_stretch_it() -> None:
    values = np.concatenate([np.linspace(60, 120, 998), [1e-3, 1e9]])
    text = histogram(values)
    assert text.startswith("1m ▐")
    assert text.endswith("▌ 2m")
    assert len(bars(text)) == 32


def test_what_never_ended_is_counted_beside_it() -> None:
    assert histogram(np.array([60.0, 90.0, np.inf])).endswith("never: 1 of 3 runs")
    assert histogram(np.array([np.inf, np.inf])) == "never ends  never: 2 of 2 runs"


def test_one_value_needs_no_bars() -> None:
    assert histogram(np.array([60.0, 60.0])) == "always 1m"
    assert histogram(np.array([0.0])) == "always 0s"
    assert histogram(np.array([60.0, np.inf])) == "always 1m  never: 1 of 2 runs"
