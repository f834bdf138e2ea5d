"""How the kernel sees a plan and keeps a run: tables of plain records, and the names of their columns.

An index of -1 stands for "none". Jobs are numbered as in `Plan`; disks come after, as they start.
"""

from typing import Any

import numpy as np

from rpo_sim.results import Evidence


def _record(*columns: tuple[str, str]) -> np.dtype[Any]:
    """Columns one behind the other, in rows of 2, 4, 8, … bytes: a row is found by a shift, not a product."""
    packed = np.dtype(list(columns))
    names, formats = zip(*columns, strict=True)
    offsets = [packed.fields[name][1] for name in names] if packed.fields else []
    size = 1 << (packed.itemsize - 1).bit_length()
    whole = {"names": list(names), "formats": list(formats), "offsets": offsets, "itemsize": size}
    return np.dtype((np.record, whole))


# The plan. A column such as `stages` is the address of a table, a column `n_stages` its number of rows.

PLAN = _record(
    ("n_vms", "i4"), ("n_waves", "i4"), ("n_groups", "i4"), ("n_applications", "i4"), ("n_tiers", "i4"),
    ("n_jobs", "i4"), ("n_disks", "i4"), ("n_tries", "i4"), ("n_steps", "i4"), ("n_pools", "i4"),
    ("n_links", "i4"), ("n_buckets", "i4"), ("n_stages", "i4"), ("n_alarms", "i4"), ("n_activities", "i4"),
    ("job_pool", "i4"), ("repair_pool", "i4"), ("repair", "i4"), ("repair_what", "i4"),
    ("repair_evidence", "i4"), ("token_what", "i4"), ("detect_evidence", "i4"),
    ("declare_evidence", "i4"), ("n_quorums", "i4"), ("n_resources", "i4"), ("n_figures", "i4"),
    ("n_kinds", "i4"), ("first_kind", "i4"), ("n_shift_pools", "i4"), ("shift_what", "i4"),
    ("stages", "i8"), ("limited", "i8"), ("stage_pools", "i8"), ("stage_tokens", "i8"),
    ("stage_bytes", "i8"), ("groups", "i8"),
    ("group_order", "i8"), ("wave_groups", "i8"), ("group_quorums", "i8"), ("quorum_least", "i8"),
    ("needed_by", "i8"), ("needers", "i8"), ("application_vms", "i8"), ("vms_of_applications", "i8"),
    ("lists", "i8"), ("list_stages", "i8"), ("programs", "i8"), ("ops", "i8"),
    ("capacities", "i8"), ("links", "i8"), ("buckets", "i8"),
    ("target", "i8"), ("demands", "i8"), ("at_most", "i8"), ("shift_pools", "i8"), ("shifts", "i8"),
    ("shift_starts", "i8"), ("shift_counts", "i8"), ("first_jobs", "i8"),
)  # fmt: skip
STAGE = _record(
    ("steps", "i8"), ("timeout", "f8"), ("link_factor", "f8"), ("scan", "f8"), ("retries", "i4"),
    ("members", "i4"), ("first_try", "i4"), ("first_pool", "i4"), ("pools", "i4"), ("first_token", "i4"),
    ("tokens", "i4"), ("link", "i4"), ("first_bytes", "i4"), ("what", "i4"), ("evidence", "i4"),
    ("disk", "i4"), ("after", "i4"), ("alarm", "i4"),
)  # fmt: skip
TOKEN = _record(("tokens", "f8"), ("bucket", "i4"))
GROUP = _record(
    ("first", "i4"), ("count", "i4"), ("wave", "i4"), ("application", "i4"), ("tier", "i4"), ("disks", "i4"),
    ("first_disk", "i4"), ("first_kind", "i4"), ("needs", "i4"),
)  # fmt: skip
SPAN = _record(("first", "i4"), ("count", "i4"))
# What a VM does next by a step of its path; a stage of -1 ends it. `passed` tells of what went before.
OP = _record(("stage", "i4"), ("disk", "i4"), ("passed", "i4"))
SCANNED, RELEASED, SAFE = 1, 2, 4
LINK = _record(
    ("bandwidth", "f8"), ("per_stream", "f8"), ("first_total", "i4"), ("totals", "i4"), ("paced", "i4")
)
BUCKET = _record(("rate", "f8"), ("burst", "f8"), ("evidence", "i4"))

# The roles of jobs; each but VM and DISK has a list of stages, the first five what they do once for many VMs
LEAD, WAVE, GROUPS, APPLICATION, LAST, VM, DISK, AFTER_VM, AFTER_APPLICATION, AFTER_INCIDENT = range(10)


# The draws of a block: `seconds` and `succeeds` have per stage and attempt the address of a table of shape
# (runs, members), 0 where nothing was drawn yet or where success is certain; `repairs` per attempt. `totals`
# are the throughputs of links by streams in flight, link after link. `slopes` are, as `seconds`, how much
# longer it takes with twice the bytes, 0 where bytes do not matter; `since` has per stage the address of the
# bytes that the point decides, shape (runs, steps, points, members), 0 where it does not. Where points are
# tried, `tainted` has how many of a step's points are, and `clean` whether it has another, shapes (runs,
# steps, VMs).
DRAWS = _record(
    ("runs", "i4"), ("attempts", "i4"), ("detect", "i8"), ("declare", "i8"), ("options", "i8"),
    ("seconds", "i8"), ("succeeds", "i8"), ("repairs", "i8"), ("totals", "i8"),
    ("slopes", "i8"), ("since", "i8"), ("points", "i4"), ("tainted", "i8"), ("clean", "i8"),
    ("time_of_day", "i8"),
)  # fmt: skip
# What comes of a block; shapes (runs, VMs), (runs,), (runs, tiers, …)
OUTCOME = _record(
    ("recovered_at", "i8"), ("step", "i8"), ("confirmed_by", "i8"), ("declared_at", "i8"), ("evidence", "i8"),
    ("activities", "i8"), ("also", "i8"),
)  # fmt: skip
# A run

JOB = _record(
    ("start", "f8"), ("asked_at", "f8"), ("recovered_at", "f8"), ("done", "i8"), ("state", "i1"),
    ("after", "i1"), ("role", "i1"), ("tried", "i1"), ("ok", "i1"), ("held", "i1"), ("safe", "i1"),
    ("short", "i1"), ("stage", "i4"), ("at", "i4"), ("at_pool", "i4"), ("at_token", "i4"), ("retry", "i4"),
    ("by", "i4"), ("segment", "i4"), ("ahead", "i4"), ("behind", "i4"), ("left", "i4"), ("point", "i4"),
    ("step", "i4"), ("confirmed_by", "i4"), ("place", "i4"), ("member", "i4"), ("kind", "i4"),
    ("parent", "i4"), ("rank", "i4"), ("group", "i4"), ("root", "i4"),
)  # fmt: skip
JOB_WORDS = JOB.itemsize // 8
STREAM = _record(
    ("bytes_", "f8"), ("cap", "f8"), ("expires", "f8"), ("expiry", "i8"), ("order", "i4"),
    ("link", "i4"), ("turn", "i4"), ("finished", "i4"), ("settled", "i4"), ("sooner", "i4"), ("later", "i4"),
)  # fmt: skip
TIMED = _record(("time", "f8"), ("sequence", "i8"), ("job", "i8"))
FEW, MANY, LIST_PLACES = 16, 64, 128  # of what lies ahead: see `ahead`
ALARM = _record(
    ("time", "f8"), ("sequence", "i8")
)  # of each link, pool with shifts and stage with a time-out
INSTANT = _record(("what", "i4"), ("who", "i4"), ("turn", "i4"))
SEGMENT = _record(
    ("start", "f8"), ("end", "f8"), ("what", "i4"), ("evidence", "i4"), ("cause", "i4"), ("before", "i4")
)
POOL = _record(
    ("free", "i4"), ("first", "i4"), ("last", "i4"), ("turn", "i4"), ("alarmed", "i4"), ("alarm_turn", "i4"),
    ("alarm", "i4"),
)  # fmt: skip
FLOW = _record(
    ("bandwidth", "f8"), ("now", "f8"), ("served", "f8"), ("level", "f8"), ("capped_rate", "f8"),
    ("order", "i4"), ("capped", "i4"), ("uncapped", "i4"), ("changed", "i4"), ("edge", "i4"),
)  # fmt: skip
LEVEL = _record(("level", "f8"), ("at", "f8"))
BLOCK = _record(
    ("count", "i4"), ("capped", "i4"), ("known", "i4"), ("least_capped", "i4"), ("least_uncapped", "i4"),
    ("before", "i4"), ("behind", "i4"),
)  # fmt: skip
LANES = 16  # numbers that are looked at or moved at once; the streams of a block
EXPIRIES = _record(("first", "i4"), ("last", "i4"))
SHARE = _record(("seconds", "f8"), ("segment", "i4"))
COHORT = _record(
    ("left", "i4"), ("least", "i4"), ("good", "i4"), ("came", "i4"), ("seen", "i4"), ("by", "i4"),
    ("ok", "i4"), ("first", "i4"), ("last", "i4"),
)  # fmt: skip
RUN = _record(
    ("now", "f8"), ("next_time", "f8"), ("sequence", "i8"), ("n_timed", "i4"), ("first_timed", "i4"),
    ("is_heap", "i4"), ("instant", "i4"), ("n_instants", "i4"), ("urgent_at", "i4"), ("n_urgent", "i4"),
    ("n_segments", "i4"), ("next_job", "i4"), ("status", "i4"), ("stage", "i4"), ("attempt", "i4"),
    ("row", "i4"), ("ended", "i4"), ("declared_at", "f8"), ("ring_turn", "i4"), ("over", "i4"),
    ("instants_size", "i4"), ("segments_size", "i4"), ("n_blocks", "i4"), ("free_block", "i4"),
    ("jobs", "i8"), ("streams", "i8"), ("timed", "i8"), ("alarms", "i8"), ("instants", "i8"),
    ("urgent", "i8"), ("segments", "i8"), ("pools", "i8"), ("flows", "i8"), ("finished", "i8"),
    ("caps", "i8"), ("finishes", "i8"), ("orders", "i8"), ("senders", "i8"), ("blocks", "i8"),
    ("levels", "i8"), ("totals", "i8"), ("expiries", "i8"), ("cohorts", "i8"), ("tries", "i8"),
    ("options", "i8"), ("shares", "i8"), ("last_vms", "i8"), ("free", "i8"), ("ends", "i8"),
    ("given_up", "i8"), ("time_of_day", "f8"), ("jobs_size", "i4"), ("n_changed", "i4"), ("changed", "i8"),
)  # fmt: skip

# How a call of the kernel ended
DONE, NOT_DRAWN, NO_ROOM, ENDLESS = range(4)

# What happens at an instant
(
    RESUME, STREAM_DONE, EXPIRY, DISK_DONE, COHORT_DONE, WAVE_OPENS, GROUP_TURN, GROUP_OPENS, SHIFT_ALARM,
) = range(9)  # fmt: skip

SHIFT = -2  # who gave a slot, where it is no job but the next shift
ASSUMED = int(Evidence.ASSUMED)
WAIT = -1  # the evidence of a segment that is a wait, as in the journal
ALL = -1  # how many of a cohort are waited for, where it is whoever comes or fails last
REPAIRS = -1  # the "stage" whose attempt was not drawn, if it is a repair's
