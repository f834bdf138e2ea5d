"""Keyed random numbers: the same (seed, purpose, stage, group, run, attempt) always draws the same.

Philox is keyed by a digest of the first four and its counter is set to (run, attempt), so a VM's uniform
is found by its index alone: adding a VM, a run or a worker moves nobody else's draws. The platform is not
part of the key: both platforms share their luck (common random numbers).
"""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions import probit
from rpo_sim.distributions.base import FloatArray

_WORD = 2**64 - 1
_NO_TABLE: FloatArray = np.empty((0, 0))
_NO_TABLE.flags.writeable = False  # as the other table is: numba compiles once more for what it may write
Words = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
Fill = Callable[[Words, Counts, int, int, FloatArray, FloatArray], None]


class Streams(NamedTuple):
    """The ``n`` columns of a table of draws: each stream has a name and so many of them."""

    names: tuple[str, ...]
    counts: Counts
    n: int

    @classmethod
    def of(cls, *streams: tuple[str, int]) -> "Streams":
        """From names and counts."""
        counts = [n for _, n in streams]
        return cls(tuple(name for name, _ in streams), np.array(counts, dtype=np.int64), sum(counts))


class Draws:
    """Uniforms and generators for one experiment seed.

    ``fill`` (keys, counts, attempt, first run, quantiles, table) fills tables, with the same bits and
    faster; numpy's own Philox does if it is None.
    """

    def __init__(self, seed: int, fill: Fill | None = None) -> None:
        self.seed = seed
        self._fill = fill
        self._streams: dict[tuple[str, str, str], tuple[np.random.Philox, Any]] = {}

    def uniforms(
        self, purpose: str, stage: str, group: str, *, runs: range, attempt: int, n: int
    ) -> FloatArray:
        """Uniforms in the open interval (0, 1); shape ``(runs, n)``, one column per VM index."""
        return self.table(purpose, stage, Streams.of((group, n)), runs=runs, attempt=attempt)

    def table(
        self, purpose: str, stage: str, streams: Streams, *, runs: range, attempt: int, normal: bool = False
    ) -> FloatArray:
        """The uniforms of several streams side by side, or the standard normals at these quantiles."""
        if self._fill is None:
            parts = [
                self._uniforms(purpose, stage, name, runs=runs, attempt=attempt, n=n)
                for name, n in zip(streams.names, streams.counts.tolist(), strict=True)
            ]
            u = np.concatenate(parts, axis=1)
            return probit.probit(u) if normal else u
        found = np.empty((len(runs), streams.n))
        keys = _words(self.seed, purpose, stage, streams.names)
        quantiles = probit.table() if normal else _NO_TABLE
        self._fill(keys, streams.counts, attempt, runs.start, quantiles, found)
        return found

    def _uniforms(
        self, purpose: str, stage: str, group: str, *, runs: range, attempt: int, n: int
    ) -> FloatArray:
        bits, state = self._stream(purpose, stage, group)
        raw = np.empty((len(runs), n), dtype=np.uint64)
        counter = state["state"]["counter"]
        for row, run in enumerate(runs):
            counter[:] = (0, 0, attempt, run)
            bits.state = state
            raw[row] = bits.random_raw(n)
        return ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def generator(self, purpose: str, stage: str, group: str, *, run: int) -> np.random.Generator:
        """A generator of its own, for draws that need more than one uniform (posteriors)."""
        bits = np.random.Philox(key=_key(self.seed, purpose, stage, group), counter=[0, 0, 0, run])
        return np.random.Generator(bits)

    def _stream(self, purpose: str, stage: str, group: str) -> tuple[np.random.Philox, Any]:
        name = (purpose, stage, group)
        if name not in self._streams:
            fresh = np.random.Philox(key=_key(self.seed, *name))
            self._streams[name] = (fresh, dict(fresh.state))
        return self._streams[name]


@functools.lru_cache(maxsize=256)
def _words(seed: int, purpose: str, stage: str, names: tuple[str, ...]) -> Words:
    """The keys of streams as Philox takes them: two words each."""
    keys = [_key(seed, purpose, stage, name) for name in names]
    found = np.array([(key & _WORD, key >> 64) for key in keys], dtype=np.uint64).reshape(-1, 2)
    found.flags.writeable = False
    return found


def _key(seed: int, *names: str) -> int:
    text = "\x1f".join((str(seed), *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
