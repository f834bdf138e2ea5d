"""What a scenario's uncertain numbers rest on: a profile's measurement where bound, else an assumption."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rpo_sim.distributions.assumed import Fixed
from rpo_sim.distributions.base import Distribution
from rpo_sim.distributions.mechanism import Mechanism
from rpo_sim.distributions.profile import Profile, ProfileEntry
from rpo_sim.errors import NoDataError, ScenarioError
from rpo_sim.model.plan import Chance, Input
from rpo_sim.results import Evidence
from rpo_sim.scenario.inputs import Duration, Probability, Shape
from rpo_sim.scenario.schema import Bind
from rpo_sim.units import format_bytes

REACH = 2  # beyond so many times the largest size or concurrency measured lies extrapolation


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """Names in the scenario, and the profile that they are looked up in."""

    platform: str
    binds: Mapping[str, Bind]
    profile: Profile | None
    assumed_factor: float = 1.0

    def duration(
        self, key: str, stated: Duration, sizes: tuple[int | None, ...] = (None,), concurrency: int = 1
    ) -> Input:
        """The input behind a stated duration.

        Raises
        ------
        NoDataError
            If what was measured does not reach the sizes or the concurrency asked for, or if nothing was
            measured and nothing assumed.
        ScenarioError
            If the measurement depends on the bytes and the scenario does not say how many.
        """
        entry = self._entry(stated.measured)
        if entry is None:
            return self._assumed(key, stated.measured, stated.assumption(), sizes, concurrency)
        assert stated.measured is not None
        if None in sizes and entry.distribution.needs_bytes:
            raise ScenarioError(
                f"{key}: {stated.measured} = {entry.name} was measured at several sizes and takes longer for "
                "larger ones; say how much is moved here with `bytes: used`, `bytes: capacity` or a size"
            )
        evidence = self._reach(key, stated.measured, entry, sizes, concurrency)
        return Input(
            key=key,
            evidence=evidence,
            n=entry.n,
            source=f"{stated.measured} = {entry.name}",
            base=entry.distribution,
            sizes_bytes=sizes,
            concurrency=concurrency,
            factor=1.0 if evidence is Evidence.MEASURED else self.assumed_factor,
            restores=entry.verified if (entry.operation, entry.platform) == ("restore", self.platform) else 0,
        )

    def curve(self, key: str, name: str | None, concurrency: int) -> Input | None:
        """The measurement that a contention curve is taken from; None where nothing is bound.

        Raises
        ------
        NoDataError
            If it was not measured at half the concurrency asked for, unless its binding extrapolates.
        """
        entry = self._entry(name)
        if entry is None or name is None:
            return None
        return Input(
            key=key,
            evidence=self._reach(key, name, entry, (None,), concurrency),
            n=entry.n,
            source=f"{name} = {entry.name}",
            base=entry.distribution,
            concurrency=concurrency,
        )

    def mechanism(
        self, key: str, stated: Duration, sizes: tuple[int | None, ...], concurrency: int
    ) -> tuple[Mechanism, Input] | None:
        """The mechanism behind a measured duration, with its driver's service time; None if nothing is bound.

        Raises
        ------
        NoDataError
            If what was measured shows no mechanism, or does not reach as far.
        """
        entry = self._entry(stated.measured)
        if entry is None:
            return None
        if entry.mechanism is None:
            raise NoDataError(
                f"{key}: {stated.measured} = {entry.name} was measured without bursts, so its tokens are not "
                "known; sweep 2, 4, 8 and 12 at once at two sizes, the smallest among them, and fit again"
            )
        whole = self.duration(key, stated, sizes, concurrency)
        return entry.mechanism, replace(whole, base=entry.mechanism.driver(), concurrency=1)

    def chance(self, key: str, stated: Probability | None) -> Chance | None:
        """The input behind a stated probability; None where success is certain."""
        if stated is None:
            return None
        entry = self._entry(stated.measured)
        if entry is not None and entry.n_succeeded + entry.n_failed:
            n = entry.n_succeeded + entry.n_failed
            return Chance(
                key=key,
                evidence=Evidence.MEASURED,
                source=f"{stated.measured} = {entry.name}",
                probability=entry.n_succeeded / n,
                n=n,
                n_failed=entry.n_failed,
            )
        probability = stated.assumption()
        if probability is None:
            raise _nothing(key, stated.measured)
        if probability == 1:
            return None
        return Chance(key=key, evidence=Evidence.ASSUMED, source="assumed", probability=probability)

    def require_timeout(self, duration: Input, what: str, timeout: float | None) -> None:
        """Refuse a distribution whose upper tail was never observed, unless a time-out ends it.

        Raises
        ------
        ScenarioError
            If there is no time-out where a draw may be longer than all that was seen to end.
        """
        if timeout is None and any(each.censored_end for each in duration.drawn(None)):
            raise ScenarioError(
                f"{self.platform}: {what}: its longest measured durations were never seen to end, so a draw "
                "may be longer than any of them; state a `timeout`"
            )

    def _entry(self, name: str | None) -> ProfileEntry | None:
        if name is None or self.profile is None or name not in self.binds:
            return None
        bind = self.binds[name]
        found = self.profile.find(
            operation=bind.operation,
            stage=bind.stage,
            backend=bind.backend,
            platform=bind.platform,
            labels=bind.labels,
        )
        if len(found) > 1:
            raise ScenarioError(
                f"bind {name}: {len(found)} entries of the profile match: "
                + "; ".join(entry.name for entry in found)
                + "; say which with `backend`, `platform` or `labels`"
            )
        return found[0] if found else None

    def _assumed(
        self,
        key: str,
        name: str | None,
        shape: Shape | None,
        sizes: tuple[int | None, ...],
        concurrency: int,
    ) -> Input:
        if shape is None:
            raise _nothing(key, name)
        base = shape.distribution()
        return Input(
            key=key,
            evidence=Evidence.ASSUMED,
            n=0,
            source="assumed",
            base=base,
            sizes_bytes=sizes,
            concurrency=concurrency,
            factor=1.0 if _is_zero(base) else self.assumed_factor,
        )

    def _reach(
        self,
        key: str,
        name: str,
        entry: ProfileEntry,
        sizes: tuple[int | None, ...],
        concurrency: int,
    ) -> Evidence:
        """Measured, or extrapolated where the scenario allows it."""
        beyond = []
        if entry.size_range_bytes is not None:
            largest = max((size for size in sizes if size is not None), default=0)
            if largest > REACH * entry.size_range_bytes[1]:
                beyond.append(
                    f"{format_bytes(largest)} (measured: {format_bytes(entry.size_range_bytes[1])})"
                )
        if entry.concurrency_range is not None and concurrency > REACH * entry.concurrency_range[1]:
            beyond.append(f"{concurrency} at once (measured: {entry.concurrency_range[1]})")
        if not beyond:
            return Evidence.MEASURED
        if self.binds[name].extrapolate == "linear":
            return Evidence.EXTRAPOLATED
        raise NoDataError(
            f"{key}: {name} is asked for {' and '.join(beyond)}, more than twice what was measured; measure "
            f"closer to it, or allow it with `bind: {{{name}: {{…, extrapolate: linear}}}}`"
        )


def _is_zero(base: Distribution) -> bool:
    return isinstance(base, Fixed) and base.seconds == 0


def _nothing(key: str, name: str | None) -> NoDataError:
    return NoDataError(
        f"{key}: nothing is bound to {name!r} and nothing is assumed; add `else: {{assumed: …}}`, or bind it "
        "to an entry of a profile (--profile FILE and `bind:`)"
    )
