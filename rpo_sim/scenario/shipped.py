"""The scenarios that ship with rpo-sim, by name."""

import difflib
import shutil
from dataclasses import dataclass
from pathlib import Path

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario.nodes import read_document, shorten

_FOLDER = Path(__file__).resolve().parents[1] / "_scenarios"
_TEMPLATE = Path(__file__).with_name("template.yaml")
FILE_NAME = "scenario.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """A scenario of the library.

    Attributes
    ----------
    name : str
        Its folder, and the word that commands take instead of a file.
    summary : str
    platforms : tuple of str
    path : Path
        Its scenario file.
    """

    name: str
    summary: str
    platforms: tuple[str, ...]
    path: Path


def shipped_names() -> list[str]:
    """Names of the shipped scenarios, sorted."""
    return sorted(path.parent.name for path in _FOLDER.glob(f"*/{FILE_NAME}"))


def shipped() -> list[Shipped]:
    """The shipped scenarios, by name."""
    return [_describe(name) for name in shipped_names()]


def shipped_path(name: str) -> Path:
    """The scenario file of a shipped scenario.

    Raises
    ------
    ScenarioError
        If none has this name.
    """
    names = shipped_names()
    if name in names:
        return _FOLDER / name / FILE_NAME
    raise ScenarioError(f"no shipped scenario {shorten(name)!r}{_suggest(name, names)}")


def resolve(name_or_path: str | Path) -> Path:
    """The scenario file that is meant: a file, or the name of a shipped scenario. A file goes first.

    Raises
    ------
    ScenarioError
        If it is neither.
    """
    path, text = Path(name_or_path), str(name_or_path)
    names = shipped_names()
    if path.is_file() or (path.exists() and not path.is_dir()):
        return path
    if text in names:
        return shipped_path(text)
    if path.is_dir():
        inside = path / FILE_NAME
        remedy = f"did you mean {inside}?" if inside.is_file() else "name a scenario file"
        raise ScenarioError(f"{text} is a folder; {remedy}")
    raise ScenarioError(
        f"{shorten(text, 200)!r} is neither a file nor a shipped scenario{_suggest(text, names)}"
    )


def copy_shipped(name: str, destination: Path | None = None) -> Path:
    """Copy a shipped scenario's folder, to be edited; returns the folder made.

    Parameters
    ----------
    name : str
    destination : Path, optional
        A folder that does not exist yet; by default one called `name` in the current folder.

    Raises
    ------
    ScenarioError
        If the destination exists or cannot be written.
    """
    source = shipped_path(name).parent
    target = destination or Path(name)
    if target.exists():
        raise ScenarioError(f"{target} exists; name a new folder, or remove it")
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("expected.json"))
    except OSError as error:
        why = error.args[0][0][2] if isinstance(error, shutil.Error) else error  # the first of its files
        shutil.rmtree(target, ignore_errors=True)
        raise ScenarioError(f"cannot copy to {target}: {why}; choose another folder") from error
    return target


def write_template(path: Path, *, overwrite: bool = False) -> None:
    """Write a small, commented scenario to start from.

    Raises
    ------
    ScenarioError
        If `path` exists and is not to be overwritten, or cannot be written.
    """
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(_TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise ScenarioError(f"{path} exists; choose another name, or overwrite it with --force") from None
    except OSError as error:
        raise ScenarioError(
            f"cannot write {path}: {error.strerror or error}; choose another place"
        ) from error


def _describe(name: str) -> Shipped:
    path = shipped_path(name)
    content = read_document(path.read_bytes(), str(path)).content
    platforms = content.get("platforms")
    return Shipped(
        name=name,
        summary=str(content.get("summary", "")),
        platforms=tuple(platforms) if isinstance(platforms, dict) else (),
        path=path,
    )


def _suggest(text: str, names: list[str]) -> str:
    close = difflib.get_close_matches(Path(text[:200]).name.removesuffix(".yaml"), names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{hint} (shipped: {', '.join(names) or 'none'})"
