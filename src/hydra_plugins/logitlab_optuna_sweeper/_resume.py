"""A study that is gone on with: the same search, its trials in flight, and a sampler that stands where it stood."""

from collections import deque
from collections.abc import Mapping

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from hydra_plugins.logitlab_optuna_sweeper._space import Space
from logitlab.cli.arguments import ArgumentError
from logitlab.sweeps.points import Points
from logitlab.sweeps.study import handle

SEARCH = "search"
"""The study's attribute that holds what it searches."""


def check_same_search(study: optuna.Study, search: Mapping[str, str]) -> None:
    """Note what a new study searches; refuse to go on with one that searches something else.

    Optuna would take it, and compare values that do not compare.

    Args:
        study: new or not.
        search: key -> what was typed, and what else makes the search.

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
                f"The study '{study.study_name}' is another search: it has {was}, and this command {now}. Its values do not"
                f" compare with new ones. Type {was} to go on with it, or begin a new one: without sweep.resume, with another"
                " hydra.sweep.dir (or hydra.sweeper.study_name, in a storage that several share)."
            )


def in_flight(study: optuna.Study, space: Space) -> list[Trial]:
    """Return the trials that were drawn and not told when the process ended, and let the sampler catch up.

    A sampler's generator lives in memory: it draws again, in a study of its own, what it drew for the trials that are there,
    and then goes on as if it had not been interrupted. A trial that was killed while it was drawn gets its missing values so.
    """
    trials, sampler = study.get_trials(deepcopy=False), study.sampler
    past = _in_memory(study)
    drawn: dict[int, Trial] = {}
    told = deque(trial for trial in trials if trial.state.is_finished())
    for trial in trials:
        while told and _was_told_before(told[0], trial):
            _tell(past, drawn, told.popleft())
        drawn[trial.number] = past.ask()
        space.suggest(drawn[trial.number])
    for trial in told:
        _tell(past, drawn, trial)
    running = []
    for trial in trials:
        if trial.state == TrialState.RUNNING:
            values = drawn[trial.number].params
            study.sampler = Points({trial.number: values}) if trial.params.items() <= values.items() else sampler
            running.append(handle(study, trial))
            space.suggest(running[-1])
    study.sampler = sampler
    return running


def _in_memory(study: optuna.Study) -> optuna.Study:
    """Return a study without trials, with the same sampler, which knows a study by its number: it gets the same one."""
    storage = optuna.storages.InMemoryStorage()
    for _ in range(study._study_id):
        storage.create_new_study(study.directions)
    return optuna.create_study(
        storage=storage, study_name=study.study_name, sampler=study.sampler, pruner=study.pruner, directions=study.directions
    )


def _was_told_before(earlier: FrozenTrial, trial: FrozenTrial) -> bool:
    done, begun = earlier.datetime_complete, trial.datetime_start
    return done is not None and begun is not None and done <= begun


def _tell(past: optuna.Study, drawn: Mapping[int, Trial], trial: FrozenTrial) -> None:
    """Let a study know how a trial went in another one."""
    for step, value in trial.intermediate_values.items():
        drawn[trial.number].report(value, step)
    past.tell(drawn[trial.number], trial.value if trial.state == TrialState.COMPLETE else None, trial.state)
