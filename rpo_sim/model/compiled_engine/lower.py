"""From a plan to tables that the kernel can read."""

import math
from collections.abc import Iterable, Sequence, Sized
from itertools import accumulate
from typing import Any

import numpy as np

from rpo_sim.model.compiled_engine import layout, states
from rpo_sim.model.compiled_engine.state import Tables
from rpo_sim.model.figures import also_names
from rpo_sim.model.plan import Plan, Program, StagePlan
from rpo_sim.results import Evidence

_AFTERWARDS = (("vm", "disk"), ("application",), ("incident",))


def lower(plan: Plan) -> Tables:
    """The plan as flat tables; made once for all runs."""
    stages = _Stages(plan)
    of_applications = [
        [vm for g in plan.groups if g.application == a for vm in g.vms] for a in range(len(plan.applications))
    ]
    quorums = _quorums(plan)
    needed_by = [needers for of_group in quorums for needers in of_group.values()]
    waves = [[g for g in plan.group_order if plan.groups[g].wave == w] for w in range(plan.waves)]
    lists = [
        plan.leading,
        *(plan.stages_once_per(unit) for unit in ("wave", "group", "application")),
        plan.trailing,
        (),  # VMs have programs, disks a stage
        (),
        *([stage for stage in plan.after if stage.unit in units] for units in _AFTERWARDS),
    ]
    programs = [_ops(program) for program in plan.programs]
    made = Tables(layout.PLAN)
    _count(made.row, plan, stages)
    every = (*plan.stages, *plan.after)
    limited = [stage.index for stage in every if stage.link is not None and stage.timeout < math.inf]
    made.row.n_quorums = len(needed_by)
    made.row.n_alarms = len(plan.links) + int(made.row.n_shift_pools) + len(limited)
    stages.table["alarm"][limited] = np.arange(len(limited)) + made.row.n_alarms - len(limited)
    tables: dict[str, Any] = {
        "stages": stages.table,
        "limited": _ints(limited),
        "stage_pools": _ints(stages.pools),
        "stage_tokens": _rows(layout.TOKEN, stages.tokens),
        "stage_bytes": np.array(stages.bytes_, dtype=np.float64),
        "groups": _groups(plan),
        "group_order": _ints(plan.group_order),
        "wave_groups": _spans(waves),
        "group_quorums": _spans(quorums),
        "quorum_least": _ints(least for of_group in quorums for least in of_group),
        "needed_by": _spans(needed_by),
        "needers": _ints(g for each in needed_by for g in each),
        "application_vms": _spans(of_applications),
        "vms_of_applications": _ints(vm for vms in of_applications for vm in vms),
        "lists": _spans(lists),
        "list_stages": _ints(stage.index for each in lists for stage in each),
        "programs": _ints(accumulate((len(ops) for ops in programs[:-1]), initial=0)),
        "ops": _rows(layout.OP, [op for ops in programs for op in ops]),
        "capacities": _ints(pool.capacity for pool in plan.pools),
        "shift_pools": _ints(i for i, pool in enumerate(plan.pools) if pool.shifts),
        "shifts": _spans([pool.shifts for pool in plan.pools]),
        "shift_starts": np.array([at for pool in plan.pools for at, _ in pool.shifts], dtype=np.float64),
        "shift_counts": _ints(count for pool in plan.pools for _, count in pool.shifts),
        "at_most": _ints(-1 if step.at_most is None else step.at_most for step in plan.path),
        "links": _links(plan),
        "buckets": _rows(layout.BUCKET, [(each.rate, each.burst, each.evidence) for each in plan.buckets]),
        "target": np.array([total for _, total in plan.target], dtype=np.float64),
        "demands": np.array([each for group in plan.groups for each in group.demand], dtype=np.float64),
        "first_jobs": _first_jobs(plan),
    }
    for name, table in tables.items():
        made.put(name, table)
    return made


def _quorums(plan: Plan) -> list[dict[int, list[int]]]:
    """Per group: which groups need how many of it, in the order in which they say so."""
    found: list[dict[int, list[int]]] = [{} for _ in plan.groups]
    for g, group in enumerate(plan.groups):
        for need, least in zip(group.needs, group.needs_least, strict=True):
            found[need].setdefault(least, []).append(g)
    return found


def _ops(program: Program) -> list[tuple[int, bool, int]]:
    """What a VM does by a program, stage by stage, and at last its end."""
    ops, passed = [], 0
    for stage in program.stages:
        ops.append((stage.index, stage.unit == "disk", passed))
        passed = (
            layout.SCANNED * (stage.index == program.scan_after)
            | layout.RELEASED * (stage.index == program.release_after)
            | layout.SAFE * (stage.index == program.safe_after)
        )
    return [*ops, (-1, False, passed)]


def members_of(plan: Plan, stage: StagePlan) -> int:
    """How many draws an attempt at the stage has."""
    counts = {
        "vm": plan.n_vms,
        "disk": sum(group.count * group.disks for group in plan.groups),
        "group": len(plan.groups),
        "wave": plan.waves,
        "application": len(plan.applications),
    }
    return counts.get(stage.unit, 1)


class _Stages:
    """The stages, with what they list gathered in flat tables."""

    def __init__(self, plan: Plan) -> None:
        stages = (*plan.stages, *plan.after)
        self.table = _table(layout.STAGE, len(stages))
        self.pools: list[int] = []
        self.tokens: list[tuple[float, int]] = []
        self.bytes_: list[float] = []
        self.tries = 0
        for row, stage in zip(self.table, stages, strict=True):
            members = members_of(plan, stage)
            row.steps = sum(1 << step for step in stage.steps)
            row.timeout, row.link_factor, row.retries = stage.timeout, stage.link_factor, stage.retries
            row.members, row.first_try = members, self.tries
            row.first_pool, row.pools = len(self.pools), len(stage.pools)
            row.first_token, row.tokens = len(self.tokens), len(stage.tokens)
            row.link = -1 if stage.link is None else stage.link
            row.first_bytes = len(self.bytes_) if stage.bytes_ else -1
            row.scan = stage.scan_seconds_per_byte
            row.what, row.evidence = 2 + stage.index, stage.evidence
            row.disk = stage.unit == "disk"
            row.after = plan.after_kinds.index(stage.kind) if stage in plan.after else -1
            self.pools += stage.pools
            self.tokens += [(tokens, bucket) for bucket, tokens in stage.tokens]
            self.bytes_ += stage.bytes_
            self.tries += members


def _count(row: Any, plan: Plan, stages: _Stages) -> None:
    failure = plan.failure
    row.n_vms, row.n_waves, row.n_groups = plan.n_vms, plan.waves, len(plan.groups)
    row.n_applications, row.n_tiers, row.n_jobs = len(plan.applications), len(plan.tiers), plan.n_jobs
    row.n_disks, row.n_tries, row.n_steps = later_jobs(plan), stages.tries, len(plan.path)
    row.n_pools, row.n_links = len(plan.pools), len(plan.links)
    row.n_buckets, row.n_stages = len(plan.buckets), len(stages.table)
    row.n_resources, row.n_figures = len(plan.target), len(also_names(plan))
    row.job_pool = -1 if plan.job_pool is None else plan.job_pool
    row.repair_pool = -1 if plan.repair_pool is None else plan.repair_pool
    row.repair = plan.repair is not None
    row.repair_evidence = plan.repair.evidence if plan.repair is not None else Evidence.ASSUMED
    row.repair_what = 2 + len(stages.table)
    row.token_what = row.repair_what + 1
    row.detect_evidence = -1 if failure.detect is None else failure.detect.evidence
    row.declare_evidence = -1 if failure.declare is None else failure.declare.evidence
    row.shift_what = row.token_what + len(plan.buckets)
    row.n_activities = row.shift_what + plan.has_shifts
    row.n_shift_pools = sum(bool(pool.shifts) for pool in plan.pools)
    row.n_kinds, row.first_kind = len(plan.after_kinds), row.n_figures - len(plan.after_kinds)


def later_jobs(plan: Plan) -> int:
    """Jobs that a run starts: disks of each VM by each step of its path, and what follows the recovery.

    More are needed where points are tried; the engine then makes room.
    """
    disks = sum(group.count * group.disks for group in plan.groups)
    stages = [stage for program in plan.programs for stage in program.stages] + list(plan.after)
    after = plan.n_vms + len(plan.applications) + 1 if plan.after else 0
    return disks * sum(stage.unit == "disk" for stage in stages) + after


def _groups(plan: Plan) -> Any:
    table = _table(layout.GROUP, len(plan.groups))
    for row, group in zip(table, plan.groups, strict=True):
        row.first, row.count, row.wave = group.first, group.count, group.wave
        row.application, row.tier = group.application, group.tier
        row.disks, row.first_disk, row.first_kind = group.disks, group.first_disk, group.first_kind
        row.needs = len(group.needs)
    return table


def _first_jobs(plan: Plan) -> Any:
    """The jobs at the failure: VMs, who leads, waves, groups, applications, and who ends it all."""
    counts = {
        layout.VM: plan.n_vms,
        layout.LEAD: 1,
        layout.WAVE: plan.waves,
        layout.GROUPS: len(plan.groups),
        layout.APPLICATION: len(plan.applications),
        layout.LAST: 1,
    }
    jobs = _table(layout.JOB, plan.n_jobs)
    jobs["role"] = np.repeat(list(counts), list(counts.values()))
    jobs["place"] = jobs["member"] = np.concatenate([np.arange(count) for count in counts.values()])
    jobs["state"] = np.where(jobs["role"] == layout.LEAD, states.DETECT, states.TURN)
    jobs["ok"] = 1
    for column in ("by", "parent", "segment", "group", "root", "rank", "step", "confirmed_by"):
        jobs[column] = -1
    jobs["recovered_at"] = math.inf
    vms = jobs[: plan.n_vms]
    vms["group"] = vms["kind"] = np.repeat(range(len(plan.groups)), [group.count for group in plan.groups])
    vms["rank"] = plan.ranks[: plan.n_vms]
    return jobs


def _links(plan: Plan) -> Any:
    table, spans = _table(layout.LINK, len(plan.links)), _spans([link.totals for link in plan.links])
    for row, span, link in zip(table, spans, plan.links, strict=True):
        row.bandwidth, row.per_stream, row.paced = link.bytes_per_second, link.per_stream, link.paced
        row.first_total, row.totals = span.first, span.count
    return table


def _table(kind: "np.dtype[Any]", size: int) -> Any:
    return np.zeros(size, dtype=kind)


def _rows(kind: "np.dtype[Any]", rows: Sequence[tuple[float, ...]]) -> Any:
    return np.array(rows, dtype=kind) if rows else _table(kind, 0)


def _ints(values: Iterable[int]) -> Any:
    return np.array(list(values), dtype=np.int32)


def _spans(lists: Sequence[Sized]) -> Any:
    table, first = _table(layout.SPAN, len(lists)), 0
    for row, each in zip(table, lists, strict=True):
        row.first, row.count = first, len(each)
        first += len(each)
    return table
