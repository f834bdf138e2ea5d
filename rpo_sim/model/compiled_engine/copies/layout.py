"""How the compiled engine sees copies that compete, and keeps one run of them: records, as the kernel has."""

from typing import Any

import numpy as np


def _record(*columns: str) -> np.dtype[Any]:
    """Real numbers (``name:f8``), whole ones, and addresses of tables."""
    pairs = (column.split(":") for column in columns)
    return np.dtype((np.record, [(name, kind[0] if kind else "i8") for name, *kind in pairs]))


POLICIES = ("allow", "queue", "coalesce", "replace", "skip")

# The whole: what is known beforehand, then how far the run in `row` has come. `groups` has the group of each
# VM, `begins` when the first due run of each run is. Of the transfers that have just ended, `n_sent` stand in
# a table of `sharing`; so many were `told`. `short` says that back-to-back transfers need more rows.
COPIES = _record(
    "n_copies", "n_vms", "n_runs", "n_links", "n_pools", "n_groups",
    "copies", "pools", "wires", "amounts", "changes", "groups", "begins", "turns", "heaps", "sends",
    "row", "now:f8", "events", "requests", "n_sends", "n_sent", "told", "short",
)  # fmt: skip
# One copy; an index of -1 stands for "none". Tables of due runs have the shape (rows, runs, VMs), `full`
# (rows, runs), `lag` (runs, VMs) and `until` (runs,); `order` lists the due runs of a run by time, those of
# one instant by VM.
COPY = _record(
    "policy", "hold:f8", "timeout:f8", "settled:f8", "factor:f8", "back_to_back", "cut_before_slot", "cycles",
    "pool", "link", "rows", "due_rows",
    "due", "busy", "cut_delay", "lag", "full", "until", "order", "cut_at", "available_at",
    "position", "looked:f8",
)  # fmt: skip
# What a VM and a copy are about: the due run at work or waiting for a slot, -1 if none; those that wait for
# their VM follow each other. Of transfers the cut of what is being sent, whether it has arrived, and the cut
# of what was sent last (nan).
TURN = _record("current", "working", "next_waiting", "n_waiting", "cut_at:f8", "arrived", "last_cut:f8")
POOL = _record("capacity", "free")
# A link as copies see it. Of `changes` of its state, of each run, the times and the up times then; 0 where it
# is always up. `due` is on the link's own clock, which stands still while it is down.
WIRE = _record(
    "bandwidth:f8", "cap:f8", "changes", "times", "ups", "due:f8", "alarm:f8", "sequence"
)  # fmt: skip
# What a run of a copy moves of a VM of a group: `bytes_`, or by a curve of `count` points from `first` on
AMOUNT = _record("bytes_:f8", "full_bytes:f8", "most:f8", "first", "count")
CHANGE = _record("window:f8", "bytes_:f8", "log:f8")  # the logarithm of its ratio to the window before
# What comes next, in heaps (see `heaps`): the ends of runs and holds by (time, order of events); what
# comes last of an instant likewise, due runs with a number of -1; and per pool who waits for a slot by (time,
# VM, order of requests). What is sent before anything else stands in `sends`, with its order of events.
ENDS, LATE, ASKED = range(3)
HEAP = _record("count", "rows")
AHEAD = _record("time:f8", "first", "second", "copy", "number", "vm", "asked_at:f8", "granted_at:f8")
