"""Contention curves as tables: the total throughput of 1, 2, … streams.

Two sources, one form: the universal scalability law X(k) = X(1)·k ÷ (1 + σ(k − 1) + κk(k − 1)) (Gunther), and
measured points. Between points the time that each of k takes per unit of its work, k ÷ X(k), is a straight
line in k: totals are then monotone between points. Below the first point it is that of the first; beyond the
last it goes on with the last slope, if it rises, which is Amdahl's law through the last two points.
"""

import itertools
from collections.abc import Mapping

from rpo_sim.distributions.base import Distribution
from rpo_sim.distributions.sized import SizeScaled
from rpo_sim.errors import NoDataError
from rpo_sim.model.plan import LinkPlan


def law_totals(one: float, sigma: float, kappa: float, most: int) -> tuple[float, ...]:
    """Totals by the universal scalability law, for 1 to ``most`` streams.

    >>> law_totals(100.0, 0.25, 0.0, 4)
    (100.0, 160.0, 200.0, 228.57142857142858)
    """
    return tuple(one * k / (1.0 + sigma * (k - 1) + kappa * k * (k - 1)) for k in range(1, most + 1))


def table_totals(throughput: Mapping[int, float], most: int) -> tuple[float, ...]:
    """Totals through measured ones, for 1 to ``most`` streams.

    >>> [round(total) for total in table_totals({1: 100.0, 3: 200.0}, 6)]
    [100, 160, 200, 229, 250, 267]
    """
    points = sorted((k, k / total) for k, total in throughput.items())
    each = [points[0][1]] * min(points[0][0], most)
    for (k0, t0), (k1, t1) in itertools.pairwise(points):
        each += [t0 + (t1 - t0) * (k - k0) / (k1 - k0) for k in range(k0 + 1, min(k1, most) + 1)]
    last, t_last = points[-1]
    k0, t0 = points[-2] if len(points) > 1 else (0, 0.0)  # one point alone is taken for the most there is
    slope = max((t_last - t0) / (last - k0), 0.0)
    each += [t_last + slope * (k - last) for k in range(last + 1, most + 1)]
    return tuple(k / t for k, t in enumerate(each, start=1))


def measured_totals(measured: Distribution, most: int, link: LinkPlan) -> tuple[float, ...]:
    """Totals of a fitted transfer whose duration grows by its `contention` for each other one at once.

    On a link the throughput of one stream is the inverse of its seconds per byte.

    Raises
    ------
    NoDataError
        If the measurement shows no durations by concurrency, or for a link none by size.
    """
    if not isinstance(measured, SizeScaled):
        raise NoDataError(
            f"{link.name}: the measurement does not tell how concurrency slows it down; measure it with one "
            "and with several at once, or state a curve with `else`"
        )
    one = 1.0
    if not link.paced:
        if not measured.seconds_per_byte:
            raise NoDataError(
                f"{link.name}: the measurement does not tell a throughput: its size made no difference; "
                "measure several sizes, or state a curve with `else`"
            )
        one = 1.0 / measured.seconds_per_byte
    return law_totals(one, measured.contention, 0.0, most)
