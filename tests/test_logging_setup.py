"""Noise: Lightning's chatter is hidden, what a person asked for is shown, and once."""

import logging
import subprocess
import sys
import threading
import warnings

import pytest
from processes import environment

from logitlab import logging_setup


def test_lightning_talks_of_itself_in_warnings_only() -> None:
    logging_setup.quiet_libraries()
    assert not logging.getLogger("lightning.pytorch.trainer.setup").isEnabledFor(logging.INFO)
    assert not logging.getLogger("lightning.fabric.utilities.seed").isEnabledFor(logging.INFO)
    assert logging.getLogger("lightning.pytorch.profilers.profiler").isEnabledFor(logging.INFO)
    assert logging.getLogger("lightning.pytorch.callbacks.early_stopping").isEnabledFor(logging.INFO)


def test_a_thousand_runs_in_one_process_set_no_hook_a_thousand_times() -> None:
    before = threading.excepthook, sys.excepthook
    for _ in range(1100):
        logging_setup.quiet_libraries()
    assert (threading.excepthook, sys.excepthook) == before


def test_other_warnings_still_come() -> None:
    logging_setup.quiet_libraries()
    with pytest.raises(UserWarning, match="something new"):  # warnings are errors here, unless somebody ignores them
        warnings.warn("something new", stacklevel=1)


def test_a_line_of_a_callback_comes_once_beside_hydras_handler() -> None:
    code = (
        "import logging; logging.basicConfig(); import lightning.pytorch;"
        " from logitlab import logging_setup; logging_setup.quiet_libraries();"
        "logging.getLogger('lightning.pytorch.callbacks.early_stopping').info('improved')"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr.count("improved") == 1
