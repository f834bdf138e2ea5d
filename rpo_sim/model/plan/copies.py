"""Protection: the copies of a platform."""

from dataclasses import dataclass

from rpo_sim.model.change import ChangeCurve
from rpo_sim.model.plan.inputs import Chance, Input


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPlan:
    """A copy whose runs take as long as their bytes take on a link.

    Attributes
    ----------
    link : int
    rate : float or None
        Bytes per second of each stream where the link is wide enough for all at once; None where streams
        share it, which an engine must simulate.
    moved : tuple of (ChangeCurve or float)
        Per group: the bytes that one run moves, or how they follow from the time since the last cut.
    full_bytes : tuple of float
        Per group: the bytes of a full.
    factor : float
        Scales the bytes where assumptions are under trial: the bandwidth is one.
    settled_seconds : float
        The window before the first run; for back-to-back, what the runs settle at.
    """

    link: int
    rate: float | None
    moved: tuple[ChangeCurve | float, ...]
    full_bytes: tuple[float, ...]
    factor: float
    settled_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclePlan:
    """A full every so many ``runs``, incrementals between; ``duration`` of a full, None if a link says.

    ``full_bytes`` and ``moved`` have, per group, the bytes of a full and those of an incremental, or how
    these follow from the time since the last cut; empty where they are not known.
    """

    runs: int
    duration: Input | None
    full_bytes: tuple[float, ...] = ()
    moved: tuple[ChangeCurve | float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """One level of protection.

    ``every`` is the period in seconds, or None for back-to-back; an attempt that takes longer than
    ``timeout`` fails at it; ``calendar`` lists (period seconds, points kept) of calendar retention;
    ``survives`` says whether the failure leaves the copy standing; with ``locked_seconds`` it leaves the
    points younger than that. ``source`` is the copy that it is made from, None for the VM itself; data is
    held for ``hold`` seconds between its cut and its sending. ``together``: the VMs of an application have
    a common cut, or no point.
    """

    name: str
    every: float | None
    offset: float
    stagger: bool
    overlap: str
    pool: int | None
    cut_before_slot: bool
    duration: Input
    lag: Input
    timeout: float
    success: Chance | None
    retries: int
    keep_count: int | None
    keep_seconds: float | None
    calendar: tuple[tuple[float, int], ...]
    survives: bool
    synchronous: bool = False
    source: int | None = None
    hold: float = 0.0
    cycle: CyclePlan | None = None
    transfer: TransferPlan | None = None
    together: bool = False
    locked_seconds: float | None = None

    @property
    def competes_for(self) -> set[tuple[str, int]]:
        """The pool of slots and the link that it shares; none where its runs wait for nobody."""
        things = {("pool", self.pool)} if self.pool is not None else set()
        if self.transfer is not None and (things or self.transfer.rate is None):
            things.add(("link", self.transfer.link))
        return things
