"""Which copies are left: every scope against every place where a copy may lie."""

from pathlib import Path

import pytest

from rpo_sim.scenario import shipped
from rpo_sim.scenario.nodes import read_document
from rpo_sim.scenario.schema import Scenario
from rpo_sim.scenario.survival import destroyed, locked_seconds, survives

LEVELS = ("backend", "cluster", "site", "region")
INSIDE = ("vm", "volume", "control-plane")
PRIMARY = {"region": "eu", "site": "a", "cluster": "prod", "backend": "array"}
# One place for each level at which it differs from the primary, and one that differs at all of them.
PLACES = {"primary": PRIMARY}
PLACES |= {f"other-{level}": PRIMARY | {level: "other"} for level in LEVELS}
PLACES["far"] = dict.fromkeys(LEVELS, "far")


def scenario(scope: str | list[str]) -> Scenario:
    """The template with these places, and at each a copy; two more inside the VM and its volume."""
    content = read_document(Path(shipped.__file__).with_name("template.yaml").read_bytes(), "s.yaml").content
    (backup,) = content["copies"]
    bare = {key: value for key, value in backup.items() if key != "location"}
    content["locations"] = PLACES
    content["shared"]["links"]["restore"].pop("location")
    content["failure"]["scope"] = scope
    content["copies"] = [backup | {"name": place, "location": place} for place in PLACES]
    content["copies"] += [bare | {"name": f"in-{part}", "inside": part} for part in INSIDE]
    content["copies"].append(bare | {"name": "nowhere"})
    return Scenario.model_validate(content)


@pytest.mark.parametrize(
    ("scope", "lost"),
    [
        ("object", {"in-vm"}),
        ("namespace", {"in-vm"}),
        ("volume", {"in-volume"}),
        ("control-plane", {"in-control-plane"}),
        ("partition", set()),
        *((level, {*(f"in-{part}" for part in INSIDE), "nowhere"}) for level in LEVELS),
    ],
)
def test_a_copy_survives_unless_the_scope_takes_its_place(scope: str, lost: set[str]) -> None:
    if scope in LEVELS:  # a place is lost with the primary's label at this level, whatever its others are
        lost = lost | {place for place, labels in PLACES.items() if labels[scope] == PRIMARY[scope]}
    left = survives(scenario(scope), "vmware")
    assert len(left) == len(PLACES) + len(INSIDE) + 1
    assert {copy for copy, alive in left.items() if not alive} == lost


@pytest.mark.parametrize(
    ("scope", "gone"),
    [
        ("object", set()),
        ("namespace", set()),
        ("volume", set()),
        ("backend", {"primary", "other-cluster", "other-site", "other-region"}),
        ("cluster", {"primary", "other-backend", "other-site", "other-region"}),
        ("site", {"primary", "other-backend", "other-cluster", "other-region"}),
        ("region", {"primary", "other-backend", "other-cluster", "other-site"}),
    ],
)
def test_places_that_are_gone(scope: str, gone: set[str]) -> None:
    assert {place for place in PLACES if destroyed(scenario(scope), place)} == gone


def test_several_scopes_take_together_what_each_takes() -> None:
    left = survives(scenario(["site", "control-plane", "object"]), "vmware")
    lost = {copy for copy, alive in left.items() if not alive}
    assert lost == {f"in-{part}" for part in INSIDE} | {
        "nowhere", "primary", "other-backend", "other-cluster", "other-region",
    }  # fmt: skip
    assert destroyed(scenario(["object", "site"]), "other-backend")
    assert not destroyed(scenario(["partition", "admin"]), "primary")


def test_an_administrator_reaches_what_has_the_same_label() -> None:
    """The template's copies are immutable: of those in reach, points younger than that are left."""
    attacked = scenario("admin")
    assert all(survives(attacked, "vmware").values())
    copies = attacked.copies_of("vmware")
    assert {locked_seconds(attacked, copy) for copy in copies.values()} == {14 * 86400.0}
    far = attacked.locations["far"].model_copy(update={"admin": "others"})
    apart = attacked.model_copy(update={"locations": attacked.locations | {"far": far}})
    assert locked_seconds(apart, copies["far"]) is None
    mutable = copies["primary"].model_copy(update={"immutable": None})
    assert locked_seconds(apart, mutable) == 0
