"""The schema of scenario files: estate, objectives, failure, and per platform protection and recovery.

Only shapes and ranges are checked here; whether names refer to each other is `references`' business,
and whether the scenario is wise is `lint`'s.
"""

from typing import Annotated, Literal

from pydantic import Field

from rpo_sim.scenario.copies import CopyFields, PlatformCopy, SharedCopy
from rpo_sim.scenario.estate import Estate, Location, Objective
from rpo_sim.scenario.failure import Failure
from rpo_sim.scenario.inputs import BindingName
from rpo_sim.scenario.procedure import Recovery
from rpo_sim.scenario.quantities import Name, Part
from rpo_sim.scenario.shared import Shared


class Platform(Part):
    """One platform's protection and recovery."""

    summary: str | None = None
    copies: dict[Name, PlatformCopy] = Field(default_factory=dict)
    recovery: Recovery


Word = Annotated[str, Field(pattern=r"\S")]


class Bind(Part):
    """Which measurements of a profile a `measured:` name stands for."""

    operation: Word
    stage: Word
    backend: str | None = None
    platform: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    extrapolate: Literal["linear"] | None = None


class Scenario(Part):
    """A whole scenario file."""

    version: Literal[1]
    scenario: Name
    summary: str
    locations: dict[Name, Location]
    estate: Estate
    objectives: dict[Name, Objective] = Field(default_factory=dict)
    failure: Failure
    shared: Shared = Field(default_factory=Shared)
    copies: tuple[SharedCopy, ...] = ()
    platforms: Annotated[dict[Name, Platform], Field(min_length=1)]
    bind: dict[BindingName, Bind] = Field(default_factory=dict)

    def copies_of(self, platform: str) -> dict[str, CopyFields]:
        """Each copy of a platform by name: the shared fields, overridden by the platform's own."""
        own = self.platforms[platform].copies
        merged: dict[str, CopyFields] = {}
        for shared in self.copies:
            override = own.get(shared.name)
            if override is not None and override.omit:
                continue
            merged[shared.name] = _merge(shared, override)
        for name, copy in own.items():
            if name not in merged and not copy.omit:
                merged[name] = copy
        return merged


def _merge(shared: CopyFields, override: CopyFields | None) -> CopyFields:
    values = {}
    for name, field in CopyFields.model_fields.items():
        own = override if override is not None and name in override.model_fields_set else shared
        values[field.alias or name] = getattr(own, name)
    return CopyFields.model_construct(**values)
