"""Reach a cluster: by a kubeconfig and a context, or from within a pod."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpo_probes._kubernetes.api import Api
from rpo_sim.errors import ProbeDenied

_CONNECTIONS = 96  # in use at once: as many requests in flight as a burst has members, and the watches


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which cluster.

    Attributes
    ----------
    kubeconfig : Path or None
        None: ``$KUBECONFIG``, else ``~/.kube/config``, else the account of the pod that this runs in.
    context : str or None
        None: the current one.
    """

    kubeconfig: Path | None = None
    context: str | None = None


def connect(target: Target, *, cancelled: Callable[[], bool] = lambda: False) -> Api:
    """A connection; the server is not asked yet.

    Parameters
    ----------
    target : Target
    cancelled : callable
        Asked while a request waits for the server to come back.

    Raises
    ------
    ProbeDenied
        If the kubeconfig is missing or wrong.
    """
    load, name = _loader(target)
    return Api(load, name=name, cancelled=cancelled)


def _loader(target: Target) -> tuple[Callable[[], Any], str]:
    """A function that reads the credentials (again), and a name for the cluster."""
    paths = _paths(target)
    if paths is None:
        return _in_cluster, "in-cluster"
    return (lambda: _from_file(paths, target.context)), _cluster_name(paths, target.context)


def _paths(target: Target) -> str | None:
    if target.kubeconfig is not None:
        return str(target.kubeconfig.expanduser())
    stated = os.environ.get("KUBECONFIG")
    if stated:
        return stated
    usual = Path("~/.kube/config").expanduser()
    if not usual.exists() and "KUBERNETES_SERVICE_HOST" in os.environ:
        return None
    return str(usual)


def _explained(paths: str, context: str | None, error: Exception) -> ProbeDenied:
    where = f"kubeconfig {paths}" + (f", context {context}" if context else "")
    return ProbeDenied(
        f"{where} cannot be used ({error}): name another with --kubeconfig and --context; "
        "`kubectl config get-contexts` lists what there is"
    )


def _from_file(paths: str, context: str | None) -> Any:
    import yaml
    from kubernetes import client, config

    settings = client.Configuration()
    _tune(settings)
    try:
        # Never written back: refreshed tokens are the business of whoever owns the file.
        config.load_kube_config(  # type: ignore[no-untyped-call]
            paths, context, client_configuration=settings, persist_config=False
        )
    except (config.ConfigException, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise _explained(paths, context, error) from error
    return client.ApiClient(settings)


def _in_cluster() -> Any:
    from kubernetes import client, config

    settings = client.Configuration()
    _tune(settings)
    try:
        config.load_incluster_config(settings)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise ProbeDenied(
            f"the account of this pod cannot be used ({error}): let the pod mount its service account's token"
        ) from error
    return client.ApiClient(settings)


def _tune(settings: Any) -> None:
    settings.retries = False  # a silent retry would be timed as one slow call
    settings.connection_pool_maxsize = _CONNECTIONS


def _cluster_name(paths: str, context: str | None) -> str:
    import yaml
    from kubernetes import config

    try:
        contexts, current = config.list_kube_config_contexts(paths)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise _explained(paths, context, error) from error
    named = {item["name"]: item for item in contexts}
    chosen = named.get(context) if context else current
    return str(((chosen or {}).get("context") or {}).get("cluster") or "")
