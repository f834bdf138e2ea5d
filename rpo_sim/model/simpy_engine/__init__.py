"""The reference engine: the plan as SimPy processes that a person can read.

Ties, in words: events happen by time, then in the order in which they were scheduled; a run of a copy that
falls due is looked at after all else of that instant. Who waits for slots is served by the time of the
request, then by rank (wave, order of the group, index of the VM).

SimPy's own PriorityResource sorts its whole queue at each request; `Slots` keeps a heap instead.
"""

from rpo_sim.model.simpy_engine.protection import protect
from rpo_sim.model.simpy_engine.recovery import recover

__all__ = ["protect", "recover"]
