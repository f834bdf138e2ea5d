"""Where a Prometheus is, and as whom it is asked."""

import os
from dataclasses import dataclass
from pathlib import Path

from rpo_sim.errors import ProbeDenied

TOKEN_VARIABLE = "RPO_SIM_PROMETHEUS_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One Prometheus, or a querier that speaks its API (Thanos).

    Attributes
    ----------
    url : str
        Up to and without ``/api/v1``.
    token_file, ca_file : Path or None
    namespace : str or None
        The parameter that OpenShift's querier demands on its port for tenants (9092).
    timeout_seconds : float, seconds
        Longest wait for one answer.
    """

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    namespace: str | None = None
    timeout_seconds: float = 30.0

    def token(self) -> str | None:
        """The bearer token, read anew each time: mounted tokens are replaced every hour.

        Raises
        ------
        ProbeDenied
            If the file cannot be read or is empty.
        """
        if self.token_file is None:
            return os.environ.get(TOKEN_VARIABLE) or None
        remedy = "`oc whoami -t` or `kubectl create token` prints one"
        try:
            token = self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ProbeDenied(
                f"the token file {self.token_file} cannot be read ({reason}): {remedy}"
            ) from error
        if not token:
            raise ProbeDenied(f"the token file {self.token_file} is empty: {remedy}")
        return token

    def certificates(self) -> str | bool:
        """The bundle of certificates to trust; True for those of the system.

        Raises
        ------
        ProbeDenied
            If the file is not there.
        """
        if self.ca_file is None:
            return True
        if not self.ca_file.is_file():
            raise ProbeDenied(f"there is no CA file {self.ca_file}: choose another --ca-file")
        return str(self.ca_file)
