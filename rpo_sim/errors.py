"""The errors that rpo-sim raises for bad input, all children of `RpoSimError`.

A message says what is wrong, where, with which value, and what to do next.
"""


class RpoSimError(Exception):
    """Base of every error that a caller or user can remedy."""


class UnitError(RpoSimError):
    """A quantity without a unit, or one that cannot be read."""


class RecordError(RpoSimError):
    """An observation or collection record that contradicts itself."""


class StoreError(RpoSimError):
    """The measurement store cannot be opened, read or written."""


class ScenarioError(RpoSimError):
    """A scenario or profile file that cannot be used as it stands."""


class ProbeError(RpoSimError):
    """A probe could not measure."""


class ProbeUnavailable(ProbeError):
    """Unreachable or short of room for now: a later try may succeed."""


class ProbeDenied(ProbeError):
    """Not permitted, or not possible here: trying again changes nothing."""


class NoDataError(RpoSimError):
    """Nothing was measured that supports the requested number."""


class FitError(RpoSimError):
    """The observations do not determine a distribution."""


class ModelError(RpoSimError):
    """A plan that no engine can run, or a number the model must not see."""
