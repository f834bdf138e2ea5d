from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from rpo_probes.local_disk import LocalDiskProbe

from rpo_sim import probe as probe_module
from rpo_sim.collect import collect, probe_context
from rpo_sim.errors import ProbeDenied, ProbeError, ProbeUnavailable, StoreError
from rpo_sim.probe import (
    CheckReport,
    Duration,
    Finding,
    ProbeContext,
    Size,
    discover_probes,
    load_probe,
    settings_as_text,
    settings_from_text,
)
from rpo_sim.records import Observation
from rpo_sim.store import Store, open_store


class ScriptedSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sizes: tuple[Size, ...] = Field(default=(1,), description="Sizes.")
    wait: Duration = Field(default=1.0, description="Seconds.")
    mode: Literal["fast", "slow"] = Field(default="fast", description="Mode.")
    token: SecretStr | None = Field(default=None, description="Secret.")
    unset: str | None = Field(default=None, description="Nothing.")


class ScriptedProbe:
    """Yields batches of two stages, then ends as it was told to."""

    name = "scripted"
    version = "3"
    summary = "For tests."
    mutating = False
    Settings = ScriptedSettings

    def __init__(self, ending: BaseException | None = None) -> None:
        self.ending = ending
        self.closed = False

    def check(self, settings: ScriptedSettings, context: ProbeContext) -> CheckReport:
        return CheckReport(findings=())

    def measure(self, settings: ScriptedSettings, context: ProbeContext) -> Iterator[Sequence[Observation]]:
        try:
            for number in range(3):
                yield [self._observation(context, number, stage) for stage in ("data", "ready")]
            context.note_error("one object was not readable")
            if self.ending:
                raise self.ending
        finally:
            self.closed = True

    def _observation(self, context: ProbeContext, number: int, stage: str) -> Observation:
        return Observation(
            operation="restore",
            stage=stage,
            lower_seconds=1.0,
            upper_seconds=1.0,
            observed_at=context.now(),
            clock="monotonic, 1ns",
            source=self.name,
            event_id=f"{context.collection_id}/{number}/{stage}",
            operation_id=f"{context.collection_id}/{number}",
            collection_id=context.collection_id,
        )


def register(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    points = [EntryPoint(name, target, "rpo_sim.probes") for name, target in targets.items()]
    monkeypatch.setattr(probe_module, "entry_points", lambda **_kwargs: points)


def test_a_broken_probe_is_named_and_the_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    register(
        monkeypatch,
        local_disk="rpo_probes.local_disk:LocalDiskProbe",
        absent="no_such_package.probe:Probe",
        typo="rpo_probes.local_disk:NoSuchProbe",
        raises="tests_do_not_matter:1:2",
        stranger="builtins:dict",
    )
    probes, broken = discover_probes()
    assert list(probes) == ["local_disk"]
    errors = {one.name: one.error for one in broken}
    assert set(errors) == {"absent", "typo", "raises", "stranger"}
    assert "no_such_package" in errors["absent"]
    assert "NoSuchProbe" in errors["typo"]
    assert "lacks a part" in errors["stranger"]


def test_an_unknown_probe_tells_which_there_are() -> None:
    with pytest.raises(ProbeError, match=r"no probe is called 'local_disc': installed are local_disk"):
        load_probe("local_disc")


def test_settings_from_text_and_back() -> None:
    texts = {"sizes": "1Ki, 2Ki", "wait": "1m30s", "mode": "slow", "token": "hush"}
    settings = settings_from_text(ScriptedProbe(), texts)
    assert isinstance(settings, ScriptedSettings)
    assert (settings.sizes, settings.wait) == ((1024, 2048), 90.0)
    kept = settings_as_text(settings)
    assert kept == {"sizes": "1024,2048", "wait": "90.0", "mode": "slow"}  # no secret, nothing unset


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"sizes": "5"}, "--sizes 5: '5' is not a size"),
        ({"wait": "soon"}, "--wait soon: 'soon' is not a duration"),
        ({"mode": "warp"}, "--mode warp: Input should be 'fast' or 'slow'"),
        ({"colour": "red"}, "colour is no setting of scripted: it has --sizes, --wait"),
        ({"sizes": "1Ki,", "wait": "x"}, "--wait x: "),
    ],
)
def test_settings_at_fault_are_named(texts: dict[str, str], message: str) -> None:
    with pytest.raises(ProbeError) as caught:
        settings_from_text(ScriptedProbe(), texts)
    assert message in str(caught.value)


def test_what_only_time_can_mend_is_unavailable_and_the_rest_denied() -> None:
    full = Finding(what="room", ok=False, missing="no room", remedy="wait", retryable=True)
    closed = Finding(what="door", ok=False, missing="no key", remedy="ask")
    fine = Finding(what="light", ok=True)
    CheckReport(findings=(fine,)).require_ok()
    with pytest.raises(ProbeUnavailable, match="no room: wait"):
        CheckReport(findings=(fine, full)).require_ok()
    with pytest.raises(ProbeDenied, match="no room: wait; no key: ask"):
        CheckReport(findings=(full, closed)).require_ok()


def test_a_collection_keeps_its_batches_and_what_went_wrong(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        collection = collect(ScriptedProbe(), ScriptedSettings(), store, state_folder=tmp_path)
        assert store.count() == 6
        assert store.collections() == [collection]
    assert collection.errors == ("one object was not readable",)
    assert collection.window_end_at is not None
    assert collection.window_end_at >= collection.window_start_at
    assert (collection.source, collection.probe_version) == ("scripted", "3")


@pytest.mark.parametrize(
    ("ending", "raised", "noted"),
    [
        (ProbeUnavailable("the array is away"), ProbeUnavailable, "the array is away"),
        (KeyError("uid"), ProbeError, "probe scripted broke: KeyError: 'uid'"),
        (KeyboardInterrupt(), KeyboardInterrupt, "interrupted (KeyboardInterrupt)"),
    ],
)
def test_however_it_ends_the_record_says_so(
    tmp_path: Path, ending: BaseException, raised: type[BaseException], noted: str
) -> None:
    with open_store(tmp_path / "store.db") as store:
        with pytest.raises(raised):
            collect(ScriptedProbe(ending), ScriptedSettings(), store, state_folder=tmp_path)
        assert store.count() == 6
        (collection,) = store.collections()
    assert collection.window_end_at is not None
    assert collection.errors == ("one object was not readable", noted)


def test_a_store_that_fails_lets_the_probe_clean_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = ScriptedProbe()

    def refuse(_store: object, _records: object) -> None:
        assert not probe.closed
        raise StoreError("the disk is full")

    monkeypatch.setattr(Store, "add_all", refuse)
    with (
        open_store(tmp_path / "store.db") as store,
        pytest.raises(StoreError, match="the disk is full") as caught,
    ):
        collect(probe, ScriptedSettings(), store, state_folder=tmp_path)
    assert probe.closed, caught


def test_a_state_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProbeDenied, match="XDG_STATE_HOME"):
        probe_context(LocalDiskProbe(), state_folder=tmp_path / "file" / "below")
