"""A certificate authority, a server's certificate for 127.0.0.1 and the key of service-account tokens."""

import subprocess
from pathlib import Path

from tests.cluster.lab.errors import LabError

CA, CERTIFICATE, KEY, TOKEN_KEY = "ca.crt", "server.crt", "server.key", "tokens.key"
DAYS = "30"
_REQUEST = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1, DNS:localhost, DNS:kubernetes.default.svc
"""


def make_certificates(folder: Path) -> None:
    """Write them into the folder; Python 3.13 and newer refuse certificates with fewer extensions."""
    folder.mkdir(mode=0o700)
    for name in ("ca", "server"):
        (folder / f"{name}.cnf").write_text(_REQUEST.format(name=f"rpo-sim lab {name}"), encoding="utf-8")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", DAYS]
    authority = ["-x509", "-config", "ca.cnf", "-extensions", "ca", "-keyout", "ca.key", "-out", CA]
    server = ["-x509", "-CA", CA, "-CAkey", "ca.key", "-config", "server.cnf", "-extensions", "server"]
    _openssl(folder, "req", *new_key, *authority)
    _openssl(folder, "req", *new_key, *server, "-keyout", KEY, "-out", CERTIFICATE)
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", TOKEN_KEY)


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LabError(
            f"`openssl {arguments[0]}` failed; OpenSSL 3 or newer is needed:\n{done.stderr.strip()}"
        )
