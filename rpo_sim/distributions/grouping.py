"""Which observations may share one distribution: like with like, one source, one clock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rpo_sim.distributions.mechanism_sweeps import BURST_LABEL
from rpo_sim.errors import FitError
from rpo_sim.records import Observation

# labels that make operations unlike: a cold restore is not a warm one, an incremental not a full one
UNLIKE_LABELS = (
    "method", "cache", "type", "level", "mode", "driver", "driver_version", "data_mover", "encryption",
    "consistency",
)  # fmt: skip
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Observations of like operations, in the order of their identity."""

    operation: str
    stage: str
    platform: str
    cluster: str
    backend: str
    observations: tuple[Observation, ...]

    @property
    def name(self) -> str:
        """For messages."""
        where = " ".join(part for part in (self.platform, self.cluster, self.backend) if part)
        how = ", ".join(f"{k}={v}" for k, v in sorted(self.labels.items()) if k in UNLIKE_LABELS)
        return (
            f"{self.operation}.{self.stage}"
            + (f" on {where}" if where else "")
            + (f" ({how})" if how else "")
        )

    @property
    def labels(self) -> dict[str, str]:
        """The labels on which all observations agree."""
        first, *rest = (item.labels for item in self.observations)
        return {key: value for key, value in first.items() if all(other.get(key) == value for other in rest)}

    @property
    def merged_labels(self) -> tuple[str, ...]:
        """In words, the labels on which they differ: merged, but not silently."""
        keys = {key for item in self.observations for key in item.labels} - set(self.labels) - {BURST_LABEL}
        lines = []
        for key in sorted(keys):
            values = Counter(item.labels.get(key, "(none)") for item in self.observations)
            if len(values) <= _MOST_SHOWN:
                shown = ", ".join(f"{value} ({count})" for value, count in sorted(values.items()))
                lines.append(f"merged across label {key}: {shown}")
        return tuple(lines)


def group_observations(observations: Sequence[Observation], *, mix_sources: bool) -> list[Group]:
    """Groups of like operations, sorted by name.

    Raises
    ------
    FitError
        If one group holds several sources or clocks and ``mix_sources`` is false.
    """
    found: dict[tuple[object, ...], list[Observation]] = {}
    for item in observations:
        labels = tuple((key, item.labels[key]) for key in UNLIKE_LABELS if key in item.labels)
        key = (item.operation, item.stage, item.platform, item.cluster, item.backend, labels)
        found.setdefault(key, []).append(item)
    groups = [_group(found[key]) for key in sorted(found)]
    if not mix_sources:
        for group in groups:
            _refuse_mixture(group)
    return groups


def _group(items: list[Observation]) -> Group:
    first = items[0]
    ordered = sorted(items, key=lambda item: (item.source, item.event_id))
    return Group(
        operation=first.operation,
        stage=first.stage,
        platform=first.platform,
        cluster=first.cluster,
        backend=first.backend,
        observations=tuple(ordered),
    )


def _refuse_mixture(group: Group) -> None:
    for what, option in (("source", "--source"), ("clock", "")):
        values = Counter(getattr(item, what) for item in group.observations)
        if len(values) > 1:
            shown = "; ".join(f"{value} ({count})" for value, count in values.most_common(_MOST_SHOWN))
            narrow = (
                f"choose one with {option}, or" if option else "narrow the choice (--source, --since), or"
            )
            raise FitError(
                f"{group.name}: {len(values)} {what}s timed it: {shown}. They may time different things; "
                f"{narrow} mix them knowingly with --mix-sources"
            )
