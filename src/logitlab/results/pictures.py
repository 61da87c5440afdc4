"""Pictures of the training and of its result, on the dashboard and as files."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary

from logitlab.errors import how_to_install
from logitlab.plots.drawing import DrawingProcess, Picture
from logitlab.plots.rows import Moment, sample
from logitlab.results.metrics import probabilities
from logitlab.results.result import Fit, Result, Row
from logitlab.runs import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JUDGED = ("test", "val", "train")
"""Whose rows the result is shown on: the first of these that there are."""

LONGEST = 60.0
"""Seconds to wait for the pictures of the training where files were asked for, and time does not matter."""


def pictures(
    files: bool = False, budget: float = 0.1, at_least: float = 0.4, renderer: DrawingProcess | None = None
) -> "Result | None":
    """Return the result; None where nobody draws and no files are wanted, as in a sweep.

    Args:
        files: draw the result too, and write it and the last moment of the training as PNG and SVG.
        budget: share of the fit's seconds by which the pictures of the training may prolong the run.
        at_least: seconds from the fit's beginning that they may take at any rate: a shorter fit is waited for.
        renderer: draws the training.
    """
    return Pictures(files, budget, at_least, renderer) if files or renderer is not None else None


class Pictures(Result):
    """Puts the pictures of the training under TensorBoard's step slider; they were drawn by another process meanwhile.

    With files, pictures/ in the run directory gets the last moment and the result as PNG and SVG; that takes 4 s.
    """

    draws = True

    def __init__(self, files: bool, budget: float, at_least: float, renderer: DrawingProcess | None) -> None:
        self.files = files
        self.budget = budget
        self.at_least = LONGEST if files else at_least
        self.renderer = renderer

    def __call__(self, fit: Fit) -> list[Row]:
        """Show and write; return where, or what is missing."""
        rows = self._show_training(fit, self.renderer) if self.renderer is not None and fit.training.moments is not None else []
        if self.files:
            rows += _write(fit)
        elif self.renderer is not None and self.renderer.remark:
            rows.append(("pictures", self.renderer.remark))
        return rows

    def _show_training(self, fit: Fit, renderer: DrawingProcess) -> list[Row]:
        drawn = 0
        for picture in renderer.pictures(self.budget, self.at_least):
            drawn += 1
            if picture.step >= fit.shown_until:
                _show(fit, f"training/{picture.name}", picture)
        if drawn == renderer.expected:
            return []
        why = renderer.error or "the fit ended before the rest was drawn; results.pictures.at_least=5 waits"
        return [("pictures", f"{drawn} of {renderer.expected} on the dashboard: {why}")]


def result_pictures(fit: Fit) -> dict[str, "Figure"]:
    """Show the pictures of the result on the dashboard, and return them."""
    from logitlab.plots.gallery import of_coefficients, of_scores

    split, rows = next((split, rows) for split in JUDGED if (rows := fit.datamodule.rows(split)) is not None and len(rows))
    probability, target, weight = probabilities(fit.module, rows)
    scores = of_scores(probability, target, fit.module.threshold, rows.target_name, weight)
    drawn = {f"{split}_{name}": figure for name, figure in scores.items()}
    drawn |= of_coefficients(fit.run.path / "coefficients.csv")
    for name, figure in drawn.items():  # in one folder: TensorBoard opens two of itself, and the other is training/
        _show(fit, f"result/{name}", _picture(name, fit.training.steps, figure))
    return drawn


def _write(fit: Fit) -> list[Row]:
    """Write the files; return where they are, or why there are none."""
    if find_spec("matplotlib") is None:
        return [("pictures", f"none, for want of matplotlib: {how_to_install('pictures')}")]
    moments = fit.training.moments or []
    finished = result_pictures(fit) | (_last_moment(fit, moments) if moments else {})
    if not finished:
        return [("pictures", "none: the rows are all of one class, or no moments were kept (callbacks.weights)")]
    from logitlab.plots import fonts, style

    folder = fit.run.path / "pictures"
    files.make_folder(folder)
    for name, figure in finished.items():
        style.write(figure, folder / name)
    written = f"{len(finished)} in {folder.name}/, as PNG and SVG, and on the dashboard under IMAGES"
    return [("pictures", text) for text in (written, fonts.note(finished.values())) if text]


def _last_moment(fit: Fit, moments: Sequence[Moment]) -> dict[str, "Figure"]:
    from logitlab.plots.moments import Descent, TrainingPictures

    rows = sample(fit.datamodule.examples, fit.datamodule.preprocessing.scaling, fit.module.threshold)
    pictures = TrainingPictures(rows)
    drawn = dict(pictures.at(moments[-1]))
    if pictures.has_surface:
        drawn["loss_surface"] = Descent(rows, moments).at(moments)
    return {f"training_{name}": picture.figure for name, picture in drawn.items()}


def _picture(name: str, step: int, figure: "Figure") -> Picture:
    from logitlab.plots import style

    width, height = (int(inches * figure.dpi) for inches in figure.get_size_inches())
    return Picture(name, step, width, height, style.png(figure))


def _show(fit: Fit, tag: str, picture: Picture) -> None:
    image = Summary.Image(width=picture.width, height=picture.height, colorspace=4, encoded_image_string=picture.png)
    for logger in fit.training.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.file_writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), picture.step)
