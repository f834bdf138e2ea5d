"""Signs that the cluster does not keep up: then a measurement makes room."""

from collections.abc import Callable, Iterator

from rpo_probes._kubernetes import Api, Forbidden, Object
from rpo_probes._snapshot.others import Others
from rpo_probes._snapshot.resources import NODES
from rpo_sim.units import format_duration

_LOOK_SECONDS = 30.0  # between two looks at the nodes, of which there may be hundreds


class Pressure:
    """What was so when the measurement began is no sign of ours; what came since is.

    Parameters
    ----------
    api : Api
        Its refusals for want of room (429) are counted: those of API priority and fairness and of quotas of
        requests. Nodes are looked at if the account may list them; the shipped role may not.
    others : Others
    timeout : float, seconds
        For how long snapshots of other people may wait.
    monotonic : callable
    """

    def __init__(self, api: Api, others: Others, timeout: float, monotonic: Callable[[], float]) -> None:
        self._api, self._others, self._timeout, self._monotonic = api, others, timeout, monotonic
        self._turned_away = api.turned_away
        self._looked = monotonic()
        self._before: frozenset[str] | None = self._nodes()

    def sign(self) -> str:
        """The first that is found, in words; empty if there is none."""
        if turned_away := self._api.turned_away - self._turned_away:
            return f"the API server turned away {turned_away} of our requests (429: too many)"
        if late := self._others.waiting(self._monotonic(), self._timeout):
            waited = format_duration(self._timeout)
            return f"{late} snapshots of others on this driver have waited for more than {waited}"
        if fresh := self._fresh():
            return f"nodes came under pressure: {', '.join(fresh)}"
        return ""

    def _fresh(self) -> list[str]:
        if self._before is None or self._monotonic() - self._looked < _LOOK_SECONDS:
            return []
        self._looked = self._monotonic()
        return sorted((self._nodes() or frozenset()) - self._before)

    def _nodes(self) -> frozenset[str] | None:
        """Conditions of nodes that are none to work under; None if they cannot be read."""
        try:
            pages = self._api.pages(NODES)
            return frozenset(said for page in pages for node in page.items for said in _pressed(node))
        except Forbidden:
            return None


def _pressed(node: Object) -> Iterator[str]:
    for condition in (node.get("status") or {}).get("conditions") or ():
        kind, status = str(condition.get("type")), condition.get("status")
        if kind.endswith("Pressure") and status == "True":
            yield f"{node['metadata']['name']} {kind}"
