"""What a mechanism could not show, in words, with what to measure next."""

from collections.abc import Sequence

from rpo_sim.distributions.mechanism import DRIVER, KnownLimit, Limit, Mechanism
from rpo_sim.distributions.mechanism_sweeps import Sweeps
from rpo_sim.distributions.registry import require
from rpo_sim.errors import FitError, ModelError
from rpo_sim.units import format_bytes, format_duration, format_ratio

_POOR = 0.1  # relative error of the chosen chain
_WIDE = 0.5  # of an interval, relative to its value
_FALLING = 0.03  # tokens per operation from the last level but one to the last
_MATTERS = 1.2  # times the prediction, that an unseen limit could reach


def parse_limit(text: str) -> KnownLimit:
    """A client limit from ``NAME=RATE/BURST[,key=value...]``; keys: backend, operation, tokens.

    Raises
    ------
    FitError
        If the text is something else.

    >>> limit = parse_limit("csi-provisioner=100/200,backend=b,tokens=6")
    >>> limit.name, limit.rate, limit.burst, limit.backend, limit.tokens
    ('csi-provisioner', 100.0, 200.0, 'b', 6.0)
    """
    name, _, rest = text.partition("=")
    numbers, *options = rest.split(",")
    rate, _, burst = numbers.partition("/")
    stated = dict(option.partition("=")[::2] for option in options)
    try:
        if not name or not set(stated) <= {"backend", "operation", "tokens"} or not all(stated.values()):
            raise ValueError
        tokens = float(stated.pop("tokens")) if "tokens" in stated else None
        require("limit", rate=float(rate), burst=float(burst), tokens=1.0 if tokens is None else tokens)
    except (ValueError, ModelError):
        raise FitError(
            f"--limit {text!r}: write NAME=RATE/BURST[,key=value...], keys backend, operation, tokens, such "
            "as csi-provisioner=5/10,operation=restore,tokens=6"
        ) from None
    return KnownLimit(
        name=name,
        rate=float(rate),
        burst=float(burst),
        source="given",
        tokens=tokens,
        backend=stated.get("backend"),
        operation=stated.get("operation"),
    )


def binding_text(mechanism: Mechanism) -> str:
    """Which limit binds where: one phrase per size."""
    parts = []
    for size in mechanism.sizes_bytes:
        rows = [each for each in mechanism.binding if each.size_bytes == size]
        phrases = [f"{each.what} at {each.concurrency} ({format_ratio(each.share)})" for each in rows]
        parts.append(f"{format_bytes(size)}: {', '.join(phrases)}")
    return "; ".join(parts)


def warnings_of(mechanism: Mechanism, sweeps: Sweeps, known: Sequence[KnownLimit]) -> tuple[str, ...]:
    """Every weakness, the gravest first."""
    return (
        *_poor(mechanism),
        *_unchecked(sweeps),
        *(text for limit in mechanism.limits for text in _of_limit(limit)),
        *_ambiguous(mechanism),
        *_unseen(mechanism, known),
        *_one_size(mechanism),
        *sweeps.notes,
    )


def _poor(mechanism: Mechanism) -> list[str]:
    chosen = next((each for each in mechanism.candidates if each.chosen), None)
    if chosen is None or chosen.error <= _POOR:
        return []
    return [
        f"no chain comes within {format_ratio(_POOR)} of the sweeps (best: {format_ratio(chosen.error)}): "
        "another mechanism decides; state what limits this backend has (--limit), and sweep again"
    ]


def _unchecked(sweeps: Sweeps) -> list[str]:
    if len(sweeps.levels) > 2:
        return []
    return [
        f"only {len(sweeps.levels)} concurrencies were swept, so none could be held out: which limit decides "
        "is not checked; sweep more at once"
    ]


def _of_limit(limit: Limit) -> list[str]:
    found = []
    if not limit.tokens_at and not limit.counted:
        found.append(
            f"{limit.name}: no sweep shows its tokens (between {limit.tokens.low:.1f} and "
            f"{limit.tokens.high:.1f} per operation): sweep at a smaller size, or more at once"
        )
    elif limit.tokens.high - limit.tokens.low > _WIDE * limit.tokens.value:
        found.append(
            f"{limit.name}: {limit.tokens.value:.1f} tokens per operation, [{limit.tokens.low:.1f}, "
            f"{limit.tokens.high:.1f}]: repeat the sweeps, or count its requests"
        )
    under_load = [row for row in limit.tokens_at if row[0] > 1]
    if len(under_load) > 1:
        (_, before), (level, last) = under_load[-2:]
        if last < (1 - _FALLING) * before:
            found.append(
                f"{limit.name}: tokens per operation still fall at {level} at once ({before:.1f} to "
                f"{last:.1f}): larger bursts may be faster than predicted; sweep more at once"
            )
    if limit.source == "published default":
        found.append(
            f"{limit.name}: {limit.rate:g}/s and burst {limit.burst:g} are its published defaults, not read "
            "from this cluster: look at its arguments (--kube-api-qps, --kube-api-burst)"
        )
    return found


def _ambiguous(mechanism: Mechanism) -> list[str]:
    chosen = next((each for each in mechanism.candidates if each.chosen), None)
    rivals = [
        " and ".join(each.limits)
        for each in mechanism.candidates
        if chosen and not each.chosen and len(each.limits) == len(chosen.limits)
        if each.error < 1.2 * chosen.error + 0.005
    ]
    if not rivals:
        return []
    return [f"{'; '.join(rivals)} would explain the sweeps as well: count requests to tell them apart"]


def _unseen(mechanism: Mechanism, known: Sequence[KnownLimit]) -> list[str]:
    """A known limit that never bound costs at most what it could without being seen in the largest burst."""
    names = {limit.name for limit in mechanism.limits}
    found, n = [], mechanism.largest
    for limit in known:
        if limit.name in names:
            continue
        size = mechanism.sizes_bytes[0]
        makespan = float(mechanism.burst(n, size)[-1])
        most = (limit.burst + limit.rate * makespan) / n
        worst = (2 * n * most - limit.burst) / limit.rate
        predicted = float(mechanism.burst(2 * n, size)[-1])
        if worst > _MATTERS * predicted:
            found.append(
                f"{limit.name} ({limit.rate:g}/s, burst {limit.burst:g}) was not seen, and may cost up to "
                f"{most:.1f} tokens per operation: {2 * n} at once could take {format_duration(worst)} "
                f"rather than {format_duration(predicted)}; sweep more at once, at {format_bytes(size)}"
            )
    return found


def _one_size(mechanism: Mechanism) -> list[str]:
    if len(mechanism.sizes_bytes) > 1:
        return []
    only = format_bytes(mechanism.sizes_bytes[0])
    driven = any(each.what == DRIVER for each in mechanism.binding)
    what = "hides the limit that decides bursts of small volumes" if driven else "shows one limit at most"
    return [f"swept at {only} only, which {what}: sweep at a smaller size too"]
