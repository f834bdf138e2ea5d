"""Random scenarios of a recovery, compiled to plans."""

import json
from typing import Any

from hypothesis import strategies as st

from rpo_sim.model.compile import compile_plan
from rpo_sim.model.plan import Plan
from rpo_sim.scenario.load import load_scenario_text


def compiled(
    groups: list[dict[str, Any]],
    stages: list[dict[str, Any]],
    *,
    shared: dict[str, Any] | None = None,
    failure: dict[str, Any] | None = None,
    path: list[dict[str, str]] | None = None,
    **recovery: Any,
) -> Plan:
    """The plan of a scenario with two copies that are always there."""
    copy = {"kind": "backup", "every": "1h", "location": "vault", "retention": {"count": 99}}
    document = {
        "version": 1,
        "scenario": "random",
        "summary": "Made up",
        "locations": {
            "primary": {"site": "here", "cluster": "here", "backend": "here"},
            "vault": {"site": "there", "cluster": "there", "backend": "there"},
        },
        "estate": {"groups": [{"tier": "gold", "disks": [{"capacity": "1GB"}], **g} for g in groups]},
        "failure": {"scope": "site", **(failure or {})},
        "shared": shared or {},
        "copies": [{"name": name, "duration": {"assumed": "1m"}, **copy} for name in ("replica", "backup")],
        "platforms": {
            "vmware": {
                "recovery": {
                    "path": path or [{"copy": "replica", "method": "promote"}],
                    "stages": stages,
                    **recovery,
                }
            }
        },
    }
    return compile_plan(load_scenario_text(json.dumps(document)).scenario, "vmware")


def _duration(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["fixed", "exponential", "empirical"]))
    shapes = {
        "fixed": "3m",
        "exponential": {"exponential": {"mean": "4m"}},
        "empirical": {"empirical": {"values": ["0s", "1m", "2m", "3m"]}},
    }
    return {"assumed": shapes[kind]}


def _stage(draw: st.DrawFn, number: int, unit: str) -> dict[str, Any]:
    stage: dict[str, Any] = {"stage": "prepare", "name": f"{unit}-{number}", "once_per": unit}
    over = draw(st.booleans())
    if over:
        stage |= {"over": "wire", "bytes": "100MB" if unit not in ("vm", "disk") else "used", "timeout": "9m"}
    if not over or draw(st.booleans()):
        stage["duration"] = _duration(draw)
    if draw(st.booleans()):
        stage["slots"] = {"hosts": 2}
    if draw(st.booleans()):
        stage["tokens"] = {"api": 3}
    if draw(st.integers(0, 3)) == 0:
        stage["timeout"] = "5m"
    if draw(st.integers(0, 3)) == 0:
        stage |= {"success": {"assumed": "60%"}, "retries": draw(st.integers(0, 2))}
    if draw(st.booleans()):
        stage["by"] = "people"
    if unit in ("vm", "disk", "group") and draw(st.integers(0, 3)) == 0:
        stage["when"] = draw(st.sampled_from(["promote", "full"]))
    return stage


def _enriched(
    draw: st.DrawFn, groups: list[dict[str, Any]], stages: list[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Quorum, a small target, curves, shifts, points tried, stages afterwards: (shared, recovery)."""
    for group in groups:
        group["needs"] = [
            {"group": name, "at_least": 1} if draw(st.booleans()) else name for name in group["needs"]
        ]
        group |= {"demand": {"cores": draw(st.integers(0, 2))}, "writes": "10kB/s", "change": {"1h": "30MB"}}
    groups[0]["demand"] = {"cores": 1}
    for stage in stages:
        if "over" not in stage and draw(st.booleans()):
            stage["contention"] = {"usl": {"sigma": "20%", "kappa": "3%"}}
        if stage.get("bytes") == "used":
            stage["bytes"] = draw(st.sampled_from(["used", "changed", "written"]))
    recovery: dict[str, Any] = {"target": {"cores": draw(st.integers(0, 12))}}
    if draw(st.booleans()):
        scan = {"stage": "verify", "name": "scan", "once_per": draw(st.sampled_from(["vm", "disk"]))}
        last = max(i for i, stage in enumerate(stages) if stage["once_per"] in ("vm", "disk"))
        stages.insert(last + 1, scan | {"bytes": "used", "scan_rate": "2MB/s", "slots": {"hosts": 2}})
        recovery["points"] = "tried"
    for kind, unit in (("migrate", "vm"), ("reprotect", "application"), ("cleanup", "incident")):
        if draw(st.booleans()):
            stages.append(_stage(draw, len(stages), unit) | {"stage": kind})
    hands = [2, {"day": 2, "night": draw(st.integers(0, 1)), "hours": "08:00-20:00"}]
    curve = {"throughput": {"1": "2MB/s", "3": "3MB/s", "6": "1MB/s"}, "extrapolate": "linear"}
    links = [{}, {"contention": curve}]
    return {"operators": draw(st.sampled_from(hands)), "link": draw(st.sampled_from(links))}, recovery


def _waves(draw: st.DrawFn, number: int, vm_stages: list[str]) -> dict[str, Any]:
    """In two waves, or all at once."""
    cut = draw(st.integers(0, number))
    order = [
        names for names in ([f"g{g}" for g in range(cut)], [f"g{g}" for g in range(cut, number)]) if names
    ]
    waves: dict[str, Any] = {"order": order}
    if draw(st.booleans()):
        waves["barrier"] = draw(st.sampled_from(vm_stages))
    return waves


@st.composite
def plans(draw: st.DrawFn, rich: bool = False) -> Plan:
    """Waves, needs, applications, disks, slots, a link, tokens, people, failures, retries and time-outs."""
    number = draw(st.integers(1, 4))
    groups: list[dict[str, Any]] = []
    for g in range(number):
        groups.append(
            {
                "name": f"g{g}",
                "count": draw(st.integers(1, 3)),
                "disks": [{"capacity": "100MB"}, {"capacity": "300MB"}][: draw(st.integers(1, 2))],
                "needs": draw(st.lists(st.sampled_from([f"g{i}" for i in range(g)]), unique=True))
                if g
                else [],
                "application": draw(st.sampled_from(["a", "b", f"g{g}"])),
                "tier": draw(st.sampled_from(["gold", "silver"])),
            }
        )
    units = ["incident", "wave", "group", "vm", "disk", "application", "incident"]
    stages: list[dict[str, Any]] = []
    vm_stages: list[str] = []
    for place, unit in enumerate(units):
        for _ in range(draw(st.integers(1 if unit == "vm" else 0, 2 if unit in ("vm", "disk") else 1))):
            stages.append(_stage(draw, 10 * place + len(stages), unit))
            if unit in ("vm", "disk"):
                vm_stages.append(stages[-1]["name"])
    recovery: dict[str, Any] = {}
    if draw(st.booleans()):
        recovery["waves"] = _waves(draw, number, vm_stages)
    if draw(st.booleans()):
        recovery["concurrency"] = {"limit": draw(st.integers(1, 3))}
        if draw(st.booleans()):
            recovery["concurrency"]["until"] = draw(st.sampled_from(vm_stages))
    if draw(st.booleans()):
        recovery["repair"] = {"assumed": {"exponential": {"mean": "5m"}}, "by": "people"}
    more: dict[str, Any] = {"operators": 2, "link": {}}
    failure = {"detect": _duration(draw), "declare": _duration(draw)}
    if rich:
        more, extra = _enriched(draw, groups, stages)
        recovery |= extra
        if "points" in extra:  # limits that end before the scan are refused
            recovery.get("waves", {}).pop("barrier", None)
            recovery.get("concurrency", {}).pop("until", None)
            age = {"corruption": {"age": {"assumed": {"exponential": {"mean": "2h"}}}}}
            failure = {"kind": age, "declare": failure["declare"]}
    return compiled(
        groups,
        stages,
        shared={
            "people": {"operators": more["operators"]},
            "links": {"wire": {"bandwidth": "3MB/s", "per_stream": "2MB/s", **more["link"]}},
            "buckets": {"api": {"rate": "1/m", "burst": 4}},
        },
        failure=failure,
        path=[{"copy": "replica", "method": "promote"}, {"copy": "backup", "method": "full"}],
        **recovery,
    )
