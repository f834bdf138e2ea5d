"""A small histogram for the terminal."""

import numpy as np

from rpo_sim.results import FloatArray
from rpo_sim.units import format_duration

_BARS = " ▁▂▃▄▅▆▇█"


def histogram(seconds: FloatArray, *, bins: int = 32) -> str:
    """One line: bars between the 0.5 and 99.5 % quantiles of what is finite, and how many never ended.

    Parameters
    ----------
    seconds : ndarray of float, seconds
    bins : int

    >>> histogram(np.array([60.0, 60.0, 120.0]), bins=4)
    '1m ▐█  ▄▌ 2m'
    """
    finite = seconds[np.isfinite(seconds)]
    never = len(seconds) - len(finite)
    lost = f"  never: {never} of {len(seconds)} runs" if never else ""
    if not len(finite):
        return f"never ends{lost}"
    low, high = np.quantile(finite, [0.005, 0.995], method="inverted_cdf")
    if high - low <= 1e-9 * high:  # rounding apart, all the same
        return f"always {format_duration(float(low))}{lost}"
    counts, _ = np.histogram(np.clip(finite, low, high), bins=bins, range=(float(low), float(high)))
    heights = np.ceil(counts / counts.max() * (len(_BARS) - 1)).astype(int)
    bars = "".join(_BARS[height] for height in heights)
    return f"{format_duration(float(low))} ▐{bars}▌ {format_duration(float(high))}{lost}"
