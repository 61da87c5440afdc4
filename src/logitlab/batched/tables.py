"""The rows of members: one table for all, or one for each fold of a cross-validation."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from logitlab import build
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.table_files import table_files
from logitlab.monitor import Monitor
from logitlab.penalties import ElasticNet
from logitlab.runs import environment
from logitlab.runs.run_directory import as_json
from logitlab.training.module import LogisticRegression


class Table:
    """The data of some members and an ordinary module for it, into which one of them is put to be written.

    Attributes:
        datamodule: the rows.
        template: the module.
        monitor: the metric that the members are ranked by.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Build what the run of a config would build.

        Raises:
            UserError: it cannot be built.
        """
        cfg = OmegaConf.create(dict(config))
        self.datamodule: InMemoryDataModule = build.build_datamodule(cfg)
        self.template: LogisticRegression = build.build_module(cfg, self.datamodule)
        build.build_selection(cfg).check(self.datamodule.rows("val"))
        self.monitor: Monitor = build.build_monitor(cfg, self.datamodule, self.template)
        self._files = table_files(config["data"])
        self._loss_and_penalty: dict[str, Any] = {}

    @cached_property
    def environment(self) -> str:
        """The content of environment.json."""
        return as_json(environment.snapshot(self.datamodule.description["fingerprint"], self._files))

    @cached_property
    def files(self) -> Mapping[str, str]:
        """What the data's summary puts into each run directory."""
        return self.datamodule.data_summary.files()

    @property
    def form(self) -> tuple[Any, ...]:
        """What two tables have in common whose members can be trained together: features, and batches in an epoch."""
        splits = {name: self.datamodule.rows(name) for name in ("train", "val")}
        return self.datamodule.feature_names, *(None if rows is None else self._batches(len(rows)) for rows in splits.values())

    def _batches(self, rows: int) -> int:
        return -(-rows // (self.datamodule.batch_size or rows))

    def loss_and_penalty(self, config: Mapping[str, Any]) -> tuple[torch.nn.Module, ElasticNet]:
        """Return the loss and the penalty of a member.

        Raises:
            UserError: they do not go with these rows.
        """
        key = json.dumps([config["loss"], config["penalty"]], sort_keys=True, default=str)
        if key not in self._loss_and_penalty:
            cfg: DictConfig = OmegaConf.create({part: config[part] for part in ("loss", "penalty")})
            loss = build.build_loss(cfg, self.template.network, self.datamodule)
            self._loss_and_penalty[key] = loss, build.build_penalty(cfg, self.datamodule)
        return self._loss_and_penalty[key]
