"""What every benchmark needs: CPU seconds, the best of a few, and the row that is written."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure beside its baseline, both taken in the same run; ``ratio`` is value over baseline."""

    name: str
    value: float
    unit: str
    baseline: float
    command: str

    def to_dict(self) -> dict[str, object]:
        """As it stands in results.json."""
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "baseline": _rounded(self.baseline),
            "ratio": _rounded(self.value / self.baseline),
            "command": self.command,
        }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def interleaved(*works: Callable[[], object], rounds: int = 5) -> list[float]:
    """CPU seconds of each, the best of some rounds taken in turn: a busy machine slows all alike.

    As with `timeit`, the garbage collector rests meanwhile.
    """
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for i, work in enumerate(works):
            gc.collect()
            gc.disable()
            start = time.process_time()
            work()
            best[i] = min(best[i], time.process_time() - start)
            gc.enable()
    return best
