"""A table with numbers and a category, and a run trained on it, for the tests of what comes after training."""

from pathlib import Path

import numpy as np
import polars as pl
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from runs import Run, compose_config

from logitlab.cli import checks
from logitlab.cli.primary_configs import top_level_keys
from logitlab.cli.run_command import CONF


def write_table(path: Path, rows: int = 300, seed: int = 5) -> Path:
    """Write a CSV: id, age, city (a category), height, passed (yes or no)."""
    generator = np.random.default_rng(seed)
    age, height = generator.normal(40, 12, rows).round(1), generator.normal(1.7, 0.1, rows).round(3)
    city = generator.choice(["Graz", "Linz", "Wien"], rows)
    logit = (age - 40) / 8 + 2 * (city == "Wien") - 0.5 + generator.logistic(size=rows)
    passed = np.where(logit > 0, "yes", "no")
    ids = [f"{number:05}" for number in range(rows)]
    pl.DataFrame({"id": ids, "age": age, "city": city, "height": height, "passed": passed}).write_csv(path)
    return path


def train_table(folder: Path, *overrides: str) -> Run:
    """Train a run in folder/run on folder/table.csv."""
    from logitlab.experiment import train

    path = write_table(folder / "table.csv")
    cfg = compose_config(
        *("data=table", f"data.path={path}", "data.target=passed", "data.positive=yes", "data.drop=[id]"),
        *("optimizer=adam", "trainer.max_epochs=30", "threshold=f1", *overrides),
        directory=folder / "run",
    )
    return Run(folder / "run", train(cfg))


def compose_job(name: str, *overrides: str) -> DictConfig:
    """Return the checked config that the command line `python <name>.py <overrides>` gives."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(name, overrides=list(overrides))
    OmegaConf.set_struct(cfg, True)
    checks.check(cfg, known=top_level_keys(name, CONF))
    return cfg
