"""The time stamps of the API, as seconds since 1970 by the clock of whoever wrote them."""

import re
from datetime import UTC, datetime

_EVENT_NAME = re.compile(r"\.([0-9a-f]{15,16})$")


def stamp_seconds(text: str | None) -> float | None:
    """Seconds of an RFC 3339 stamp; ``metav1.Time`` is cut off to whole seconds, ``MicroTime`` is not.

    >>> stamp_seconds("2026-11-22T14:52:04Z")
    1795359124.0
    >>> stamp_seconds(None) is None
    True
    """
    if not text:
        return None
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def event_seconds(name: str) -> float | None:
    """When a core Event was first emitted: its name ends in the nanoseconds, in hexadecimal.

    >>> event_seconds("snapshot-1.18ea659c722afd00")
    1795359124.0652874
    >>> event_seconds("chosen-by-hand") is None
    True
    """
    match = _EVENT_NAME.search(name)
    return int(match[1], 16) / 1e9 if match else None
