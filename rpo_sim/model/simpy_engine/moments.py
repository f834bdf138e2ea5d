"""Moments of SimPy's clock."""

import simpy

_AFTER_ALL_ELSE = 2  # SimPy runs lower numbers first


def last_moment(env: simpy.Environment, delay: float = 0.0) -> simpy.Event:
    """An event so many seconds from now, which comes after all else of its instant."""
    event = simpy.Event(env)
    event._ok, event._value = True, None
    env.schedule(event, priority=_AFTER_ALL_ELSE, delay=delay)  # type: ignore[arg-type]
    return event
