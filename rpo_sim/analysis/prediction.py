"""A prediction: the runs, and the same runs with every assumption halved and doubled."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from rpo_sim.distributions.profile import Profile
from rpo_sim.errors import ModelError
from rpo_sim.model.checkpoint import Checkpoint
from rpo_sim.model.compile import compile_plan
from rpo_sim.model.engines import Asked, Engine, choose
from rpo_sim.model.experiment import DEFAULT_RUNS, simulate
from rpo_sim.model.plan import Plan
from rpo_sim.results import Evidence, ResultSet
from rpo_sim.scenario.load import LoadedScenario
from rpo_sim.scenario.schema import Bind

ASSUMED_FACTORS = (0.5, 2.0)

Progress = Callable[[str, int, int], None]
Where = Callable[[Engine], Executor | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One scenario on one platform.

    Attributes
    ----------
    base : ResultSet
    varied : tuple of ResultSet
        With all assumed durations halved and doubled; empty if not run, or if nothing is assumed.
    interrupted : bool
        Whether any of the runs asked for are missing.
    impossible : mapping of float to str
        The factors of the assumed durations at which the scenario cannot be, and why: at twice as long, for
        example, backups need more slots than there are.
    """

    base: ResultSet
    varied: tuple[ResultSet, ...] = ()
    interrupted: bool = False
    impossible: Mapping[float, str] = field(default_factory=dict)

    @property
    def assumptions_tried(self) -> bool:
        """Whether the verdict can tell if it turns on an assumption."""
        assumed = any(note.evidence is not Evidence.MEASURED for note in self.base.inputs)
        tried = {result.assumed_factor for result in self.varied if result.runs >= self.base.runs}
        return tried | set(self.impossible) >= set(ASSUMED_FACTORS) or not assumed

    def results(self) -> list[ResultSet]:
        """All result sets, the base first: what a results file holds."""
        return [self.base, *self.varied]


def predict(
    loaded: LoadedScenario,
    platform: str,
    *,
    profile: Profile | None = None,
    binds: Mapping[str, Bind] | None = None,
    seed: int = 1,
    runs: int = DEFAULT_RUNS,
    vary: bool = True,
    engine: Asked = "simpy",
    say: Callable[[str], None] = lambda _: None,
    where: Where = lambda _: None,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Simulate a scenario on a platform, with its assumptions as stated and (``vary``) halved and doubled.

    Parameters are those of `rpo_sim.model.compile.compile_plan` and `rpo_sim.model.experiment.simulate`;
    ``progress`` is told what is simulated, the runs done, and the runs in all. ``engine`` may also be
    "auto"; ``say`` is told why the compiled engine does not serve where it was hoped for. ``where`` has the
    executor for an engine.

    Raises
    ------
    ScenarioError, NoDataError, ModelError
        As those do for the assumptions as stated.
    """
    plans = [compile_plan(loaded.scenario, platform, profile, binds)]
    impossible: dict[float, str] = {}
    if vary and any(item.evidence is not Evidence.MEASURED for item in plans[0].inputs()):
        varied, impossible = _varied(loaded, platform, profile, binds)
        plans += varied
    chosen, notice = choose(plans[0], engine, runs * len(plans))
    if notice is not None:
        say(notice)
    results: list[ResultSet] = []
    for done, plan in enumerate(plans):

        def told(runs_done: int, of: int, before: int = done) -> None:
            if progress is not None:
                what = f"{loaded.scenario.scenario} on {platform}"
                progress(what, before * of + runs_done, len(plans) * of)

        try:
            result = simulate(
                plan,
                seed=seed,
                runs=runs,
                engine=chosen,
                executor=where(chosen),
                checkpoint=checkpoint,
                progress=told,
            )
        except KeyboardInterrupt:  # before the first block of a variation: the base is still worth having
            if not results:
                raise
            break
        results.append(replace(result, digests={"scenario": loaded.digest}))
        if result.interrupted:
            break
    complete = len(results) == len(plans) and not results[-1].interrupted
    return Prediction(
        base=results[0], varied=tuple(results[1:]), interrupted=not complete, impossible=impossible
    )


def _varied(
    loaded: LoadedScenario, platform: str, profile: Profile | None, binds: Mapping[str, Bind] | None
) -> tuple[list[Plan], dict[float, str]]:
    """The plans with the assumptions halved and doubled; and why there is none for a factor."""
    plans, impossible = [], {}
    for factor in ASSUMED_FACTORS:
        try:
            plans.append(compile_plan(loaded.scenario, platform, profile, binds, assumed_factor=factor))
        except ModelError as why:  # what is stated holds: the assumptions are what it turns on
            impossible[factor] = str(why)
    return plans, impossible


def gather(results: list[ResultSet]) -> list[Prediction]:
    """Predictions from the result sets of a file: each base with its variations."""
    bases = [result for result in results if result.assumed_factor == 1.0]
    gathered = []
    for base in bases:
        varied = tuple(
            result
            for result in results
            if result.assumed_factor != 1.0
            and (result.scenario, result.platform) == (base.scenario, base.platform)
        )
        interrupted = any(result.interrupted for result in (base, *varied))
        gathered.append(Prediction(base=base, varied=varied, interrupted=interrupted))
    return gathered
