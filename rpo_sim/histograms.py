"""Durations of many VMs over any number of runs, in constant memory: a log-linear histogram for each VM.

128 bins per factor of two, so that a quantile is within 1/256 (0.4 %) of the exact one; what is shorter than
a millisecond is one bin. A bin is named by its *code*: the exponent and the first seven bits of the fraction
of a double, read from its bits. No logarithm is taken, whose last digit would differ between processors.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
CodeArray = npt.NDArray[np.int16]
CountArray = npt.NDArray[Any]

RELATIVE_ERROR = 1 / 256  # half a bin
FINEST_SECONDS = 2.0**-10  # shorter ones count as zero
INFINITE = 32767  # the code of inf, and of what exceeds 10^74 seconds
_DROPPED_BITS = 52 - 7
_ZERO = ((1023 - 10) << 7) - 1  # what the shortest duration that counts has, less one
_SLACK = 64  # bins on either side, so that a window that grows is not copied for each
_AT_ONCE = 2**20  # counters that are summed up at once


def codes_of(values: FloatArray) -> CodeArray:
    """The bin of each value: 0 for zero, negative for negative ones, ±`INFINITE` for ±inf.

    Order is kept: of two values the greater never has the lesser code.

    Raises
    ------
    ValueError
        If a value is NaN: no duration is.

    >>> codes_of(np.array([-np.inf, -1.0, 0.0, 1e-5, 1.0, 2.0, np.inf])).tolist()
    [-32767, -1281, 0, 0, 1281, 1409, 32767]
    """
    if np.isnan(values).any():
        raise ValueError("NaN is no duration")
    bits = np.abs(values).view(np.int64)
    bits >>= _DROPPED_BITS
    bits -= _ZERO
    codes = np.clip(bits, 0, INFINITE, out=bits).astype(np.int16)
    return np.where(values < 0, -codes, codes) if values.min(initial=0.0) < 0 else codes


def values_of(codes: npt.NDArray[np.integer]) -> FloatArray:
    """The middle of each bin; zero and ±inf are themselves.

    >>> values_of(np.array([-32767, 0, 1281])).tolist()
    [-inf, 0.0, 1.00390625]
    """
    size = np.abs(codes.astype(np.int64))
    middle = (((size + _ZERO) << 1) + 1) << (_DROPPED_BITS - 1)
    found = np.where(size == INFINITE, np.inf, np.where(size == 0, 0.0, middle.view(np.float64)))
    return np.where(codes < 0, -found, found)


class Histograms:
    """How often each VM was found in each bin; what was counted apart can be merged, in any order.

    Counters are as wide as the number of runs asks for, and there are as many as there are bins between the
    least and the greatest finite value that was seen. The first column counts -inf, the last one inf.
    """

    relative_error = RELATIVE_ERROR

    def __init__(self, vms: int) -> None:
        self.runs = 0
        self._first = 0  # the code of the second column
        self._counts: CountArray = np.zeros((vms, 2), dtype=_counter(0))

    @property
    def vms(self) -> int:
        """How many histograms there are."""
        return len(self._counts)

    @property
    def nbytes(self) -> int:
        """Bytes of all counters."""
        return self._counts.nbytes

    def add(self, codes: CodeArray) -> None:
        """Count so many runs more: `codes_of` durations of shape (runs, VMs)."""
        first, end = _range(codes)
        if first < self._first or end > self._end:
            first, end = first - _SLACK, end + _SLACK
        self._hold(first, end, self.runs + len(codes))
        width = self._counts.shape[1]
        columns = np.clip(codes.astype(np.intp) - (self._first - 1), 0, width - 1)
        columns += np.arange(self.vms) * width
        np.add.at(self._counts.reshape(-1), columns.reshape(-1), self._counts.dtype.type(1))
        self.runs += len(codes)

    def merged(self, other: "Histograms") -> "Histograms":
        """Both together: equal bytes whichever comes first, or was merged with others before."""
        made = Histograms(self.vms)
        for part in (self.trimmed(), other.trimmed()):
            made._hold(part._first, part._end, made.runs + part.runs)
            made._counts[:, made._columns(part._first, part._end)] += part._counts[:, 1:-1]
            made._counts[:, [0, -1]] += part._counts[:, [0, -1]]
            made.runs += part.runs
        return made

    def trimmed(self) -> "Histograms":
        """Without columns at either end that count nothing: what equal counts have alike."""
        (used,) = np.nonzero(self._counts[:, 1:-1].any(axis=0))
        first, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        ends = self._counts[:, :1], self._counts[:, -1:]
        counts = np.concatenate([ends[0], self._counts[:, 1 + first : 1 + end], ends[1]], axis=1)
        return self._of(counts, self._first + first if len(used) else 0, self.runs)

    def at_ranks(self, ranks: Sequence[int]) -> FloatArray:
        """For each VM the value of each rank, shape (ranks, VMs): 1 is the least, beyond the last is inf."""
        columns = np.empty((len(ranks), self.vms), dtype=np.int64)
        step = max(1, _AT_ONCE // self._counts.shape[1])
        for start in range(0, self.vms, step):
            part = slice(start, start + step)
            upto = self._counts[part].cumsum(axis=1, dtype=np.uint64)
            for i, rank in enumerate(ranks):
                columns[i, part] = (upto < min(max(rank, 1), self.runs)).sum(axis=1)
        codes = columns + (self._first - 1)
        codes[columns == 0], codes[columns == self._counts.shape[1] - 1] = -INFINITE, INFINITE
        codes[np.array(ranks) > self.runs] = INFINITE
        return values_of(codes)

    def to_plain(self) -> dict[str, Any]:
        """For JSON: what the counters are, and the counters themselves as base64 of little-endian bytes."""
        found = self.trimmed()
        little = found._counts.astype(found._counts.dtype.newbyteorder("<"))
        return {
            "kind": "log-linear histograms",
            "relative_error": RELATIVE_ERROR,
            "finest_seconds": FINEST_SECONDS,
            "vms": found.vms,
            "runs": found.runs,
            "first": found._first,
            "counter_bytes": little.itemsize,
            "counts": base64.b64encode(little.tobytes()).decode(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_plain` made.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is anything else, or the counters do not add up.
        """
        runs, vms, first = (int(plain[name]) for name in ("runs", "vms", "first"))
        bins = (plain["kind"], plain["relative_error"], plain["finest_seconds"])
        if bins != ("log-linear histograms", RELATIVE_ERROR, FINEST_SECONDS) or vms < 1 or runs < 1:
            raise ValueError("no histograms that this rpo-sim knows")
        little = _counter(runs).newbyteorder("<")
        counts = np.frombuffer(base64.b64decode(plain["counts"], validate=True), dtype=little)
        counts = counts.reshape(vms, -1).astype(_counter(runs))
        whole = counts.shape[1] >= 2 and abs(first) + counts.shape[1] < INFINITE
        if not whole or (counts.sum(axis=1, dtype=np.uint64) != runs).any():
            raise ValueError("histograms do not count each run once")
        return cls._of(counts, first, runs)

    @classmethod
    def _of(cls, counts: CountArray, first: int, runs: int) -> Self:
        made = cls(0)
        made.runs, made._first, made._counts = runs, first, counts
        return made

    @property
    def _end(self) -> int:
        """The code after that of the last finite column."""
        return self._first + int(self._counts.shape[1]) - 2

    def _columns(self, first: int, end: int) -> slice:
        return slice(first - self._first + 1, end - self._first + 1)

    def _hold(self, first: int, end: int, runs: int) -> None:
        """Make room for those codes, and for that many runs in one bin."""
        if first == end:
            first, end = self._first, self._end
        elif self._first != self._end:
            first, end = min(first, self._first), max(end, self._end)
        if (first, end, _counter(runs)) != (self._first, self._end, self._counts.dtype):
            made = self._of(np.zeros((self.vms, end - first + 2), dtype=_counter(runs)), first, self.runs)
            made._counts[:, made._columns(self._first, self._end)] = self._counts[:, 1:-1]
            made._counts[:, [0, -1]] = self._counts[:, [0, -1]]
            self._first, self._counts = first, made._counts


def _counter(runs: int) -> np.dtype[Any]:
    """What counts so many runs and cannot overflow."""
    return np.promote_types(np.min_scalar_type(runs), np.uint16)


def _range(codes: CodeArray) -> tuple[int, int]:
    """The least finite code and the one after the greatest; equal where there is none."""
    first, last = int(codes.min(initial=INFINITE)), int(codes.max(initial=-INFINITE))
    if -INFINITE < first <= last < INFINITE:
        return first, last + 1
    finite = codes[np.abs(codes) < INFINITE]
    return (int(finite.min()), int(finite.max()) + 1) if finite.size else (0, 0)
