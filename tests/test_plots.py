"""Each picture against the numbers that it shows. Not tested here: taste, which takes eyes (docs/pictures.md)."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the pictures need the extra: pip install -e '.[pictures]'")

from scipy.special import expit

from logitlab.plots import coefficients, descent, lessons, scores, style, training
from logitlab.plots.surface import sigmoid_of

TOY = np.array([[1, 2], [2, 3], [3, 1], [4, 3], [5, 3], [6, 2]], dtype=float)
LABELS = np.array([0, 0, 0, 1, 1, 1], dtype=float)
WEIGHT, BIAS = np.array([3.2534, 1.5181]), -14.4839


def logit(points):
    return points @ WEIGHT + BIAS


def line(axes, label=None, at=0):
    """Return the data, (points, 2), of the line with a label, or of the one at a place."""
    lines = axes.get_lines()
    chosen = next(each for each in lines if each.get_label() == label) if label else lines[at]
    return chosen.get_xydata()


def boundary(axes):
    """Return the points, (n, 2), of the line where the probability is the threshold."""
    return axes.collections[-1].get_paths()[0].vertices


def test_the_sigmoid_is_scipys():
    x, y = line(lessons.sigmoid().axes[0]).T
    np.testing.assert_allclose(y, expit(x), rtol=1e-14)
    assert x[0] == -5 and x[-1] < 5


def test_the_sigmoid_neither_overflows_nor_dies():
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(sigmoid_of([-1000.0, 0.0, 1000.0]), [0.0, 0.5, 1.0])


def test_slope_and_shift_draw_three_curves_each():
    slope, shift = lessons.sigmoid_slope().axes[0], lessons.sigmoid_shift().axes[0]
    for place, value in enumerate((0.5, 1.0, 2.0)):
        x, y = line(slope, at=place).T
        np.testing.assert_allclose(y, expit(value * x), rtol=1e-12)
    for place, value in enumerate((0.5, 1.0, 1.5)):
        x, y = line(shift, at=place).T
        np.testing.assert_allclose(y, expit(x + value), rtol=1e-12)


@pytest.mark.parametrize("cut", [0.5, 0.2])
def test_the_threshold_parts_the_curve(cut):
    axes = lessons.threshold(cut).axes[0]
    assert line(axes, at=0)[:, 1].max() < cut <= line(axes, at=1)[:, 1].min()


def test_the_scores_picture_holds_the_curve_and_the_least_squares_line():
    x = np.array([45, 50, 55, 60, 65, 70.0])
    axes = lessons.scores_fit(x, LABELS, 0.6, -34.5).axes[0]
    drawn = line(axes, "logistic regression")
    np.testing.assert_allclose(drawn[:, 1], expit(0.6 * drawn[:, 0] - 34.5), rtol=1e-12)
    straight = line(axes, "straight line (least squares)")
    design = np.stack([x, np.ones(6)], axis=1)
    solution = np.linalg.lstsq(design, LABELS, rcond=None)[0]
    np.testing.assert_allclose(straight[:, 1], solution[0] * straight[:, 0] + solution[1], rtol=1e-9)


def test_of_the_two_costs_only_cross_entropy_is_convex():
    x, y = (np.array([45, 50, 55, 60, 65, 70.0]) - 57.5) / 8.5, np.array([0, 0, 1, 0, 1, 1.0])
    weight = np.linspace(-10, 14, 241)
    squared, entropy = lessons.costs(x, y, weight, np.zeros_like(weight))
    assert np.diff(entropy, 2).min() > 0
    assert np.diff(squared, 2).min() < 0
    row = expit(2.0 * x + 0.5)
    one_squared, one_entropy = lessons.costs(x, y, 2.0, 0.5)
    np.testing.assert_allclose(one_squared, np.mean((row - y) ** 2), rtol=1e-12)
    np.testing.assert_allclose(one_entropy, -np.mean(y * np.log(row) + (1 - y) * np.log(1 - row)), rtol=1e-12)


def test_the_cost_surfaces_are_drawn_over_the_whole_range():
    picture = lessons.cost_surface([-1.0, 1.0], [0.0, 1.0], np.linspace(-3, 3, 7), np.linspace(-2, 2, 5))
    assert [axes.get_title().split(":")[0] for axes in picture.axes] == ["Squared error", "Cross-entropy"]
    for axes in picture.axes:
        low, high = axes.get_xlim()
        assert low <= -3 and high >= 3


def test_the_parts_of_the_cross_entropy():
    axes = lessons.bce_parts().axes[0]
    for label, expected in (("y = 1: -log(h)", lambda h: -np.log(h)), ("y = 0: -log(1 - h)", lambda h: -np.log1p(-h))):
        h, cost = line(axes, label).T
        np.testing.assert_allclose(cost, expected(h), rtol=1e-9, atol=1e-12)


def test_the_s_curve_its_crossing_and_the_rows_it_gets_wrong():
    hours = np.array([1, 2, 3, 4.0])
    axes = training.s_curve(hours, [0, 1, 0, 1], 2.0, -5.0, name="hours", target_name="passed", threshold=0.7).axes[0]
    drawn = line(axes, "probability")
    np.testing.assert_allclose(drawn[:, 1], expit(2 * drawn[:, 0] - 5), rtol=1e-12)
    np.testing.assert_array_equal(np.sort(line(axes, "misclassified")[:, 0]), [2, 3])
    crossing = next(
        each.get_xdata()[0] for each in axes.get_lines() if len(set(each.get_xdata())) == 1 and len(each.get_xdata()) == 2
    )
    assert expit(2 * crossing - 5) == pytest.approx(0.7)


def test_a_curve_without_slope_crosses_nothing():
    axes = training.s_curve([1.0, 2.0], [0, 1], 0.0, 0.0, name="x", target_name="y").axes[0]
    assert line(axes, "probability")[:, 1] == pytest.approx(0.5)


@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_the_decision_line_passes_where_the_probability_is_the_threshold(threshold):
    picture = training.probability_field(TOY, LABELS, logit, names=("x1", "x2"), target_name="y", threshold=threshold)
    axes = picture.axes[0]
    ends = boundary(axes)[[0, -1]]
    np.testing.assert_allclose(expit(ends @ WEIGHT + BIAS), threshold, rtol=1e-9)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for x, y in ends:  # both ends lie on the frame
        assert min(abs(x - left), abs(x - right), abs(y - bottom), abs(y - top)) < 1e-9
    field = axes.get_images()[0].get_array()
    for y, row in ((bottom, 0), (top, -1)):
        colour = style.PROBABILITY(expit(np.array([left, y]) @ WEIGHT + BIAS), alpha=0.9, bytes=True)
        assert field[row, 0].tolist() == list(colour)


def test_the_field_of_any_network_has_its_own_boundary():
    """A circle of radius 2 around (3, 2)."""

    def circle(points):
        return 4 - ((points - [3, 2]) ** 2).sum(axis=1)

    axes = training.probability_field(TOY, LABELS, circle, names=("x1", "x2"), target_name="y").axes[0]
    np.testing.assert_allclose(np.linalg.norm(boundary(axes) - [3, 2], axis=1), 2, atol=1e-3)


@pytest.mark.parametrize("bias", [0.0, 50.0])
def test_a_field_without_a_boundary_is_of_one_colour(bias):
    axes = training.probability_field(
        TOY, LABELS, lambda points: 0 * points[:, 0] + bias, names=("a", "b"), target_name="y"
    ).axes[0]
    assert not axes.collections and len(np.unique(axes.get_images()[0].get_array().reshape(-1, 4), axis=0)) == 1


def test_misclassified_rows_are_ringed():
    swapped = np.array([0, 0, 0, 1, 0, 1.0])
    axes = training.probability_field(TOY, swapped, logit, names=("x1", "x2"), target_name="y").axes[0]
    np.testing.assert_array_equal(line(axes, "misclassified"), [[5, 3]])


def test_the_path_on_the_loss_surface():
    path = np.array([[0.0, 0.0], [1.0, -1.0], [2.0, 0.5]])
    loss = np.outer([1.0, 2, 3], [0.1, 0.2, 0.3, 0.4])
    axes = descent.loss_surface([0, 1, 2, 3], [-1, 0, 1], loss, path, names=("a", "b")).axes[0]
    np.testing.assert_array_equal(line(axes, at=1), path)
    np.testing.assert_array_equal(line(axes, "start"), path[:1])
    np.testing.assert_array_equal(line(axes, "here"), path[-1:])


def test_the_bars_are_the_losses_of_the_rows():
    loss = np.array([0.3, 1.2, 0.1, 0.7])
    axes = descent.row_losses(loss, [0, 1, 1, 0]).axes[0]
    heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in axes.patches}
    assert heights == dict(enumerate(loss))


def test_of_many_rows_those_that_cost_most_are_shown():
    loss = np.arange(100.0)
    axes = descent.row_losses(loss, np.tile([0, 1], 50)).axes[0]
    assert [each.get_text() for each in axes.get_xticklabels()] == [*map(str, range(77, 101))]
    assert axes.get_title(loc="left").endswith("mean 49.5000")
    assert sorted(bar.get_height() for bar in axes.patches) == list(range(76, 100))


def test_the_curves_hold_the_points_and_the_areas():
    roc = scores.roc([0, 0, 0.5, 1], [0, 0.5, 1, 1], (0.5, 1.0), 0.4).axes[0]
    np.testing.assert_array_equal(line(roc, "threshold 0.4"), [[0.5, 1.0]])
    assert roc.get_title(loc="left").endswith("0.875")
    curve = scores.precision_recall([0.5, 1.0], [1.0, 0.6], (1.0, 0.6), 0.4, 0.5).axes[0]
    assert curve.get_title(loc="left").endswith("0.800")  # 0.5 * 1 + 0.5 * 0.6


def test_the_reliability_diagram_shows_bins_intervals_and_counts():
    picture = scores.reliability([0.2, 0.8], [0.25, 0.7], [0.1, 0.5], [0.4, 0.9], [40, 10])
    above, below = picture.axes
    points, _, (bars,) = above.containers[0]
    np.testing.assert_allclose(points.get_xydata(), [[0.2, 0.25], [0.8, 0.7]])
    np.testing.assert_allclose([segment[:, 1] for segment in bars.get_segments()], [[0.1, 0.4], [0.5, 0.9]])
    np.testing.assert_allclose([segment[:, 1] for segment in below.collections[0].get_segments()], [[0, 40], [0, 10]])


def test_the_confusion_matrix_says_its_counts():
    words = [text.get_text() for text in scores.confusion_matrix([[1412, 8], [3, 7]], 0.5, "passed").axes[0].texts]
    assert words[0::2] == ["1,412", "8", "3", "7"]
    assert words[5] == "false negatives\n30% of true class 1"


def test_the_bars_of_the_distribution_count_the_rows():
    generator = np.random.default_rng(3)
    probability, target = generator.random(500), generator.integers(0, 2, 500)
    axes = scores.score_distribution(probability, target, 0.5, bins=10).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    for each in (0, 1):
        expected = [((probability[target == each] * 10).astype(int) == place).sum() for place in range(10)]
        assert heights[10 * each : 10 * each + 10] == expected


def test_coefficients_with_their_intervals():
    axes = coefficients.coefficients(["a", "b"], [1.0, -2.0], [0.5, -3.0], [1.5, -1.0]).axes[0]
    np.testing.assert_array_equal(line(axes, at=-1), [[1.0, 0], [-2.0, 1]])
    np.testing.assert_array_equal([each[:, 0] for each in axes.collections[0].get_segments()], [[0.5, 1.5], [-3.0, -1.0]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_of_many_odds_ratios_the_strongest_are_shown():
    logs = np.linspace(-1, 3, 41)
    axes = coefficients.odds_ratios([f"f{index}" for index in range(41)], np.exp(logs)).axes[0]
    drawn = np.log(line(axes, at=-1)[:, 0])
    np.testing.assert_allclose(np.sort(np.abs(drawn)), np.sort(np.abs(logs))[-30:])


def test_long_names_are_told_apart():
    names = [f"mean_arterial_pressure_in_hour_{hour}" for hour in range(24)]
    labels = [label.get_text() for label in coefficients.coefficients(names, np.ones(24)).axes[0].get_yticklabels()]
    assert len(set(labels)) == 24 and max(map(len, labels)) <= 28


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.02), (0.34, 0.75), (1, 4.9), (0.005, 2), (0.05, 30), (1e-6, 1e3)])
def test_a_logarithmic_axis_has_a_few_round_ticks(low, high):
    ticks = style.log_ticks(low, high)
    assert 3 <= len(ticks) <= 12 and low <= min(ticks) and max(ticks) <= high
    np.testing.assert_allclose(ticks, [float(f"{tick:.3g}") for tick in ticks], rtol=1e-9)
    assert low > 1 or high < 1 or 1.0 in ticks  # no change of the odds


def test_a_picture_is_the_same_bytes_every_time():
    assert style.png(lessons.sigmoid()) == style.png(lessons.sigmoid())
    assert style.svg(lessons.sigmoid(), "a") == style.svg(lessons.sigmoid(), "a")


def test_a_picture_leaves_matplotlibs_settings_and_pyplot_alone():
    code = (
        "import sys, matplotlib; before = matplotlib.rcParams.copy()\n"
        "from logitlab.plots import lessons, style; style.png(lessons.sigmoid())\n"
        "assert all(matplotlib.rcParams[key] == value for key, value in before.items() if key != 'backend')\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_picture_has_a_title_and_named_axes():
    for draw in (lessons.sigmoid, lessons.sigmoid_slope, lessons.sigmoid_shift, lessons.threshold, lessons.bce_parts):
        axes = draw().axes[0]
        assert axes.get_title(loc="left") and axes.get_xlabel() and axes.get_ylabel()


def test_the_class_colours_are_told_apart_by_the_colour_blind():
    """Machado, Oliveira and Fernandes 2009, table 1: what full protanopia and deuteranopia make of linear RGB."""
    protanopia = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    deuteranopia = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    rgb = np.array([[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in style.CLASS_COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for seen in (np.eye(3), np.array(protanopia), np.array(deuteranopia)):
        zero, one = linear @ seen.T
        assert np.abs(zero - one).max() > 0.25


def test_make_pictures_draws_the_tutorials_seven(tmp_path):
    import pictures  # scripts/

    pictures.main(tmp_path)
    seven = ("sigmoid", "sigmoid-slope", "sigmoid-shift", "threshold", "scores-fit", "cost-surface", "bce-parts")
    for name in seven:
        assert (tmp_path / f"{name}.svg").read_text(encoding="utf-8").endswith("</svg>\n")
