"""Quantities as people write them ("1h30m", "500Gi", "4Gbit/s", "95%") and as the model needs them.

The only parser and formatter of units in the project. Durations are float seconds, sizes int bytes,
rates float bytes per second, ratios floats. A bare number is refused: its unit would be a guess.
"""

import itertools
import math
import re

from rpo_sim.errors import UnitError

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_PREFIXES |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}

_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|s|m|h|d|w)")
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h|d|w))+", re.ASCII)
_BYTES = re.compile(rf"({_NUMBER})\s?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?(B)?", re.ASCII)
_RATE = re.compile(rf"({_NUMBER})\s?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?(B|bit)?/s", re.ASCII)
_RATIO = re.compile(rf"({_NUMBER})\s?%", re.ASCII)
_LONGEST = 64  # characters: no honest quantity is longer


def _refuse(text: str, what: str, examples: str) -> UnitError:
    shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return UnitError(f"{shown!r} is not a {what}: write a number and a unit, such as {examples}")


def parse_duration(text: str) -> float:
    """Seconds in a duration such as ``"15m"`` or ``"1h30m"``.

    Raises
    ------
    UnitError
        If there is no unit, or the text is not a duration.

    >>> parse_duration("1h30m")
    5400.0
    """
    compact = text.strip().replace(" ", "")
    if len(compact) > _LONGEST or not _DURATION.fullmatch(compact):
        raise _refuse(text, "duration", "90s, 15m, 1h30m, 2d (units: ms s m h d w)")
    parts = _DURATION_PART.findall(compact)
    sizes = [_SECONDS[unit] for _, unit in parts]
    if any(later >= earlier for earlier, later in itertools.pairwise(sizes)):
        raise _refuse(text, "duration", "1h30m: larger units first, each once")
    return math.fsum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_bytes(text: str) -> int:
    """Bytes in a size such as ``"500Gi"``, ``"20GB"`` or ``"512B"`` (k M G T decimal, Ki Mi Gi Ti binary).

    >>> parse_bytes("500Gi") == 500 * 2**30
    True
    """
    match = _BYTES.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None or (match[2] is None and match[3] is None):
        raise _refuse(text, "size", "500Gi, 20GB, 512B")
    return round(float(match[1]) * _PREFIXES[match[2] or ""])


def parse_rate(text: str) -> float:
    """Bytes per second in a rate such as ``"100MiB/s"`` or ``"4Gbit/s"``.

    >>> parse_rate("4Gbit/s")
    500000000.0
    """
    match = _RATE.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None or (match[2] is None and match[3] is None):
        raise _refuse(text, "rate", "100MiB/s, 150MB/s, 4Gbit/s")
    value = float(match[1]) * _PREFIXES[match[2] or ""]
    return value / 8 if match[3] == "bit" else value


def parse_ratio(text: str) -> float:
    """The ratio that a percentage states; ``"95%"`` is 0.95.

    >>> parse_ratio("95%")
    0.95
    """
    match = _RATIO.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        raise _refuse(text, "percentage", "95% or 0.5%")
    return float(match[1]) / 100


def format_duration(seconds: float) -> str:
    """A duration for people, to about three digits; never for files.

    >>> [format_duration(x) for x in (0.0123, 2.5, 75.0, 5400.0, 200000.0, float("inf"))]
    ['12.3ms', '2.5s', '1m15s', '1h30m', '2d8h', 'inf']
    """
    if not math.isfinite(seconds):
        return str(seconds)
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds == 0:
        return "0s"
    if seconds < 1:
        return f"{seconds * 1000:.3g}ms"
    if seconds < 59.95:
        return f"{seconds:.3g}s"
    for big, small in (("m", "s"), ("h", "m"), ("d", "h")):
        limit = {"m": 3600, "h": 86400, "d": math.inf}[big]
        whole = round(seconds / _SECONDS[small])
        if whole * _SECONDS[small] < limit:
            per = round(_SECONDS[big] / _SECONDS[small])
            head, rest = divmod(whole, per)
            return f"{head}{big}{rest}{small}" if rest else f"{head}{big}"
    raise AssertionError("unreachable: the last limit is infinite")


def format_bytes(size_bytes: float) -> str:
    """A size for people, in binary units.

    >>> format_bytes(500 * 2**30), format_bytes(1536)
    ('500GiB', '1.5KiB')
    """
    value, prefixes = float(size_bytes), ["", "Ki", "Mi", "Gi", "Ti", "Pi"]
    while abs(value) >= 1024 and len(prefixes) > 1:
        value /= 1024
        prefixes.pop(0)
    return f"{value:.4g}{prefixes[0]}B"


def format_rate(bytes_per_second: float) -> str:
    """A rate for people, in binary units.

    >>> format_rate(100 * 2**20)
    '100MiB/s'
    """
    return format_bytes(bytes_per_second) + "/s"


def format_ratio(ratio: float) -> str:
    """A percentage for people.

    >>> format_ratio(0.957), format_ratio(1.0)
    ('95.7%', '100%')
    """
    return f"{100 * ratio:.3g}%" if ratio < 0.9995 or ratio >= 1 else f"{100 * ratio:.4g}%"
