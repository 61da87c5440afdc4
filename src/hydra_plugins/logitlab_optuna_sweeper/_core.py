"""What the sweeper does: ask for trials, launch their runs together, report their results."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from omegaconf import OmegaConf
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState

from hydra_plugins.logitlab_optuna_sweeper import _setup
from hydra_plugins.logitlab_optuna_sweeper._space import Space
from logitlab.runs import files
from logitlab.runs.run_directory import typed_yaml
from logitlab.sweeps import member
from logitlab.sweeps.report import short
from logitlab.sweeps.study import PRUNED

if TYPE_CHECKING:
    from hydra_plugins.logitlab_optuna_sweeper.optuna_sweeper import OptunaSweeper

log = logging.getLogger(__name__)

RESULTS = "optimization_results.yaml"


def sweep(sweeper: "OptunaSweeper", arguments: Sequence[str]) -> list[Sequence[JobReturn]]:
    """Run a study to its end; see OptunaSweeper.

    Raises:
        ArgumentError: an error in the command, found before any run.
    """
    typed = [f"{key}={value}" for key, value in (sweeper.params or {}).items()] + list(arguments)
    parser = OverridesParser.create(config_loader=sweeper.hydra_context.config_loader)
    space = Space(parser.parse_overrides(typed))
    _setup.check(sweeper, space)
    directory = Path(sweeper.config.hydra.sweep.dir)
    directory.mkdir(parents=True, exist_ok=True)
    files.write(directory / "multirun.yaml", typed_yaml(sweeper.config))
    return Search(sweeper, space, *_setup.study(sweeper, space), directory).run()


@dataclass
class Search:
    """A study, new or resumed, in its storage, the number of trials that it is to have, and the sweep's directory."""

    sweeper: "OptunaSweeper"
    space: Space
    study: optuna.Study
    storage: BaseStorage
    trials: int
    directory: Path
    _answers: dict[tuple[str, ...], tuple[TrialState, float | None]] = field(default_factory=dict)

    def run(self) -> list[Sequence[JobReturn]]:
        """Launch what is in flight, then new trials, `n_jobs` at a time; write the best down."""
        self._collect_results()
        waiting = _setup.in_flight(self.study, self.storage, self.space)
        returns = []
        while batch := self._batch(waiting):
            waiting = waiting[len(batch) :]
            returns.append(self._launch(batch))
            if self._is_futile():
                log.info("Every run failed by an error in the command or the data: the search ends before its first trial.")
                return returns
            for trial in batch:
                state, value = self._answers[self._command(trial.params)]
                self.study.tell(trial, value if state == TrialState.COMPLETE else None, state)
            if returns[-1]:  # not all of them had been run before
                self._log_progress()
        self._write_best()
        return returns

    def _collect_results(self) -> None:
        """Take the results of the trials that are done: the same values are not trained twice."""
        trials = self.study.get_trials(deepcopy=False)
        done = [trial for trial in trials if trial.state.is_finished()]
        for trial in done:
            self._answers[self._command(trial.params)] = trial.state, trial.value
        if trials:
            log.info(f"Resuming a search: {len(done):,} trials done, {len(trials) - len(done):,} in flight.")

    def _batch(self, waiting: Sequence[Trial]) -> list[Trial]:
        """Return the trials of the next launch: to the end of a batch, so that a search that was killed has the same ones."""
        batch, together = list(waiting[: self.sweeper.n_jobs]), self.sweeper.n_jobs
        asked = len(self.study.get_trials(deepcopy=False))
        while len(batch) < together and asked < self.trials and not (batch and asked % together == 0):
            batch.append(self.study.ask())
            self.space.suggest(batch[-1])
            asked += 1
        return batch

    def _launch(self, batch: Sequence[Trial]) -> Sequence[JobReturn]:
        """Run trials, of equal ones the first alone."""
        trials: dict[tuple[str, ...], Trial] = {}
        for trial in batch:
            command = self._command(trial.params)
            if command not in self._answers:
                trials.setdefault(command, trial)
        jobs = [self._job(command, trial) for command, trial in trials.items()]
        self.sweeper.validate_batch_is_legal(jobs)
        returns = self.sweeper.launcher.launch(jobs, initial_job_idx=batch[0].number) if jobs else []
        pruned = {trial.number for trial in self.study.get_trials(deepcopy=False) if PRUNED in trial.user_attrs}
        for (command, trial), done in zip(trials.items(), returns, strict=True):
            self._answers[command] = _outcome(done.return_value, trial.number in pruned)
        return returns

    def _command(self, values: dict[str, Any]) -> tuple[str, ...]:
        return tuple(self.space.overrides(values))

    def _job(self, command: Sequence[str], trial: Trial) -> list[str]:
        """Return the overrides of a trial's run, with the trial's number where it can be pruned."""
        return [*command, *([f"sweep.trial={trial.number}"] if self.sweeper.prunes else [])]

    def _log_progress(self) -> None:
        states = [trial.state for trial in self.study.get_trials(deepcopy=False) if trial.state.is_finished()]
        ends = [(states.count(TrialState.PRUNED), "pruned"), (states.count(TrialState.FAIL), "failed")]
        others = ", ".join(f"{number:,} {word}" for number, word in ends if number)
        best = self._best()
        words = f"best {best.value:.6g} in trial {best.number}" if best else "none with a value yet"
        log.info(f"{len(states):,} of {self.trials:,} trials{f' ({others})' if others else ''}: {words}")

    def _best(self) -> optuna.trial.FrozenTrial | None:
        complete = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return self.study.best_trial if complete else None

    def _is_futile(self) -> bool:
        """Whether all runs were refused before they trained: the others would be too. Such trials stay in flight."""
        if any(state != TrialState.FAIL for state, _ in self._answers.values()):
            return False
        found = [status for _, status in member.statuses(self.directory)]
        return bool(found) and all(status.mistake for status in found)

    def _write_best(self) -> None:
        best = self._best()
        if best is None:
            return
        results = {
            "name": "optuna",
            "best_params": self.space.typed(best.params),
            "best_value": best.value,
            "best_trial": best.number,
        }
        files.write(self.directory / RESULTS, OmegaConf.to_yaml(OmegaConf.create(results)))
        values = " ".join(f"{name}={short(str(value))}" for name, value in best.params.items())
        log.info(f"Best: {best.value:.6g} with {values}, in {self.directory / RESULTS}")


def _outcome(value: Any, pruned: bool) -> tuple[TrialState, float | None]:
    """Return a trial's state and value, of what its run returned: a failed one NaN, one without a metric None."""
    if pruned:
        return TrialState.PRUNED, None
    if not isinstance(value, int | float) or math.isnan(value):
        return TrialState.FAIL, None
    return TrialState.COMPLETE, float(value)
