"""Two moons, and what is said of a network that has no coefficients: importance and partial dependence, from run to report."""

import csv
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from runs import Run
from sklearn.datasets import make_moons
from sklearn.metrics import log_loss
from trained import train_table

from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.moons import moons
from logitlab.errors import UserError
from logitlab.inference import importance, jobs
from logitlab.inference.exporting import run_onnx
from logitlab.inference.model_file import load_model
from logitlab.reporting import job
from logitlab.statistics.importance import partial_dependence, permutation_importance


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A run of experiment=moons, made once."""
    from runs import compose_config

    from logitlab.experiment import train

    folder = tmp_path_factory.mktemp("moons") / "run"
    return Run(folder, train(compose_config("experiment=moons", directory=folder)))


@pytest.mark.parametrize("rows", [4, 11, 500])
def test_without_noise_the_points_are_scikit_learns(rows: int) -> None:
    found = moons(rows, noise=0.0)
    points, target = make_moons((rows - rows // 2, rows // 2), shuffle=False)
    order = torch.cat([torch.arange(0, rows, 2), torch.arange(1, rows, 2)])
    np.testing.assert_allclose(found.features[order].numpy(), points, atol=1e-6)
    assert found.target[order, 0].tolist() == target.tolist()


def test_the_noise_is_of_the_seed_and_has_its_deviation() -> None:
    noise = moons(20_000, 0.25, seed=3).features - moons(20_000, 0.0).features
    assert noise.std().item() == pytest.approx(0.25, rel=0.02)
    assert torch.equal(moons(seed=3).features, moons(seed=3).features)
    assert not torch.equal(moons(seed=3).features, moons(seed=4).features)


@pytest.mark.parametrize("arguments", [{"rows": 3}, {"noise": -0.1}])
def test_a_wrong_number_of_the_source_is_refused(arguments: dict) -> None:
    with pytest.raises(UserError, match="rows from 4 and noise from 0 up"):
        moons(**arguments)


def test_the_splits_have_their_shares_of_both_classes() -> None:
    data = InMemoryDataModule(moons(), val_fraction=0.2, test_fraction=0.2)
    assert {name: (len(rows), rows.target.mean().item()) for name, rows in data.splits.items()} == {
        "train": (300, 0.5),
        "val": (100, 0.5),
        "test": (100, 0.5),
    }
    together = torch.cat([rows.features for rows in data.splits.values()])
    assert torch.equal(together.sort(dim=0).values, moons().features.sort(dim=0).values)


def test_folds_leave_the_test_rows_as_they_are() -> None:
    plain = InMemoryDataModule(moons(), val_fraction=0.2, test_fraction=0.2)
    folds = [InMemoryDataModule(moons(), folds=4, fold=fold, val_fraction=0.2, test_fraction=0.2) for fold in range(4)]
    for data in folds:
        assert torch.equal(data.splits["test"].features, plain.splits["test"].features)
        assert (len(data.splits["train"]), len(data.splits["val"])) == (300, 100)
    assert len(torch.cat([data.splits["val"].features for data in folds]).unique(dim=0)) == 400


def rows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(200, 4, generator=generator, dtype=torch.float64)
    y = (x[:, 0] * x[:, 1] + 0.3 * torch.randn(200, generator=generator, dtype=torch.float64) > 0).double()
    return x, y, torch.rand(200, generator=generator, dtype=torch.float64) + 0.5


def logit(x: torch.Tensor) -> torch.Tensor:
    return 3 * x[:, 0] * x[:, 1] + 0.5 * x[:, 2]


def test_importance_is_the_rise_of_scikit_learns_log_loss() -> None:
    x, y, weight = rows()
    groups = [[0], [1, 2], [3]]
    found = permutation_importance(logit, x, y, weight, groups, repeats=3, seed=5)
    generator = torch.Generator().manual_seed(5)
    orders = [torch.randperm(200, generator=generator).numpy() for _ in range(3)]

    def loss(values: np.ndarray) -> float:
        return log_loss(y.numpy(), 1 / (1 + np.exp(-logit(torch.from_numpy(values)).numpy())), sample_weight=weight.numpy())

    for number, group in enumerate(groups):
        for repeat, order in enumerate(orders):
            values = x.numpy().copy()
            values[:, group] = values[order][:, group]
            assert found[number, repeat].item() == pytest.approx(loss(values) - loss(x.numpy()), abs=1e-9)  # its log is clipped
    assert found[2].tolist() == [0, 0, 0]  # the network does not look at it
    assert (found[:2] > 0.05).all()


def test_partial_dependence_is_the_mean_of_all_rows_with_the_value() -> None:
    x, _, weight = rows()
    values = torch.tensor([[-1.0, 0.0], [2.0, 1.0]], dtype=torch.float64)
    found = partial_dependence(logit, x, weight, [1, 2], values)
    for value, mean in zip(values.numpy(), found.tolist(), strict=True):
        z = 3 * x[:, 0].numpy() * value[0] + 0.5 * value[1]
        assert mean == pytest.approx(np.average(1 / (1 + np.exp(-z)), weights=weight.numpy()), abs=1e-12)


def test_a_hidden_layer_beats_a_line_on_two_moons(run: Run, fit) -> None:
    assert run.json()["test/accuracy"] >= 0.93
    line = fit("data=moons", "optimizer=newton", "trainer.max_epochs=50").json()
    assert line["test/accuracy"] <= 0.86
    assert run.json()["test/loss"] < 0.5 * line["test/loss"]


def test_the_files_hold_what_the_model_does(run: Run) -> None:
    found = read(run.path / "importance.csv")
    assert [row["column"] for row in found] == ["x2", "x1"] and {row["split"] for row in found} == {"test"}
    assert all(float(row["rise"]) > 5 * float(row["deviation"]) / 10**0.5 > 0 for row in found)
    model, test = load_model(run.path), InMemoryDataModule(moons(), val_fraction=0.2, test_fraction=0.2).splits["test"]
    for row in read(run.path / "partial_dependence.csv")[::7]:
        moved = pl.lit(float(row["value"])).alias(row["column"])
        frame = pl.DataFrame(test.features.numpy(), schema=["x1", "x2"]).with_columns(moved)
        assert model.probability(frame).double().mean().item() == pytest.approx(float(row["probability"]), abs=2e-5)


def test_predictions_and_the_exported_program_are_the_closed_form(run: Run) -> None:
    from logitlab.inference.exporting import export

    model, state = load_model(run.path), {name: value.double().numpy() for name, value in run.state("best").items()}
    points = np.random.default_rng(1).normal(size=(50, 2))
    hidden = np.tanh(points @ state["network.hidden.weight"].T + state["network.hidden.bias"])
    expected = 1 / (1 + np.exp(-(hidden @ state["network.output.weight"].T + state["network.output.bias"])[:, 0]))
    found = model.probability(pl.DataFrame(points, schema=["x1", "x2"]))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    export(model, run.path / "export", str(run.path))
    inputs = {"x1": points[:, 0], "x2": points[:, 1]}
    np.testing.assert_allclose(run_onnx(run.path / "export" / "model.onnx", inputs).numpy(), expected, atol=1e-6)


def test_explain_speaks_of_importance_and_of_no_odds(run: Run) -> None:
    said = list(importance.sentences(load_model(run.path), run.path))
    assert said[0].startswith("The network is not linear")
    assert said[1].startswith("With the values of x2 shuffled among the test rows the log loss is")
    assert "the probability of moon=1 is lowest, 0.0693, at x2 = 1.6013" in said[1]
    assert len(said) == 3 and "odds" not in " ".join(said)


def test_a_row_of_such_a_network_is_not_taken_apart(run: Run, tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    cfg = OmegaConf.create({"run": str(run.path), "row": 1, "data": {"path": str(tmp_path / "t.csv")}, "against": "average"})
    with pytest.raises(UserError, match="is known of a linear network only"):
        jobs.explain(cfg)


def test_without_its_files_there_is_nothing_to_explain(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no importance\.csv"):
        list(importance.sentences(load_model(run.path), tmp_path))
    (tmp_path / "importance.csv").write_text("column,rise,deviation,split\nx1,many,0,test\n")
    with pytest.raises(UserError, match="no table of importances"):
        list(importance.sentences(load_model(run.path), tmp_path))


def test_the_report_has_the_importances_and_the_networks_own_field(run: Run) -> None:
    page = job.run_report(run.path)
    text = re.sub("<script.*?</script>", "", page, flags=re.DOTALL)
    assert "the rise of the log loss where a column" in text and ">x2<" in text
    assert re.search(r'"frames": ?null', page) and re.search(r'"field": ?\{"names": ?\["x1", ?"x2"\]', page)
    assert "decision line" not in text and "standard deviation of a column adds to the logit" not in text


def test_of_a_table_the_levels_of_a_category_are_one_column(tmp_path: Path, capsys) -> None:
    run = train_table(tmp_path, "model=mlp", "results.importance.repeats=4")
    assert "importance of city" in capsys.readouterr().out
    assert {row["column"] for row in read(run.path / "importance.csv")} == {"age", "city", "height"}
    points = [row for row in read(run.path / "partial_dependence.csv") if row["column"] == "city"]
    assert [row["value"] for row in points] == ["Graz", "Linz", "Wien"]
    ages = [float(row["value"]) for row in read(run.path / "partial_dependence.csv") if row["column"] == "age"]
    assert ages == sorted(ages) and 0 < ages[0] < 30 and 50 < ages[-1] < 80


def test_a_linear_network_has_coefficients_instead_unless_asked(fit, capsys) -> None:
    run = fit("data=study", "optimizer=newton")
    assert not (run.path / "importance.csv").exists() and "importance" not in capsys.readouterr().out
    run = fit("data=study", "optimizer=newton", "results.importance.of_linear=true", directory=run.path.with_name("both"))
    [row] = read(run.path / "importance.csv")
    assert (row["column"], row["split"]) == ("hours", "train") and float(row["rise"]) > 0
    assert (run.path / "coefficients.csv").exists()
