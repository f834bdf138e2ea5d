"""scipy's special functions, imported when one is asked for: half of what a simulation would import."""

from typing import Any


def __getattr__(name: str) -> Any:
    from scipy import special

    found = globals()[name] = getattr(special, name)
    return found
