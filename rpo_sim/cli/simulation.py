"""The options that `simulate`, `verdict` and `parity` share, as one parameter of the command."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from rpo_sim.cli.options import (
    BindOption,
    CheckpointOption,
    EngineOption,
    ExecutorOption,
    PlatformsOption,
    ProfileOption,
    RunsOption,
    SeedOption,
    WorkersOption,
)


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What to simulate with, and where. Each field is an option, in the order of the help."""

    platform: PlatformsOption = None
    profile: ProfileOption = None
    bind: BindOption = None
    runs: RunsOption = 2000
    seed: SeedOption = 1
    engine: EngineOption = "auto"
    workers: WorkersOption = 0
    executor: ExecutorOption = None
    checkpoint: CheckpointOption = None


def with_simulation(command: Callable[..., None]) -> Callable[..., None]:
    """Put the options of `Simulation` in the place of the command's parameter ``how``, which gets them."""

    @functools.wraps(command)
    def called(**given: Any) -> None:
        how = Simulation(**{field.name: given.pop(field.name) for field in fields(Simulation)})
        command(how=how, **given)

    signature = inspect.signature(command)
    expanded: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        expanded += _OPTIONS if parameter.name == "how" else [parameter]
    called.__signature__ = signature.replace(parameters=expanded)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in expanded}
    return called


_OPTIONS = [
    inspect.Parameter(
        field.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=field.default, annotation=field.type
    )
    for field in fields(Simulation)
]
