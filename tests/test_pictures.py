"""The pictures of a run: that what is drawn is what the run's own numbers say, and that they are where they should be."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib", reason="the pictures need the extra: pip install 'logreg[pictures]'")

from scipy.optimize import minimize, minimize_scalar
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score, roc_curve

from logreg import gallery
from logreg.callbacks.weights import State
from logreg.data.scaling import Scaling
from logreg.data.toy import toy
from logreg.plots import surface
from logreg.results import pictures as result


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


def test_a_training_of_two_features_in_scaled_units_is_drawn_in_its_own():
    examples = toy()
    scaling = Scaling.standard(examples.features)
    scaled = replace(examples, features=scaling.transform(examples.features))
    states = [State(0, 0, torch.zeros(2), torch.tensor(0.0)), State(5, 5, torch.tensor([2.0, 1.0]), torch.tensor(0.5))]
    drawn = gallery.TrainingPictures(scaled, scaling, states, 0.5).at(1)
    axes = drawn["probability"].axes[0]
    assert "after 5 epochs" in axes.get_title(loc="left")
    ends = next(each for each in axes.get_lines() if each.get_label() == "probability = 0.5").get_xydata()
    z = scaling.transform(torch.tensor(ends)).numpy()
    np.testing.assert_allclose(z @ [2.0, 1.0] + 0.5, 0, atol=1e-6)
    path = drawn["loss_surface"].axes[0].get_lines()[0].get_xydata()
    np.testing.assert_allclose(path, [[0, 0], [2, 1]])
    bars = sorted(bar.get_height() for bar in drawn["row_losses"].axes[0].patches)
    logit = scaled.features.double().numpy() @ [2.0, 1.0] + 0.5
    np.testing.assert_allclose(bars, np.sort(np.logaddexp(0, logit) - examples.target[:, 0].numpy() * logit), rtol=1e-6)


def test_more_features_are_drawn_over_the_logit():
    x, y = random_rows(50, 4)
    examples = replace(
        toy(), features=torch.tensor(x).float(), target=torch.tensor(y)[:, None].float(), feature_names=tuple("abcd")
    )
    states = [State(0, 0, torch.zeros(4), torch.tensor(0.0)), State(9, 9, torch.ones(4), torch.tensor(-1.0))]
    axes = gallery.TrainingPictures(examples, Scaling.identity(4), states, 0.5).at(1)["probability"].axes[0]
    assert axes.get_xlabel() == "the logit"
    drawn = np.sort(np.concatenate([line.get_xdata() for line in axes.get_lines() if line.get_label().startswith("class")]))
    np.testing.assert_allclose(drawn, np.sort(x.sum(1) - 1), rtol=1e-5)


@pytest.mark.slow
def test_a_run_with_pictures_has_them_in_its_folder_and_on_the_dashboard(fit):
    run = fit("callbacks=pictures", "trainer.max_epochs=4")
    images = set(run.events().Tags()["images"])
    assert {
        "training/probability",
        "training/loss_surface",
        "training/row_losses",
        "train/roc",
        "coefficients/odds_ratios",
    } <= set(images)
    assert [event.step for event in run.events().Images("training/probability")] == [0, 1, 3, 4]
    names = {path.name for path in (run.path / "pictures").iterdir()}
    assert {"training_probability.png", "training_probability.svg", "train_roc.svg", "coefficients.png"} <= names


def test_without_matplotlib_there_is_a_hint_and_no_picture(fit, monkeypatch, capsys):
    monkeypatch.setattr(result, "find_spec", lambda name: None)
    run = fit("callbacks=pictures", "trainer.max_epochs=2")
    assert "pip install 'logreg[pictures]'" in capsys.readouterr().out
    assert not (run.path / "pictures").exists()


def test_training_without_pictures_leaves_the_drawing_alone():
    """torchmetrics imports matplotlib where it is installed; nothing of ours may."""
    probe = (
        "import sys\n"
        "import logreg.experiment, logreg.results.pictures, logreg.results.dashboard\n"
        "print('logreg.gallery' in sys.modules or 'logreg.plots' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
