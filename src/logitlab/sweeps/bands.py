"""Runs that differ only in seed or fold as one curve in TensorBoard: their mean, between the least and the greatest."""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from logitlab.log import event_files
from logitlab.runs import files

FOLDER = "replicates"
"""Within the sweep's directory: a folder for each configuration, made anew whenever the sweep ends."""

TAGS = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")
MOST_RUNS = 200
"""Of a sweep whose curves are read back, 3 ms each of 1,000 epochs."""

Array = NDArray[np.float64]
Curve = Mapping[int, float]
"""Step -> value."""


def write_bands(sweep: Path, groups: Mapping[str, Sequence[Path]]) -> None:
    """Write, for each configuration, the mean curve of its runs with the least and the greatest value.

    TensorBoard shows `<sweep>/replicates/<configuration>` as a run of its own: the mean under the tag that the runs have, so
    that it lies among them, and the band as a chart of CUSTOM SCALARS.

    Args:
        sweep: its directory.
        groups: name of a configuration -> the run directories of its seeds or folds.
    """
    shutil.rmtree(sweep / FOLDER, ignore_errors=True)
    if sum(map(len, groups.values())) > MOST_RUNS:
        return
    for name, runs in groups.items():
        curves = [{tag: dict(zip(*curve, strict=True)) for tag, curve in event_files.scalars(run).items()} for run in runs]
        bands = {
            tag: band([each[tag] for each in curves]) for tag in TAGS if len(runs) > 1 and all(tag in each for each in curves)
        }
        if bands:
            _write(sweep / FOLDER / name.replace("/", "_"), bands)


def band(curves: Sequence[Curve]) -> tuple[list[int], Array, Array, Array]:
    """Return the steps that all curves have, and their mean, least and greatest values there."""
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    values = np.array([[curve[step] for step in steps] for curve in curves])
    return steps, values.mean(axis=0), values.min(axis=0), values.max(axis=0)


def _write(folder: Path, bands: Mapping[str, tuple[list[int], Array, Array, Array]]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from torch.utils.tensorboard.summary import custom_scalars

    charts = {tag: ["Margin", [tag, f"{tag}/low", f"{tag}/high"]] for tag in bands}
    now = time.time()
    head = [
        Event(wall_time=now, file_version="brain.Event:2"),
        Event(wall_time=now, summary=custom_scalars({"Mean of the runs, between the least and the greatest": charts})),
    ]
    parts = [event_files.records([event.SerializeToString() for event in head])]
    for tag, (steps, mean, least, greatest) in bands.items():
        columns = {tag: mean, f"{tag}/low": least, f"{tag}/high": greatest}
        values = {name: each.astype(np.float32) for name, each in columns.items()}
        parts.append(event_files.Curve([now] * len(steps), steps, tuple(values)).records(values))
    folder.mkdir(parents=True)
    files.write(folder / f"events.out.tfevents.{int(now):010d}.{FOLDER}", b"".join(parts))
