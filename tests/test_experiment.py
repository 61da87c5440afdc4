"""The tutorials' experiments through the whole project, against what the tutorials print."""

import json
from collections.abc import Callable

import pytest
import torch
from processes import ROOT, Forked
from runs import Run, same_weights

TUTORIALS = {each["id"]: each for each in json.loads((ROOT / "scripts/tutorials.json").read_text())["experiments"]}


def within_last_place(value: float, printed: str) -> bool:
    """Return whether `value`, printed as `printed` is, differs by one unit in the last place at most."""
    mantissa, _, exponent = printed.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(value - float(printed)) <= 1.5 * unit


def network(run: Run) -> tuple[list[float], float]:
    weight, bias = run.state().values()
    return weight.flatten().tolist(), float(bias)


def probabilities(run: Run, features: torch.Tensor) -> list[float]:
    weight, bias = network(run)
    return torch.sigmoid(features @ torch.tensor(weight) + bias).tolist()


@pytest.mark.parametrize("name", ["toy_sequential", "toy_class", "toy_zeros"])
def test_toy_experiments_end_where_the_tutorials_end(fit: Callable[..., Run], name: str) -> None:
    tutorial = TUTORIALS[name.replace("_", "-")]
    run = fit(f"experiment={name}")
    weight, bias = network(run)
    assert all(map(within_last_place, weight, tutorial["final_weight"]))
    assert within_last_place(bias, tutorial["final_bias"])
    if "final_predictions" in tutorial:
        features = torch.tensor([[1.0, 2], [2, 3], [3, 1], [4, 3], [5, 3], [6, 2]])
        assert all(map(within_last_place, probabilities(run, features), tutorial["final_predictions"]))


def test_the_main_job_is_the_first_tutorial_curve_and_all(fit: Callable[..., Run]) -> None:
    run = fit()
    losses, accuracies = run.curve("train/loss"), run.curve("train/accuracy")
    assert list(losses) == list(accuracies) == list(range(1001))
    for line in TUTORIALS["toy-sequential"]["curve"]:
        assert within_last_place(losses[line["epoch"]], line["cost"]), line
        assert within_last_place(100 * accuracies[line["epoch"]], line["accuracy"]), line
    assert set(run.curve("train/learning_rate").values()) == {1.0}
    assert run.json()["train/loss"] == pytest.approx(losses[1000])
    assert run.json()["train/accuracy"] == 1.0
    assert run.value == pytest.approx(losses[1000])


def test_zeros_start_at_the_cost_that_the_tutorial_prints(fit: Callable[..., Run]) -> None:
    run = fit("experiment=toy_zeros", "trainer.max_epochs=1")
    assert within_last_place(run.curve()[0], TUTORIALS["toy-zeros"]["initial_cost"])


def test_hours_curve_and_predictions(fit: Callable[..., Run]) -> None:
    tutorial = TUTORIALS["hours-class"]
    run = fit("experiment=hours")
    losses = run.curve()
    assert len(losses) == tutorial["updates"]
    for line in tutorial["curve"]:
        assert within_last_place(losses[line["updates_done"]], line["loss"]), line
    for hours, said in (1.0, "1 hour"), (7.0, "7 hours"):
        expected = tutorial["predictions_after"][said]
        (probability,) = probabilities(run, torch.tensor([[hours]]))
        assert within_last_place(probability, expected["probability"])
        assert (probability > 0.5) is expected["above_half"]


def test_scores_are_learnt_scaled_and_stall_raw(fit: Callable[..., Run], tmp_path) -> None:
    scaled = fit("experiment=scores", directory=tmp_path / "scaled")
    raw = fit("experiment=scores", "data.scale=none", directory=tmp_path / "raw")
    assert scaled.json()["train/loss"] < 0.05
    assert scaled.json()["train/accuracy"] == 1.0
    assert raw.json()["train/loss"] > 10


def test_without_a_penalty_group_there_is_no_penalty(fork: Callable[..., Forked], tmp_path) -> None:
    commands = {"without": ["penalty=null"], "usual": []}
    for name, more in commands.items():
        ran = fork(*more, "trainer.max_epochs=30", f"hydra.run.dir={name}")
        assert ran.wait() == 0, ran.output()
    without, usual = (Run(tmp_path / name) for name in commands)
    assert same_weights(without.state(), usual.state())
    assert without.json() == usual.json()
