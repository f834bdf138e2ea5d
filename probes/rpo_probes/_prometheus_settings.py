"""The settings of `prometheus`."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rpo_probes._prometheus.target import TOKEN_VARIABLE, Target
from rpo_sim.probe import Duration


class PrometheusSettings(BaseModel):
    """Which Prometheus is read, as whom, how far back, and which metrics."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        default="http://localhost:9090",
        description="Address of Prometheus or Thanos, up to and without /api/v1, such as https://host:9091.",
    )
    token_file: Path | None = Field(
        default=None,
        description=f"File with a bearer token, read anew for each query. Unset: ${TOKEN_VARIABLE}, if set.",
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust (PEM). Unset: those of the system."
    )
    namespace: str | None = Field(
        default=None,
        description="Ask for this namespace alone: OpenShift's port 9092, where the role view suffices.",
    )
    since: Duration = Field(
        default="24h",
        validate_default=True,
        gt=0,
        description="How far back to read, such as 24h or 15d. What was read before is not counted twice.",
    )
    only: tuple[str, ...] = Field(
        default=(),
        description="Only these metrics, or what they time: names, operations, or operation.stage.",
    )
    metrics: tuple[Path, ...] = Field(
        default=(),
        description="Files with metrics of your own, in the format of the table that comes with the probe.",
    )
    timeout: Duration = Field(
        default="30s",
        validate_default=True,
        gt=0,
        description="Longest wait for one answer. What is too much for one is asked for in shorter pieces.",
    )
    platform: str = Field(
        default="kubernetes", min_length=1, description="Platform that the observations are kept under."
    )
    cluster: str = Field(
        default="",
        description="Name of the cluster. Give it if one cluster is read under several addresses, or several "
        "under one: observations are told apart by it, else by the address.",
    )

    @field_validator("url")
    @classmethod
    def _an_address(cls, text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("write it as https://host:port")
        if parts.username or parts.password:
            raise ValueError("no name or password in the address: it is kept; use --token-file, or .netrc")
        if parts.query or parts.fragment:
            raise ValueError("it ends before /api/v1, without ? or #")
        return text.rstrip("/").removesuffix("/api/v1").removesuffix("/graph")

    @property
    def target(self) -> Target:
        """The server, and as whom it is asked."""
        return Target(
            url=self.url,
            token_file=self.token_file and self.token_file.expanduser(),
            ca_file=self.ca_file and self.ca_file.expanduser(),
            namespace=self.namespace,
            timeout_seconds=self.timeout,
        )

    @property
    def origin(self) -> str:
        """What tells the series of this cluster from those of others."""
        return self.cluster or urlsplit(self.url).netloc

    def wants(self, name: str, stages: tuple[str, ...]) -> bool:
        """Whether a metric that times these operation.stage is asked for."""
        words = {name, *stages, *(stage.partition(".")[0] for stage in stages)}
        return not self.only or bool(words & set(self.only))
