"""The Optuna study of a search, as the sweeper and the runs of its trials open it."""

import fcntl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from hydra.utils import instantiate
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.WARNING)


class FileLock:
    """Keeps two processes from writing a journal at once; unlike Optuna's own locks it ends with a process that is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
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


def mend(journal: Path) -> None:
    """Cut off the half line that a full disk or a power cut left at a journal's end: Optuna reads nothing behind it."""
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def trial_at_hand(sweeper: Mapping[str, Any], number: int) -> optuna.Trial:
    """Return a trial of the study that a sweeper's config names, to report to from a run.

    Args:
        sweeper: `hydra.sweeper` of the run.
        number: of the trial.
    """
    study = optuna.load_study(
        study_name=sweeper["study_name"],
        storage=open_storage(sweeper["storage"]),
        sampler=RandomSampler(),  # draws nothing before it is asked
        pruner=instantiate(sweeper["pruner"]),
    )
    return handle(study, study.trials[number])


def handle(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> optuna.Trial:
    """Return a trial of the study that can be written to."""
    return optuna.Trial(study, trial._trial_id)
