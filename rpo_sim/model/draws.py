"""Keyed random numbers: the same (seed, purpose, stage, group, run, attempt) always draws the same.

Philox is keyed by a digest of the first four and its counter is set to (run, attempt), so a VM's uniform
is found by its index alone: adding a VM, a run or a worker moves nobody else's draws. The platform is not
part of the key: both platforms share their luck (common random numbers).
"""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rpo_sim.distributions.base import FloatArray

_WORD = 2**64 - 1
Fill = Callable[[npt.NDArray[np.uint64], int, int, FloatArray], None]


class Draws:
    """Uniforms and generators for one experiment seed.

    ``fill`` (key, attempt, first run, table) fills tables with uniforms, the same ones faster; numpy's own
    Philox does if it is None.
    """

    def __init__(self, seed: int, fill: Fill | None = None) -> None:
        self.seed = seed
        self._fill = fill
        self._keys: dict[tuple[str, ...], npt.NDArray[np.uint64]] = {}
        self._streams: dict[tuple[str, str, str], tuple[np.random.Philox, Any]] = {}

    def uniforms(
        self, purpose: str, stage: str, group: str, *, runs: range, attempt: int, n: int
    ) -> FloatArray:
        """Uniforms in the open interval (0, 1); shape ``(runs, n)``, one column per VM index."""
        if self._fill is not None:
            found = np.empty((len(runs), n))
            self._fill(self._words(purpose, stage, group), attempt, runs.start, found)
            return found
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

    def _words(self, *names: str) -> npt.NDArray[np.uint64]:
        """The key of a stream as Philox takes it."""
        if names not in self._keys:
            key = _key(self.seed, *names)
            self._keys[names] = np.array([key & _WORD, key >> 64], dtype=np.uint64)
        return self._keys[names]

    def _stream(self, purpose: str, stage: str, group: str) -> tuple[np.random.Philox, Any]:
        name = (purpose, stage, group)
        if name not in self._streams:
            fresh = np.random.Philox(key=_key(self.seed, *name))
            self._streams[name] = (fresh, dict(fresh.state))
        return self._streams[name]


def _key(seed: int, *names: str) -> int:
    text = "\x1f".join((str(seed), *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
