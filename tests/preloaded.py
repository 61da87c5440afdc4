"""What the fork server imports once for all commands: nothing here runs an operation of torch or polars, which begin threads.

The config is composed once as well, so that the grammars of Hydra's overrides are read.
"""

import gc
import importlib

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from logitlab.cli import entry_point
from logitlab.recorded import CONF

JOBS = [job.partition(":")[0] for job, _ in entry_point.COMMANDS.values()]
BUILT_LATE = ["logitlab.results.dashboard", "logitlab.results.coefficients", "logitlab.data.table", "logitlab.solvers.solver"]

for module in ("logitlab.cli.run_command", *JOBS, *BUILT_LATE):
    importlib.import_module(module)
with initialize_config_dir(str(CONF), version_base="1.3"):
    compose("config", overrides=["hydra.run.dir=run", "trainer.max_epochs=2"])
GlobalHydra.instance().clear()
gc.collect()
gc.freeze()
