"""The first line of every command: train.py and its neighbours, `logitlab train` and `python -m logitlab train`.

Nothing is imported here that takes time; Hydra takes a third of a second. Ctrl-C ends with exit code 130 from here on.
"""

import os
import signal
import sys

COMMANDS = {
    "train": ("logitlab.experiment:train", "Train a logistic regression, or a sweep of them (-m)"),
    "predict": ("logitlab.inference.jobs:predict", "Predict the rows of a table with a trained run"),
    "evaluate": ("logitlab.inference.jobs:evaluate", "Compute the metrics of a trained run on a table with answers"),
    "explain": ("logitlab.inference.jobs:explain", "Describe in sentences what a trained run has learnt"),
    "export": ("logitlab.inference.jobs:export", "Export a trained run as ONNX and torch.export programs, or SQL"),
    "serve": ("logitlab.inference.jobs:serve", "Answer requests with a trained run's predictions, over HTTP"),
    "report": ("logitlab.reporting.job:report", "Write a run, or a sweep, into one HTML file"),
    "select_penalty": ("logitlab.selection.job:select", "Choose the penalty by cross-validation, then train with it"),
}
"""Command -> the job, "module:function", and what it does. Its config is conf/<command>.yaml, of train conf/config.yaml."""

USAGE = """Usage: {program} COMMAND [GROUP=CHOICE ...] [KEY=VALUE ...]

{commands}

{program} COMMAND --help lists the choices and keys of a command. Runs go to outputs/ in the current folder.
Exit codes: 0 done, 1 failed while running, 2 an error in the command or the data, 130 Ctrl-C, 143 SIGTERM."""


def main(command: str) -> None:
    """Run a command of COMMANDS with the arguments in `sys.argv[1:]`, and exit.

    A Ctrl-C before the job begins ends the process in one step. An exception would not do: some libraries catch it, or print a
    traceback, while they are imported, and Hydra turns it into another error while it composes.
    """
    earlier = signal.getsignal(signal.SIGINT)
    if earlier is signal.default_int_handler:  # nohup and the like have Ctrl-C ignored
        signal.signal(signal.SIGINT, _stop)
    try:
        from logitlab.cli import run_command

        job, _ = COMMANDS[command]
        run_command.main(job, "config" if command == "train" else command, lambda: signal.signal(signal.SIGINT, earlier))
    except KeyboardInterrupt:
        _stop(signal.SIGINT, None)


def console() -> None:
    """Run `logitlab COMMAND [KEY=VALUE ...]`, which is also `python -m logitlab COMMAND ...`."""
    program = "python -m logitlab" if sys.argv[0].endswith("__main__.py") else "logitlab"
    command, *arguments = sys.argv[1:] or [""]
    if command in COMMANDS:
        sys.argv = [f"{program} {command}", *arguments]
        main(command)
    elif command in ("-h", "--help"):
        commands = "\n".join(f"  {name:<16}{summary}" for name, (_, summary) in COMMANDS.items())
        print(USAGE.format(program=program, commands=commands))
    elif command == "--version":
        from importlib.metadata import version

        print(f"logitlab {version('logitlab')}")
    else:
        from logitlab.errors import UserError, did_you_mean, print_error

        hint = did_you_mean(command, COMMANDS) if command else ""
        problem = f"'{command}' is not a command of {program}." if command else "No command was given."
        print_error(UserError(f"{problem}{hint} There are: {', '.join(COMMANDS)}. `{program} --help` describes them."))
        sys.exit(UserError.exit_code)


def _stop(number: int, frame: object) -> None:
    os._exit(128 + number)
