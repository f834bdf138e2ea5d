"""Whether the copies of a platform fit together as levels: sources, cycles, links, common cuts."""

from collections.abc import Iterator, Mapping

from rpo_sim.scenario.copies import CopyFields
from rpo_sim.scenario.messages import Problem, unknown
from rpo_sim.scenario.places import copy_path
from rpo_sim.scenario.references_copies import rate_problems
from rpo_sim.scenario.schema import Scenario
from rpo_sim.units import format_duration

# A synchronous copy has every write at once: there is nothing to schedule, to move or to keep.
_SCHEDULED = (
    "from", "offset", "stagger", "overlap", "slots", "cut", "cut_together", "hold", "cycle", "duration",
    "bytes", "over", "lag", "timeout", "retries", "retention", "success",
)  # fmt: skip
_BY_LINK = ("skip", "queue", "coalesce")


def level_problems(scenario: Scenario, platform: str) -> Iterator[Problem]:
    """What does not fit between the copies of a platform, and in what makes one a level."""
    copies = scenario.copies_of(platform)
    for name, copy in copies.items():
        wrong = [*_source(name, copies), *_synchronous(copy), *_cycle(copy), *_link(copy), *_together(copy)]
        if copy.hold and copy.cut == "after_slot":
            wrong.append(("cut", "what is held was cut when the run was due; remove `cut: after_slot`"))
        if copy.hold and copy.every == "back-to-back" and not copy.by_link:
            wrong.append(("hold", "back to back, what each run takes is its `duration`; add it to that"))
        for field, what in wrong:
            yield Problem(path=copy_path(scenario, platform, name, field), what=what)
        if copy.cycle is not None and copy.bytes is None:
            path = (*copy_path(scenario, platform, name, "cycle"), "duration")
            yield from rate_problems(copy.cycle.duration, path)


def _source(name: str, copies: Mapping[str, CopyFields]) -> Iterator[tuple[str, str]]:
    """A copy is made from the VM itself, or from another copy of the platform."""
    source = copies[name].from_
    if source is None:
        return
    if source not in copies:
        yield "from", unknown("copy of this platform", source, copies)
        return
    chain = [name]
    while (before := copies[chain[-1]].from_) in copies and before not in chain:
        assert before is not None, "a name in the mapping"
        chain.append(before)
    if before == name:
        yield "from", f"a circle: {' from '.join([*chain, name])}; one of them is made from the VM"
    if copies[source].synchronous:
        yield "from", f"`{source}` is the same data at every moment: leave out `from`"


def _synchronous(copy: CopyFields) -> Iterator[tuple[str, str]]:
    given = [
        field
        for field in _SCHEDULED
        if copy.synchronous and getattr(copy, "from_" if field == "from" else field) is not None
    ]
    if given:
        yield given[0], f"a synchronous copy has every write at once; remove {', '.join(given)}"


def _cycle(copy: CopyFields) -> Iterator[tuple[str, str]]:
    if copy.cycle is None or copy.synchronous:
        return
    if not isinstance(copy.every, float):
        yield "cycle", "fulls and incrementals need an interval: write `every: 24h`, for example"
    elif copy.cycle.full % copy.every or copy.cycle.full <= copy.every:
        every = format_duration(copy.every)
        yield "cycle", f"`full` must be a multiple of `every` ({every}), at least twice that"
    if copy.by_link and copy.cycle.duration is not None:
        yield "cycle", "the link says how long a full takes; remove `duration`, or add one to the copy too"


def _link(copy: CopyFields) -> Iterator[tuple[str, str]]:
    """A run whose time is that of its bytes on the link."""
    if not copy.by_link:
        return
    if copy.overlap is not None and copy.overlap not in _BY_LINK:
        yield (
            "overlap",
            (
                f"`{copy.overlap}`: what is sent over a link depends on what was sent before; write "
                f"{', '.join(_BY_LINK[:-1])} or {_BY_LINK[-1]}, or state a `duration`"
            ),
        )
    if copy.retries:
        yield "retries", "the next run sends what a failed one did not; remove it, or state a `duration`"


def _together(copy: CopyFields) -> Iterator[tuple[str, str]]:
    if not copy.cut_together or copy.synchronous:
        return
    if not isinstance(copy.every, float):
        yield "cut_together", "a common cut needs a common clock: write an interval in `every`"
    if copy.stagger == "uniform":
        yield "cut_together", "VMs that are cut together cannot be staggered; remove `stagger`"
    if copy.slots and copy.cut != "before_slot":
        yield "cut_together", "VMs wait for slots one by one; cut them first: `cut: before_slot`"
