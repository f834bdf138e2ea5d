"""The commands that the README shows for a cluster, run in order on one."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.lab.api import CORE
from tests.cluster.snapshots import ALLOW, left
from tests.docs.test_readme import shown_commands

ROOT = Path(__file__).parents[2]
CLONE = "          name: clone\n"


def commands() -> list[tuple[str, frozenset[int]]]:
    """What stands in the section, but for kubectl: a lab has none."""
    section = (ROOT / "README.md").read_text().split("## On a cluster")[1].split("\n## ")[0]
    shown = list(shown_commands(section.replace("```sh", "```console")))
    assert len([command for command in shown if command.text.startswith("kubectl")]) == 2
    return [(c.text, c.exit_codes) for c in shown if not c.text.startswith("kubectl")]


def test_the_commands_for_a_cluster_run(cluster: Cluster, tmp_path: Path) -> None:
    """Smaller volumes and the namespace of the test; where no pod runs, the folder of the driver is read."""
    cluster.api.patch(f"{CORE}/namespaces/{cluster.namespace}", ALLOW)  # what kubectl does in the README
    quick = f"--namespace {cluster.namespace} --storage-class {cluster.storage_class} --enough 8"
    quick += " --sizes 64Ki,4Mi --volume-size 16Mi --concurrency 1,3"
    if cluster.running_lab is not None:
        quick += f" --data-folder {cluster.running_lab.layout.data}"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(cluster.kubeconfig),
        "RPO_SIM_STORE": str(tmp_path / "observations.db"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    seen = commands()
    assert {"discover", "measure", "fit", "simulate", "verdict", "cleanup"} <= {
        text.split()[1] for text, _ in seen
    }
    for text, exit_codes in seen:
        text = re.sub("--namespace rpo-sim", quick, text)
        done = subprocess.run(text, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        said = f"$ {text}\n{done.stdout}\n{done.stderr}\nexit code {done.returncode}"
        assert done.returncode in exit_codes, said
        assert "Traceback" not in done.stderr, said
        if text.startswith("rpo-sim scenarios copy"):
            scenario = tmp_path / "my-disk" / "scenario.yaml"
            assert CLONE in scenario.read_text()
            scenario.write_text(scenario.read_text().replace(CLONE, f"{CLONE}          bytes: used\n"))
    assert left(cluster) == []
