"""rpo-sim: measure restores, simulate recovery, judge RPO and RTO.

The public names, imported when first used, so that ``import rpo_sim`` loads nothing heavy:

>>> import rpo_sim
>>> loaded = rpo_sim.load_scenario("single-vm-restore")
>>> prediction = rpo_sim.predict(loaded, "vmware", runs=25, vary=False)
>>> prediction.base.tiers[0].rta.shape
(25,)
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rpo_sim.analysis.parity import compare
    from rpo_sim.analysis.prediction import Prediction, predict
    from rpo_sim.analysis.verdict import TierVerdict, Verdict, judge
    from rpo_sim.distributions.evidence import check_evidence
    from rpo_sim.distributions.fit import fit
    from rpo_sim.distributions.profile import Profile, load_profile, save_profile
    from rpo_sim.errors import RpoSimError
    from rpo_sim.model.block_runs import replay
    from rpo_sim.model.compile import compile_plan
    from rpo_sim.model.experiment import simulate
    from rpo_sim.model.workers import pool
    from rpo_sim.probe import load_probe
    from rpo_sim.records import Collection, Observation, Outcome
    from rpo_sim.results import ResultSet
    from rpo_sim.results_file import load_results, save_results
    from rpo_sim.scenario.lint import lint
    from rpo_sim.scenario.load import LoadedScenario, load_scenario, load_scenario_text
    from rpo_sim.scenario.schema import Bind, Scenario
    from rpo_sim.store import open_store

_HOMES = {
    "Bind": "scenario.schema",
    "Collection": "records",
    "LoadedScenario": "scenario.load",
    "Observation": "records",
    "Outcome": "records",
    "Prediction": "analysis.prediction",
    "Profile": "distributions.profile",
    "ResultSet": "results",
    "RpoSimError": "errors",
    "Scenario": "scenario.schema",
    "TierVerdict": "analysis.verdict",
    "Verdict": "analysis.verdict",
    "check_evidence": "distributions.evidence",
    "compare": "analysis.parity",
    "compile_plan": "model.compile",
    "fit": "distributions.fit",
    "judge": "analysis.verdict",
    "lint": "scenario.lint",
    "load_probe": "probe",
    "load_profile": "distributions.profile",
    "load_results": "results_file",
    "load_scenario": "scenario.load",
    "load_scenario_text": "scenario.load",
    "open_store": "store",
    "pool": "model.workers",
    "predict": "analysis.prediction",
    "replay": "model.block_runs",
    "save_profile": "distributions.profile",
    "save_results": "results_file",
    "simulate": "model.experiment",
}

__all__ = [
    "Bind",
    "Collection",
    "LoadedScenario",
    "Observation",
    "Outcome",
    "Prediction",
    "Profile",
    "ResultSet",
    "RpoSimError",
    "Scenario",
    "TierVerdict",
    "Verdict",
    "__version__",
    "check_evidence",
    "compare",
    "compile_plan",
    "fit",
    "judge",
    "lint",
    "load_probe",
    "load_profile",
    "load_results",
    "load_scenario",
    "load_scenario_text",
    "open_store",
    "pool",
    "predict",
    "replay",
    "save_profile",
    "save_results",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rpo_sim' has no attribute {name!r}")
    return getattr(importlib.import_module(f"rpo_sim.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
