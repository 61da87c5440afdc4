"""Pictures of the training and of its result, on the dashboard and as files."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary

from logreg.callbacks.weights import Weights
from logreg.results.metrics import probabilities
from logreg.results.result import Fit, Result, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JUDGED = ("test", "val", "train")
"""Whose rows the result is shown on: the first of these that there are."""


class Pictures(Result):
    """Draws, after the fit, the training at the states that the callback `weights` kept, and the result.

    TensorBoard gets all of them, those of the training under a step slider; pictures/ in the run directory gets the last
    state and the result as PNG and SVG. A picture takes 0.15 s, a thousand epochs have nine states of three: 6 s for the toy
    run, all of it after the fit.
    """

    def __init__(self, training: bool = True, result: bool = True) -> None:
        """Say what is wanted.

        Args:
            training: the pictures of the training.
            result: the pictures of the result.
        """
        self.training = training
        self.result = result

    def __call__(self, fit: Fit) -> list[Row]:
        """Draw and write; return where, or why not."""
        if find_spec("matplotlib") is None:
            return [("pictures", "none, for want of matplotlib: pip install 'logreg[pictures]'")]
        finished = self._training(fit) if self.training else {}
        if self.result:
            finished |= result_pictures(fit)
        if not finished:
            return [("pictures", "none: the rows are all of one class, or no states were kept (callbacks.weights)")]
        from logreg.plots import style

        folder = fit.run.path / "pictures"
        folder.mkdir(exist_ok=True)
        for name, picture in finished.items():
            style.write(picture, folder / name)
        return [("pictures", f"{len(finished)} in {folder.name}/, as PNG and SVG, and on the dashboard under IMAGES")]

    def _training(self, fit: Fit) -> dict[str, "Figure"]:
        """Show every state on the dashboard; return the pictures of the last."""
        callback = next((each for each in fit.trainer.callbacks if isinstance(each, Weights)), None)  # type: ignore[attr-defined]
        if callback is None or not callback.states:
            return {}
        from logreg.gallery import TrainingPictures

        scaling = fit.datamodule.preprocessing.scaling
        pictures = TrainingPictures(fit.datamodule.examples, scaling, callback.states, fit.module.threshold)
        for moment, state in enumerate(callback.states):
            drawn = pictures.at(moment)
            for name, picture in drawn.items():
                _show(fit, f"training/{name}", picture, state.step)
        return {f"training_{name}": picture for name, picture in drawn.items()}


def result_pictures(fit: Fit) -> dict[str, "Figure"]:
    """Show the pictures of the result on the dashboard, and return them."""
    from logreg.gallery import of_coefficients, of_scores

    split, rows = next((split, rows) for split in JUDGED if (rows := fit.datamodule.rows(split)) is not None and len(rows))
    probability, target, weight = probabilities(fit.module, rows)
    pictures = of_scores(probability, target, fit.module.threshold, rows.target_name, weight)
    for name, picture in pictures.items():
        _show(fit, f"{split}/{name}", picture, fit.trainer.global_step)
    estimates = of_coefficients(fit.run.path / "coefficients.csv")
    for name, picture in estimates.items():
        _show(fit, f"coefficients/{name}", picture, fit.trainer.global_step)
    return {f"{split}_{name}": picture for name, picture in pictures.items()} | estimates


def _show(fit: Fit, tag: str, picture: "Figure", step: int) -> None:
    from logreg.plots import style

    width, height = (int(inches * picture.dpi) for inches in picture.get_size_inches())
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=style.png(picture))
    for logger in fit.trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.file_writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)
