"""The only part of rpo-sim that talks to Kubernetes: the client library stays behind it.

It is imported by the first connection, not before: listing the probes stays fast.
"""

from rpo_probes._kubernetes.access import Permission, missing_permissions, permissions_of
from rpo_probes._kubernetes.api import Api, Object, Page, Resource
from rpo_probes._kubernetes.clock import ServerClock
from rpo_probes._kubernetes.connect import Target, connect
from rpo_probes._kubernetes.errors import (
    Conflict,
    Expired,
    Forbidden,
    NamespaceGone,
    NotFound,
    QuotaExceeded,
    Unauthorized,
    Unreachable,
)
from rpo_probes._kubernetes.follow import Change, Follower, Position, Watch
from rpo_probes._kubernetes.times import event_seconds, stamp_seconds

__all__ = [
    "Api",
    "Change",
    "Conflict",
    "Expired",
    "Follower",
    "Forbidden",
    "NamespaceGone",
    "NotFound",
    "Object",
    "Page",
    "Permission",
    "Position",
    "QuotaExceeded",
    "Resource",
    "ServerClock",
    "Target",
    "Unauthorized",
    "Unreachable",
    "Watch",
    "connect",
    "event_seconds",
    "missing_permissions",
    "permissions_of",
    "stamp_seconds",
]
