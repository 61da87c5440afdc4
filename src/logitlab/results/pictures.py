"""Pictures of the training and of its result, on the dashboard and as files."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary

from logitlab.errors import how_to_install
from logitlab.results.metrics import probabilities
from logitlab.results.result import Fit, Result, Row
from logitlab.runs import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = ("test", "val", "train")
"""Whose rows the result is shown on: the first of these that there are."""

DOTS = 80
"""Dots an inch of a picture on the dashboard: 512 wide, as wide as TensorBoard shows it unasked."""


class Pictures(Result):
    """Draws the training at its moments, under TensorBoard's step slider, and the result; takes some seconds.

    pictures/ in the run directory gets the last moment and the result, as PNG and SVG.
    """

    draws = True

    def __call__(self, fit: Fit) -> list[Row]:
        """Draw; return where the pictures are, or why there are none."""
        if find_spec("matplotlib") is None:
            return [("pictures", f"none, for want of matplotlib: {how_to_install('pictures')}")]
        from logitlab.plots import fonts, style

        finished = result_pictures(fit) | _show_training(fit)
        if not finished:
            return [("pictures", "none: the rows are all of one class, or no moments were kept (callbacks.weights)")]
        folder = fit.run.path / "pictures"
        files.make_folder(folder)
        for name, figure in finished.items():
            style.write(figure, folder / name)
        written = f"{len(finished)} in {folder.name}/, as PNG and SVG, and on the dashboard under IMAGES"
        return [("pictures", text) for text in (written, fonts.note(finished.values())) if text]


def result_pictures(fit: Fit) -> dict[str, "Figure"]:
    """Show the pictures of the result on the dashboard, and return them."""
    from logitlab.plots.gallery import of_coefficients, of_network, of_path, of_scores

    split, rows = next((split, rows) for split in SHOWN if (rows := fit.datamodule.rows(split)) is not None and len(rows))
    probability, target, weight = probabilities(fit.module, rows)
    scores = of_scores(probability, target, fit.module.threshold, rows.target_name, weight)
    drawn = {f"{split}_{name}": figure for name, figure in scores.items()}
    drawn |= of_network(fit.module.network, rows, fit.datamodule.preprocessing.scaling, fit.module.threshold)
    drawn |= of_coefficients(fit.run.path / "coefficients.csv")
    drawn |= of_path(fit.run.path)
    for name, figure in drawn.items():  # in one folder: TensorBoard opens two of itself, training/ and then this one
        _show(fit, f"training_result/{name}", figure, fit.training.steps)
    return drawn


def _show_training(fit: Fit) -> dict[str, "Figure"]:
    """Show the pictures of the training on the dashboard, and return those of its last moment."""
    from logitlab.plots.moments import TrainingPictures

    moments = fit.training.moments or []
    if not moments:
        return {}
    pictures = TrainingPictures(fit.datamodule.examples, fit.datamodule.preprocessing.scaling, fit.module.threshold, moments)
    drawn: dict[str, Figure] = {}
    for place, moment in enumerate(moments):
        if moment.is_shown and ("training/probability", moment.step) not in fit.logged:
            drawn = pictures.at(place)
            for name, figure in drawn.items():
                if (f"training/{name}", moment.step) not in fit.logged:
                    _show(fit, f"training/{name}", figure, moment.step)
    return {f"training_{name}": figure for name, figure in drawn.items()}


def _show(fit: Fit, tag: str, figure: "Figure", step: int) -> None:
    from logitlab.plots import style

    width, height = (int(inches * DOTS) for inches in figure.get_size_inches())
    png = style.png(figure, DOTS)
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    for logger in fit.training.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.file_writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)
