"""Pools of slots by name, numbered as they are first named."""

from collections.abc import Mapping
from typing import Literal

from rpo_sim.model.plan import Pool
from rpo_sim.scenario.shared import Slots, slot_count

Phase = Literal["protection", "recovery"]


class PoolNames:
    """One pool per phase and name: whoever names it competes for it.

    Protection and recovery have pools of their own, as a failure may leave fewer slots of the same name.
    """

    def __init__(self) -> None:
        self._pools: dict[tuple[Phase, str], Pool] = {}

    def index(
        self,
        name: str,
        capacity: int,
        phase: Phase = "recovery",
        shifts: tuple[tuple[float, int], ...] = (),
    ) -> int:
        """The number of a pool, made when first named."""
        self._pools.setdefault((phase, name), Pool(name=name, capacity=capacity, shifts=shifts))
        return list(self._pools).index((phase, name))

    def of_slots(self, slots: Mapping[str, Slots], phase: Phase) -> tuple[int, ...]:
        """The numbers of the pools of a `slots:` mapping, in its order."""
        return tuple(self.index(name, slot_count(count), phase) for name, count in slots.items())

    def capacity(self, index: int) -> int:
        """How many may hold a slot of this pool at once."""
        return self.all()[index].capacity

    def name(self, index: int) -> str:
        """What the scenario calls it."""
        return self.all()[index].name

    def all(self) -> tuple[Pool, ...]:
        """The pools, by number."""
        return tuple(self._pools.values())
