"""The pictures of a run: that what is drawn is what the run's own numbers say, and that they are where they should be."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from runs import same_weights

pytest.importorskip("matplotlib", reason="the pictures need the extra: pip install -e '.[pictures]'")

from PIL import Image
from scipy.optimize import minimize, minimize_scalar
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score, roc_curve

from logitlab.data.scaling import Scaling
from logitlab.data.toy import toy
from logitlab.plots import coefficients as drawn
from logitlab.plots import gallery, style, surface
from logitlab.plots.moment import Moment
from logitlab.plots.moments import TrainingPictures
from logitlab.plots.names import short
from logitlab.results import pictures as result


def random_rows(rows=300, features=3, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((rows, features))
    return x, (generator.random(rows) < 0.4 + 0.2 * np.tanh(x[:, 0])).astype(float)


def loss(x, y, weight, bias):
    logit = x @ weight + bias
    return np.mean(np.logaddexp(0, logit) - y * logit)


def test_the_best_bias_is_scipys():
    x, y = random_rows()
    offsets = np.stack([x @ weight for weight in ([1.0, 2, -1], [30.0, 0, 0])])
    for offset, found in zip(offsets, surface.best_bias(offsets, y), strict=True):
        best = minimize_scalar(lambda bias, offset=offset: np.mean(np.logaddexp(0, offset + bias) - y * (offset + bias)))
        assert found == pytest.approx(best.x, abs=1e-5)


def test_the_surface_holds_the_loss_at_each_point():
    x, y = random_rows(features=2)
    where = surface.plane(x, np.zeros(2), 0.0, ("a", "b"))
    first, second = np.array([-1.0, 0.5]), np.array([0.0, 1.0, 2.0])
    values = surface.loss_on(where, x, y, first, second)
    assert values.shape == (3, 2)
    best = minimize_scalar(lambda bias: loss(x, y, np.array([0.5, 2.0]), bias))
    assert values[2, 1] == pytest.approx(best.fun, rel=1e-9)


def test_the_plane_of_many_features_is_that_of_largest_curvature():
    x, y = random_rows(features=4)
    x = x * [1.0, 5.0, 2.0, 0.1]
    weight, bias = np.zeros(4), 0.3
    where = surface.plane(x, weight, bias, "abcd")

    def best(offset):
        return minimize(lambda b: loss(x, y, weight + offset, b[0]), [bias], tol=1e-12).fun

    curvature = [best(0.01 * d) + best(-0.01 * d) - 2 * best(0 * d) for d in np.eye(4)]
    along = [best(0.01 * d) + best(-0.01 * d) - 2 * best(0 * d) for d in where.directions]
    assert along[0] > 0.95 * max(curvature) and along[0] >= along[1]
    np.testing.assert_allclose(where.directions @ where.directions.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(where.coordinates(weight[None] + where.directions[1]), [[0, 1]], atol=1e-12)


def test_a_sample_of_rows_keeps_the_shares_of_the_classes():
    x, y = random_rows(5000)
    _, fewer = surface.evenly(x, y, 400)
    assert len(fewer) == 400 and fewer.mean() == pytest.approx(y.mean(), abs=0.005)


def test_the_scores_are_scikit_learns():
    generator = np.random.default_rng(1)
    target = generator.integers(0, 2, 200)
    probability = np.round(np.clip(generator.random(200) * 0.6 + 0.3 * target, 0, 1), 2)  # with ties
    drawn = gallery.of_scores(torch.tensor(probability), torch.tensor(target), 0.4, "passed")
    roc = drawn["roc"].axes[0]
    curve = roc.get_lines()[0].get_xydata()
    fpr, tpr, _ = roc_curve(target, probability, drop_intermediate=False)
    np.testing.assert_allclose(curve, np.stack([fpr, tpr], axis=1), atol=1e-12)
    assert roc.get_title(loc="left").endswith(f"{roc_auc_score(target, probability):.3f}")
    counts = confusion_matrix(target, probability >= 0.4)
    words = [text.get_text() for text in drawn["confusion_matrix"].axes[0].texts]
    assert words[0::2] == [str(count) for count in counts.flatten()]
    chosen = roc.get_lines()[2].get_xydata()[0]
    np.testing.assert_allclose(chosen, [counts[0, 1] / counts[0].sum(), counts[1, 1] / counts[1].sum()])
    title = drawn["precision_recall"].axes[0].get_title(loc="left")
    assert title.endswith(f"{average_precision_score(target, probability):.3f}")


def test_the_reliability_bins_hold_every_row():
    probability = torch.linspace(0.01, 0.99, 200, dtype=torch.float64)
    target = (torch.arange(200) % 3 == 0).double()
    below = gallery.of_scores(probability, target, 0.5, "y")["reliability"].axes[1]
    heights = [segment[1, 1] for segment in below.collections[0].get_segments()]
    assert sum(heights) == 200 and len(heights) == 10


def test_rows_of_one_class_have_no_curves():
    assert gallery.of_scores(torch.tensor([0.2, 0.7]), torch.tensor([1.0, 1.0]), 0.5, "y") == {}


def boundary(axes):
    """Return the points, (n, 2), of the line where the probability is the threshold."""
    return axes.collections[-1].get_paths()[0].vertices


def test_a_training_of_two_features_in_scaled_units_is_drawn_in_its_own():
    examples = toy()
    scaling = Scaling.standard(examples.features)
    scaled = examples.but(features=scaling.transform(examples.features))
    moments = [Moment(0, 0, np.zeros(2), 0.0), Moment(5, 5, np.array([2.0, 1.0]), 0.5)]
    drawn = TrainingPictures(scaled, scaling, 0.5, moments).at(1)
    axes = drawn["probability"].axes[0]
    assert axes.get_title(loc="left").endswith("after 5 epochs")
    z = scaling.transform(torch.tensor(boundary(axes))).numpy()
    np.testing.assert_allclose(z @ [2.0, 1.0] + 0.5, 0, atol=1e-6)
    path = drawn["loss_surface"].axes[0].get_lines()[0].get_xydata()
    np.testing.assert_allclose(path, [[0, 0], [2, 1]])
    bars = sorted(bar.get_height() for bar in drawn["row_losses"].axes[0].patches)
    logit = scaled.features.double().numpy() @ [2.0, 1.0] + 0.5
    np.testing.assert_allclose(bars, np.sort(np.logaddexp(0, logit) - examples.target[:, 0].numpy() * logit), rtol=1e-6)


def test_more_features_are_drawn_over_the_logit():
    x, y = random_rows(50, 4)
    examples = toy().but(features=torch.tensor(x).float(), target=torch.tensor(y)[:, None].float(), feature_names=tuple("abcd"))
    moments = [Moment(0, 0, np.zeros(4), 0.0), Moment(9, 9, np.ones(4), -1.0)]
    axes = TrainingPictures(examples, Scaling.identity(4), 0.5, moments).at(1)["probability"].axes[0]
    assert axes.get_xlabel() == "the logit"
    drawn = np.sort(np.concatenate([line.get_xdata() for line in axes.get_lines() if line.get_label().startswith("class")]))
    np.testing.assert_allclose(drawn, np.sort(x.sum(1) - 1), rtol=1e-5)


@pytest.mark.parametrize("features", [1, 2, 3])
def test_no_words_leave_the_picture_however_long_the_names_are(features):
    names = tuple(f"number_of_previous_admissions_to_any_hospital_in_year_{each}" for each in range(features))
    x, y = random_rows(2500, features)
    examples = toy().but(
        features=torch.tensor(x).float(),
        target=torch.tensor(y)[:, None].float(),
        feature_names=names,
        target_name="readmitted_within_thirty_days_of_discharge",
    )
    moments = [Moment(epoch, epoch, np.full(features, epoch / 1000), 1.0) for epoch in (1, 9999)]
    pictures = list(TrainingPictures(examples, Scaling([0.0] * features, [2.0] * features), 0.5, moments).at(1).values())
    probability = torch.tensor(y) * 0.5 + 0.2
    pictures += gallery.of_scores(probability, torch.tensor(y), 0.5, short(examples.target_name)).values()
    pictures += [drawn.coefficients(names, np.arange(features)), drawn.odds_ratios(names, 1.0 + np.arange(features))]
    for picture in pictures:
        picture.draw_without_rendering()
        box, (width, height) = picture.get_tightbbox(), picture.get_size_inches()
        assert min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height, picture.axes[0].get_title(loc="left")


def test_a_table_is_sampled_evenly_and_says_so():
    x, y = random_rows(2500, 2)
    examples = toy().but(features=torch.tensor(x).float(), target=torch.tensor(y)[:, None].float())
    pictures = TrainingPictures(examples, Scaling.identity(2), 0.5, [Moment(2, 2, np.ones(2), 0.0)])
    assert pictures.every == 3
    axes = pictures.at(0)["row_losses"].axes[0]
    assert "1 row in 3" in axes.get_title(loc="left")
    logit = examples.features[::3].double().numpy().sum(1)
    dearest = np.argsort(y[::3] * logit - np.logaddexp(0, logit), kind="stable")[:24]
    assert {int(text.get_text()) for text in axes.get_xticklabels()} == set(3 * dearest + 1)


def test_a_run_has_its_training_on_the_dashboard_at_epochs_that_grow(fit):
    run = fit("results=pictures", "trainer.max_epochs=30")
    events = run.events()
    for name in ("probability", "row_losses", "loss_surface"):
        assert [event.step for event in events.Images(f"training/{name}")] == [0, 1, 4, 16, 30]
    last = events.Images("training/probability")[-1]
    weight = [run.curve(f"weight/{name}")[30] for name in ("x1", "x2")]
    moment = Moment(30, 30, np.array(weight), run.curve("bias")[30])
    drawn = TrainingPictures(toy(), Scaling.identity(2), 0.5, [moment]).at(0)["probability"]
    pixels = np.asarray(Image.open(io.BytesIO(last.encoded_image_string)).convert("RGB")).astype(int)
    expected = np.asarray(Image.open(io.BytesIO(style.png(drawn, 80))).convert("RGB")).astype(int)
    assert pixels.shape == expected.shape == (last.height, last.width, 3)
    assert np.mean(np.abs(pixels - expected).max(axis=2) > 8) < 0.001  # a weight is logged in float32
    names = {path.name for path in (run.path / "pictures").iterdir()}
    assert {"training_probability.png", "training_probability.svg", "train_roc.svg", "coefficients.png"} <= names
    assert {"training_result/train_roc", "training_result/odds_ratios"} <= set(events.Tags()["images"])


def test_the_numbers_of_a_fit_do_not_change(fit, tmp_path):
    with_pictures = fit("results=pictures", "trainer.max_epochs=20", directory=tmp_path / "with")
    without = fit("trainer.max_epochs=20", directory=tmp_path / "without")
    assert with_pictures.value == without.value
    assert same_weights(with_pictures.state(), without.state())
    assert not without.events().Tags()["images"] and not (without.path / "pictures").exists()


def test_a_resumed_run_shows_every_moment_once(fit):
    run = fit("results=pictures", "trainer.max_epochs=3")
    again = fit("results=pictures", "trainer.max_epochs=10", f"ckpt_path={run.path}")
    assert [event.step for event in again.events().Images("training/loss_surface")] == [0, 1, 3, 10]


def test_without_matplotlib_there_is_a_hint_and_no_picture(fit, monkeypatch, capsys):
    monkeypatch.setattr(result, "find_spec", lambda name: None)
    run = fit("results=pictures", "trainer.max_epochs=2")
    assert "pip install 'matplotlib" in capsys.readouterr().out
    assert not (run.path / "pictures").exists()


def test_training_without_pictures_leaves_the_drawing_alone():
    """torchmetrics imports matplotlib where it is installed; nothing of ours may."""
    probe = (
        "import sys\n"
        "import logitlab.experiment, logitlab.results.pictures, logitlab.results.dashboard\n"
        "print({'logitlab.plots.gallery', 'logitlab.plots.style'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
