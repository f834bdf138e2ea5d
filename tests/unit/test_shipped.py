"""The shipped scenarios as files: found by name, copied, and the template."""

import functools
import shutil
from pathlib import Path

import pytest

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario.lint import lint
from rpo_sim.scenario.load import load_scenario
from rpo_sim.scenario.shipped import (
    copy_shipped,
    resolve,
    shipped,
    shipped_names,
    shipped_path,
    write_template,
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_each_is_described_as_its_file_says() -> None:
    every = shipped()
    assert [each.name for each in every] == shipped_names()
    for each in every:
        scenario = load_scenario(each.path).scenario
        assert (each.summary, each.platforms) == (scenario.summary, tuple(scenario.platforms))


def test_a_name_is_its_file() -> None:
    assert resolve("site-failure") == shipped_path("site-failure")
    assert load_scenario("site-failure").path == shipped_path("site-failure")


def test_a_file_goes_before_a_shipped_scenario_but_a_folder_does_not() -> None:
    Path("site-failure").mkdir()
    assert resolve("site-failure") == shipped_path("site-failure")
    Path("site-failure").rmdir()
    Path("site-failure").write_text("mine")
    assert resolve("site-failure") == Path("site-failure")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("site-failur", "; did you mean site-failure?"),
        ("site-failure.yaml", "; did you mean site-failure?"),
        ("elsewhere/single-vm-restor.yaml", "; did you mean single-vm-restore?"),
        ("zzz", ""),
    ],
)
def test_a_name_that_is_unknown_is_answered_with_the_nearest(text: str, hint: str) -> None:
    listed = f"{hint} (shipped: {', '.join(shipped_names())})"
    with pytest.raises(ScenarioError) as caught:
        resolve(text)
    assert str(caught.value) == f"{text!r} is neither a file nor a shipped scenario{listed}"
    with pytest.raises(ScenarioError) as caught:
        shipped_path(text)
    assert str(caught.value) == f"no shipped scenario {text!r}{listed}"


def test_a_folder_is_answered_with_the_scenario_inside() -> None:
    Path("mine").mkdir()
    with pytest.raises(ScenarioError, match=r"^mine is a folder; name a scenario file$"):
        resolve("mine")
    Path("mine/scenario.yaml").touch()
    with pytest.raises(ScenarioError, match=r"^mine is a folder; did you mean mine/scenario.yaml\?$"):
        resolve("mine")


def test_a_copy_has_everything_but_the_figures_that_would_no_longer_hold() -> None:
    made = copy_shipped("site-failure", Path("mine"))
    there = {path.name for path in shipped_path("site-failure").parent.iterdir()}
    assert made == Path("mine")
    assert "expected.json" in there
    assert {path.name for path in made.iterdir()} == there - {"expected.json"}
    assert load_scenario(made / "scenario.yaml").digest == load_scenario("site-failure").digest


def test_a_copy_is_called_like_the_scenario_unless_said_otherwise() -> None:
    assert copy_shipped("site-failure") == Path("site-failure")


@pytest.mark.parametrize("there", ["file", "folder"])
def test_a_copy_overwrites_nothing(there: str) -> None:
    target = Path("mine")
    target.write_text("kept") if there == "file" else target.mkdir()
    with pytest.raises(ScenarioError, match=r"^mine exists; name a new folder, or remove it$"):
        copy_shipped("site-failure", target)
    assert target.is_dir() or target.read_text() == "kept"
    assert not target.is_dir() or not any(target.iterdir())


def test_a_copy_on_a_full_disk_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device", target)

    copied = functools.partial(shutil.copytree, copy_function=full)
    monkeypatch.setattr("shutil.copytree", copied)
    with pytest.raises(ScenarioError, match=r"cannot copy to mine: .*No space left on device") as said:
        copy_shipped("site-failure", Path("mine"))
    assert "[(" not in str(said.value)
    assert not Path("mine").exists()


def test_a_copy_to_where_nothing_can_be_written_says_so() -> None:
    Path("file").touch()
    with pytest.raises(ScenarioError, match=r"^cannot copy to file/mine: .*; choose another folder$"):
        copy_shipped("site-failure", Path("file/mine"))


def test_the_template_is_valid_and_wise() -> None:
    write_template(Path("s.yaml"))
    assert lint(load_scenario("s.yaml")) == []


def test_the_template_overwrites_only_when_asked() -> None:
    path = Path("s.yaml")
    path.write_text("kept")
    with pytest.raises(ScenarioError, match=r"^s.yaml exists; .* --force$"):
        write_template(path)
    assert path.read_text() == "kept"
    write_template(path, overwrite=True)
    assert load_scenario(path).scenario.scenario == "my-first-scenario"


@pytest.mark.parametrize("path", ["absent/s.yaml", "."])
def test_a_template_where_nothing_can_be_written_says_so(path: str) -> None:
    with pytest.raises(ScenarioError, match=r"^cannot write .*; choose another place$"):
        write_template(Path(path), overwrite=True)
