"""Whether a platform's recovery fits together: its path, stages, waves and limits."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from rpo_sim.scenario.messages import Problem, duplicates, unknown
from rpo_sim.scenario.places import recovery_path, stage_path
from rpo_sim.scenario.procedure import Recovery, Stage
from rpo_sim.scenario.references_copies import rate_problems, slot_problems
from rpo_sim.scenario.schema import Scenario

# The order of a recovery, by what a stage runs once per; incident stages lead or trail.
_PHASE = {"incident": 0, "wave": 1, "group": 1, "vm": 2, "disk": 2, "application": 3}
_TRAILING = 4
_AFTER = 5
_AFTERWARDS = {"vm": 5, "disk": 5, "application": 6, "incident": 7}


def recovery_problems(scenario: Scenario, platform: str) -> Iterator[Problem]:
    """What does not fit in the recovery of a platform."""
    recovery = scenario.platforms[platform].recovery
    yield from _path(scenario, platform, recovery)
    yield from _order(platform, recovery)
    yield from _names(platform, recovery)
    pools: dict[str, int] = {}
    for index, stage in enumerate(recovery.stages):
        yield from _stage(scenario, platform, index)
        yield from slot_problems(stage.slots, pools, stage_path(platform, index, "slots"))
    yield from _slot_order(platform, recovery)
    yield from rate_problems(recovery.repair, recovery_path(platform, "repair"))
    yield from _waves(scenario, platform, recovery)
    yield from _tried(platform, recovery)
    yield from _target(scenario, platform, recovery)


def _path(scenario: Scenario, platform: str, recovery: Recovery) -> Iterator[Problem]:
    copies = scenario.copies_of(platform)
    seen: set[tuple[str, str]] = set()
    for index, step in enumerate(recovery.path):
        path = recovery_path(platform, "path", index)
        if step.copy_ not in copies:
            yield Problem(path=(*path, "copy"), what=unknown("copy of this platform", step.copy_, copies))
        if (step.copy_, step.method) in seen:
            yield Problem(path=path, what="the same copy and method again: each is tried once; remove one")
        seen.add((step.copy_, step.method))


def _order(platform: str, recovery: Recovery) -> Iterator[Problem]:
    reached, before = 0, "a stage"
    for index, stage in enumerate(recovery.stages):
        path = stage_path(platform, index)
        if stage.afterwards and stage.once_per in ("wave", "group"):
            what = f"`{stage.stage}` comes after the recovery, once per vm, disk, application or incident"
            yield Problem(path=path, what=what)
            continue
        phase = _AFTERWARDS[stage.once_per] if stage.afterwards else _PHASE[stage.once_per]
        if phase == 0 and reached > 0:
            phase = _TRAILING
        if phase < reached and reached >= _AFTER:
            what = f"`{stage.key}` stands after {before}, which is done afterwards; the order then is: vm or "
            yield Problem(path=path, what=f"{what}disk, application, incident; move it up")
        elif phase < reached:
            what = (
                f"a stage once per {stage.once_per} comes too late; the order is: incident, then wave or "
                "group, then vm or disk, then application, then incident again"
            )
            yield Problem(path=path, what=what)
        if phase >= reached:
            reached, before = phase, f"`{stage.key}`"
    if all(stage.afterwards for stage in recovery.stages):
        what = "all of them come after a recovery, and nothing recovers; add what does"
        yield Problem(path=recovery_path(platform, "stages"), what=what)


def _names(platform: str, recovery: Recovery) -> Iterator[Problem]:
    for key in duplicates(stage.key for stage in recovery.stages):
        index = max(i for i, stage in enumerate(recovery.stages) if stage.key == key)
        what = f"a second stage `{key}`: give it a `name` of its own"
        yield Problem(path=stage_path(platform, index), what=what)
    of_vms = [
        stage.key for stage in recovery.stages if stage.once_per in ("vm", "disk") and not stage.afterwards
    ]
    gates = {
        ("concurrency", "until"): recovery.concurrency.until if recovery.concurrency else None,
        ("waves", "barrier"): recovery.waves.barrier if recovery.waves else None,
    }
    for gate, name in gates.items():
        if name is not None and name not in of_vms:
            yield Problem(path=recovery_path(platform, *gate), what=unknown("stage of VMs", name, of_vms))


def _slot_order(platform: str, recovery: Recovery) -> Iterator[Problem]:
    """Jobs keep the slots that they have while they wait for more: in a circle, for ever."""
    after: dict[str, set[str]] = {}  # slot → what stages so far take while they hold it
    for index, stage in enumerate(recovery.stages):
        pairs = list(combinations(stage.slots, 2))
        for first, second in pairs:
            if first in _reached(after, second):
                what = (
                    f"`{first}` before `{second}`, but stages above take `{second}` first: jobs could wait "
                    "for each other for ever; list slots in the same order in every stage"
                )
                yield Problem(path=stage_path(platform, index, "slots"), what=what)
                break
        for first, second in pairs:
            after.setdefault(first, set()).add(second)


def _reached(after: dict[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = after.get(waiting.pop(), set()) - reached
        reached |= new
        waiting.extend(new)
    return reached


def _stage(scenario: Scenario, platform: str, index: int) -> Iterator[Problem]:
    recovery = scenario.platforms[platform].recovery
    stage = recovery.stages[index]
    known = list(dict.fromkeys(name for step in recovery.path for name in (step.copy_, step.method)))
    for name in stage.when:
        if name not in known:
            what = unknown("copy or method in the path", name, known)
            yield Problem(path=stage_path(platform, index, "when"), what=what)
    for name, tokens in stage.stated_tokens.items():
        path = stage_path(platform, index, "tokens", name)
        bucket = scenario.shared.buckets.get(name)
        if bucket is None:
            yield Problem(path=path, what=unknown("bucket", name, scenario.shared.buckets))
        elif tokens > bucket.burst:
            yield Problem(
                path=path, what=f"{tokens} tokens never fit a burst of {bucket.burst}; raise the burst"
            )
    yield from _transfer(scenario, platform, index, stage)
    yield from _contention(platform, index, stage)


def _transfer(scenario: Scenario, platform: str, index: int, stage: Stage) -> Iterator[Problem]:
    links = scenario.shared.links
    if stage.over is not None and stage.over not in links:
        yield Problem(path=stage_path(platform, index, "over"), what=unknown("link", stage.over, links))
    if stage.over is not None and stage.timeout is None:
        what = "a transfer `over` a link needs a `timeout`, after which it counts as failed"
        yield Problem(path=stage_path(platform, index), what=what)
    if stage.times is not None and stage.duration is None:
        what = "`times` repeats a `duration`, and this transfer has none; add one, or remove `times`"
        yield Problem(path=stage_path(platform, index, "times"), what=what)
    if stage.bytes is None:
        yield from rate_problems(stage.duration, stage_path(platform, index, "duration"))
    if isinstance(stage.bytes, str) and stage.once_per not in ("vm", "disk"):
        what = f"`{stage.bytes}` is known of a VM or disk, not once per {stage.once_per}; write a size"
        yield Problem(path=stage_path(platform, index, "bytes"), what=what)
    field = {"changed": "change", "written": "writes"}.get(str(stage.bytes))
    if stage.bytes == "chain":
        yield from _chain(scenario, platform, index)
    lacking = [group.name for group in scenario.estate.groups if field and not getattr(group, field)]
    if lacking:
        what = f"`{stage.bytes}` needs `{field}` of every group; missing for {', '.join(lacking[:5])}"
        yield Problem(path=stage_path(platform, index, "bytes"), what=what)


def _chain(scenario: Scenario, platform: str, index: int) -> Iterator[Problem]:
    """A chain is read from copies whose fulls and incrementals have a size."""
    path = stage_path(platform, index, "bytes")
    copies = scenario.copies_of(platform)
    used = [copies[step.copy_] for step in scenario.platforms[platform].recovery.path if step.copy_ in copies]
    if not any(copy.cycle for copy in used):
        what = (
            "`chain` reads a full and its incrementals, and no copy of the path has a `cycle`; write `used`"
        )
        yield Problem(path=path, what=what)
    lacking = [group.name for group in scenario.estate.groups if not group.change]
    if lacking and any(copy.cycle and copy.bytes is None for copy in used):
        names = ", ".join(lacking[:5])
        what = f"`chain` needs `bytes` of the copy, or `change` of every group; missing for {names}"
        yield Problem(path=path, what=what)


def _contention(platform: str, index: int, stage: Stage) -> Iterator[Problem]:
    """A stage's own curve slows its duration; on a link the link has the curve."""
    if stage.contention is None:
        return
    path = stage_path(platform, index, "contention")
    if stage.over is not None:
        what = f"streams contend on the link: write the curve there, below `shared.links.{stage.over}`"
        yield Problem(path=path, what=what)
    elif stage.duration is None and stage.scan_rate is None:
        yield Problem(path=path, what="a curve slows a `duration`, and this stage has none")
    elif stage.contention.measured == "measured" and (
        stage.duration is None or stage.duration.measured is None
    ):
        what = "`measured` means the duration's own measurement, but that is assumed; name a measurement"
        yield Problem(path=path, what=what)


def _tried(platform: str, recovery: Recovery) -> Iterator[Problem]:
    """Points that are tried need a scan that tells good from bad, under the limits that hold a VM."""
    if recovery.points != "tried":
        return
    path = recovery_path(platform, "points")
    if recovery.choose != "listed":
        what = f"`choose: {recovery.choose}` knows which points are clean; try them as `listed`"
        yield Problem(path=path, what=what)
    keys = [stage.key for stage in recovery.stages]
    scans = [s for s in recovery.stages if s.scan_rate is not None and s.once_per in ("vm", "disk")]
    for step in recovery.path:
        if not any(not s.when or step.copy_ in s.when or step.method in s.when for s in scans):
            what = (
                f"no scan tells whether a point of `{step.copy_}` by `{step.method}` is clean; add for "
                "example `{stage: verify, name: scan, bytes: used, scan_rate: 100MB/s}`"
            )
            yield Problem(path=path, what=what)
    gates = [recovery.concurrency.until if recovery.concurrency else None]
    gates += [recovery.waves.barrier if recovery.waves else None]
    for gate in gates:
        if gate in keys and any(keys.index(gate) < keys.index(scan.key) for scan in scans):
            what = (
                f"`{gate}` comes before a scan after which all may begin anew; name the scan or what follows"
            )
            yield Problem(path=path, what=what)


def _target(scenario: Scenario, platform: str, recovery: Recovery) -> Iterator[Problem]:
    """What is limited at the target is demanded by somebody, in the same unit."""
    groups = scenario.estate.groups
    for name, total in recovery.target.items():
        path = recovery_path(platform, "target", name)
        if not any(name in group.demand for group in groups):
            what = f"no group demands `{name}`; add for example `demand: {{{name}: …}}` to a group"
            yield Problem(path=path, what=what)
        for index, group in enumerate(groups):
            demand = group.demand.get(name)
            if demand is not None and type(demand) is not type(total):
                what = f"`{name}` is a size here and a count in a recovery's `target`, or the other way round"
                yield Problem(path=("estate", "groups", index, "demand", name), what=what)


def _waves(scenario: Scenario, platform: str, recovery: Recovery) -> Iterator[Problem]:
    if recovery.waves is None:
        return
    path = recovery_path(platform, "waves", "order")
    groups = {group.name: group for group in scenario.estate.groups}
    wave_of: dict[str, int] = {}
    for wave, names in enumerate(recovery.waves.order):
        if not names:
            yield Problem(path=(*path, wave), what="an empty wave; remove it")
        for name in names:
            if name not in groups:
                yield Problem(path=(*path, wave), what=unknown("group", name, groups))
            wave_of.setdefault(name, wave)
    times = Counter(name for names in recovery.waves.order for name in names)
    for name, count in times.items():
        if count > 1:
            yield Problem(path=path, what=f"group `{name}` is in {count} places; keep one")
    left_out = [name for name in groups if name not in wave_of]
    if left_out and wave_of.keys() <= groups.keys():  # else the missing one may be misspelled
        yield Problem(path=path, what=f"in no wave: {', '.join(left_out[:10])}; every group needs one")
    for name, group in groups.items():
        for needed in (need.group for need in group.needs):
            if wave_of.get(needed, 0) > wave_of.get(name, len(wave_of)):
                what = f"`{name}` needs `{needed}`, which comes in a later wave; move one of them"
                yield Problem(path=path, what=what)
