"""What it means when Prometheus does not answer as asked, and what to do about it."""

import json
from typing import Any

import requests

from rpo_probes._prometheus.target import TOKEN_VARIABLE, Target
from rpo_sim.errors import ProbeDenied, ProbeError, ProbeUnavailable
from rpo_sim.units import format_duration

_SHOWN = 200  # characters of an answer in a message
_TOO_MUCH = ("too many samples", "timed out", "timeout", "exceeds", "limit")


class TooMuch(ProbeUnavailable):
    """More than this server answers at once or in time: a shorter part of the time may work."""


def body_of(response: requests.Response, target: Target) -> dict[str, Any]:
    """The answer, if it is one.

    Raises
    ------
    ProbeDenied, ProbeUnavailable, TooMuch
        If it is a refusal, or does not come from a Prometheus.
    """
    body = _json(response)
    if response.status_code == 200 and body.get("status") == "success" and "data" in body:
        return body
    reason = _in_words(str(body.get("error") or response.reason or "no reason given"))
    raise _refusal(response.status_code, str(body.get("errorType", "")), reason, target, bool(body))


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refusal(status: int, kind: str, reason: str, target: Target, is_json: bool) -> ProbeError:
    where = f"{target.url} answered {status} ({reason})"
    if status == 401:
        return ProbeDenied(
            f"{where}: it wants a valid bearer token: give --token-file, or ${TOKEN_VARIABLE}; "
            "`oc whoami -t` or `kubectl create token` prints one, and it may have expired"
        )
    if status == 403:
        return ProbeDenied(f"{where}: {_permission(target)}")
    if status == 404:
        return ProbeDenied(
            f"{where}: there is no Prometheus API at this --url: it ends before /api/v1, "
            "without /graph, and with the path prefix if there is one"
        )
    if status == 400 and not is_json:
        return ProbeDenied(f"{where}: a port for tenants needs --namespace")
    if status == 422 and any(word in reason for word in _TOO_MUCH):
        return TooMuch(f"{where}: ask for a shorter --since, or fewer metrics with --only")
    if status in (400, 422):
        return ProbeDenied(f"{where}: it does not understand the question: is it a Prometheus of version 2+?")
    if status == 504 or kind in ("timeout", "canceled"):
        return TooMuch(f"{where}: it is too slow: a longer --timeout or a shorter --since may work")
    if status == 200:
        return ProbeDenied(
            f"{target.url} did not answer as a Prometheus does: is it a login page? "
            "Give --token-file, or another --url"
        )
    return ProbeUnavailable(f"{where}: it does not work properly now: try again later, or look at its log")


def _permission(target: Target) -> str:
    if target.namespace:
        return f"the token's owner needs the role view in namespace {target.namespace}"
    return (
        "the token's owner may not query; on OpenShift it needs the cluster role cluster-monitoring-view, "
        "or --namespace with port 9092 and the role view there"
    )


def explained(error: requests.exceptions.RequestException, target: Target) -> ProbeError:
    """What an error of the connection means for the user."""
    if isinstance(error, requests.exceptions.SSLError):
        return ProbeDenied(
            f"the certificate of {target.url} is not trusted ({_innermost(error)}): give its CA with "
            "--ca-file (OpenShift: `oc get configmap -n openshift-config-managed default-ingress-cert`), "
            "and the host name that it is made out to"
        )
    if isinstance(error, requests.exceptions.ReadTimeout):
        waited = format_duration(target.timeout_seconds)
        return TooMuch(
            f"{target.url} did not answer within {waited}: a longer --timeout or a shorter --since may work"
        )
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return ProbeDenied(f"--url {target.url} is no address: write it as https://host:port")
    return ProbeUnavailable(
        f"{target.url} cannot be reached ({_innermost(error)}): is it running, and is --url right?"
    )


def _innermost(error: BaseException) -> str:
    """The cause in the words of the operating system or the TLS library, without object addresses."""
    reason: BaseException = error
    while (inner := _behind(reason)) is not None:
        reason = inner
    text = getattr(reason, "verify_message", None) or getattr(reason, "strerror", None) or str(reason)
    return _in_words(str(text)) or type(reason).__name__


def _behind(error: BaseException) -> BaseException | None:
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__)
    return next((one for one in candidates if isinstance(one, BaseException)), None)


def _in_words(text: str) -> str:
    """A text of others inside of ours: short, on one line, and without what separates our remedy."""
    return " ".join(text.split()).replace(": ", ", ")[:_SHOWN]
