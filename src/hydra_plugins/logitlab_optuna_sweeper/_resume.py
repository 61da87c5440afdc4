"""Resume a study: check that it is the same search, reopen its trials in flight, bring the sampler to where it was."""

from collections import deque
from collections.abc import Mapping

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from hydra_plugins.logitlab_optuna_sweeper._space import Space
from logitlab.cli.arguments import ArgumentError
from logitlab.sweeps.points import Points
from logitlab.sweeps.study import reopened

SEARCH = "search"
"""The study's attribute that holds what it searches."""


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
        while finished and _ended_before(finished[0], trial):
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


def _ended_before(earlier: FrozenTrial, trial: FrozenTrial) -> bool:
    done, begun = earlier.datetime_complete, trial.datetime_start
    return done is not None and begun is not None and done <= begun


def _report(past: optuna.Study, drawn: Mapping[int, Trial], trial: FrozenTrial) -> None:
    """Repeat in a study how a trial went in another one."""
    for step, value in trial.intermediate_values.items():
        drawn[trial.number].report(value, step)
    past.tell(drawn[trial.number], trial.value if trial.state == TrialState.COMPLETE else None, trial.state)
