"""Which copies survive the failure.

The rule: a copy survives unless one of the scopes takes the place where it lies.

- ``backend``, ``cluster``, ``site``, ``region``: every copy whose location has the primary's label at that
  level is destroyed; labels of the other levels do not matter.
- ``object`` and ``namespace`` (the VM is deleted): copies `inside: vm` go with it.
- ``volume``: copies `inside: volume` go with it.
- ``control-plane`` (the API and its database): copies `inside: control-plane`, known to it alone, go with it.
- ``admin``: every copy at a location with the primary's ``admin`` label is deleted, but for points that are
  still `immutable`.
- ``partition``: nothing is destroyed.

A copy without a location lies at ``primary``.
"""

from rpo_sim.scenario.copies import CopyFields
from rpo_sim.scenario.failure import Scope
from rpo_sim.scenario.schema import Scenario

PRIMARY = "primary"
_INSIDE = {
    Scope.OBJECT: "vm",
    Scope.NAMESPACE: "vm",
    Scope.VOLUME: "volume",
    Scope.CONTROL_PLANE: "control-plane",
}
_LEVELS = (Scope.BACKEND, Scope.CLUSTER, Scope.SITE, Scope.REGION)


def survives(scenario: Scenario, platform: str) -> dict[str, bool]:
    """Whether a copy of a platform, by name, may still hold points after the failure."""
    return {name: _survives(scenario, copy) for name, copy in scenario.copies_of(platform).items()}


def destroyed(scenario: Scenario, location: str) -> bool:
    """Whether the failure takes this location as a whole; scopes below a backend take none."""
    primary, other = scenario.locations[PRIMARY], scenario.locations[location]
    levels = (scope for scope in scenario.failure.scopes if scope in _LEVELS)
    return any(getattr(other, level) == getattr(primary, level) for level in levels)


def locked_seconds(scenario: Scenario, copy: CopyFields) -> float | None:
    """The age up to which a copy's points outlast an administrator; None where nobody deletes them."""
    return (copy.immutable or 0.0) if _within_reach(scenario, copy) else None


def _within_reach(scenario: Scenario, copy: CopyFields) -> bool:
    """Whether an account that deletes can delete this copy."""
    if Scope.ADMIN not in scenario.failure.scopes:
        return False
    return scenario.locations[copy.location or PRIMARY].admin == scenario.locations[PRIMARY].admin


def _survives(scenario: Scenario, copy: CopyFields) -> bool:
    taken = {_INSIDE[scope] for scope in scenario.failure.scopes if scope in _INSIDE}
    if copy.inside in taken or locked_seconds(scenario, copy) == 0:
        return False
    return not destroyed(scenario, copy.location or PRIMARY)
