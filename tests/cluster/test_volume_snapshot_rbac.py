"""Each mode works with its shipped role and nothing else; without a rule of it, it says which is missing."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rpo_probes._snapshot.preflight import manifest

from rpo_sim.errors import ProbeDenied
from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE, RBAC, Json, wait_for
from tests.cluster.snapshots import ALLOW, check, left, run, settings

QUICK = {"sizes": ("64Ki",), "concurrency": (1,), "enough": 1}
MODES = ("list", "record", "measure")


class Granted:
    """The shipped manifest of a mode, applied under the name of the test's namespace."""

    def __init__(self, cluster: Cluster, mode: str) -> None:
        self.cluster, self.account = cluster, f"rpo-sim-{mode}"
        self.roles: list[tuple[str, Json]] = []
        self._made: list[str] = []
        text = manifest(mode).replace("NAMESPACE", cluster.namespace)
        for body in yaml.safe_load_all(text):
            self._create(body)
        self.kubeconfig = cluster.kubeconfig_of(self.account)

    def _create(self, body: Json) -> None:
        kind, namespace = body["kind"], body["metadata"].get("namespace")
        base = CORE if kind == "ServiceAccount" else RBAC
        folder = f"{base}/namespaces/{namespace}/" if namespace else f"{base}/"
        path = f"{folder}{kind.lower()}s"
        self.cluster.api.create(path, body)
        self._made.append(f"{path}/{body['metadata']['name']}")
        if kind in ("Role", "ClusterRole"):
            self.roles.append((self._made[-1], body))

    def remove(self) -> None:
        for path in reversed(self._made):
            self.cluster.api.delete(path)


@pytest.fixture
def granted(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Granted]:
    cluster.api.patch(f"{CORE}/namespaces/{cluster.namespace}", ALLOW)
    made = Granted(cluster, request.param)
    yield made
    made.remove()


def chosen(granted: Granted, **changes: Any) -> Any:
    mode = changes.pop("mode", granted.account.removeprefix("rpo-sim-"))
    stated: dict[str, Any] = {"kubeconfig": granted.kubeconfig, "any_namespace": False, **QUICK}
    if mode != "measure":
        stated |= {"data_folder": None, "namespace": None, "duration": "2s"}
    return settings(granted.cluster, mode, **{**stated, **changes})


@pytest.mark.parametrize("granted", MODES, indirect=True)
def test_the_shipped_role_suffices(granted: Granted, tmp_path: Path) -> None:
    granted.cluster.create_claim("source")
    granted.cluster.wait_bound("source")
    granted.cluster.create_snapshot("one", "source")
    granted.cluster.wait_ready("one")
    quiet = chosen(granted)
    wait_for("the grant to be known", lambda: check(tmp_path / "state", quiet).ok)
    seen, told = run(tmp_path / "state", quiet)
    if quiet.mode != "record":
        assert seen
    assert not [text for text in told.errors if "survivor" not in text]
    names = {"persistentvolumeclaims source", "volumesnapshots one"}
    assert {
        text
        for text in left(granted.cluster)
        if not text.startswith(("persistentvolumes ", "volumesnapshotcontents "))
    } == names


@pytest.mark.parametrize("granted", MODES, indirect=True)
def test_each_rule_is_missed_by_name(granted: Granted, tmp_path: Path) -> None:
    quiet = chosen(granted)
    wait_for("the grant to be known", lambda: check(tmp_path / "state", quiet).ok)
    for path, role in granted.roles:
        for number, rule in enumerate(role["rules"]):
            without = copy.deepcopy(role["rules"])
            del without[number]
            granted.cluster.api.patch(path, {"rules": without})
            wanted = {(verb, resource) for verb in rule["verbs"] for resource in rule["resources"]}

            def missing() -> set[tuple[str, str]]:
                report = check(tmp_path / "state", quiet)
                texts = [
                    one.missing.removeprefix("the account may not ") for one in report.findings if not one.ok
                ]
                return {(text.split()[0], text.split()[1].partition(".")[0]) for text in texts}

            wait_for(f"{wanted} to be missed", lambda: missing() == wanted)  # noqa: B023 - called at once
        granted.cluster.api.patch(path, {"rules": role["rules"]})
        wait_for("the grant to be known again", lambda: check(tmp_path / "state", quiet).ok)


@pytest.mark.parametrize("granted", ["list"], indirect=True)
def test_the_role_of_a_reader_cannot_measure(granted: Granted, tmp_path: Path) -> None:
    quick = chosen(granted, mode="measure", namespace=granted.cluster.namespace)
    with pytest.raises(ProbeDenied, match="may not create volumesnapshots") as caught:
        run(tmp_path / "state", quick)
    assert "rpo-sim rbac measure --namespace" in str(caught.value)
