"""What happens before the first trial: the checks, and the study."""

from collections.abc import Mapping
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

from hydra_plugins.logitlab_optuna_sweeper._resume import check_same_search
from hydra_plugins.logitlab_optuna_sweeper._space import Space
from logitlab import rules
from logitlab.cli import checks, run_command, targets
from logitlab.cli.arguments import ArgumentError
from logitlab.errors import UserError
from logitlab.masking import masked
from logitlab.overrides import typed
from logitlab.sweeps.composition import Base
from logitlab.sweeps.points import Values
from logitlab.sweeps.study import open_storage, truncate_to_whole_lines

if TYPE_CHECKING:
    from hydra_plugins.logitlab_optuna_sweeper.optuna_sweeper import OptunaSweeper

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
    targets.check_target(f"hydra.sweeper.{name}", node)


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
        job.check(OmegaConf.create(Base(cfg, ()).plain({})))


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
