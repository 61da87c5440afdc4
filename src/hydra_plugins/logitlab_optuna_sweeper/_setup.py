"""What happens before the first trial: the checks, and the study, new or resumed."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from hydra.errors import ConfigCompositionException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from hydra_plugins.logitlab_optuna_sweeper._space import Space
from logitlab import rules
from logitlab.cli import checks, run_command
from logitlab.cli.arguments import ArgumentError
from logitlab.errors import UserError
from logitlab.masking import masked
from logitlab.overrides import typed
from logitlab.sweeps.composition import Base
from logitlab.sweeps.points import Points, Values
from logitlab.sweeps.study import open_storage, reopened, truncate_to_whole_lines

if TYPE_CHECKING:
    from hydra_plugins.logitlab_optuna_sweeper.optuna_sweeper import OptunaSweeper

SEARCH = "search"
"""The study's attribute that holds what it searches."""

DEFAULT_TRIALS = 20
GRID = "logitlab.sweeps.points.Points"
CMAES = "optuna.samplers.CmaEsSampler"
DIRECTIONS = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}
RULES = {"n_trials": rules.Number(integer=True, low=1, optional=True), "n_jobs": rules.COUNT}


def check(sweeper: "OptunaSweeper", space: Space) -> None:
    """Raise ArgumentError for a mistake in the command."""
    try:
        for name, rule in RULES.items():
            rules.check_value(f"hydra.sweeper.{name}", getattr(sweeper, name), rule)
        rules.check_value("monitor_mode", _mode(sweeper), rules.RULES["monitor_mode"])
        for name in ("sampler", "pruner"):
            _check_part(name, getattr(sweeper, name))
        _check_space(sweeper.sampler["_target_"], space)
        if isinstance(sweeper.task_function, run_command.Job):
            _check_runs(sweeper, sweeper.task_function, space)
    except ArgumentError:
        raise
    except UserError as error:
        raise ArgumentError(str(error)) from error


def _check_part(name: str, node: Any) -> None:
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise UserError(
            f"hydra.sweeper.{name}={typed(node)} is not allowed: type hydra/sweeper/{name}=NAME."
            f" conf/hydra/sweeper/{name}/ holds the names."
        )
    checks.check_target(f"hydra.sweeper.{name}", node)


def _check_space(sampler: str, space: Space) -> None:
    if sampler == GRID:
        next(space.points())
    elif not space.parameters:
        raise UserError(
            "There is nothing to search: give a key several values, as in 'optimizer.lr=tag(log,interval(0.01,10))' or"
            " optimizer=sgd,adam, on the command line or in hydra.sweeper.params."
        )
    numbers = [each for each in space.parameters if not isinstance(each.distribution, CategoricalDistribution)]
    if sampler == CMAES and len([each for each in numbers if not each.belongs_to and not each.distribution.single()]) < 2:
        raise UserError(
            "hydra/sweeper/sampler=cmaes searches two numbers or more together, intervals or ranges that every run has: type"
            " another one, or hydra/sweeper/sampler=tpe."
        )


def _check_runs(sweeper: "OptunaSweeper", job: run_command.Job, space: Space) -> None:
    """Check the ends of the space, and a run in whole for every choice of a config group."""
    loader = sweeper.hydra_context.config_loader
    wanted: list[Values] = []
    for parameter in space.parameters:
        for value in parameter.ends():
            checks.check_values(space.typed({parameter.name: value}))
        if loader.get_group_options(parameter.name):
            owners = {key: min(words) for key, words in parameter.belongs_to.items()}
            wanted += [{**owners, parameter.name: value} for value in parameter.ends()]
    for each in wanted or [{}]:
        try:
            cfg = loader.load_sweep_config(sweeper.config, space.overrides(space.example(each)))
        except ConfigCompositionException as error:
            raise _without_its_choice(error, space, each) or error from error.__cause__
        job.check(OmegaConf.create(Base(cfg).plain({})))


def _without_its_choice(error: Exception, space: Space, chosen: Values) -> UserError | None:
    """Return the error for a parameter that another choice does not have; None where that is not the cause."""
    for name in [parameter.name for parameter in space.parameters] if chosen else []:
        if f"Could not override '{name}'" in str(error):
            choice = " ".join(f"{key}={value}" for key, value in chosen.items())
            return UserError(
                f"{name} is no key of runs with {choice}. Name the choice that it belongs to, as in"
                f" '{name}=tag(GROUP:CHOICE,interval(0,0.9))'."
            )
    return None


def study(sweeper: "OptunaSweeper", space: Space) -> tuple[optuna.Study, BaseStorage, int]:
    """Return the study, new or begun, its storage, and the number of trials that it is to have.

    Raises:
        ArgumentError: the storage cannot be opened, or holds another search under that name.
    """
    late = {}
    trials = sweeper.n_trials or DEFAULT_TRIALS
    if sweeper.sampler["_target_"] == GRID:
        late["points"] = points = list(islice(space.points(), sweeper.n_trials))
        trials = len(points)
    sampler = instantiate(sweeper.sampler, **late, _convert_="all")
    try:
        if "://" not in sweeper.storage:
            truncate_to_whole_lines(Path(sweeper.storage))
        storage = open_storage(sweeper.storage)
        made = optuna.create_study(
            storage=storage,
            study_name=sweeper.study_name,
            sampler=sampler,
            pruner=instantiate(sweeper.pruner, _convert_="all"),
            direction=DIRECTIONS[_mode(sweeper)],
            load_if_exists=True,
        )
    except Exception as error:
        raise ArgumentError(
            f"hydra.sweeper.storage={sweeper.storage} cannot be opened: {type(error).__name__}: {error}. It is a file, or a URL"
            " of Optuna's, as in sqlite:///searches.db."
        ) from error
    check_same_search(made, _search(sweeper, space))
    return made, storage, trials


def _mode(sweeper: "OptunaSweeper") -> Any:
    return sweeper.config.get("monitor_mode", "min")


def _search(sweeper: "OptunaSweeper", space: Space) -> dict[str, str]:
    """Return what makes a search the same: key -> what was typed for it, or holds by default."""
    config = sweeper.config
    directory = Path(config.hydra.sweep.dir).absolute()
    search = {}
    if Path(sweeper.storage).absolute().parent != directory:  # several share it
        search["hydra.sweep.dir"] = str(directory)
    search |= {
        "monitor": typed(config.get("monitor")),
        "monitor_mode": _mode(sweeper),
        "hydra/sweeper/sampler": str(config.hydra.runtime.choices.get("hydra/sweeper/sampler")),
        **space.words(),
    }
    return masked({key: text for key, text in search.items() if key != "sweep.resume"})


def check_same_search(study: optuna.Study, search: Mapping[str, str]) -> None:
    """Note what a new study searches (key -> what was typed); refuse to resume one that searches something else.

    Optuna would accept it and compare values that are not comparable.

    Raises:
        ArgumentError: it is another search.
    """
    before = study.user_attrs.get(SEARCH)
    if before is None:
        study.set_user_attr(SEARCH, dict(search))
        return
    for key in [*before, *search]:
        if before.get(key) != search.get(key):
            was, now = (f"{key}={each[key]}" if key in each else f"no {key}" for each in (before, search))
            raise ArgumentError(
                f"The study '{study.study_name}' is another search: it has {was}, and this command {now}. Its values are not"
                f" comparable with new ones. Type {was} to resume it, or begin a new one: without sweep.resume, with another"
                " hydra.sweep.dir (or hydra.sweeper.study_name, in a storage that several share)."
            )


def in_flight(study: optuna.Study, storage: BaseStorage, space: Space) -> list[Trial]:
    """Return the trials that were drawn and without a result when the process ended; bring the sampler to where it was.

    A sampler's generator is only in memory, and its pickle is not loaded from a sweep's directory: in a study of its own it
    draws again what it drew for the trials that are there. So a trial that was half drawn gets its missing values too.
    """
    trials, sampler = study.get_trials(deepcopy=False), study.sampler
    past = _in_memory(study, storage)
    drawn: dict[int, Trial] = {}
    finished = deque(trial for trial in trials if trial.state.is_finished())
    for trial in trials:
        begun = trial.datetime_start or datetime.min
        while finished and (finished[0].datetime_complete or datetime.max) <= begun:
            _report(past, drawn, finished.popleft())
        drawn[trial.number] = past.ask()
        space.suggest(drawn[trial.number])
    for trial in finished:
        _report(past, drawn, trial)
    running = []
    for trial in trials:
        if trial.state == TrialState.RUNNING:
            values = drawn[trial.number].params
            study.sampler = Points({trial.number: values}) if trial.params.items() <= values.items() else sampler
            running.append(reopened(study, storage, trial.number))
            space.suggest(running[-1])
    study.sampler = sampler
    return running


def _in_memory(study: optuna.Study, storage: BaseStorage) -> optuna.Study:
    """Return a study without trials, with the same sampler, and with the same number, by which a sampler knows a study."""
    memory = optuna.storages.InMemoryStorage()
    for _ in range(storage.get_study_id_from_name(study.study_name)):
        memory.create_new_study(study.directions)
    return optuna.create_study(
        storage=memory, study_name=study.study_name, sampler=study.sampler, pruner=study.pruner, directions=study.directions
    )


def _report(past: optuna.Study, drawn: Mapping[int, Trial], trial: FrozenTrial) -> None:
    """Repeat in a study how a trial went in another one."""
    for step, value in trial.intermediate_values.items():
        drawn[trial.number].report(value, step)
    past.tell(drawn[trial.number], trial.value if trial.state == TrialState.COMPLETE else None, trial.state)
