"""Every number that the tutorials print, beside the project's own.

python scripts/tutorials.py            (make tutorials)
python scripts/tutorials.py --fold     without the middle of long cost curves; all numbers are still compared
python scripts/tutorials.py trainer.accelerator=gpu    with overrides of every experiment

Each experiment is trained by the project's own `train`: the cost curve is read back from the run's TensorBoard log with
TensorBoard's reader, the parameters and predictions from its checkpoint. Exits with 1 if a number differs by more than one unit
in the last place that the tutorial prints.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from logitlab.build import build_datamodule, build_module
from logitlab.cli.run_command import CONF
from logitlab.experiment import train
from logitlab.networks import LinearNetwork
from logitlab.runs.checkpoint_io import load

PRINTED = Path(__file__).with_name("tutorials.json")
AT_MOST_IN_A_LINE = 3


@dataclass(frozen=True)
class Pair:
    """One printed number (or True, False) and the project's value for it."""

    printed: str
    value: float | bool

    @property
    def shown(self) -> str:
        """The project's value with the digits that the tutorial gives."""
        if isinstance(self.value, bool):
            return str(self.value)
        if "e" in self.printed:
            digits = len(self.printed.partition("e")[0].partition(".")[2])
            return f"{self.value:.{digits}e}"
        return f"{self.value:.{-unit(self.printed).adjusted()}f}"

    @property
    def is_same(self) -> bool:
        """Every printed digit agrees."""
        return self.shown == self.printed

    @property
    def agrees(self) -> bool:
        """The last printed digit is off by one at most."""
        if isinstance(self.value, bool):
            return self.is_same
        return abs(Decimal(self.shown) - Decimal(self.printed)) <= unit(self.printed)


def unit(printed: str) -> Decimal:
    """Return one unit in the last printed place: 0.0001 for "0.4020", 1e-8 for "2.7616e-04"."""
    exponent = Decimal(printed).as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(1).scaleb(exponent)


Line = tuple[str, list[Pair]]


@dataclass(frozen=True)
class Trained:
    """What one experiment left behind.

    Attributes:
        start: the network before the first update.
        end: the network that the checkpoint holds.
        curve: step -> value, for each scalar of the TensorBoard log.
        features: (rows, features).
        target: (rows, 1).
    """

    start: LinearNetwork
    end: LinearNetwork
    curve: dict[str, dict[int, float]]
    features: Tensor
    target: Tensor


def run(experiment: str, folder: Path, overrides: Sequence[str] = ()) -> Trained:
    """Train an experiment in `folder` and read back what it wrote."""
    cfg = composed([f"experiment={experiment}", *overrides], folder)
    pl.seed_everything(cfg.seed, verbose=False)
    datamodule = build_datamodule(cfg)
    start = build_module(cfg, datamodule).network
    assert isinstance(start, LinearNetwork)
    with contextlib.redirect_stdout(io.StringIO()):
        train(cfg)
    checkpoint = load(folder / "checkpoints" / "last.ckpt")
    end = instantiate(checkpoint["hyper_parameters"]["network"])
    prefix = "network."
    weights = {name: value for name, value in checkpoint["state_dict"].items() if name.startswith(prefix)}
    end.load_state_dict({name.removeprefix(prefix): value for name, value in weights.items()})
    rows = datamodule.rows("train")
    assert rows is not None
    return Trained(start, end, scalars(folder), rows.features, rows.target)


def composed(overrides: Sequence[str], folder: Path) -> DictConfig:
    """Return the config of `python train.py OVERRIDES`, with Hydra told that it is the one that runs, in `folder`."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", list(overrides), return_hydra_config=True)
    with open_dict(cfg):
        cfg.hydra.runtime.output_dir = str(folder)
        HydraConfig.instance().set_config(cfg)
        del cfg["hydra"]
    return cfg


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Return every scalar of a run, by name and step, as TensorBoard reads it."""
    log = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {name: {point.step: point.value for point in log.Scalars(name)} for name in log.Tags()["scalars"]}


def compare(tutorial: dict[str, Any], trained: Trained) -> Iterator[Line]:
    """Yield every number that a tutorial prints, in its order, with the project's own."""
    with torch.no_grad():
        first, last = trained.start(trained.features), trained.end(trained.features)
        yield from pairs("initial prediction", tutorial, "initial_predictions", first)
        losses = nn.BCELoss(reduction="none")(first, trained.target)
        yield from pairs("initial loss", tutorial, "initial_losses_per_row", losses)
        yield from pairs("initial cost", tutorial, "initial_cost", losses.mean())
        yield from curve(tutorial, trained.curve)
        yield from pairs("final prediction", tutorial, "final_predictions", last)
        yield from pairs("final class", tutorial, "final_classes", last >= 0.5)
        yield from pairs("weight", tutorial, "final_weight", trained.end.weight)
        yield from pairs("bias", tutorial, "final_bias", trained.end.bias)
        for hours, told in tutorial.get("predictions_after", {}).items():
            probability = trained.end(torch.tensor([[float(hours.split()[0])]])).item()
            yield (
                f"P({hours}), above 0.5",
                [Pair(told["probability"], probability), Pair(str(told["above_half"]), probability > 0.5)],
            )


def pairs(label: str, tutorial: dict[str, Any], key: str, values: Tensor) -> Iterator[Line]:
    """Yield the numbers under `key`, a few in a line; nothing where the tutorial does not print them."""
    if key not in tutorial:
        return
    printed = tutorial[key] if isinstance(tutorial[key], list) else [tutorial[key]]
    both = [Pair(str(text), value) for text, value in zip(printed, values.flatten().tolist(), strict=True)]
    for at in range(0, len(both), AT_MOST_IN_A_LINE):
        part = both[at : at + AT_MOST_IN_A_LINE]
        rows = f" {at + 1}-{at + len(part)}" if len(both) > 1 else ""
        yield f"{label}{rows}", part


def curve(tutorial: dict[str, Any], scalars: dict[str, dict[int, float]]) -> Iterator[Line]:
    """Yield the cost curve: one line for each printed epoch."""
    for point in tutorial.get("curve", []):
        step = point["epoch"] if "epoch" in point else point["updates_done"]
        both = [Pair(point.get("cost", point.get("loss")), scalars["train/loss"][step])]
        if "accuracy" in point:
            both.append(Pair(point["accuracy"], 100 * scalars["train/accuracy"][step]))
        yield f"epoch {step}: cost" + (", accuracy" if "accuracy" in point else ""), both


def show(line: Line) -> None:
    """Print one line: what it is, the tutorial's numbers, ours."""
    label, both = line
    printed, shown = (" ".join(texts) for texts in zip(*((pair.printed, pair.shown) for pair in both), strict=True))
    remark = ""
    if not all(pair.is_same for pair in both):
        remark = "one unit of the last digit" if all(pair.agrees for pair in both) else "DIFFERENT"
    print(f"  {label:<28}{printed:<34}{shown:<34}{remark}".rstrip())


def is_folded(line: Line) -> bool:
    """Return whether --fold leaves a line out: a curve's, at no hundredth epoch, with nothing to say."""
    label, both = line
    step = label.removeprefix("epoch ").partition(":")[0]
    return step.isdigit() and int(step) % 100 != 0 and all(pair.is_same for pair in both)


def main() -> int:
    """Compare everything; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--fold", action="store_true", help="leave out the middle of long cost curves")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of every experiment, as train.py takes them")
    given = parser.parse_args()
    everything: list[Pair] = []
    for tutorial in json.loads(PRINTED.read_text(encoding="utf-8"))["experiments"]:
        name = tutorial["experiment"]
        with tempfile.TemporaryDirectory() as folder:
            lines = list(compare(tutorial, run(name, Path(folder) / name, given.overrides)))
        print(f"python train.py experiment={name}\n  {'':<28}{'tutorial':<34}project")
        for line in lines:
            if not (given.fold and is_folded(line)):
                show(line)
        everything += [pair for _, both in lines for pair in both]
        print()
    agreeing, same = sum(pair.agrees for pair in everything), sum(pair.is_same for pair in everything)
    print(f"{agreeing} of {len(everything)} printed numbers agree, {same} of them digit for digit.")
    return 0 if agreeing == len(everything) else 1


if __name__ == "__main__":
    sys.exit(main())
