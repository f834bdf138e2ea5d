"""Bindings as people write them on a command line."""

from pydantic import ValidationError

from rpo_sim.errors import ScenarioError
from rpo_sim.scenario.messages import dotted, duplicates, schema_problems
from rpo_sim.scenario.nodes import Document
from rpo_sim.scenario.schema import Bind

_FIELDS = ("backend", "platform", "extrapolate")


def parse_bind(text: str) -> tuple[str, Bind]:
    """A name and its binding from ``NAME=OPERATION.STAGE[,key=value...]``.

    Keys are ``backend``, ``platform`` and ``extrapolate``; any other is a label of the measurement.

    Raises
    ------
    ScenarioError
        If the text is something else.

    >>> name, bind = parse_bind("restore.data=restore.data,platform=local,cache=cold,extrapolate=linear")
    >>> name, bind.operation, bind.stage, bind.platform, bind.labels, bind.extrapolate
    ('restore.data', 'restore', 'data', 'local', {'cache': 'cold'}, 'linear')
    """
    name, _, rest = text.partition("=")
    target, *options = rest.split(",")
    operation, _, stage = target.partition(".")
    pairs = [option.partition("=") for option in options]
    if not (name and operation and stage) or not all(key and value for key, _, value in pairs):
        raise ScenarioError(
            f"--bind {text!r}: write NAME=OPERATION.STAGE[,key=value...], such as "
            "restore.data=restore.data,platform=local,extrapolate=linear"
        )
    for key in duplicates(key for key, _, _ in pairs):
        raise ScenarioError(f"--bind {text!r}: `{key}` again: keep one")
    stated = {key: value for key, _, value in pairs}
    fields = {key: value for key, value in stated.items() if key in _FIELDS}
    labels = {key: value for key, value in stated.items() if key not in _FIELDS}
    content = {"operation": operation, "stage": stage, "labels": labels, **fields}
    try:
        return name, Bind.model_validate(content)
    except ValidationError as error:
        problems = schema_problems(error, Document(content=content, lines={}), Bind)
        what = "; ".join(dotted(problem.path) + problem.what for problem in problems)
        raise ScenarioError(f"--bind {text!r}: {what}") from None
