"""Rows of the tables of copies that compete; see `layout`."""

from typing import Any, NamedTuple

from rpo_sim.model.compiled_engine.copies import layout
from rpo_sim.model.compiled_engine.memory import _alone, _rows

copies_at = _alone(layout.COPIES)
copy_at = _rows("copies", layout.COPY)
turn_at = _rows("turns", layout.TURN)
slots_at = _rows("pools", layout.POOL)
wire_at = _rows("wires", layout.WIRE)
amount_at = _rows("amounts", layout.AMOUNT)
change_at = _rows("changes", layout.CHANGE)
heap_at = _rows("heaps", layout.HEAP)
ahead_at = _rows("rows", layout.AHEAD)
send_at = _rows("sends", layout.AHEAD)


class Flows(NamedTuple):
    """The streams on links, as `sharing` wants them."""

    plan: Any
    run: Any
