"""The Optuna study of a search, as the sweeper and the runs of its trials open it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from hydra.utils import instantiate
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from logitlab.runs.files import open_lock
from logitlab.runs.storage import hold

PRUNED = "pruned"
"""The attribute of a trial that the pruner has ended."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


class FileLock:
    """Keeps two processes from writing a journal at once; unlike Optuna's own locks it ends with a process that is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._file = open_lock(self._path)
        hold(self._file, self._path.parent, wait=True)
        return True

    def release(self) -> None:
        """Give it back."""
        self._file.close()


def open_storage(storage: str) -> BaseStorage:
    """Return the storage that a URL of Optuna's names, or the journal in a file."""
    if "://" in storage:
        return optuna.storages.get_storage(storage)
    lock: Any = FileLock(Path(storage).with_name(f".{Path(storage).name}.lock"))
    return JournalStorage(JournalFileBackend(storage, lock_obj=lock))


def truncate_to_whole_lines(journal: Path) -> None:
    """Remove the half line that a full disk or a power cut left at a journal's end: Optuna reads nothing behind it."""
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


class OptunaTrial:
    """The trial that a run is, as the run sees it, in whatever process."""

    def __init__(self, sweeper: Mapping[str, Any], number: int) -> None:
        """Open the study that `hydra.sweeper` of the run names, at the trial of that number."""
        storage = open_storage(sweeper["storage"])
        study = optuna.load_study(
            study_name=sweeper["study_name"],
            storage=storage,
            sampler=RandomSampler(),  # draws nothing before it is asked
            pruner=instantiate(sweeper["pruner"]),
        )
        [frozen] = [trial for trial in study.get_trials(deepcopy=False) if trial.number == number]
        self._trial = reopened(study, storage, number)
        self._reported = set(frozen.intermediate_values)
        self.pruned = PRUNED in frozen.user_attrs

    def report(self, value: float, epochs: int) -> None:
        """Report the metric to Optuna, unless a resumed run has done so before, and ask its pruner."""
        if epochs not in self._reported:
            self._trial.report(value, epochs)
        if not self.pruned and self._trial.should_prune():
            self._trial.set_user_attr(PRUNED, True)  # at once: the process may be killed before it ends
            self.pruned = True


def reopened(study: optuna.Study, storage: BaseStorage, number: int) -> optuna.Trial:
    """Return the trial of that number so that it can be written to; `storage` is the study's."""
    study_id = storage.get_study_id_from_name(study.study_name)
    return optuna.Trial(study, storage.get_trial_id_from_study_id_trial_number(study_id, number))
