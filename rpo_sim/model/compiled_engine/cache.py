"""Where compiled kernels are kept.

numba checks only the file of the function that it loads from its cache: after an edit in another file it
would serve the old kernel. Here the folder is named after all that goes in: the sources of the kernel and
the versions of numba and Python; numba itself tells processors apart.
"""

import hashlib
import shutil
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

_KEPT = 3  # folders of other versions that may still be in use
_NOT_COMPILED = {"__init__.py", "cache.py", "engine.py", "lower.py", "since.py", "state.py"}


def digest() -> str:
    """Changes whenever the compiled code would."""
    found = hashlib.blake2b(digest_size=8)
    for part in (version("numba"), version("llvmlite"), sys.version):
        found.update(part.encode())
    here = Path(__file__).parent
    others = (here.with_name("sharing.py"), here.parents[1] / "distributions" / "probit.py")
    for source in (*sorted(here.glob("*.py")), *others):
        if source.name not in _NOT_COMPILED:
            found.update(source.name.encode() + source.read_bytes())
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


def is_kept() -> bool:
    """Whether compiled code of exactly this version is there."""
    found = folder()
    return found is not None and any(found.rglob("*.nbc"))
