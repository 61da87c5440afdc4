"""Pictures of how well probabilities tell the classes apart, and how honest they are."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from logitlab.plots.style import BLUE, CLASS_COLOURS, GREEN, GREY, INK, VERMILION, figure, styled


@styled
def roc(false_positive_rate: ArrayLike, true_positive_rate: ArrayLike, chosen: tuple[float, float], threshold: float) -> Figure:
    """Return the ROC curve with the point of the chosen threshold.

    Args:
        false_positive_rate: (points,), from 0 to 1.
        true_positive_rate: (points,), from 0 to 1.
        chosen: both rates at the threshold.
        threshold: the chosen one.
    """
    x, y = np.asarray(false_positive_rate, dtype=np.float64), np.asarray(true_positive_rate, dtype=np.float64)
    picture, (axes,) = figure(4.8, 4.4)
    axes.fill_between(x, y, color=BLUE, alpha=0.12, linewidth=0)
    axes.plot(x, y, color=BLUE, label="this model")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="by chance")
    axes.plot(
        *chosen, "o", color=VERMILION, markersize=9, markeredgecolor="white", label=f"threshold {threshold:.3g}", zorder=5
    )
    axes.set_title(f"ROC: area under the curve {np.trapezoid(y, x):.3f}")
    axes.set(xlabel="false positive rate", ylabel="true positive rate (recall)", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.legend(loc="lower right")
    return picture


@styled
def precision_recall(
    recall: ArrayLike, precision: ArrayLike, chosen: tuple[float, float], threshold: float, prevalence: float
) -> Figure:
    """Return the precision-recall curve with the point of the chosen threshold.

    Args:
        recall: (points,), rising.
        precision: (points,).
        chosen: recall and precision at the threshold.
        threshold: the chosen one.
        prevalence: the share of class 1, which is the precision of guessing.
    """
    x, y = np.asarray(recall, dtype=np.float64), np.asarray(precision, dtype=np.float64)
    picture, (axes,) = figure(4.8, 4.4)
    axes.step(np.append(0, x), np.append(y[0], y), where="pre", color=BLUE, label="this model")
    axes.axhline(prevalence, color=GREY, linestyle=":", label=f"by chance ({prevalence:.2g})")
    axes.plot(
        *chosen, "o", color=VERMILION, markersize=9, markeredgecolor="white", label=f"threshold {threshold:.3g}", zorder=5
    )
    area = float((np.diff(x, prepend=0.0) * y).sum())
    axes.set_title(f"Precision and recall: average precision {area:.3f}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.legend(loc="lower left")
    return picture


@styled
def reliability(predicted: ArrayLike, observed: ArrayLike, low: ArrayLike, high: ArrayLike, rows: ArrayLike) -> Figure:
    """Return the reliability diagram: what came true against what was predicted, with intervals, and the counts below.

    Args:
        predicted: the mean probability in each bin, (bins,).
        observed: the share of class 1 in each bin, (bins,).
        low: lower end of its 95 % interval, (bins,).
        high: upper end, (bins,).
        rows: in each bin, (bins,).
    """
    predicted, observed, low, high, rows = (
        np.asarray(each, dtype=np.float64) for each in (predicted, observed, low, high, rows)
    )
    picture = Figure(figsize=(4.8, 5.2), layout="constrained")
    above, below = picture.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfectly calibrated")
    widths = np.maximum(np.stack([observed - low, high - observed]), 0)
    above.errorbar(predicted, observed, yerr=widths, fmt="o", color=BLUE, capsize=3, linewidth=1.5, label="bins, 95 % interval")
    above.set_title("Reliability: does 70 % happen 70 % of the time?")
    above.set(ylabel="observed share of class 1", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    below.vlines(predicted, 0, rows, color=GREEN, linewidth=4)
    below.set(xlabel="predicted probability (bin mean)", ylabel="rows", ylim=(0, rows.max() * 1.15))
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.legend(*above.get_legend_handles_labels(), loc="upper center", bbox_to_anchor=(0.5, -0.5), ncols=2)
    return picture


@styled
def confusion_matrix(counts: ArrayLike, threshold: float, target_name: str) -> Figure:
    """Return the counts of the four outcomes.

    Args:
        counts: (2, 2): row = true class, column = predicted class.
        threshold: the one that cut the probabilities into classes.
        target_name: what class 1 means.
    """
    counts = np.asarray(counts, dtype=np.int64)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    picture, (axes,) = figure(4.6, 3.8)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
    words = (("true negatives", "false positives"), ("false negatives", "true positives"))
    for true in (0, 1):
        for predicted in (0, 1):
            shade = "white" if shares[true, predicted] > 0.8 else INK
            axes.text(predicted, true - 0.1, f"{counts[true, predicted]:,}", ha="center", va="center", fontsize=18, color=shade)
            below = f"{words[true][predicted]}\n{shares[true, predicted]:.0%} of true class {true}"
            axes.text(predicted, true + 0.22, below, ha="center", va="center", fontsize=9, color=shade)
    axes.set_title(f"Confusion matrix at threshold {threshold:.3g}")
    axes.set_xticks([0, 1], ["0", "1"])
    axes.set_yticks([0, 1], ["0", "1"])
    axes.tick_params(length=0)
    axes.set(xlabel=f"predicted class (1 = {target_name})", ylabel="true class")
    return picture


@styled
def score_distribution(probability: ArrayLike, target: ArrayLike, threshold: float, bins: int = 20) -> Figure:
    """Return how the probabilities of either class are spread, and where the threshold cuts them.

    Args:
        probability: of class 1, (rows,).
        target: 0 or 1, (rows,).
        threshold: a row is of class 1 where probability >= threshold.
        bins: of equal width between 0 and 1.
    """
    probability, target = np.asarray(probability, dtype=np.float64), np.asarray(target, dtype=np.float64)
    picture, (axes,) = figure(6.0, 3.6)
    edges = np.linspace(0, 1, bins + 1)
    width = 0.45 / bins
    for each, hatch in enumerate(("", "///")):
        heights, _ = np.histogram(probability[target == each], edges)
        label = f"class {each} ({int((target == each).sum()):,} rows)"
        places = edges[:-1] + (0.025 + 0.5 * each) / bins
        axes.bar(places, heights, width, align="edge", color=CLASS_COLOURS[each], hatch=hatch, edgecolor="white", label=label)
    axes.axvline(threshold, color=INK, linestyle=":", label=f"threshold {threshold:.3g}")
    axes.set_title("Probabilities given to each class")
    axes.set(xlabel="predicted probability of class 1", ylabel="rows", xlim=(-0.01, 1.01))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3)
    return picture
