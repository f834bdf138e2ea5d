"""Join a probe and a store: one collection, from its first moment to its record of what went wrong."""

import os
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from rpo_sim.errors import ProbeDenied, ProbeError, RpoSimError
from rpo_sim.probe import Probe, ProbeContext, settings_as_text
from rpo_sim.records import Collection

if TYPE_CHECKING:
    from rpo_sim.store import Store


def _no_progress(_done: float, _total: float | None, _message: str) -> None:
    pass


def _never() -> bool:
    return False


def default_state_folder(probe_name: str) -> Path:
    """Where a probe keeps what it must remember between collections."""
    import platformdirs

    return platformdirs.user_state_path("rpo-sim", appauthor=False) / "probes" / probe_name


def probe_context(
    probe: Probe,
    *,
    progress: Callable[[float, float | None, str], None] = _no_progress,
    cancelled: Callable[[], bool] = _never,
    note_error: Callable[[str], None] = lambda _text: None,
    state_folder: Path | None = None,
) -> ProbeContext:
    """A context for one collection or check, with a fresh identity.

    Raises
    ------
    ProbeDenied
        If the state folder cannot be made or written.
    """
    folder = state_folder or default_state_folder(probe.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProbeDenied(
            f"the state folder {folder} cannot be made ({error.strerror}): "
            "set XDG_STATE_HOME to a folder that you may write"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ProbeDenied(
            f"the state folder {folder} cannot be written: set XDG_STATE_HOME to one that you may write"
        )
    return ProbeContext(
        collection_id=uuid.uuid4().hex,
        state_folder=folder,
        progress=progress,
        cancelled=cancelled,
        note_error=note_error,
    )


def collect(
    probe: Probe,
    settings: BaseModel,
    store: "Store",
    *,
    progress: Callable[[float, float | None, str], None] = _no_progress,
    cancelled: Callable[[], bool] = _never,
    state_folder: Path | None = None,
) -> Collection:
    """Let a probe measure, and store each batch of observations as soon as it is yielded.

    The collection is in the store from the start: if this process is killed, its observations so far are
    kept and its record has no end. However else it ends, the record says when and what went wrong.

    Parameters
    ----------
    probe : Probe
    settings : BaseModel
        An instance of ``probe.Settings``.
    store : Store
    progress : callable (done, total, message)
    cancelled : callable
        True once the user wants to stop.
    state_folder : Path, optional
        Default: a folder of the probe among the user's state.

    Raises
    ------
    ProbeError
        If the probe could not go on; what it measured before is in the store.
    """
    errors: list[str] = []
    context = probe_context(
        probe, progress=progress, cancelled=cancelled, note_error=errors.append, state_folder=state_folder
    )
    collection = Collection(
        collection_id=context.collection_id,
        source=probe.name,
        probe_version=probe.version,
        window_start_at=context.now(),
        settings=settings_as_text(settings),
    )
    store.begin_collection(collection)
    try:
        _drain(probe, settings, store, context)
        if cancelled():
            errors.append("stopped by the user before the end")
    except BaseException as error:
        errors.append(str(error) or f"interrupted ({type(error).__name__})")
        raise
    finally:
        ended_at = datetime.now(UTC)
        store.finish_collection(collection.collection_id, window_end_at=ended_at, errors=errors)
    return replace(collection, window_end_at=ended_at, errors=tuple(errors))


def _drain(probe: Probe, settings: BaseModel, store: "Store", context: ProbeContext) -> None:
    batches = iter(probe.measure(settings, context))
    try:
        while True:
            try:
                batch = next(batches, None)
            except RpoSimError:
                raise
            except Exception as error:  # a defect of foreign code: say whose, keep the cause chained
                raise ProbeError(f"probe {probe.name} broke: {type(error).__name__}: {error}") from error
            if batch is None:
                return
            store.add_all(batch)
    finally:
        # An error of the store must not leave the probe's objects behind until the garbage collector comes.
        close = getattr(batches, "close", None)
        if close is not None:
            close()
