"""Kubeconfigs for the bearers of tokens."""

import base64
import json
from pathlib import Path


def write_kubeconfig(file: Path, server: str, authority: Path | None, token: str, namespace: str) -> None:
    """Write one, readable by its owner alone.

    Parameters
    ----------
    file : where to
    server : address of the API server
    authority : certificates to trust; None for those of the system
    token : of the user
    namespace : of the context
    """
    cluster = {"server": server}
    if authority:
        cluster["certificate-authority-data"] = base64.b64encode(authority.read_bytes()).decode()
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [
            {"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}
        ],
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(text, indent=1), encoding="utf-8")
