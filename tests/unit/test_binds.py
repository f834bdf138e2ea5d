"""Bindings from a command line."""

import pytest

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario.binds import parse_bind
from rpo_sim.scenario.schema import Bind


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("a=restore.data", Bind(operation="restore", stage="data")),
        ("a=restore.data,backend=ceph", Bind(operation="restore", stage="data", backend="ceph")),
        (
            "a=restore.data,platform=local,cache=cold,disks=2",
            Bind(operation="restore", stage="data", platform="local", labels={"cache": "cold", "disks": "2"}),
        ),
        (
            "a=restore.data,extrapolate=linear",
            Bind(operation="restore", stage="data", extrapolate="linear"),
        ),
        ("a=restore.data,k=x=y", Bind(operation="restore", stage="data", labels={"k": "x=y"})),
    ],
)
def test_keys_that_bindings_know_are_theirs_and_others_are_labels(text: str, bind: Bind) -> None:
    assert parse_bind(text) == ("a", bind)


def test_names_may_have_dots() -> None:
    assert parse_bind("restore.data=backup.move")[0] == "restore.data"


@pytest.mark.parametrize(
    "text", ["", "a", "a=", "a=b", "=b.c", "a=.c", "a=b.", "a=b.c,", "a=b.c,k", "a=b.c,k=", "a=b.c,=v"]
)
def test_what_is_no_binding_is_answered_with_the_form(text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_bind(text)
    assert f"--bind {text!r}: write NAME=OPERATION.STAGE[,key=value...], such as" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a=b.c,extrapolate=cubic", "extrapolate: write 'linear' (found 'cubic')"),
        ("a= .c", "operation: must not be blank"),
        ("a=b. ", "stage: must not be blank"),
        ("a=b.c,backend=x,backend=y", "`backend` again: keep one"),
    ],
)
def test_a_value_that_cannot_be_is_named(text: str, what: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_bind(text)
    assert str(caught.value) == f"--bind {text!r}: {what}"
