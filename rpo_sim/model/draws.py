"""Keyed random numbers: the same (seed, purpose, stage, group, run, attempt) always draws the same.

Philox is keyed by a digest of the first four and its counter is set to (run, attempt), so a VM's uniform
is found by its index alone: adding a VM, a run or a worker moves nobody else's draws. The platform is not
part of the key: both platforms share their luck (common random numbers).
"""

import hashlib
from typing import Any

import numpy as np

from rpo_sim.distributions.base import FloatArray


class Draws:
    """Uniforms and generators for one experiment seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[tuple[str, str, str], tuple[np.random.Philox, Any]] = {}

    def uniforms(
        self, purpose: str, stage: str, group: str, *, runs: range, attempt: int, n: int
    ) -> FloatArray:
        """Uniforms in the open interval (0, 1); shape ``(runs, n)``, one column per VM index."""
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


def _key(seed: int, *names: str) -> int:
    text = "\x1f".join((str(seed), *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
