"""The settings of `local_disk`, and where it measures when nothing is said."""

import math
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from rpo_probes._filesystem import MEMORY_TYPES, mount_of
from rpo_sim.errors import UnitError
from rpo_sim.probe import Duration, Size
from rpo_sim.units import parse_bytes, parse_ratio

_MARGIN_BYTES = 1 << 20  # manifest, folder, metadata of the file system


class LocalDiskSettings(BaseModel):
    """What `local_disk` measures, and how much room and time it may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path | None = Field(
        default=None,
        description="Folder on the file system to measure. Unset: the temporary folder, if it is on a disk.",
    )
    sizes: tuple[Annotated[Size, Field(ge=64 << 10)], ...] = Field(
        default=("8Mi", "32Mi", "128Mi"),
        validate_default=True,
        min_length=1,
        description="Sizes of the volumes, at least 64Ki. For a fit the largest should be 4 times the least.",
    )
    concurrency: tuple[Annotated[int, Field(ge=1, le=256)], ...] = Field(
        default=(1, 2, 4),
        min_length=1,
        description="How many restores run at the same time; each value is measured.",
    )
    repetitions: PositiveInt = Field(
        default=5,
        le=10_000,
        description="Restores per size, concurrency and cache state, rounded up to whole groups in flight.",
    )
    cache: Literal["cold", "warm", "both"] = Field(
        default="both",
        description="Whether this host has the snapshot in memory before the restore: cold, warm or both.",
    )
    budget_bytes: Size | None = Field(
        default=None, description="Most room that the probe may take at any time, such as 4Gi."
    )
    keep_free: str = Field(
        default="10%",
        description="Room that must stay free: a share of the file system (10%) or a size (20Gi).",
    )
    max_duration: Duration = Field(
        default="40s",
        validate_default=True,
        gt=0,
        description="After this time no further restore is started, such as 90s or 10m.",
    )
    platform: str = Field(
        default="local",
        min_length=1,
        description="Platform that the observations are kept under.",
    )

    @field_validator("keep_free")
    @classmethod
    def _readable(cls, text: str) -> str:
        try:
            _reserve_bytes(text, 0)
        except UnitError as error:
            raise ValueError(str(error)) from error
        return text

    @property
    def peak_bytes(self) -> int:
        """Most room that is taken at once: volumes, their snapshots, and the largest restores in flight."""
        most = max(self.concurrency)
        return most * (2 * sum(set(self.sizes)) + max(self.sizes)) + _MARGIN_BYTES

    @property
    def target(self) -> Path:
        """The folder to measure in."""
        return (self.path or _default_target()).expanduser().absolute()

    def reserve_bytes(self, total_bytes: int) -> int:
        """Room that must stay free on a file system of that size."""
        return _reserve_bytes(self.keep_free, total_bytes)


def _reserve_bytes(keep_free: str, total_bytes: int) -> int:
    if keep_free.strip().endswith("%"):
        return math.ceil(parse_ratio(keep_free) * total_bytes)
    return parse_bytes(keep_free)


def _default_target() -> Path:
    """The first of the usual temporary places that is on a disk: memory is no place to measure restores."""
    places = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.home()]
    usable = [place for place in places if place.is_dir() and os.access(place, os.W_OK | os.X_OK)]
    on_disk = [place for place in usable if mount_of(place).filesystem not in MEMORY_TYPES]
    return (on_disk or usable or places)[0]
