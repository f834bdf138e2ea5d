"""What the shipped scenarios predict, kept in each one's expected.json: the golden results.

``python -m tests.golden.regenerate [NAME …]`` rewrites them. Do so only when the numbers are meant to move,
and say in the CHANGELOG, under *Numbers*, which ones and why.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

from rpo_sim import __version__
from rpo_sim.analysis.prediction import predict
from rpo_sim.results import FloatArray, ResultSet, TierRuns
from rpo_sim.scenario.load import load_scenario
from rpo_sim.scenario.shipped import shipped_names, shipped_path

COMMAND = "python -m tests.golden.regenerate"
SCHEMA_VERSION = 1
SEED, RUNS = 1, 500  # 20 blocks


def expected_path(scenario: str) -> Path:
    """Where a scenario's golden results are kept."""
    return shipped_path(scenario).parent / "expected.json"


def document(scenario: str) -> dict[str, Any]:
    """The golden results of a scenario on all its platforms, every input as assumed."""
    loaded = load_scenario(scenario)
    results = {
        platform: predict(loaded, platform, seed=SEED, runs=RUNS, vary=False).base
        for platform in loaded.scenario.platforms
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "made": {
            "by": COMMAND,
            "rpo_sim": __version__,
            "scenario_sha256": loaded.digest,
            "profile": None,
            "seed": SEED,
            "runs": RUNS,
        },
        "platforms": {
            platform: {runs.tier.name: _tier(result, runs) for runs in result.tiers}
            for platform, result in results.items()
        },
    }


def _tier(result: ResultSet, runs: TierRuns) -> dict[str, Any]:
    tier = runs.tier
    rpo, rto = (math.inf if s is None else s for s in (tier.rpo_seconds, tier.rto_seconds))
    means = runs.activities[runs.rta < math.inf].mean(axis=0)
    names = ("rpa", "rpa_best", "rta", "rta_from_declaration")
    return {
        "figures": {name: _figure(result, getattr(runs, name)) for name in names},
        "unrecovered_share": float((runs.rta == math.inf).mean()),
        "both_objectives_met_share": float(((runs.rpa <= rpo) & (runs.judged_rta <= rto)).mean()),
        "critical_path_mean_of_finite_seconds": {
            name: _number(seconds) for name, seconds in zip(result.activities, means.tolist(), strict=True)
        },
    }


def _figure(result: ResultSet, values: FloatArray) -> dict[str, float | str]:
    finite = values[values < math.inf]
    return {
        "p50_seconds": _number(result.quantile(values, 0.5).value),
        "p95_seconds": _number(result.quantile(values, 0.95).value),
        "mean_of_finite_seconds": _number(float(finite.mean())),
    }


def _number(value: float) -> float | str:
    """Twelve digits: a thousand times finer than what the test compares; inf as everywhere in JSON."""
    return "inf" if value == math.inf else float(f"{value:.12g}")


def regenerate(scenario: str) -> bool:
    """Write a scenario's golden results; whether they are others than before."""
    path = expected_path(scenario)
    text = json.dumps(document(scenario), indent=2, sort_keys=True, allow_nan=False) + "\n"
    changed = not path.exists() or path.read_text(encoding="utf-8") != text
    path.write_text(text, encoding="utf-8")
    return changed


if __name__ == "__main__":
    for name in sys.argv[1:] or shipped_names():
        print(f"{name}: {'rewritten' if regenerate(name) else 'unchanged'}")
