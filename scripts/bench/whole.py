"""The whole process, from the shell's command to its prompt.

1,001 epochs on the six rows of the toy data. The plain script is the tutorial as printed; the stock script is the same training
with Lightning's defaults. Ours does all that theirs does and more: it composes and checks a config, writes the TensorBoard log
with HPARAMS, two synced checkpoints, the metrics, the coefficients and the environment. Ours imports torch and Lightning with
Python's garbage collector held still; the rivals do not.
"""

import tempfile
from functools import partial

from harness import LEAN, RIVALS, alternately, comparison, headline, seconds_of

PLAIN, OURS, STOCK = "plain torch script", "python train.py", "stock Lightning script"


def measure(rounds: int) -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            PLAIN: [LEAN, str(RIVALS / "plain_tutorial.py")],
            OURS: [LEAN, "train.py", f"hydra.run.dir={folder}/${{now:%f}}"],
            STOCK: [LEAN, str(RIVALS / "stock_lightning.py"), folder],
        }
        times = alternately({name: partial(seconds_of, command) for name, command in commands.items()}, rounds)
    headline("1,001 epochs on six rows, the whole command", times, OURS, [PLAIN, STOCK])
    return comparison(times, PLAIN, {OURS: "<= 1.6, aim 1.3"})
