"""What an answer or a failure of the API means, in words and with a remedy."""

import json
from typing import Any

from rpo_sim.errors import ProbeDenied, ProbeError, ProbeUnavailable


class Unreachable(ProbeUnavailable):
    """No answer, or one that says to come again later."""


class Expired(ProbeUnavailable):
    """The place in a list or watch that was asked for is no longer kept."""


class Unauthorized(ProbeDenied):
    """The credentials are not accepted."""


class Forbidden(ProbeDenied):
    """The account may not do this."""


class QuotaExceeded(ProbeDenied):
    """The namespace has no room for another object."""


class NamespaceGone(ProbeDenied):
    """The namespace is not there, or is being deleted."""


class NotFound(ProbeDenied):
    """The object is not there."""


class Conflict(ProbeDenied):
    """The object exists, or has changed."""


def unreachable(server: str, reason: object) -> Unreachable:
    """No answer came."""
    return Unreachable(
        f"the API server {server} cannot be reached ({reason}): look at the network, the VPN and the "
        "server's address in the kubeconfig, then try again"
    )


def refusal(status: int, body: bytes, *, what: str, server: str) -> ProbeError:
    """The error for an answer that is none of the wished for.

    Parameters
    ----------
    status : int
        Of the answer.
    body : bytes
        Usually a ``Status`` object of the API.
    what : str
        What was asked, such as ``create volumesnapshots in apps``.
    server : str
    """
    answer = _status_object(body)
    said = str(answer.get("message") or body[:200].decode("utf-8", "replace")).strip()
    causes = {str(cause.get("reason")) for cause in (answer.get("details") or {}).get("causes") or ()}
    text = f"{what}: {said}"
    if status == 401:
        return Unauthorized(
            f"{what}: {server} does not accept the credentials ({said}): the token has expired or was "
            "withdrawn; log in again or ask for a new token, then measure again"
        )
    if "NamespaceTerminating" in causes or _is_missing_namespace(status, answer):
        return NamespaceGone(f"{text}: choose a namespace that exists and is not being deleted")
    if status == 403 and "exceeded quota" in said:
        return QuotaExceeded(f"{text}: measure fewer at once, or have the quota raised")
    if status == 403:
        return Forbidden(f"{text}: `rpo-sim rbac MODE` prints the roles that each mode needs")
    if status == 404:
        return _not_found(text, answer)
    if status == 409:
        return Conflict(text)
    if status == 410:
        return Expired(f"{text}: list again")
    if status == 429 or status >= 500:
        return Unreachable(f"{server} answered {status} to {text}: try again later")
    return ProbeDenied(f"{server} answered {status} to {text}")


def _not_found(text: str, answer: dict[str, Any]) -> NotFound:
    if (answer.get("details") or {}).get("name"):
        return NotFound(text)
    return NotFound(
        f"{text}: the cluster does not know this kind; for snapshots install the CRDs and the snapshot "
        "controller (kubernetes-csi/external-snapshotter), or measure another cluster"
    )


def _is_missing_namespace(status: int, answer: dict[str, Any]) -> bool:
    return status == 404 and (answer.get("details") or {}).get("kind") == "namespaces"


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
