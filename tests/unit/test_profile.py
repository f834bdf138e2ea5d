"""The profile file: exact both ways, strict when read, whole or not at all when written."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpo_sim.distributions import Empirical, JeffreysPosterior, LogNormal
from rpo_sim.distributions.profile import (
    Profile,
    ProfileEntry,
    dump_profile,
    load_profile,
    parse_profile,
    save_profile,
)
from rpo_sim.errors import ScenarioError

MOMENT = datetime(2026, 3, 2, 8, 30, 0, 123456, tzinfo=UTC)


def entry(**fields: Any) -> ProfileEntry:
    given: dict[str, Any] = {
        "operation": "restore",
        "stage": "data",
        "platform": "local",
        "backend": "ext4",
        "labels": {"cache": "cold"},
        "distribution": LogNormal(mu=1 / 3, sigma=0.1, posterior=JeffreysPosterior(n=9, mean=1 / 3, sd=0.11)),
        "n": 9,
        "n_succeeded": 9,
        "n_failed": 1,
        "failure_interval": (0.0025, 0.445),
        "size_range_bytes": (8, 2**40),
        "size_basis": "bytes_moved",
        "concurrency_range": (1, 4),
        "clock": "monotonic, 1ns",
        "window": (MOMENT, MOMENT),
        "days": 1,
        "sources": ("local_disk",),
        "verified": 9,
        "goodness_p": 0.4,
        "digest": "ab" * 32,
        "warnings": ("one",),
    }
    return ProfileEntry(**(given | fields))


PROFILE = Profile(
    created_at=MOMENT,
    entries=(
        entry(),
        entry(stage="boot", backend="xfs", labels={}, distribution=Empirical(values=(1.5,)), window=None),
        entry(platform="vmware", size_range_bytes=None, size_basis=None, goodness_p=None),
    ),
    warnings=("restore.x was not fitted",),
)


def test_round_trip_is_exact(tmp_path: Path) -> None:
    save_profile(PROFILE, tmp_path / "p.json")
    assert load_profile(tmp_path / "p.json") == PROFILE
    assert dump_profile(load_profile(tmp_path / "p.json")) == dump_profile(PROFILE)
    assert [path.name for path in tmp_path.iterdir()] == ["p.json"]


def test_find_narrows_by_what_is_stated() -> None:
    assert len(PROFILE.find(operation="restore", stage="data")) == 2
    assert PROFILE.find(operation="restore", stage="data", platform="vmware") == (PROFILE.entries[2],)
    assert PROFILE.find(operation="restore", stage="boot", backend="xfs") == (PROFILE.entries[1],)
    assert PROFILE.find(operation="restore", stage="boot", backend="ext4") == ()
    assert PROFILE.find(operation="restore", stage="data", labels={"cache": "warm"}) == ()


def change(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def apply(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return apply


def drop(*keys: Any) -> Callable[[dict[str, Any]], None]:
    def apply(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return apply


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("version", to=2), "this rpo-sim reads version 1"),
        (change("version", to=True), "version is True"),
        (drop("version"), "rpo-sim fit writes one"),
        (drop("entries"), "missing entries"),
        (change("extra", to=1), "unknown 'extra'"),
        (change("entries", to={}), "entries: must be a list"),
        (change("entries", 0, to=[]), r"entries\[0\]: must be a mapping"),
        (change("entries", 0, "typo", to=1), r"entries\[0\]: unknown 'typo'"),
        (drop("entries", 1, "clock"), r"entries\[1\]: missing clock"),
        (change("entries", 0, "operation", to=3), r"entries\[0\].operation: 3 is not text"),
        (change("entries", 0, "n", to=-1), r"entries\[0\].n: -1 is not a count"),
        (change("entries", 0, "n", to=1.5), "1.5 is not a count"),
        (change("entries", 0, "failure_interval", to=[0.5, 0.1]), r"\[low, high\]"),
        (change("entries", 0, "failure_interval", to=[0.0, 1.1]), "between 0 and 1"),
        (change("entries", 0, "size_range_bytes", to=[9, 8]), "9 is above 8"),
        (change("entries", 0, "size_basis", to="bytes"), "bytes_moved or bytes_capacity"),
        (change("entries", 0, "labels", to={"cache": 1}), "mapping of texts"),
        (change("entries", 0, "window", to=["2026-01-01", "2026-01-02"]), "time in UTC"),
        (change("entries", 0, "window", 0, to="2026-01-01T00:00:00+02:00"), "time in UTC"),
        (change("created_at", to="yesterday"), "created_at: 'yesterday'"),
        (change("entries", 0, "sources", to="local_disk"), "list of texts"),
        (change("entries", 0, "resolution_seconds", to="1"), "number ≥ 0"),
        (change("entries", 0, "distribution", "kind", to="normal"), "unknown kind of distribution 'normal'"),
        (change("entries", 0, "distribution", "parameters", "sigma", to=-1), r"sigma is -1; it must be > 0"),
    ],
)
def test_what_a_profile_cannot_say_is_refused(
    edit: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    document = json.loads(dump_profile(PROFILE))
    edit(document)
    (tmp_path / "p.json").write_text(json.dumps(document))
    with pytest.raises(ScenarioError, match=message) as refusal:
        load_profile(tmp_path / "p.json")
    assert "p.json" in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: not JSON"),
        (b"{", "line 1: not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"version": NaN}', "NaN is refused"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "a profile is a mapping"),
    ],
)
def test_what_is_no_profile_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(content)
    with pytest.raises(ScenarioError, match=message):
        load_profile(tmp_path / "p.json")


def test_a_number_that_no_float_can_hold_is_refused() -> None:
    document = json.loads(dump_profile(PROFILE))
    document["entries"][0]["failure_interval"] = [0, 10**400]
    with pytest.raises(ScenarioError, match=r"entries\[0\].failure_interval: 1000.* is not a number"):
        parse_profile(json.dumps(document))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="rpo-sim fit"):
        load_profile(tmp_path / "none.json")
    with pytest.raises(ScenarioError, match="directory"):
        load_profile(tmp_path)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_damage_is_refused_in_words(data: st.DataObject) -> None:
    text = dump_profile(PROFILE)
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 40))
    filler = data.draw(
        st.sampled_from(["", "null", "-1", '"x"', "1e999", "[]", "{}", "9" * 400, "true", "}"])
    )
    with contextlib.suppress(ScenarioError):
        parse_profile(text[:start] + filler + text[start + length :])


FILL_THE_DISK = """
import resource, sys
from rpo_sim.distributions.profile import load_profile, save_profile
from rpo_sim.errors import ScenarioError
profile = load_profile(sys.argv[1])
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    save_profile(profile, sys.argv[1])
except ScenarioError as error:
    print(error)
"""


def test_a_write_that_fails_leaves_the_old_profile(tmp_path: Path) -> None:
    """The file size limit fails a write half-way, as a full disk does."""
    path = tmp_path / "p.json"
    save_profile(PROFILE, path)
    before = path.read_bytes()
    ran = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(path)], capture_output=True, text=True, check=True
    )
    assert "was not written: File too large" in ran.stdout
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["p.json"]


def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="was not written: No such file"):
        save_profile(PROFILE, tmp_path / "no" / "p.json")
