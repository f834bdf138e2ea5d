"""Rows of the tables of copies that compete; see `layout`."""

from typing import Any, NamedTuple

from rpo_sim.model.compiled_engine.copies import layout
from rpo_sim.model.compiled_engine.memory import record_of, rows_in

copies_at = record_of(layout.COPIES)
copy_at = rows_in("copies", layout.COPY)
turn_at = rows_in("turns", layout.TURN)
slots_at = rows_in("pools", layout.POOL)
wire_at = rows_in("wires", layout.WIRE)
amount_at = rows_in("amounts", layout.AMOUNT)
change_at = rows_in("changes", layout.CHANGE)
heap_at = rows_in("heaps", layout.HEAP)
ahead_at = rows_in("rows", layout.AHEAD)
send_at = rows_in("sends", layout.AHEAD)


class Flows(NamedTuple):
    """The streams on links, as `sharing` wants them."""

    plan: Any
    run: Any
