"""numba, and where compiled kernels are kept.

numba checks only the file of the function that it loads from its cache: after an edit in another file it
would serve the old kernel. Here the folder is named after all that goes in: the sources of this package,
the versions of numba and Python; numba itself tells processors apart.
"""

import hashlib
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config
from platformdirs import user_cache_path

F = TypeVar("F", bound=Callable[..., Any])
_KEPT = 3  # folders of other versions that may still be in use


def _digest() -> str:
    found = hashlib.blake2b(digest_size=8)
    for version in (numba.__version__, sys.version):
        found.update(version.encode())
    here = Path(__file__).parent
    for source in (*sorted(here.glob("*.py")), here.with_name("sharing.py")):
        found.update(source.name.encode() + source.read_bytes())
    return found.hexdigest()


def _folder() -> Path | None:
    """Where compiled code is kept; None where nothing can be."""
    root = user_cache_path("rpo-sim", appauthor=False)
    folder = root / f"kernel-{_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        others = sorted(root.glob("kernel-*"), key=lambda path: path.stat().st_mtime)
    except OSError:
        return None
    for old in others[:-_KEPT]:
        if old != folder:
            with suppress(OSError):
                shutil.rmtree(old)
    return folder


CACHE = _folder()
_config: Any = config
_njit: Any = numba.njit
_AS_WRITTEN = {"nogil": True, "error_model": "numpy"}  # and no fastmath: sums are not to be regrouped


def compiled(function: F) -> F:
    """Compile on first call, and keep what was compiled for later processes."""
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(CACHE or "")
    try:
        made: F = _njit(cache=CACHE is not None, **_AS_WRITTEN)(function)
    finally:
        _config.CACHE_DIR = before
    return made


def part(function: F) -> F:
    """A piece of a kernel, for other pieces to call."""
    made: F = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_AS_WRITTEN)(function)
    return made


def is_cached() -> bool:
    """Whether compiled code of exactly this version was kept."""
    return CACHE is not None and any(CACHE.rglob("*.nbc"))
