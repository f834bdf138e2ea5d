"""The memory of runs, made once per block and cleared before each run; and that of what comes of them."""

from typing import Any

import numpy as np

from rpo_sim.model.compiled_engine import layout
from rpo_sim.model.compiled_engine.addresses import address
from rpo_sim.model.compiled_engine.layout import LANES


class Tables:
    """A record, and the tables whose addresses it holds."""

    def __init__(self, kind: "np.dtype[Any]") -> None:
        self.record = np.zeros(1, kind)
        self.at = address(self.record)
        self.tables: dict[str, Any] = {}

    def put(self, name: str, table: Any) -> None:
        """Have the record point to a table."""
        self.tables[name] = table
        self.record[name] = address(table)

    @property
    def row(self) -> Any:
        """The record itself."""
        return self.record[0]


def run_state(plan: Any, room: int = 1) -> Tables:
    """Room for one run at a time; ``room`` is doubled when a run needs more segments, events or jobs."""
    later = room * int(plan.n_disks)
    jobs, links = int(plan.n_jobs) + later, int(plan.n_links)
    streams = jobs if links else 0
    cohorts = int(plan.n_waves + 2 * (plan.n_quorums + plan.n_groups) + 2 * plan.n_applications + 2)
    segments, instants = room * (8 * jobs + 64), 1 << (room * (jobs + 64)).bit_length()
    made = Tables(layout.RUN)
    made.row.segments_size, made.row.instants_size, made.row.jobs_size = segments, instants, jobs
    sizes: dict[str, tuple[Any, int]] = {
        "jobs": (layout.JOB, jobs),
        "streams": (layout.STREAM, streams),
        "timed": (layout.TIMED, max(jobs, layout.LIST_PLACES) + 1),
        "alarms": (layout.ALARM, int(plan.n_alarms)),
        "instants": (layout.INSTANT, instants),
        "urgent": (np.int32, jobs),
        "segments": (layout.SEGMENT, segments),
        "pools": (layout.POOL, int(plan.n_pools)),
        "flows": (layout.FLOW, links),
        "changed": (np.int32, links),
        "caps": (np.float64, streams * LANES),
        "finishes": (np.float64, streams * LANES),
        "orders": (np.int32, streams * LANES),
        "senders": (np.int32, streams * LANES),
        "blocks": (layout.BLOCK, streams),
        "finished": (np.int32, streams),
        "levels": (layout.LEVEL, int(plan.n_buckets)),
        "expiries": (layout.EXPIRIES, int(plan.n_stages)),
        "cohorts": (layout.COHORT, cohorts),
        "tries": (np.int32, int(plan.n_tries + plan.n_jobs)),
        "options": (np.int32, int(plan.n_vms * plan.n_steps)),
        "shares": (layout.SHARE, segments),
        "ends": (np.float64, int(plan.n_kinds * plan.n_vms)),
        "given_up": (np.int32, int(plan.n_vms)),
        "free": (np.float64, int(plan.n_resources)),
        "last_vms": (np.int32, int(plan.n_tiers)),
    }
    for name, (kind, size) in sizes.items():
        made.put(name, _zeros(max(size, 1), np.dtype(kind)))
    return made


def _zeros(size: int, kind: "np.dtype[Any]") -> Any:
    """A table that begins where a line of the processor's cache does, so that lanes are read in one piece."""
    room = np.zeros(size * kind.itemsize + _LINE, np.uint8)
    first = -address(room) % _LINE
    return room[first : first + size * kind.itemsize].view(kind)


_LINE = 64  # bytes


def outcome(plan: Any, runs: int) -> Tables:
    """Room for what comes of a block."""
    shape, tiers = (runs, int(plan.n_vms)), (runs, int(plan.n_tiers))
    made = Tables(layout.OUTCOME)
    made.put("recovered_at", np.empty(shape))
    made.put("step", np.empty(shape, np.int32))
    made.put("confirmed_by", np.empty(shape, np.int32))
    made.put("declared_at", np.empty(runs))
    made.put("evidence", np.empty((*tiers, 3)))
    made.put("activities", np.empty((*tiers, int(plan.n_activities))))
    made.put("also", np.zeros((*tiers, int(plan.n_figures))))
    return made
