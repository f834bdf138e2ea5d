"""Which copies survive the failure.

The rule: a copy survives unless the scope takes the place where it lies.

- ``backend``, ``cluster``, ``site``, ``region``: every copy whose location has the primary's label at that
  level is destroyed; labels of the other levels do not matter.
- ``object`` and ``namespace`` (the VM is deleted): copies `inside: vm` go with it.
- ``volume``: copies `inside: volume` go with it.

A copy without a location lies at ``primary``.
"""

from rpo_sim.scenario.copies import CopyFields
from rpo_sim.scenario.failure import Scope
from rpo_sim.scenario.schema import Scenario

PRIMARY = "primary"
_INSIDE = {Scope.OBJECT: "vm", Scope.NAMESPACE: "vm", Scope.VOLUME: "volume"}


def survives(scenario: Scenario, platform: str) -> dict[str, bool]:
    """Whether each copy of a platform, by name, is still there after the failure."""
    return {name: _survives(scenario, copy) for name, copy in scenario.copies_of(platform).items()}


def destroyed(scenario: Scenario, location: str) -> bool:
    """Whether the failure takes this location as a whole; scopes below a backend take none."""
    scope = scenario.failure.scope
    if scope in _INSIDE:
        return False
    primary, other = scenario.locations[PRIMARY], scenario.locations[location]
    return bool(getattr(other, scope) == getattr(primary, scope))


def _survives(scenario: Scenario, copy: CopyFields) -> bool:
    inside = _INSIDE.get(scenario.failure.scope)
    if inside is not None:
        return copy.inside != inside
    return not destroyed(scenario, copy.location or PRIMARY)
