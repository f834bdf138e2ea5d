"""The JSON Schema of scenario files, for editors: completion and checks while one writes.

It covers shapes and units, not whether names refer to something; `rpo-sim lint` does that.
"""

from typing import Any

from rpo_sim.scenario.schema import Scenario


def scenario_json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) as plain data."""
    schema = Scenario.model_json_schema(by_alias=True)
    schema["title"] = "rpo-sim scenario"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
