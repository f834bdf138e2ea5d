"""What is wrong with a scenario file, in words: one message for all problems, each with line and remedy."""

import difflib
import re
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from rpo_sim import units
from rpo_sim.errors import ScenarioError, UnitError
from rpo_sim.scenario.nodes import Document, Path, shorten

SHOWN = 20  # problems in one message; the first ones usually explain the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, at a path of the file."""

    path: Path
    what: str


def line_of(document: Document, path: Path) -> int:
    """The line of the key or item at `path`, or of the nearest one around it."""
    while path and path not in document.lines:
        path = path[:-1]
    return document.lines.get(path, 1)


def refusal(name: str, document: Document, problems: Sequence[Problem]) -> ScenarioError:
    """One error that lists the problems in the order of the file."""
    ordered = sorted(problems, key=lambda problem: line_of(document, problem.path))
    lines = [
        f"{name}:{line_of(document, problem.path)}: {dotted(problem.path)}{problem.what}"
        for problem in ordered
    ]
    lines = list(dict.fromkeys(lines))  # what is shared is wrong on each platform, but written once
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"… and {len(lines) - SHOWN} more"]
    return ScenarioError("\n".join(lines))


def dotted(path: Path) -> str:
    """A path as people read it, with a colon.

    >>> dotted(("copies", 0, "every"))
    'copies[0].every: '
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shorten(part)}" for part in path)
    return f"{text.removeprefix('.')}: " if text else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """What to say of a name that refers to nothing."""
    names = list(known)
    hint = did_you_mean(name, names)
    there_are = "There are" if hint else "there are"
    return f"no {kind} is called `{name}`; {hint}{there_are}: {shorten(', '.join(names), 200) or 'none'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest of the known names; empty if none is near.

    >>> did_you_mean("databse", ["web", "database"])
    'did you mean `database`? '
    """
    close = difflib.get_close_matches(name, known, n=1) if len(name) <= 60 else []
    return f"did you mean `{close[0]}`? " if close else ""


def duplicates(names: Iterable[str]) -> list[str]:
    """Names that occur more than once, each once."""
    return [name for name, times in Counter(names).items() if times > 1]


def schema_problems(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """The problems in a validation error; of several complaints with one cause only those that matter."""
    groups: dict[Path, list[Any]] = {}
    for detail in error.errors(include_url=False):
        path = _document_path(detail["loc"], document.content, detail["type"] == "missing")
        groups.setdefault(path, []).append(detail)
    # A mapping or list that is wrong inside needs no complaint that it is no scalar, or too short, either.
    inner = {path[:length] for path in groups for length in range(len(path))}
    meant = {_meant(path, model) for path, details in groups.items() if details[0]["type"] == _EXTRA}
    problems = []
    for count, (path, details) in enumerate(groups.items()):
        value = _at(document.content, path)
        if path in inner and isinstance(value, dict | list) and all(map(_is_outer_error, details)):
            continue
        if path in meant and details[0]["type"] == "missing":
            continue  # it is there, but misspelled
        what = _say(details, value, path, model) if count < 10 * SHOWN else "is not valid"
        problems.append(Problem(path=path, what=what))
    return problems


def _document_path(location: Sequence[str | int], content: object, missing: bool) -> Path:
    """Where an error lies in the file: validators and unions add steps that are not there."""
    path: list[str | int] = []
    node = content
    for position, part in enumerate(location):
        if isinstance(node, dict) and part in node:
            node = node[str(part)]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        elif missing and position == len(location) - 1:
            pass
        else:
            continue
        path.append(part)
    return tuple(path)


def _at(content: Any, path: Path) -> Any:
    for part in path[:-1]:
        content = content[part]
    if not path or isinstance(content, list):
        return content[path[-1]] if path else content
    return content.get(path[-1]) if isinstance(content, dict) else None


def _is_outer_error(detail: Mapping[str, Any]) -> bool:
    kind: str = detail["type"]
    return kind.endswith("_type") or kind in ("literal_error", "value_error", "too_short")


def _say(details: Sequence[Mapping[str, Any]], value: object, path: Path, model: type[BaseModel]) -> str:
    if details[0]["type"] == "missing":
        return "missing; add it"
    if details[0]["type"] == _EXTRA:
        return _unknown(path, model)
    if value is None:
        return "empty; give a value or remove the key"
    unlikely = ("literal_error",) if isinstance(value, dict | list) else ("model_type", "dict_type")
    kept = [d for d in details if d["type"] not in unlikely] or list(details)
    if kept[0]["type"] == "literal_error":
        kept = list(details)  # words that are not meant: perhaps the mapping is
    reasons = list(dict.fromkeys(_reason(detail, value, path, model) for detail in kept))
    shown = (
        "" if isinstance(value, dict | list) or shorten(value) in reasons[0] else f" (found {_show(value)})"
    )
    return "; or ".join(reasons) + shown


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(shorten(value)) if isinstance(value, str) else shorten(value)


_EXTRA = "extra_forbidden"
_REMEDIES = {
    "dict_type": "write a mapping, such as {{name: value}}",
    "string_type": "write text; a name that is a number needs quotes",
    "int_type": "write a whole number, without quotes",
    "bool_type": "write true or false",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} item",
}


def _reason(detail: Mapping[str, Any], value: object, path: Path, model: type[BaseModel]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return _pattern(context["pattern"])
    if kind in ("literal_error", "enum"):
        return _one_of(context["expected"], value)
    if kind == "model_type":
        return _mapping(value, sorted(set(_keys_at(path, model))))
    if kind == "tuple_type":
        return "write a list, such as [one, two]" if isinstance(value, dict) else f"write a list: [{value}]"
    if kind in _REMEDIES:
        shown = {name: _bound(bound, detail["input"]) for name, bound in context.items()}
        return _REMEDIES[kind].format(**shown)
    text: str = detail["msg"]
    return text.removeprefix("Value error, ")


def _one_of(expected: str, value: object) -> str:
    hint = did_you_mean(value, re.findall("'([^']+)'", expected)) if isinstance(value, str) else ""
    return f"{hint}Write {expected}" if hint else f"write {expected}"


def _mapping(value: object, keys: Sequence[str]) -> str:
    if "assumed" in keys and isinstance(value, str | int):
        return f"say where it comes from: {{assumed: {shorten(value)}}}, or {{measured: NAME, else: …}}"
    return f"write a mapping; its keys: {', '.join(keys)}"


def _bound(bound: object, value: object) -> str:
    """A bound in the unit of the value that it bounds."""
    if isinstance(bound, int | float) and isinstance(value, str):
        for parse, write in (
            (units.parse_duration, units.format_duration),
            (units.parse_bytes, units.format_bytes),
            (units.parse_rate, units.format_rate),
            (units.parse_ratio, units.format_ratio),
        ):
            with suppress(UnitError):
                parse(value)
                return write(bound)
    return str(bound)


def _pattern(pattern: str) -> str:
    if pattern == r"\S":
        return "must not be blank"
    if "/" in pattern:
        return "write tokens per time, such as 5/s or 300/m"
    return "names have small letters, digits and . _ -, and begin and end with a letter or digit"


def _unknown(path: Path, model: type[BaseModel]) -> str:
    allowed = sorted(set(_keys_at(path[:-1], model)))
    hint = did_you_mean(str(path[-1]), allowed) or "remove it. "
    return f"unknown key; {hint}Known here: {', '.join(allowed)}"


def _meant(path: Path, model: type[BaseModel]) -> Path:
    """Where an unknown key would be if it were spelled like the nearest known one."""
    hint = did_you_mean(str(path[-1]), sorted(set(_keys_at(path[:-1], model))))
    return (*path[:-1], *hint.split("`")[1:2])


def _keys_at(path: Path, model: type[BaseModel]) -> Iterator[str]:
    annotations: list[Any] = [model]
    for part in path:
        annotations = [inner for annotation in annotations for inner in _step(annotation, part)]
    for annotation in annotations:
        for plain in _plain(annotation):
            if isinstance(plain, type) and issubclass(plain, BaseModel):
                yield from (field.alias or name for name, field in plain.model_fields.items())


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    for plain in _plain(annotation):
        if isinstance(plain, type) and issubclass(plain, BaseModel):
            yield from (f.annotation for name, f in plain.model_fields.items() if (f.alias or name) == part)
        elif get_origin(plain) is dict:
            yield get_args(plain)[1]
        elif get_origin(plain) is tuple:
            yield get_args(plain)[0]


def _plain(annotation: Any) -> Iterator[Any]:
    """The types in an annotation, out of their unions and annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _plain(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _plain(member)
    else:
        yield annotation
