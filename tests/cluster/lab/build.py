"""The programs of the lab, built once from the modules that `binaries/go.mod` pins and kept outside the tree.

They lie in a folder named after the digest of the pins, of our own Go code and of this file: a change of any
builds anew, and checkouts with the same pins share. Go's own build cache makes the second build short.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster.lab.errors import LabError

MODULE = Path(__file__).with_name("binaries")
SNAPSHOTTER = "github.com/kubernetes-csi/external-snapshotter"
PACKAGES = (
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner",
    f"{SNAPSHOTTER}/v8/cmd/csi-snapshotter",
    f"{SNAPSHOTTER}/v8/cmd/snapshot-controller",
    "./csi-driver",
    "./etcd",
)
OLDEST_GO = (1, 21)  # the first that fetches the release that go.mod asks for
PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin")


def cache_folder() -> Path:
    """Where builds are kept: `RPO_SIM_LAB_CACHE`, else below the user's cache folder."""
    if named := os.environ.get("RPO_SIM_LAB_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rpo-sim" / "lab"


def built_folder() -> Path:
    """The folder of the programs for the pins as they are now, whether built or not."""
    digest = hashlib.sha256(platform.machine().encode())
    for file in sorted([*MODULE.rglob("*.go"), *MODULE.glob("go.*"), Path(__file__)]):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return cache_folder() / digest.hexdigest()[:16]


def is_built() -> bool:
    """Whether nothing needs to be built."""
    return built_folder().is_dir()


def find_program(name: str) -> str | None:
    """The path of a program, also where it is installed but not in `PATH`."""
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES, "/usr/sbin", "/sbin"])
    )


def missing() -> list[str]:
    """What this machine lacks to build and run the lab, each with its remedy; empty if nothing."""
    if not sys.platform.startswith("linux"):
        return ["the lab needs Linux: it follows its processes through /proc"]
    packages = {"prometheus": "prometheus", "openssl": "openssl", "tar": "tar", "gzip": "gzip"}
    lacks = [f"no {name}: install the package {p}" for name, p in packages.items() if not find_program(name)]
    if not is_built() and (trouble := _go_trouble()):
        lacks.append(trouble)
    return lacks


def build() -> Path:
    """Build what is not built yet and return the folder of the programs.

    Raises
    ------
    LabError
        No usable Go, or the build failed.
    """
    folder = built_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would only take turns on the processors
        if folder.is_dir():
            return folder
        if trouble := _go_trouble():
            raise LabError(f"the programs of the lab are not built, and {trouble}")
        for remains in folder.parent.glob("unfinished-*"):  # of a build that was killed; we hold the lock
            shutil.rmtree(remains)
        print(
            "building the programs of the lab: some 12 minutes on two cores, once",
            file=sys.stderr,
            flush=True,
        )
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unfinished-") as unfinished:
            _compile(Path(unfinished))
            _copy_crds(Path(unfinished) / "crds")
            Path(unfinished).chmod(0o755)
            Path(unfinished).rename(folder)
            Path(unfinished).mkdir()  # for the context manager to remove
        print(f"built in {time.monotonic() - begun:.0f} s: {folder}", file=sys.stderr, flush=True)
    return folder


def _compile(target: Path) -> None:
    release = _pinned("k8s.io/kubernetes")
    major, minor = release.removeprefix("v").split(".")[:2]
    version = {"gitVersion": release, "gitMajor": major, "gitMinor": minor}
    flags = [
        "-s",
        "-w",
        *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in version.items()),
    ]
    _go("build", "-mod=readonly", "-ldflags", " ".join(flags), "-o", f"{target}/", *PACKAGES)


def _copy_crds(target: Path) -> None:
    module = _go("list", "-mod=readonly", "-m", "-f", "{{.Dir}}", f"{SNAPSHOTTER}/client/v8").strip()
    target.mkdir()
    for file in Path(module, "config", "crd").glob("*snapshot*.yaml"):
        (target / file.name).write_bytes(
            file.read_bytes()
        )  # the module cache is read-only; a copy must not be


def _pinned(module: str) -> str:
    found = re.search(
        rf"^\s*{re.escape(module)} (v\S+)", (MODULE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE
    )
    if not found:
        raise LabError(f"{MODULE / 'go.mod'} pins no {module}")
    return found[1]


def _go(*arguments: str) -> str:
    go = find_program("go")
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}  # needs no C compiler
    if go and _go_version(go) < _wanted_go():
        environment["GOTOOLCHAIN"] = "auto"
    done = subprocess.run(
        [go or "go", *arguments], cwd=MODULE, env=environment, check=False, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise LabError(f"`go {arguments[0]}` failed in {MODULE}: see its messages above")
    return done.stdout


def _go_trouble() -> str:
    go = find_program("go")
    if not go:
        return f"no Go: install Go {'.'.join(map(str, _wanted_go()))}"
    version = _go_version(go)
    if version < OLDEST_GO:
        return f"{go} is Go {'.'.join(map(str, version))}: install Go {'.'.join(map(str, _wanted_go()))}"
    return ""


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run(
        [go, "env", "GOVERSION"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"GOTOOLCHAIN": "local"},
    )
    return tuple(int(part) for part in re.findall(r"\d+", said.stdout)[:2])


def _wanted_go() -> tuple[int, ...]:
    found = re.search(r"^go (\d+)\.(\d+)", (MODULE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "go.mod names its Go"
    return int(found[1]), int(found[2])
