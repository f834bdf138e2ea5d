"""The part of YAML that scenario files use: what is read as what, and what is refused, by line."""

import pytest

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario.nodes import MAX_BYTES, MAX_DEPTH, MAX_VALUES, read_document, shorten


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("+7", 7),
        ("007", 7),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("''", ""),
        ("1:30", "1:30"),  # in YAML 1.1: 90
        ("0.98", "0.98"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("no", "no"),  # in YAML 1.1: false
        ("True", "True"),
        (".nan", ".nan"),
        ("2024-01-01", "2024-01-01"),
        ("9" * 19, "9" * 19),
        ("15 min", "15 min"),
        ("[a, 1]", ["a", 1]),
        ("{b: {c: 2}}", {"b": {"c": 2}}),
        ("|\n two\n lines", "two\nlines"),
    ],
)
def test_plain_scalars_stay_text_but_for_whole_numbers_and_three_words(text: str, value: object) -> None:
    read = read_document(f"a: {text}".encode(), "s.yaml").content["a"]
    assert read == value
    assert type(read) is type(value)


def test_keys_are_text_even_if_they_look_like_numbers() -> None:
    assert read_document(b"1: a\ntrue: b\n", "s.yaml").content == {"1": "a", "true": "b"}


def test_each_key_and_item_has_its_line() -> None:
    text = "# comment\na:\n  - b: 1\n    c: 2\n  - [x,\n     y]\nd: {e: 1,\n  f: 2}\n"
    assert read_document(text.encode(), "s.yaml").lines == {
        (): 1,
        ("a",): 2,
        ("a", 0): 3,
        ("a", 0, "b"): 3,
        ("a", 0, "c"): 4,
        ("a", 1): 5,
        ("a", 1, 0): 5,
        ("a", 1, 1): 6,
        ("d",): 7,
        ("d", "e"): 7,
        ("d", "f"): 8,
    }


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    document = read_document(b"\xef\xbb\xbfa: 1\r\nb: x\r\n", "s.yaml")
    assert document.content == {"a": 1, "b": "x"}
    assert document.lines["b",] == 2


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "empty: `rpo-sim init` writes a scenario"),
        ("# only a comment\n", 1, "empty"),
        ("- 1\n", 1, "a scenario is a mapping"),
        ("\n\njust text\n", 3, "a scenario is a mapping"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins here"),
        ("a: 1\nb: 2\na: 3\n", 3, "`a` again; it was given on line 1"),
        ("a:\n  b: 1\n  b: 1\n", 3, "`b` again; it was given on line 2"),
        ("a: &x 1\n", 1, "anchor `&x`"),
        ("a: 1\nb: *x\n", 2, "alias `*x`"),
        ("a: &x [1]\nb: *x\n", 1, "anchor `&x`"),
        ("a:\n  <<: {b: 1}\n", 2, "merge key `<<`"),
        ("a: 1\nb: !!int 3\n", 2, "tag `tag:yaml.org,2002:int`"),
        ("a: !!python/object:os.system {}\n", 1, "tag `"),
        ("a: 1\n? [x]\n: 2\n", 2, "a key must be a word"),
        ("a: 1\n'': 2\n", 2, "a key must be a word"),
        ("a: 1\n{b: 1}: 2\n", 2, "a key must be a word"),
        ("a: 1\nb: x\x07y\n", 2, "unprintable character U+0007"),
        ("a: 1\nb: x\u2028y\n", 2, "unprintable character U+2028"),
        ('a: 1\nb: "\\e[2J"\n', 2, "unprintable character U+001B"),
        ('a: 1\n"\\0": 2\n', 2, "unprintable character U+0000"),
        ("a: 1\n\tb: 2\n", 2, "indent with spaces, not with tabs"),
        ("a:\n  b: 1\n c: 2\n", 3, "check indentation and quotes"),
        ("a: 1\nb: [1, 2\n", 3, "check indentation and quotes"),
        ("a: 1\nb: c: d\n", 2, "check indentation and quotes"),
        ("a: 1\nb: 'x\n", 3, "check indentation and quotes"),
    ],
)
def test_what_is_not_used_is_refused_by_line(text: str, line: int, what: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_document(text.encode(), "s.yaml")
    assert str(caught.value).startswith(f"s.yaml:{line}: ")
    assert what in str(caught.value)


def test_a_quoted_merge_sign_is_a_key_like_any_other() -> None:
    assert read_document(b"'<<': 1", "s.yaml").content == {"<<": 1}


def test_bytes_that_are_not_utf8_are_refused_by_line() -> None:
    with pytest.raises(ScenarioError, match=r"^s.yaml:2: byte 0xe4 is not UTF-8: save the file as UTF-8$"):
        read_document(b"a: 1\nb: \xe4\n", "s.yaml")


def test_depth_is_limited() -> None:
    def nested(times: int) -> bytes:
        return b"a: " + b"[" * times + b"]" * times

    assert read_document(nested(MAX_DEPTH), "s.yaml").content
    with pytest.raises(ScenarioError, match=f"^s.yaml:1: nested deeper than {MAX_DEPTH}$"):
        read_document(nested(MAX_DEPTH + 1), "s.yaml")


def test_size_is_limited() -> None:
    short = b"a: 1\n#"
    assert read_document(short.ljust(MAX_BYTES, b"x"), "s.yaml").content == {"a": 1}
    with pytest.raises(ScenarioError, match=r"^s.yaml:1: .* at most 1048576 bytes \(1 MiB\)"):
        read_document(short.ljust(MAX_BYTES + 1, b"x"), "s.yaml")


def test_the_number_of_values_is_limited() -> None:
    def items(count: int) -> bytes:
        return b"a: [" + b"1," * count + b"]"

    assert read_document(items(MAX_VALUES - 2), "s.yaml").content  # the root and the list count too
    with pytest.raises(ScenarioError, match=f"more than {MAX_VALUES} values"):
        read_document(items(MAX_VALUES - 1), "s.yaml")


def test_values_in_messages_are_short_and_on_one_line() -> None:
    assert shorten("a\nb\u202e") == "a\\nb\\u202e"
    assert shorten("x" * 61) == "x" * 60 + "…"
    assert shorten("x" * 60) == "x" * 60
