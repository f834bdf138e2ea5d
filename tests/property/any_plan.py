"""Random scenarios over the whole schema of a recovery, ties included, compiled to plans."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from rpo_sim.distributions.sized import SizeScaled
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.plan import Input, Plan
from rpo_sim.results import Evidence
from rpo_sim.scenario.load import load_scenario_text

_SHAPES: list[Any] = [
    "0s",
    "1m",
    "3m",
    {"empirical": {"values": ["0s", "1m", "2m", "3m"]}},
    {"empirical": {"values": ["1m", "1m", "2m", "90s"]}},
    {"exponential": {"mean": "4m"}},
    {"lognormal": {"p50": "2m", "p95": "9m"}},
]
_SLOWDOWNS: list[Any] = [
    {"usl": {"sigma": "50%"}},
    {"usl": {"sigma": "10%", "kappa": "20%"}},
    {"durations": {"1": "1m", "3": "90s"}, "extrapolate": "linear"},
]
_CURVES: list[Any] = [
    {"usl": {"one": "1MB/s", "sigma": "0%"}},
    {"usl": {"one": "2MB/s", "sigma": "10%", "kappa": "20%"}},
    {"throughput": {"1": "1MB/s", "2": "3MB/s", "4": "2MB/s"}, "extrapolate": "linear"},
]
_FITTED = SizeScaled(
    overhead_seconds=60.0,
    seconds_per_byte=1e-6,
    contention=0.2,
    sigma=0.1,
    degrees=28,
    covariance=((1.0, 0.0, 0.0), (0.0, 1e-16, 0.0), (0.0, 0.0, 0.0004)),
)
_UNITS = ["incident", "wave", "group", "vm", "disk", "vm", "disk", "application", "incident"]
_FIRST_VM = _UNITS.index("vm")
_PATH = [("replica", "promote"), ("snapshot", "instant"), ("backup", "full")]
_AFTER = [("migrate", "vm"), ("failback", "disk"), ("reprotect", "application"), ("cleanup", "incident")]
_HANDS: list[Any] = [
    1,
    3,
    {"day": 2, "night": 0, "hours": "08:00-20:00"},
    [{"count": 1, "from": "06:00", "to": "18:00"}, {"count": 2, "from": "12:00", "to": "23:00"}],
]
_TRIED_AGE = {"exponential": {"mean": "2h"}}


def _some(draw: st.DrawFn, one_in: int = 2) -> bool:
    return draw(st.integers(1, one_in)) == 1


def _duration(draw: st.DrawFn) -> dict[str, Any]:
    return {"assumed": draw(st.sampled_from(_SHAPES))}


def _bytes(draw: st.DrawFn, unit: str) -> str:
    own = ["used", "changed", "written", "chain"] if unit in ("vm", "disk") else []
    return draw(st.sampled_from([*own, "60MB", "120MB"]))


def _stage(draw: st.DrawFn, name: str, unit: str) -> dict[str, Any]:
    stage: dict[str, Any] = {"stage": "prepare", "name": name, "once_per": unit}
    over = _some(draw)
    if over:
        stage |= {"over": draw(st.sampled_from(["wire", "trunk"])), "bytes": _bytes(draw, unit)}
        stage["timeout"] = draw(st.sampled_from(["1m", "2m", "9m", "30d"]))
    if not over or _some(draw):
        stage["duration"] = _duration(draw)
    if not over and _some(draw, 3):
        stage |= {"bytes": _bytes(draw, unit), "scan_rate": "1MB/s"}
    if "bytes" in stage and "duration" in stage and _some(draw):
        stage["duration"] = {"assumed": {"rate": {"p50": "1MB/s", "p5": "500kB/s"}}}
    if not over and _some(draw, 3):
        stage["contention"] = draw(st.sampled_from(_SLOWDOWNS))
    if _some(draw):
        stage["slots"] = {name: {"hosts": 2, "movers": 1}[name] for name in draw(_pools)}
    if _some(draw, 3):
        stage["tokens"] = {name: draw(st.integers(1, 3)) for name in draw(_buckets)}
    if _some(draw, 4):
        stage.setdefault("timeout", draw(st.sampled_from(["1s", "1m", "3m"])))
    if _some(draw, 3):
        share = draw(st.sampled_from(["0%", "40%", "80%"]))
        stage |= {"success": {"assumed": share}, "retries": draw(st.integers(0, 3))}
    if _some(draw, 3):
        stage["by"] = "people"
    if "duration" in stage and _some(draw, 4):
        stage["times"] = draw(st.integers(1, 3))
    if _some(draw, 3):
        stage["when"] = draw(st.sampled_from(["promote", "instant", "full"]))
    return stage


_pools = st.sampled_from([["hosts"], ["movers"], ["hosts", "movers"]])  # in one order: no deadlocks
_buckets = st.lists(st.sampled_from(["api", "qps"]), min_size=1, unique=True)


def _groups(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    disks = [{"capacity": "60MB"}, {"capacity": "60MB"}, {"capacity": "300MB"}]
    counts = [draw(st.integers(1, 5)) for _ in range(number)]
    return [
        {
            "name": f"g{g}",
            "count": counts[g],
            "disks": disks[: draw(st.integers(1, 3))],
            "change": {"30m": "9MB", "2h": "20MB"},
            "writes": "20kB/s",
            "demand": {"cores": draw(st.integers(0, 4)), "gigabytes": draw(st.integers(0, 9))},
            "needs": _needs(draw, counts[:g]) if g else [],
            "application": draw(st.sampled_from(["a", "b", f"g{g}"])),
            "tier": draw(st.sampled_from(["gold", "silver"])) if g else "gold",
        }
        for g in range(number)
    ]


def _needs(draw: st.DrawFn, counts: list[int]) -> list[Any]:
    """All of some groups, or so many of them."""
    found: list[Any] = []
    for g in draw(st.lists(st.integers(0, len(counts) - 1), unique=True)):
        some = {"group": f"g{g}", "at_least": draw(st.integers(1, counts[g]))}
        found.append(some if _some(draw) else f"g{g}")
    return found


def _waves(draw: st.DrawFn, number: int, vm_stages: list[str]) -> dict[str, Any]:
    """Groups in their order, cut anywhere, and within a wave in any order."""
    cuts = sorted(draw(st.sets(st.integers(1, number - 1)))) if number > 1 else []
    order = [
        draw(st.permutations([f"g{g}" for g in range(a, b)]))
        for a, b in zip([0, *cuts], [*cuts, number], strict=True)
    ]
    waves: dict[str, Any] = {"order": order}
    if _some(draw):
        waves["barrier"] = draw(st.sampled_from(vm_stages))
    return waves


def _copy(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Sometimes there is no usable point, for some VMs or for all."""
    copy: dict[str, Any] = {"name": name, "kind": "backup", "every": "1h", "location": "vault"}
    copy |= {"duration": {"assumed": "1m"}, "retention": {"count": 3}}
    if _some(draw, 3):
        copy |= {"stagger": "uniform", "success": {"assumed": draw(st.sampled_from(["1%", "70%"]))}}
    if _some(draw, 3):
        copy |= {"cycle": {"full": "4h"}, "bytes": draw(st.sampled_from(["change", "5MB"]))}
    return copy


def _recovery(draw: st.DrawFn, number: int) -> dict[str, Any]:
    stages: list[dict[str, Any]] = []
    for place, unit in enumerate(_UNITS):
        least, most = int(place == _FIRST_VM), 2 if unit in ("vm", "disk") else 1
        for _ in range(draw(st.integers(least, most))):
            stages.append(_stage(draw, f"{unit}-{len(stages)}", unit))
    vm_stages = [stage["name"] for stage in stages if stage["once_per"] in ("vm", "disk")]
    steps = draw(st.lists(st.sampled_from(_PATH), min_size=1, unique=True))
    methods = [method for _, method in steps]
    for stage in stages:
        if stage.get("when", methods[0]) not in methods:
            stage["when"] = methods[0]
    recovery: dict[str, Any] = {
        "path": [{"copy": copy, "method": method} for copy, method in steps],
        "choose": draw(st.sampled_from(["listed", "freshest-clean", "fastest-within-rpo"])),
        "stages": stages,
    }
    if _some(draw, 3):
        recovery["target"] = {"cores": draw(st.integers(1, 30)), "gigabytes": 40}
    if _some(draw, 3):
        recovery["waves"] = _waves(draw, number, vm_stages)
    if _some(draw):
        recovery["concurrency"] = {"limit": draw(st.integers(1, 4))}
        if _some(draw):
            recovery["concurrency"]["until"] = draw(st.sampled_from(vm_stages))
    if _some(draw):
        recovery["repair"] = _duration(draw) | {"by": draw(st.sampled_from(["people", "script"]))}
    return recovery


def _afterwards(draw: st.DrawFn, recovery: dict[str, Any]) -> None:
    """Stages that follow the recovery, in their order."""
    for kind, unit in _AFTER:
        for number in range(draw(st.integers(0, 2))):
            stage = _stage(draw, f"{kind}-{number}", unit) | {"stage": kind}
            if stage.get("when") not in [step["method"] for step in recovery["path"]]:
                stage.pop("when", None)
            recovery["stages"].append(stage)


def _tried(draw: st.DrawFn, recovery: dict[str, Any]) -> dict[str, Any]:
    """Points tried one by one: a scan behind the last limit, and a failure that is found late."""
    stages = recovery["stages"]
    last = max(i for i, stage in enumerate(stages) if stage["once_per"] in ("vm", "disk"))
    unit = draw(st.sampled_from(["vm", "disk"]))
    scan = _stage(draw, "scan", unit) | {"bytes": _bytes(draw, unit), "scan_rate": "1MB/s"}
    for name in ("over", "when"):
        scan.pop(name, None)
    stages.insert(last + 1, scan)
    for step in recovery["path"]:
        step |= {"at_most": draw(st.integers(1, 3))} if _some(draw, 3) else {}
    recovery |= {"points": "tried", "choose": "listed"}
    recovery.get("waves", {}).pop("barrier", None)
    recovery.get("concurrency", {}).pop("until", None)
    return {"kind": {"corruption": {"age": {"assumed": draw(st.sampled_from([_TRIED_AGE, "3h", "10m"]))}}}}


def _document(draw: st.DrawFn) -> dict[str, Any]:
    number = draw(st.integers(1, 5))
    per_stream = draw(st.sampled_from([{}, {"per_stream": "1MB/s"}, {"per_stream": "2MB/s"}]))
    links: dict[str, Any] = {
        "wire": {"bandwidth": draw(st.sampled_from(["1MB/s", "3MB/s", "6MB/s"])), **per_stream},
        "trunk": {"bandwidth": "2MB/s"},
    }
    for link in links.values():
        if _some(draw, 3):
            link["contention"] = draw(st.sampled_from(_CURVES))
    objective = {"rpo": draw(st.sampled_from(["20m", "2h"])), "rto": "1h", "share_of_incidents": "90%"}
    copies = [_copy(draw, name) for name, _ in _PATH]
    recovery = _recovery(draw, number)
    failure: dict[str, Any] = {"scope": "site", "declare": _duration(draw)}
    failure |= _tried(draw, recovery) if _some(draw, 4) else {"detect": _duration(draw)}
    if _some(draw, 4):
        _afterwards(draw, recovery)
    cycles = {copy["name"] for copy in copies if "cycle" in copy}
    if cycles.isdisjoint(step["copy"] for step in recovery["path"]):
        for stage in recovery["stages"]:
            stage |= {"bytes": "used"} if stage.get("bytes") == "chain" else {}
    return {
        "version": 1,
        "scenario": "any",
        "summary": "Made up",
        "locations": {
            "primary": {"site": "here", "cluster": "here", "backend": "here"},
            "vault": {"site": "there", "cluster": "there", "backend": "there"},
        },
        "estate": {"groups": _groups(draw, number)},
        "objectives": {"gold": objective},
        "failure": failure,
        "shared": {
            "people": {"operators": draw(st.sampled_from(_HANDS))},
            "links": links,
            "buckets": {"api": {"rate": "1/m", "burst": 4}, "qps": {"rate": "2/m", "burst": 3}},
        },
        "copies": copies,
        "platforms": {"vmware": {"recovery": recovery}},
    }


@st.composite
def any_plan(draw: st.DrawFn) -> Plan:
    """A plan that may use everything at once."""
    plan = compile_plan(load_scenario_text(json.dumps(_document(draw))).scenario, "vmware")
    measured = Input(key="curve", evidence=Evidence.MEASURED, n=30, source="curve", base=_FITTED)
    links = (
        replace(link, measured=measured, evidence=Evidence.MEASURED)
        if link.totals and _some(draw, 3)
        else link
        for link in plan.links
    )
    buckets = (replace(each, evidence=draw(st.sampled_from(Evidence))) for each in plan.buckets)
    return replace(plan, links=tuple(links), buckets=tuple(buckets))
