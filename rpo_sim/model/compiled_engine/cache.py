"""Where compiled kernels are kept.

The folder is named after all that goes in: the sources of the kernel and the versions of numba, LLVM and
Python (numba itself would check only the file of a function that it loads, and serve the old code after an
edit in another). A kernel's file is named after the processor that it was compiled for.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

_KEPT = 3  # folders of other versions that may still be in use
_NOT_COMPILED = {  # here and below
    "__init__.py", "addresses.py", "cache.py", "engine.py", "entries.py", "lower.py", "since.py", "state.py",
}  # fmt: skip
_SUM = 16  # bytes before the code: a process that loads damaged code may die of it


def digest() -> str:
    """Changes whenever the compiled code would."""
    found = hashlib.blake2b(digest_size=8)
    for part in (version("numba"), version("llvmlite"), sys.version):
        found.update(part.encode())
    here = Path(__file__).parent
    root = here.parents[1]
    others = (root / "model" / "sharing.py", root / "distributions" / "probit.py")
    for source in (*sorted(here.rglob("*.py")), *others):
        if source.name not in _NOT_COMPILED:
            found.update(source.relative_to(root).as_posix().encode() + source.read_bytes())
    return found.hexdigest()


@cache
def folder() -> Path | None:
    """Where compiled code is kept; None where nothing can be. Old versions are cleared away."""
    root = user_cache_path("rpo-sim", appauthor=False)
    made = root / f"kernel-{digest()}"
    try:
        made.mkdir(parents=True, exist_ok=True)
        (made / ".writable").touch()
        others = sorted(root.glob("kernel-*"), key=lambda path: path.stat().st_mtime)
    except OSError:
        return None
    for old in others[:-_KEPT]:
        if old != made:
            with suppress(OSError):
                shutil.rmtree(old)
    return made


def kept() -> bytes | None:
    """The machine code of exactly this version for this processor, if it is there and whole."""
    try:
        found = _file().read_bytes()
    except OSError:
        return None
    code = found[_SUM:]
    return code if found[:_SUM] == _sum(code) else None


def keep(code: bytes) -> None:
    """Keep machine code for later processes, if there is a place."""
    with suppress(OSError):
        handle, name = tempfile.mkstemp(dir=_file().parent)
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_sum(code) + code)
            partial.replace(_file())
        finally:
            partial.unlink(missing_ok=True)  # on a full disk nothing half-written stays


def _file() -> Path:
    from llvmlite import binding

    made = folder()
    if made is None:
        raise FileNotFoundError("nothing can be kept here")
    processor = f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
    return made / f"{hashlib.blake2b(processor.encode(), digest_size=8).hexdigest()}.o"


def _sum(code: bytes) -> bytes:
    return hashlib.blake2b(code, digest_size=_SUM).digest()
