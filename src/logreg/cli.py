"""What every command of the project shares: Hydra composes, the config is checked, and only then torch is imported.

Hydra's own words and switches stay as they are. What changes is the end: a mistake is told in one paragraph with exit code 2,
a failure with 1, Ctrl-C is 130 and SIGTERM 143.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from logreg import checks, composition_errors, run_directory
from logreg.errors import RunError, UserError

CONF = Path(__file__).parents[2] / "conf"


def main(job: str, config_name: str) -> None:
    """Run `job` once, or once for each job of a sweep, on the config that the command line composes; exit.

    Args:
        job: "module:function", imported once the config is known to be good; the function takes the config.
        config_name: the primary config in conf/.
    """
    want_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets its errors through to us instead of printing them
    OmegaConf.register_new_resolver("run_dir", run_directory.choose)
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(_checked(job, config_name))()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except (UserError, RunError) as error:  # of a sweep's job, told when it happened
        sys.exit(error.exit_code)
    except Exception as error:
        told = composition_errors.explain(error, CONF, config_name)
        if told is None or want_traceback:
            raise
        _tell(told)
        sys.exit(told.exit_code)


def _checked(job: str, config_name: str) -> Callable[[DictConfig], Any]:
    def task(cfg: DictConfig) -> Any:
        try:
            checks.check(cfg, known=_top_level_keys(config_name))
            run_directory.find_checkpoint(cfg.ckpt_path, Path(HydraConfig.get().runtime.output_dir))
            return _load(job)(cfg)
        except (UserError, RunError) as error:
            _forget_empty_directory()
            _tell(error)
            if HydraConfig.get().mode is RunMode.RUN:
                sys.exit(error.exit_code)  # past Hydra, which would print the overrides first
            raise

    return task


def _top_level_keys(config_name: str) -> set[str]:
    """Return the keys and groups that conf/<config_name>.yaml names."""
    primary = OmegaConf.load(CONF / f"{config_name}.yaml")
    groups = {str(group) for entry in primary.defaults if OmegaConf.is_dict(entry) for group in entry}
    return groups | {str(key) for key in primary}


def _load(job: str) -> Callable[[DictConfig], Any]:
    """Import the job. Importing makes a million objects that live to the end: the collector is kept from walking them."""
    module, _, name = job.partition(":")
    gc.disable()
    try:
        return getattr(importlib.import_module(module), name)
    finally:
        gc.freeze()
        gc.enable()


def _forget_empty_directory() -> None:
    """Remove the output directory that Hydra made for a run that never began."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    with contextlib.suppress(OSError):  # not empty, so it is somebody's
        directory.rmdir()
        directory.parent.rmdir()


def _tell(error: Exception) -> None:
    print(textwrap.fill(f"Error: {error}", 110, break_long_words=False, break_on_hyphens=False), file=sys.stderr)
