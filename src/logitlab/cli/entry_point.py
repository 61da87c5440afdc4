"""What the doors (train.py, predict.py, ...) open with: from the first line on Ctrl-C is answered by exit code 130.

Nothing is imported here that takes time; Hydra takes a third of a second.
"""

import os
import signal
from functools import partial
from types import FrameType


def main(job: str, config_name: str) -> None:
    """Run `logitlab.cli.run_command.main`; a Ctrl-C before the job begins ends the process in one step.

    An exception would not do: there are libraries that catch it, or print a traceback, while they are imported, and Hydra makes
    another fault of it while it composes.

    Args:
        job: "module:function".
        config_name: the primary config in conf/.
    """
    earlier = signal.getsignal(signal.SIGINT)
    if earlier is signal.default_int_handler:  # nohup and the like have Ctrl-C ignored
        signal.signal(signal.SIGINT, _stop)
    try:
        from logitlab.cli import run_command

        run_command.main(job, config_name, partial(signal.signal, signal.SIGINT, earlier))
    except KeyboardInterrupt:
        _stop(signal.SIGINT, None)


def _stop(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)
