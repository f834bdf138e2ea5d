"""The promises of a probe as tests, for bundled and third-party probes alike.

Derive a class in a test module and say which probe and which quick settings to use::

    class TestMyProbe(ProbeContract):
        def make_probe(self):
            return MyProbe()

        def make_settings(self, folder):
            return MyProbe.Settings(url=self.server.url)

pytest collects the tests by their names; nothing here needs it.
"""

import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from pydantic import BaseModel

from rpo_sim.probe import Probe, ProbeContext, probe_names, settings_as_text, settings_from_text
from rpo_sim.records import Observation, Outcome


class Recorder:
    """A context that remembers what the probe told it, and cancels at a chosen moment.

    Parameters
    ----------
    state_folder : Path
    collection_id : str
    """

    def __init__(self, state_folder: Path, collection_id: str = "collection-1") -> None:
        self.progress: list[tuple[float, float | None, str]] = []
        self.errors: list[str] = []
        self.cancel_when: Callable[[], bool] = lambda: False
        self.context = ProbeContext(
            collection_id=collection_id,
            state_folder=state_folder,
            progress=lambda done, total, message: self.progress.append((done, total, message)),
            cancelled=lambda: self.cancel_when(),
            note_error=self.errors.append,
        )


def _flat(batches: Iterable[Iterable[Observation]]) -> list[Observation]:
    return [observation for batch in batches for observation in batch]


class ProbeContract:
    """Tests that every probe passes. Override the first two methods, and `leftovers` if the probe mutates."""

    def make_probe(self) -> Probe:
        """The probe under test."""
        raise NotImplementedError("say which probe: override make_probe")

    def make_settings(self, folder: Path) -> BaseModel:
        """Settings that measure at least two batches in a few seconds; `folder` is fresh and may be used."""
        raise NotImplementedError("say what to measure: override make_settings")

    def leftovers(self, folder: Path) -> list[str]:
        """What a mutating probe has left of its objects, after it ended."""
        return sorted(str(path) for path in folder.rglob("*"))

    def _recorder(self, folder: Path, collection_id: str = "collection-1") -> Recorder:
        state_folder = folder / "state"
        state_folder.mkdir(exist_ok=True)
        return Recorder(state_folder, collection_id)

    def _workplace(self, folder: Path) -> Path:
        place = folder / "place"
        place.mkdir(exist_ok=True)
        return place

    def test_it_presents_itself(self) -> None:
        """Name, version and summary fit into listings and records."""
        probe = self.make_probe()
        assert isinstance(probe, Probe), "a part of rpo_sim.probe.Probe is missing"
        assert re.fullmatch(r"[a-z][a-z0-9_]*", probe.name), f"name {probe.name!r} is no plain word"
        assert probe.version, "the version is empty"
        assert 0 < len(probe.summary) <= 100, "the summary is one line of at most 100 characters"
        assert "\n" not in probe.summary, "the summary is one line"
        assert isinstance(probe.mutating, bool)

    def test_it_is_found_by_its_name(self) -> None:
        """The entry point carries the name that goes into the observations."""
        name = self.make_probe().name
        assert name in probe_names(), f"no entry point {name!r} in the group rpo_sim.probes"

    def test_settings_are_strict_and_explained(self) -> None:
        """Unknown keys are refused; each option of the command line can teach."""
        model = self.make_probe().Settings
        assert model.model_config.get("extra") == "forbid", 'Settings lack extra="forbid"'
        for name, field in model.model_fields.items():
            assert field.description, f"setting {name} has no description"

    def test_settings_survive_as_text(self, tmp_path: Path) -> None:
        """What a collection record keeps says the same, and every value is non-empty text."""
        settings = self.make_settings(self._workplace(tmp_path))
        texts = settings_as_text(settings)
        assert all(isinstance(text, str) for text in texts.values())
        assert set(texts) <= set(type(settings).model_fields)

    def test_an_unknown_setting_is_refused_by_name(self) -> None:
        """The message names the stranger."""
        from rpo_sim.errors import ProbeError

        try:
            settings_from_text(self.make_probe(), {"no_such_setting": "1"})
        except ProbeError as error:
            assert "no_such_setting" in str(error)  # noqa: PT017 - pytest is not imported here
        else:
            raise AssertionError("an unknown setting was accepted")

    def test_a_check_says_what_is_missing(self, tmp_path: Path) -> None:
        """Findings are in words; it makes nothing."""
        place = self._workplace(tmp_path)
        report = self.make_probe().check(self.make_settings(place), self._recorder(tmp_path).context)
        assert report.findings, "a check without findings says nothing"
        for finding in report.findings:
            assert finding.what
            assert finding.ok or (finding.missing and finding.remedy), (
                f"{finding.what}: what is missing, and how to get it?"
            )
        assert report.ok, f"the settings of the test should be measurable: {report.findings}"
        assert self.leftovers(place) == []

    def test_observations_belong_to_the_collection(self, tmp_path: Path) -> None:
        """Source, collection, identity and clock are stated in each."""
        probe, recorder = self.make_probe(), self._recorder(tmp_path)
        started_at = recorder.context.now()
        seen = _flat(probe.measure(self.make_settings(self._workplace(tmp_path)), recorder.context))
        ended_at = recorder.context.now()
        assert seen, "nothing was measured"
        identities = [(observation.source, observation.event_id) for observation in seen]
        assert len(set(identities)) == len(identities), (
            "two observations share an event_id: one would be lost"
        )
        for observation in seen:
            assert observation.source == probe.name
            assert observation.collection_id == recorder.context.collection_id
            assert started_at <= observation.observed_at <= ended_at
            assert observation.operation_id, "operation_id joins the stages of one operation"

    def test_batches_hold_whole_operations(self, tmp_path: Path) -> None:
        """No operation spreads over two batches: a kill between them would tear it apart."""
        probe, recorder = self.make_probe(), self._recorder(tmp_path)
        settled: set[str] = set()
        batches = probe.measure(self.make_settings(self._workplace(tmp_path)), recorder.context)
        for batch in batches:
            operations = {observation.operation_id for observation in batch}
            assert not operations & settled, "an operation continues in a later batch"
            settled |= operations

    def test_progress_moves_forward(self, tmp_path: Path) -> None:
        """`done` never falls and never passes `total`; each message is in words."""
        probe, recorder = self.make_probe(), self._recorder(tmp_path)
        _flat(probe.measure(self.make_settings(self._workplace(tmp_path)), recorder.context))
        assert recorder.progress, "no progress was told"
        done = [told[0] for told in recorder.progress]
        assert done == sorted(done), "progress went back"
        assert all(total is None or step <= total for step, total, _ in recorder.progress)

    def test_cancelled_at_once_it_measures_nothing(self, tmp_path: Path) -> None:
        """Nothing succeeds that was never started."""
        probe, recorder = self.make_probe(), self._recorder(tmp_path)
        recorder.cancel_when = lambda: True
        place = self._workplace(tmp_path)
        seen = _flat(probe.measure(self.make_settings(place), recorder.context))
        assert not [observation for observation in seen if observation.outcome is Outcome.SUCCEEDED]
        assert self.leftovers(place) == []

    def test_cancelled_midway_it_keeps_what_it_has(self, tmp_path: Path) -> None:
        """It ends soon, without an error, and cleans up."""
        probe, recorder = self.make_probe(), self._recorder(tmp_path)
        place, seen = self._workplace(tmp_path), list[Observation]()
        recorder.cancel_when = lambda: bool(seen)
        batches = 0
        for batch in probe.measure(self.make_settings(place), recorder.context):
            seen.extend(batch)
            batches += 1
        assert seen
        assert batches <= 2, "it went on after it was cancelled"
        assert self.leftovers(place) == []

    def test_closed_early_it_cleans_up(self, tmp_path: Path) -> None:
        """Whoever stops listening leaves nothing behind."""
        probe, recorder = self.make_probe(), self._recorder(tmp_path)
        place = self._workplace(tmp_path)
        batches = probe.measure(self.make_settings(place), recorder.context)
        assert list(islice(batches, 1)), "nothing was measured"
        batches.close()  # type: ignore[attr-defined]
        assert self.leftovers(place) == []

    def test_a_mutating_probe_repeats_with_new_identities(self, tmp_path: Path) -> None:
        """What is made anew is a new event, and nothing of it stays. Others may see the same event again."""
        probe, place = self.make_probe(), self._workplace(tmp_path)
        events = []
        for collection_id in ("collection-1", "collection-2"):
            context = self._recorder(tmp_path, collection_id).context
            seen = _flat(probe.measure(self.make_settings(place), context))
            events.append({observation.event_id for observation in seen})
        if probe.mutating:
            assert not events[0] & events[1], "the second collection would overwrite the first"
        assert self.leftovers(place) == []
