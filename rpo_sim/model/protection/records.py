"""What a copy has done before the failure: its due runs, and the points that came of them."""

from collections.abc import Callable
from dataclasses import dataclass

from rpo_sim.distributions.base import FloatArray
from rpo_sim.model.block import BoolArray
from rpo_sim.model.plan import CopyPlan, Plan
from rpo_sim.model.protection.link_clock import LinkClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """All due runs of one copy in a block, before the overlap policy.

    Attributes
    ----------
    due : ndarray, shape (dues, runs, VMs), float seconds
        When each is due, after its hold; inf where a run's history has not begun yet. For back-to-back
        only the first counts.
    busy : ndarray, same shape, float seconds
        How long it works, failed attempts and retries included.
    cut_delay : ndarray, same shape, float seconds
        From its start to the cut of the attempt that succeeded; inf where none did.
    lag : ndarray, shape (runs, VMs), float seconds
        How much later than its end each point is usable: drawn once per VM and incident, not once per
        point, so that a slow path stays slow and no point overtakes an older one.
    full : ndarray of bool, shape (dues, runs), or None
        Which are fulls of a cycle.
    until : ndarray, shape (runs,), float seconds, or None
        The failure: back-to-back transfers go on until then.
    more : callable or None
        Whether each VM's run of a number succeeds, where there is no telling how many there will be.
    clock : LinkClock or None
        When the link of its transfers was up, if not always.
    """

    due: FloatArray
    busy: FloatArray
    cut_delay: FloatArray
    lag: FloatArray
    full: BoolArray | None = None
    until: FloatArray | None = None
    more: Callable[[int], BoolArray] | None = None
    clock: LinkClock | None = None


def link_clocks(copies: list[tuple[CopyPlan, Attempts]]) -> dict[int, LinkClock | None]:
    """The links that copies use, and when each was up: of what they know of it, what goes back the furthest.

    All know the same outages, each as far back as its own history goes.
    """
    known: dict[int, list[LinkClock]] = {}
    for copy, attempts in copies:
        if copy.transfer is not None:
            mine = [] if attempts.clock is None else [attempts.clock]
            known.setdefault(copy.transfer.link, []).extend(mine)
    return {link: min(clocks, key=LinkClock.known_since, default=None) for link, clocks in known.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Recovery points of one copy; shape (dues, runs, VMs), float seconds; inf where there is none.

    ``root_at`` is the cut of the full that a point needs, ``chain_bytes`` what must be read to reach it; None
    where each stands alone, and where no stage asks.
    """

    cut_at: FloatArray
    available_at: FloatArray
    root_at: FloatArray | None = None
    chain_bytes: FloatArray | None = None


SlotEngine = Callable[[Plan, "list[tuple[CopyPlan, Attempts]]"], "list[Points]"]
