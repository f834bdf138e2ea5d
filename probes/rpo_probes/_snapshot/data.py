"""Known data in a volume, and proof that a restored one holds it: in the driver's folder, or by pods."""

import hashlib
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpo_probes._snapshot.journal import Run

BODY, MARKER = "rpo-sim-body", "rpo-sim-marker"
_CHUNK = 1 << 20


class FolderData:
    """Data in the folder where a host-path driver keeps its volumes, one folder per volume handle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, handle: str) -> bool:
        """Whether this volume lies here."""
        return bool(handle) and self._volume(handle).is_dir()

    def write(self, handle: str, size_bytes: int, seed: str) -> str:
        """Noise that neither compresses nor repeats; its digest."""
        noise, digest = random.Random(seed), hashlib.sha256()
        path = self._volume(handle) / BODY
        with path.open("wb") as file:
            for start in range(0, size_bytes, _CHUNK):
                part = noise.randbytes(min(_CHUNK, size_bytes - start))
                digest.update(part)
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        return digest.hexdigest()

    def mark(self, handle: str, text: str) -> None:
        """Set the marker, which tells one moment of a volume from another."""
        path = self._volume(handle) / MARKER
        with path.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def same(self, handle: str, marker: str, digest: str) -> bool:
        """Whether the volume holds this marker and this body."""
        volume = self._volume(handle)
        try:
            if (volume / MARKER).read_text(encoding="utf-8") != marker:
                return False
            with (volume / BODY).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError:
            return False

    def _volume(self, handle: str) -> Path:
        return self._folder / Path(handle).name


_WRITE = (
    'head -c "$SIZE" /dev/urandom > /data/rpo-sim-body && printf %s "$MARKER" > /data/rpo-sim-marker && sync'
    " && sha256sum < /data/rpo-sim-body | cut -c1-64 > /dev/termination-log"
)
_VERIFY = (
    'test "$(cat /data/rpo-sim-marker)" = "$MARKER"'
    " && sha256sum < /data/rpo-sim-body | cut -c1-64 > /dev/termination-log"
)
_MOUNT_ONLY = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodMaker:
    """Pods that the `restricted` security standard admits.

    Attributes
    ----------
    run : Run
    image : str
    user : int or None
        None: the platform chooses, as OpenShift does by namespace.
    block : bool
        Whether volumes are block devices, which are attached and not looked into.
    """

    run: Run
    image: str
    user: int | None
    block: bool = False

    def writer(self, name: str, claim: str, size_bytes: int, marker: str) -> dict[str, Any]:
        """Fills a volume and reports the digest."""
        return self._pod(name, claim, _WRITE, {"SIZE": str(size_bytes), "MARKER": marker})

    def verifier(self, name: str, claim: str, marker: str) -> dict[str, Any]:
        """Reads a volume back and reports the digest; with an empty marker it only attaches it."""
        return self._pod(name, claim, _VERIFY if marker else _MOUNT_ONLY, {"MARKER": marker})

    def _pod(self, name: str, claim: str, script: str, environment: dict[str, str]) -> dict[str, Any]:
        container = {
            "name": "data",
            "image": self.image,
            "command": ["sh", "-c", script],
            "env": [{"name": key, "value": value} for key, value in environment.items()],
            "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        if self.block:
            container["volumeDevices"] = [{"name": "data", "devicePath": "/dev/rpo-sim"}]
        else:
            container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        if self.user is not None:
            security |= {"runAsUser": self.user, "fsGroup": self.user}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": self.run.metadata(name, "pod"),
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "securityContext": security,
                "containers": [container],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
            },
        }


def pod_report(pod: dict[str, Any]) -> str:
    """What the pod's container said at its end: the digest."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended:
            return str(ended.get("message") or "").strip()
    return ""
