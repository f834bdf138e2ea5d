"""Malformed and hostile scenario files: they load, or one ScenarioError says where; nothing else happens."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario import shipped
from rpo_sim.scenario.lint import lint
from rpo_sim.scenario.load import LoadedScenario, load_scenario, load_scenario_text
from rpo_sim.scenario.nodes import MAX_BYTES, read_document

_TEMPLATE = Path(shipped.__file__).with_name("template.yaml").read_bytes()
_SITE = shipped.shipped_path("site-failure").read_bytes()
_CONTENTS = [read_document(text, "valid").content for text in (_TEMPLATE, _SITE)]
_HAS_LINE = re.compile(r"^bad\.yaml:\d+: ")

_thorough = settings(
    max_examples=600,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def check(text: str) -> LoadedScenario | None:
    """Load and lint; the only other outcome is an error with a line."""
    try:
        loaded = load_scenario_text(text, "bad.yaml")
    except ScenarioError as error:
        message = str(error)
        assert _HAS_LINE.match(message), message
        assert all(character.isprintable() or character == "\n" for character in message), repr(message)
        assert len(message) < 20_000
        return None
    lint(loaded)
    return loaded


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value below a node, the root left out."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, inner in items for found in [(*path, key), *paths(inner, (*path, key))]]


_PATHS = [paths(content) for content in _CONTENTS]
_WORDS = [
    "nan", "inf", "-inf", ".nan", ".inf", "1e400", "-1", "0", "0s", "1s", "0%", "100%", "101%", "1ms",
    "9" * 60 + "d", "9" * 60 + "Pi", "9" * 400, "15 min", "1:30", "0x10", "1_000", "٣m", "5m5m", "yes", "",
    " ", "primary", "site", "people", "database", "data", "boot", "backup", "\u202e", "🙂", "a" * 5000,
    "0.0000000001ms", "1000y", "1000000d", "{", "[", "!!python/object:os.system", "&a", "*a", "<<", "\x00",
]  # fmt: skip
_scalars = st.one_of(
    st.sampled_from(_WORDS),
    st.sampled_from([None, True, False, 0, 1, -1, 2, 1000, 10**6, 10**18, 10**40, -(10**40)]),
    st.text(max_size=20),
    st.from_regex(r"[0-9]{1,4}(ms|s|m|h|d|w|Gi|G|%|MB/s|/s)", fullmatch=True),
)
_values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid scenario with one to four changes: deleted, renamed, replaced, moved or doubled."""
    which = draw(st.integers(0, len(_CONTENTS) - 1))
    content = copy.deepcopy(_CONTENTS[which])
    for _ in range(draw(st.integers(1, 4))):
        *around, key = draw(st.sampled_from(_PATHS[which]))
        parent: Any = content
        for part in around:
            parent = parent[part] if _has(parent, part) else None
        if not _has(parent, key):
            continue
        action = draw(st.sampled_from(["delete", "rename", "replace", "transplant", "double"]))
        if action == "delete":
            del parent[key]
        elif action == "rename" and isinstance(parent, dict):
            parent[draw(st.sampled_from([f"{key}s", key[:-1], *_WORDS]) | st.text(max_size=8))] = parent.pop(
                key
            )
        elif action == "transplant":
            parent[key] = _find(_CONTENTS[which], draw(st.sampled_from(_PATHS[which])))
        elif action == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        else:
            parent[key] = draw(_values)
    return content


def _has(node: Any, key: Any) -> bool:
    if isinstance(node, list):
        return isinstance(key, int) and key < len(node)
    return isinstance(node, dict) and key in node


def _find(node: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        node = node[part]
    return copy.deepcopy(node)


@_thorough
@given(mutated())
def test_a_mutated_scenario_loads_or_says_where(content: Any) -> None:
    check(json.dumps(content, ensure_ascii=False))  # JSON is YAML, so nothing is quoted away


@_thorough
@given(mutated())
def test_unquoted_mutations_load_or_say_where(content: Any) -> None:
    check(plain_yaml(content))


def plain_yaml(node: Any) -> str:
    """Flow YAML whose scalars stand as they are, unquoted, whatever that does to the file."""
    if isinstance(node, dict):
        return "{" + ", ".join(f"{key}: {plain_yaml(value)}" for key, value in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(plain_yaml(item) for item in node) + "]"
    return "null" if node is None else str(node).lower() if isinstance(node, bool) else str(node)


@st.composite
def edited_lines(draw: st.DrawFn) -> str:
    """The text of a valid file with lines lost, doubled, indented or swapped, and hostile bits let in."""
    text = draw(st.sampled_from([_TEMPLATE, _SITE])).decode()
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        other = draw(st.integers(0, len(lines) - 1))
        bit = draw(
            st.sampled_from([*_WORDS, "\t", "\ufeff", "---", "...", "? ", "- ", "%YAML 9.9", "\ud800"])
        )
        column = draw(st.integers(0, 40))
        lines[at : at + 1] = draw(
            st.sampled_from(
                [
                    [],
                    [lines[at], lines[at]],
                    ["  " + lines[at]],
                    [lines[other]],
                    [lines[at][:column] + bit + lines[at][column:]],
                ]
            )
        ) or [""]
    return "\n".join(lines)


@_thorough
@given(edited_lines())
def test_an_edited_file_loads_or_says_where(text: str) -> None:
    check(text)


@_thorough
@given(data=st.binary(max_size=400), at=st.integers(0, len(_TEMPLATE)), whole=st.booleans())
def test_random_bytes_load_or_say_where(tmp_path_factory: Any, data: bytes, at: int, whole: bool) -> None:
    file = tmp_path_factory.getbasetemp() / "bad.yaml"
    file.write_bytes(data if whole else _TEMPLATE[:at] + data + _TEMPLATE[at:])
    message = f"{file}:1: "
    try:
        lint(load_scenario(file))
    except ScenarioError as error:
        message = str(error)
    assert re.match(rf"{re.escape(str(file))}:\d+: ", message)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=300))
def test_random_text_loads_or_says_where(text: str) -> None:
    check(text)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    opening=st.sampled_from(["[", "{a: ", "- ", "? ", "{? ", "a:\n ", "!!x ", "&a ", "[{a: "]),
    times=st.sampled_from([1, 49, 50, 51, 52, 1000, 100_000]),
)
def test_deep_nesting_says_where(opening: str, times: int) -> None:
    assert check((opening * times)[:MAX_BYTES]) is None


def test_large_files_are_refused_quickly_by_size_or_number_of_values() -> None:
    for text in (
        "a: " + "x" * MAX_BYTES,
        "a: [" + "1," * (MAX_BYTES // 2 - 10) + "]",
        "".join(f"k{i}: {i}\n" for i in range(60_000)),
        "copies: [" + "{}," * 99_000 + "]",
        "".join(f"{'x' * 40_000}{i}: 1\n" for i in range(20)),
    ):
        assert check(text) is None


def test_an_unchanged_scenario_survives_these_ways_of_writing_it() -> None:
    for content in _CONTENTS:
        as_json = check(json.dumps(content))
        as_yaml = check(yaml.safe_dump(content))
        assert as_json is not None
        assert as_yaml is not None
        assert as_json.digest == as_yaml.digest
