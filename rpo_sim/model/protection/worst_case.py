"""The worst data loss of each copy from its windows alone, beside what the runs show.

At level i a point arrives with the age L_i = Σ (hold + propagation) over the levels up to i, and the next
one an accumulation window later, so the loss is at most L_i + accW_i (Keeton and Merchant, DSN 2004); in a
cycle the largest propagation counts, that of the full. Here schedules run on clocks of their own: where a
level does not start just as its source's point arrives, the wait is part of L_i.
"""

import math

import numpy as np

from rpo_sim.distributions import Fixed
from rpo_sim.model.plan import CopyPlan, Input, Plan, TransferPlan
from rpo_sim.results import WorstCase

_HAIR = 1e-9


class _NotBoundedError(Exception):
    """Why there is no worst case."""


def worst_cases(plan: Plan, tier: int) -> tuple[WorstCase, ...]:
    """The worst case of each copy for a tier, in the order of the plan, then that of the best of the path."""
    groups = [g for g, group in enumerate(plan.groups) if group.tier == tier]
    found = [_worst_case(plan, c, groups) for c in range(len(plan.copies))]
    on_path = [found[step.copy] for step in plan.path]
    best = min(on_path, key=lambda case: case.seconds)
    why = f"{best.copy}: {best.because}" if best.seconds == math.inf else f"from {best.copy}"
    return (*found, WorstCase(copy="", lag_seconds=best.lag_seconds, seconds=best.seconds, because=why))


def _worst_case(plan: Plan, c: int, groups: list[int]) -> WorstCase:
    copy, lag = plan.copies[c], math.inf
    try:
        _check_survival(plan, copy)
        windows = [_windows(plan, c, g) for g in groups]
        lag, window = max(each[0] for each in windows), max(each[1] for each in windows)
        worst = max(lag_ + window_ for lag_, window_ in windows)
        kept = min(_surely_kept(plan, c, g, each[1]) for g, each in zip(groups, windows, strict=True))
        return WorstCase(
            copy=copy.name, lag_seconds=lag, seconds=_loss(plan, copy, lag, window, worst, kept), because=""
        )
    except _NotBoundedError as why:
        return WorstCase(copy=copy.name, lag_seconds=lag, seconds=math.inf, because=str(why))


def _check_survival(plan: Plan, copy: CopyPlan) -> None:
    if not copy.survives:
        raise _NotBoundedError("the failure destroys it")
    if copy.synchronous and plan.failure.age is not None:
        raise _NotBoundedError("a synchronous copy has the bad data at once")
    if copy.success is not None:
        raise _NotBoundedError(f"runs may fail ({copy.success.probability:.1%} succeed)")


def _loss(plan: Plan, copy: CopyPlan, lag: float, window: float, worst: float, kept: float) -> float:
    """The loss for the latest state, or for a state before a corruption of the greatest age.

    Points up to an age of ``kept`` (seconds) are certain where retention counts them.
    """
    if copy.synchronous:
        return 0.0
    if plan.failure.age is not None:
        age = _longest(plan.failure.age, 0, "the age of the corruption")
        worst = max(age, lag) + window
        if copy.calendar:
            raise _NotBoundedError("calendar retention thins points out as they age")
        if age > kept:
            raise _NotBoundedError("the corruption may be older than the points that are surely kept")
    chain = (copy.cycle.runs - 1) * window if copy.cycle is not None else 0.0
    if copy.keep_seconds is not None and copy.keep_seconds < worst:
        raise _NotBoundedError("points expire before newer ones are there")
    if copy.locked_seconds is not None and copy.locked_seconds < worst + chain:
        raise _NotBoundedError("points outlive their immutability before newer ones are there")
    return worst


def _windows(plan: Plan, c: int, g: int) -> tuple[float, float]:
    """How old a point of a copy is when it has just become usable, and the time until the next (seconds).

    Where members are cut together, those of the slowest of them.
    """
    copy = plan.copies[c]
    if not copy.together:
        return _windows_alone(plan, copy, g)
    _check_in_step(plan, copy)
    application = plan.groups[g].application
    members = [k for k, group in enumerate(plan.groups) if group.application == application]
    lags, windows = zip(*(_windows_alone(plan, copy, k) for k in members), strict=True)
    if max(windows) > (copy.every or 0.0) and not _alike(copy):
        raise _NotBoundedError("its members may miss different runs, and have no cut in common")
    return max(lags), max(windows)


def _windows_alone(plan: Plan, copy: CopyPlan, g: int) -> tuple[float, float]:
    own, window = _own_windows(plan, copy, g)
    return own + (_age_of_source(plan, copy, g) if copy.source is not None else 0.0), window


def _check_in_step(plan: Plan, copy: CopyPlan) -> None:
    """Members have a common cut for certain if whatever they are made from has one too."""
    while copy.source is not None:
        copy = plan.copies[copy.source]
        if copy.together or copy.synchronous:
            return
        if copy.stagger or not _alike(copy):
            raise _NotBoundedError(f"its members may take points of {copy.name} with different cuts")


def _alike(copy: CopyPlan) -> bool:
    """Whether every run of every VM takes the same time."""
    inputs = [copy.duration, copy.lag, *([copy.cycle.duration] if copy.cycle and copy.cycle.duration else [])]
    kinds = [item.drawn(None) for item in inputs]
    fixed = all(len(set(each)) == 1 and isinstance(each[0], Fixed) for each in kinds)
    return fixed and copy.transfer is None and copy.pool is None


def _own_windows(plan: Plan, copy: CopyPlan, g: int) -> tuple[float, float]:
    """The same from the moment at which a run takes what it copies."""
    if copy.synchronous:
        return 0.0, 0.0
    if copy.pool is not None:
        raise _NotBoundedError(f"runs wait for slots of {plan.pools[copy.pool].name}")
    takes = _takes(plan, copy, g)
    return copy.hold + takes + _longest(copy.lag, g, "the lag"), _gap(copy, takes)


def _takes(plan: Plan, copy: CopyPlan, g: int) -> float:
    """The longest propagation of a run."""
    if copy.transfer is not None:
        return _sends(plan, copy, copy.transfer, g)
    takes = _longest(copy.duration, g, "the duration")
    if copy.cycle is not None and copy.cycle.duration is not None:
        takes = max(takes, _longest(copy.cycle.duration, g, "the duration of a full"))
    if takes > copy.timeout:
        raise _NotBoundedError("runs may take longer than their time-out")
    return takes


def _sends(plan: Plan, copy: CopyPlan, transfer: TransferPlan, g: int) -> float:
    """The longest transfer: alone at its rate; sharing a link at most as long as the link needs for all."""
    link = plan.links[transfer.link]
    if link.outages is not None:
        raise _NotBoundedError(f"outages of link {link.name} come at random")
    cap = min(link.per_stream, link.bytes_per_second)
    takes = _most_bytes(copy, transfer, g) / cap
    if transfer.rate is None:
        sharing = [each for each in plan.copies if each.transfer and each.transfer.link == transfer.link]
        if copy.every is None and len(sharing) == 1:
            return transfer.settled_seconds - copy.hold
        total = 0.0
        for other in sharing:
            if other.every is None or other.transfer is None:
                raise _NotBoundedError(f"link {link.name} is also used back to back")
            total += sum(
                group.count * _most_bytes(other, other.transfer, k) for k, group in enumerate(plan.groups)
            )
        takes += total / link.bytes_per_second
        if takes > min(other.every or 0.0 for other in sharing):
            raise _NotBoundedError(f"transfers on link {link.name} may outlast their interval")
    elif copy.every is None:
        return transfer.settled_seconds - copy.hold
    if copy.every is not None and takes > copy.every and not isinstance(transfer.moved[g], float):
        raise _NotBoundedError("a run may take longer than `every`, and the next then moves more")
    if takes > copy.timeout:
        raise _NotBoundedError("runs may take longer than their time-out")
    return takes


def _most_bytes(copy: CopyPlan, transfer: TransferPlan, g: int) -> float:
    rule = transfer.moved[g]
    moved = rule if isinstance(rule, float) else float(rule.within(np.array(transfer.settled_seconds)))
    return transfer.factor * (max(moved, transfer.full_bytes[g]) if copy.cycle is not None else moved)


def _gap(copy: CopyPlan, takes: float) -> float:
    """The longest time between the arrivals of points, under the overlap policy."""
    if copy.every is None:
        return takes + copy.hold
    if takes <= copy.every * (1 + _HAIR) or copy.overlap == "allow":
        return copy.every
    if copy.overlap == "skip":
        return math.ceil(takes / copy.every * (1 - _HAIR)) * copy.every
    if copy.overlap == "coalesce" and not (copy.hold or copy.cut_before_slot):
        return takes
    raise _NotBoundedError(f"a run may take longer than `every` (overlap: {copy.overlap})")


def _age_of_source(plan: Plan, copy: CopyPlan, g: int) -> float:
    """How old the point is, at most, that a run takes from its source."""
    assert copy.source is not None, "asked of copies of copies only"
    source = plan.copies[copy.source]
    if source.success is not None:
        raise _NotBoundedError(f"runs of {source.name} may fail")
    lag, window = _windows(plan, copy.source, g)
    wait = window
    in_step = copy.every and source.every and not copy.stagger and not source.stagger
    late = copy.overlap == "coalesce" and _own_windows(plan, copy, g)[1] > (copy.every or 0.0)
    if in_step and not late and window == source.every and (copy.every or 0.0) % window == 0:
        own, _ = _own_windows(plan, source, g)
        wait = (copy.offset - source.offset - own) % window
        wait = 0.0 if window - wait < _HAIR * window else wait
    age = lag + wait
    if source.keep_seconds is not None and source.keep_seconds <= age:
        raise _NotBoundedError(f"{source.name} may have nothing left when it is copied")
    return age


def _surely_kept(plan: Plan, c: int, g: int, window: float) -> float:
    """The age (seconds) up to which a point is certain where retention counts them; inf where it does not.

    L + (retCnt − 1)·accW (Keeton and Merchant), with the least L and accW that can be: points that come
    quickly push older ones out.
    """
    copy = plan.copies[c]
    if copy.keep_count is None or copy.synchronous:
        return math.inf
    gap = copy.every or window
    if copy.overlap == "coalesce" and window > gap:
        gap = 0.0  # one that has waited is followed at once by the next that is due
    return _lag_at_least(plan, copy, g) + (copy.keep_count - 1) * gap


def _lag_at_least(plan: Plan, copy: CopyPlan, g: int) -> float:
    """How old a point of a copy is at least when it becomes usable."""
    own = copy.hold + _takes_at_least(copy, g) + _end(copy.lag, g, 0.0)
    return own + (0.0 if copy.source is None else _lag_at_least(plan, plan.copies[copy.source], g))


def _takes_at_least(copy: CopyPlan, g: int) -> float:
    """The shortest propagation of a run."""
    if copy.transfer is not None:
        alone = copy.transfer.rate if copy.cycle is None else None
        if alone is None:
            return 0.0
        if copy.every is None:
            return copy.transfer.settled_seconds - copy.hold
        return _most_bytes(copy, copy.transfer, g) / alone
    takes = _end(copy.duration, g, 0.0)
    if copy.cycle is not None and copy.cycle.duration is not None:
        takes = min(takes, _end(copy.cycle.duration, g, 0.0))
    return takes


def _longest(item: Input, g: int, what: str) -> float:
    """The upper end of what may be drawn."""
    end = _end(item, g, 1.0)
    if not math.isfinite(end):
        kinds = item.drawn(None)
        kind = kinds[g if len(kinds) > 1 else 0].kind
        raise _NotBoundedError(f"{what} has no upper bound ({kind})")
    return end


def _end(item: Input, g: int, probability: float) -> float:
    """The least or the greatest that may be drawn."""
    kinds = item.drawn(None)
    with np.errstate(all="ignore"):
        return float(kinds[g if len(kinds) > 1 else 0].ppf(np.array([probability]))[0])
