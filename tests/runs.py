"""Configs composed as train.py composes them, and what a finished run has left behind, read by TensorBoard's own reader."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

from logitlab.cli.run_command import CONF
from logitlab.runs import run_directory
from logitlab.runs.checkpoint_io import load

OmegaConf.register_new_resolver("run_dir", run_directory.choose, replace=True)


def compose_config(*overrides: str, directory: Path, name: str = "config") -> DictConfig:
    """Return conf/<name>.yaml as `overrides` make it, with Hydra's own config set for a run in `directory`."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(name, overrides=[f"hydra.run.dir={directory}", *overrides], return_hydra_config=True)
    with read_write(cfg), open_dict(cfg):
        cfg.hydra.runtime.output_dir = str(directory)
        HydraConfig.instance().set_config(cfg)
        job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    OmegaConf.set_struct(job, True)
    return job


@dataclass
class Run:
    """A run directory, read back.

    Attributes:
        path: the run directory.
        value: what train() returned, where it ran in this process.
    """

    path: Path
    value: float | None = None

    def curve(self, tag: str = "train/loss") -> dict[int, float]:
        """Return step -> value of one scalar."""
        return {event.step: event.value for event in self.events().Scalars(tag)}

    def events(self) -> EventAccumulator:
        accumulator = EventAccumulator(str(self.path), size_guidance={"scalars": 0, "tensors": 0, "images": 0, "histograms": 0})
        accumulator.Reload()
        return accumulator

    def checkpoint(self, name: str = "last") -> dict[str, Any]:
        return load(self.path / "checkpoints" / f"{name}.ckpt")

    def state(self, name: str = "last") -> dict[str, torch.Tensor]:
        return self.checkpoint(name)["state_dict"]

    def json(self, name: str = "metrics.json") -> dict[str, Any]:
        return json.loads((self.path / name).read_text())

    def summary_lines(self, text: str) -> dict[str, str]:
        """Return name -> value of the closing summary."""
        rows = [line.strip().rsplit("  ", 1) for line in text.splitlines() if line.startswith("  ")]
        return {name.strip(): value.strip() for name, value in rows}


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Return whether two state dicts are equal: bit for bit, unless a tolerance is given."""
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], rtol, atol) for name in one)


def same_curves(one: Run, other: Run, **tolerance: float) -> bool:
    """Return whether two runs have the same scalars at the same steps, each once, and no histogram twice at a step."""
    events = one.events(), other.events()
    for each in events:
        for tag in each.Tags()["histograms"]:
            steps = [event.step for event in each.Histograms(tag)]
            assert len(set(steps)) == len(steps), tag
    tags = [sorted(each.Tags()["scalars"]) for each in events]
    assert tags[0] == tags[1]
    for tag in tags[0]:
        steps, others = ([event.step for event in each.Scalars(tag)] for each in events)
        assert steps == others, tag
        assert len(set(steps)) == len(steps), tag
        values, others = ([event.value for event in each.Scalars(tag)] for each in events)
        assert values == (pytest.approx(others, **tolerance, nan_ok=True) if tolerance else others), tag
    return True


def same_results(one: Run, other: Run) -> bool:
    """Return whether two runs have the same weights, curves and files, bit for bit."""
    for name in ("last", "best"):
        assert same_weights(one.state(name), other.state(name)), name
    for name in ("metrics.json", "coefficients.csv", "statistics.json"):
        assert (one.path / name).read_text() == (other.path / name).read_text(), name
    return same_curves(one, other)


def session_groups(logdir: Path) -> list[api_pb2.SessionGroup]:
    """Return what the HPARAMS tab of TensorBoard shows for a log folder, asked of the plugin that serves it."""
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(logdir))
    backend = backend_context.Context(TBContext(data_provider=provider))
    every = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_RUNNING, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE]
    request = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=every, start_index=0, slice_size=100, aggregation_type=api_pb2.AGGREGATION_AVG
    )
    return list(list_session_groups.Handler(RequestContext(), backend, "", request).run().session_groups)


def rows(sweep: Path) -> list[dict[str, str]]:
    """Return a sweep's table, sweep.csv, without times."""
    with (sweep / "sweep.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def finished(sweep: Path) -> dict[str, int]:
    """Return the time of writing of every finished run's last checkpoint."""
    paths = [path.parent for path in sweep.glob("*/status.json") if json.loads(path.read_text())["status"] == "finished"]
    return {path.name: (path / "checkpoints" / "last.ckpt").stat().st_mtime_ns for path in paths}
