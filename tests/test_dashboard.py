"""What a run writes for TensorBoard besides loss and accuracy, read back by TensorBoard's own reader."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.util import tensor_util

from logitlab.training.callbacks.weights import Weights, _after, weights

TOY = np.array([[1, 2], [2, 3], [3, 1], [4, 3], [5, 3], [6, 2]], dtype=float)


def test_the_weights_at_a_step_are_those_whose_loss_stands_there(fit):
    run = fit("trainer.max_epochs=50")
    x1, x2, bias, loss = (run.curve(tag) for tag in ("weight/x1", "weight/x2", "bias", "train/loss"))
    assert sorted(x1) == list(range(51)) and sorted(loss) == list(range(50))
    for step in (0, 1, 10, 49):
        logit = TOY @ [x1[step], x2[step]] + bias[step]
        target = np.array([0, 0, 0, 1, 1, 1])
        assert loss[step] == pytest.approx(np.mean(np.logaddexp(0, logit) - target * logit), rel=1e-5)
    assert run.state()["network.0.weight"][0].tolist() == pytest.approx([x1[50], x2[50]])


def test_the_gradient_norm_is_that_of_the_loss(fit):
    run = fit("trainer.max_epochs=3")
    x1, x2, bias, norm = (run.curve(tag) for tag in ("weight/x1", "weight/x2", "bias", "train/gradient_norm"))
    error = expit(TOY @ [x1[2], x2[2]] + bias[2]) - [0, 0, 0, 1, 1, 1]
    gradient = np.append(TOY.T @ error, error.sum()) / 6
    assert norm[2] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)


def test_the_weights_are_in_the_datas_own_units(fit):
    run = fit("data=scores", "trainer.max_epochs=5")
    table = dict(line.split(",")[:2] for line in (run.path / "coefficients.csv").read_text().splitlines()[1:])
    assert run.curve("weight/score")[5] == pytest.approx(float(table["score"]), rel=1e-5)
    assert run.curve("bias")[5] == pytest.approx(float(table["bias"]), rel=1e-5)


def test_with_mini_batches_there_is_one_point_an_epoch(fit):
    run = fit("data.batch_size=2", "data.shuffle=true", "trainer.max_epochs=4")
    assert sorted(run.curve("bias")) == [0, 3, 6, 9, 12]
    assert sorted(run.curve("train/gradient_norm")) == [0, 3, 6, 9]


def test_a_model_of_many_features_has_no_curves_of_weights(fit):
    tags = fit("callbacks.weights.most_features=1", "trainer.max_epochs=2").events().Tags()["scalars"]
    assert "train/loss" in tags and not {"weight/x1", "bias", "train/gradient_norm"} & set(tags)


def test_in_a_sweep_the_curves_are_off_unless_wanted():
    assert weights(sweep=True) is None
    assert isinstance(weights(sweep=True, in_sweeps=True), Weights)


@pytest.mark.parametrize(("growth", "expected"), [(3.0, [0, 1, 3, 9, 27, 81]), (1.5, [0, 1, 2, 3, 5, 8, 12, 18, 27, 41])])
def test_moments_are_kept_at_epochs_that_grow(growth, expected):
    epochs = [0]
    while epochs[-1] < 41:
        epochs.append(_after(epochs[-1], growth))
    assert epochs == expected


def test_a_resumed_run_goes_on_with_its_moments(fit, tmp_path):
    run = fit("trainer.max_epochs=4")
    moments = run.checkpoint()["callbacks"]["Weights"]
    assert moments["epoch"] == (0, 1, 2, 3, 4) and moments["is_shown"] == (True, True, False, False, True)
    again = fit("trainer.max_epochs=30", f"ckpt_path={run.path}")
    longer = again.checkpoint()["callbacks"]["Weights"]
    assert longer["epoch"] == (*range(12), 13, 15, 16, 18, 20, 22, 25, 28, 30)
    assert [epoch for epoch, is_shown in zip(longer["epoch"], longer["is_shown"], strict=True) if is_shown] == [0, 1, 4, 16, 30]
    logged = [[again.curve(tag)[epoch] for tag in ("weight/x1", "weight/x2")] for epoch in longer["epoch"]]
    torch.testing.assert_close(longer["weight"], torch.tensor(logged))
    assert sorted(again.curve("bias")) == list(range(31))


def test_the_results_are_on_the_dashboard(fit):
    events = fit("trainer.max_epochs=2").events()
    tags = events.Tags()
    assert {"weights", "train/logits/class_0", "train/logits/class_1", "train/probabilities/class_1"} <= set(tags["histograms"])
    assert {"config/text_summary", "coefficients/text_summary", "train/pr_curve"} <= set(tags["tensors"])
    assert events.Histograms("train/probabilities/class_0")[0].histogram_value.num == 3
    text = tensor_util.make_ndarray(events.Tensors("coefficients/text_summary")[0].tensor_proto).item().decode()
    assert text.startswith("name | estimate") and "\nx2 | " in text


@pytest.mark.parametrize("killed_among_results", [False, True])
def test_the_histograms_move_with_the_training(fit, killed_among_results):
    run = fit("trainer.max_epochs=5")
    if killed_among_results:
        (run.path / "metrics.json").unlink()
    run = fit("trainer.max_epochs=9", f"ckpt_path={run.path}")
    events = run.events()
    assert [event.step for event in events.Histograms("train/logits/class_1")] == [0, 1, 4, 5, 9]
    for event in events.Histograms("train/logits/class_1"):
        weight = [run.curve(tag)[event.step] for tag in ("weight/x1", "weight/x2")]
        logit = TOY[3:] @ weight + run.curve("bias")[event.step]
        found = event.histogram_value
        assert [found.num, found.min, found.max] == pytest.approx([3, logit.min(), logit.max()], rel=1e-5)


def test_the_layout_puts_train_and_val_loss_into_one_chart(fit):
    events = fit("trainer.max_epochs=2").events()
    stored = events.Tensors("custom_scalars__config__")[0].tensor_proto
    layout = layout_pb2.Layout.FromString(tensor_util.make_ndarray(stored).item())
    charts = {chart.title: list(chart.multiline.tag) for category in layout.category for chart in category.chart}
    assert charts["loss"] == ["(train|val)/loss"]
    assert {"metrics", "calibration", "weights and bias", "gradient norm", "learning rate"} <= set(charts)


def test_weights_beyond_the_bins_of_tensorboard(fit):
    assert fit("optimizer.lr=1e30", "trainer.max_epochs=3").json()["separable"] == 1
