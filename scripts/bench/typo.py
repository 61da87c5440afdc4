"""From a typo to its answer.

Help, completion and every mistake in the config are answered before torch is imported.
"""

from functools import partial

from harness import LEAN, USED, alternately, seconds_of, table

COMMANDS = {
    "wrong key": (["optimizer.learning_rate=0.1"], 2),
    "wrong choice": (["model=sequental"], 2),
    "wrong value": (["trainer.max_epochs=ten"], 2),
    "help": (["--help"], 0),
    "config printed": (["--cfg", "job"], 0),
}


def measure(rounds: int) -> str:
    """Return the table."""
    subjects = {
        " ".join(["python train.py", *arguments]): partial(seconds_of, [LEAN, "train.py", *arguments], expect=code)
        for arguments, code in COMMANDS.values()
    }
    times = alternately(subjects, rounds)
    rows = [
        [f"`{name}`", f"{sorted(values)[len(values) // 2]:.2f} s", *times.used(name), "<= 1 s"]
        for name, values in times.items()
    ]
    return table(["", "median", *USED, "target"], rows)
