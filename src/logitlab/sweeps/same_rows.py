"""Whether a table is still the one that a run of a sweep was trained on, or was moved since."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from logitlab.data.table_files import table_files
from logitlab.errors import Changed, UserError
from logitlab.runs.small_files import or_note, read_json

Describe = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Build the data of a run's config and return their description (`logitlab.data.description.describe`)."""

ADVICE = "Put back the table that it was trained on, or begin a new sweep: without sweep.resume, with another hydra.sweep.dir."


class SameRows:
    """Compares the table of a run's config with what runs of the sweep have noted of theirs.

    Files of the same path, size and time are taken as the same. Otherwise `describe` reads or makes the rows, to be compared.
    """

    def __init__(self, config: Mapping[str, Any], describe: Describe) -> None:
        self._rows = partial(describe, config)
        self._files = table_files(config["data"]) if isinstance(config.get("data"), Mapping) else []

    def is_moved(self, directory: Path) -> bool:
        """Whether the run in a directory has this run's rows, from files of other names."""
        noted = _noted(directory)
        if not noted or [each[1:2] for each in noted.get("data_files") or ()] != [each[1:2] for each in self._files]:
            return False
        try:
            return bool(self._rows()["fingerprint"] == noted.get("data_fingerprint"))
        except UserError:
            return False

    def check(self, directory: Path) -> None:
        """End the sweep where the run in a directory was trained on other rows.

        Raises:
            Changed: it was; exit code 2.
        """
        noted = _noted(directory)
        if not noted or noted.get("data_files") is None or (self._files and noted["data_files"] == self._files):
            return
        from logitlab.data.description import check_same_data

        try:
            check_same_data(_described(directory, noted), self._rows(), f"the run {directory.name} of this sweep", ADVICE)
        except UserError as error:
            raise Changed(str(error)) from error


def _noted(directory: Path) -> dict[str, Any] | None:
    return or_note(lambda: read_json(directory / "environment.json", dict), lambda words: None)


def _described(directory: Path, noted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the description of the run's rows: its checkpoint has more than the fingerprint."""
    from logitlab.runs.checkpoint_io import load
    from logitlab.runs.resume import rows_of

    try:
        return rows_of(load(directory / "checkpoints" / "last.ckpt"), directory)
    except UserError:
        return {"fingerprint": noted.get("data_fingerprint")}
