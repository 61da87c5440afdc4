"""select_penalty.py: the path against scikit-learn on the same folds, the rule by hand, the command as a process."""

import csv
import json
import math
import re
import signal
import time

import breast_cancer
import numpy as np
import pytest
import torch
import yaml
from processes import Forked, run_command
from runs import Run
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.examples import Examples
from logitlab.data.splits import by_folds, by_fractions
from logitlab.data.study import study
from logitlab.data.table import table
from logitlab.paths.cross_validation import of_folds, of_split, strengths, units_of_folds
from logitlab.penalties import ElasticNet
from logitlab.reporting.job import run_report
from logitlab.selection.rule import choices, line
from logitlab.solvers.newton import newton
from logitlab.solvers.objective import Objective

FOLDS = 4  # 484 rows are divided into four of 121: C is the same in each


@pytest.fixture(scope="module")
def cancer(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "breast_cancer.csv"
    breast_cancer.main(path)
    return path


def select(directory, *arguments, code=0):
    process = Forked(arguments, directory, {}, door="select_penalty")
    assert process.wait() == code, process.output()
    return process.output()


def lines(run):
    with (run / "selection.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def scikit_learn(l1, l2):
    """The log loss of each fold, of rows that are divided as ours are."""
    x, y = load_breast_cancer(return_X_y=True)
    target = torch.tensor(y).float()
    test = by_fractions(len(y), 0, 0.15, 0, target)["test"]
    number = np.full(len(y), -1)
    for fold in range(FOLDS):
        number[by_folds(target, FOLDS, fold, 0, test)["val"].numpy()] = fold
    rows = np.setdiff1d(np.arange(len(y)), test.numpy())
    rows_that_teach = len(rows) * (FOLDS - 1) // FOLDS
    terms = ElasticNet(l1, l2).as_sklearn(rows_that_teach)
    model = LogisticRegression(**terms, solver="saga" if l1 else "newton-cholesky", tol=1e-10, max_iter=100_000)
    split = PredefinedSplit(number[rows])
    return -cross_val_score(make_pipeline(StandardScaler(), model), x[rows], y[rows], cv=split, scoring="neg_log_loss")


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def path(data, l1=0.0, l2=0.0, **more):
    """The points of one fold's own path, from four times the last penalty."""
    own = [column(4 * value, value) for value in (l1, l2)]
    return of_split(data.rows("train"), data.rows("val"), *own, tolerance=1e-10, **more).points[0]


PENALTIES = [{"l2": 1.0}, {"l2": 0.03}, {"l2": 0.002}, {"l1": 0.1}, {"l1": 0.03}, {"l1": 0.01, "l2": 0.02}]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_loss_of_every_fold_is_scikit_learns(cancer, penalty):
    expected = scikit_learn(**{"l1": 0.0, "l2": 0.0, **penalty})
    found = []
    for fold in range(FOLDS):
        points = path(table(str(cancer), "benign", folds=FOLDS, fold=fold), **penalty)
        assert all(point.converged for point in points)
        found.append(points[1])
    np.testing.assert_allclose([point.loss for point in found], expected, atol=1e-6, rtol=0)
    together = table(str(cancer), "benign", folds=FOLDS, fold="all")
    steps = torch.tensor([[4.0], [1.0]], dtype=torch.float64).expand(2, FOLDS + 1)
    l1, l2 = (steps * penalty.get(name, 0.0) for name in ("l1", "l2"))
    paths = of_folds(together, units_of_folds(together, "standard"), l1, l2, 1e-10, [1.0] * (FOLDS + 1))
    for fold in range(FOLDS):
        shared = paths.points[fold][1]
        assert shared.converged and shared.loss == pytest.approx(found[fold].loss, abs=1e-9)
        assert shared.coefficients == found[fold].coefficients
    data = together.examples
    alone = newton(data.exact, data.target, tolerance=1e-10, **penalty)
    torch.testing.assert_close(paths.coefficients[-1, 1], torch.cat([alone.weight, alone.bias[None]]), atol=1e-7, rtol=0)


def test_a_fold_whose_preparation_differs_in_more_than_units_has_one_of_its_own(tmp_path):
    text = "a,b,c,y\n" + "".join(f"{i * 7 % 10},{'uvw'[i % 3]},{i % 4},{i % 2 if i % 5 else 1 - i % 2}\n" for i in range(40))
    (tmp_path / "t.csv").write_text(text)
    plain = table(str(tmp_path / "t.csv"), "y", folds=4, fold="all", test_fraction=0)
    units = units_of_folds(plain, "standard")
    for fold in range(4):
        own = table(str(tmp_path / "t.csv"), "y", folds=4, fold=fold, test_fraction=0).preprocessing.scaling.scale
        np.testing.assert_allclose(units[fold].numpy() * plain.preprocessing.scaling.scale, own, rtol=1e-12)
    assert plain.preprocessing.feature_names == ("a", "b=v", "b=w", "c")
    counted = table(str(tmp_path / "t.csv"), "y", folds=4, fold="all", test_fraction=0, min_count=2)
    assert units_of_folds(counted, "standard", min_count=2) is None
    for name, changed in (("rare", text.replace("7,v,1", "7,rare,1", 1)), ("first", text.replace("7,v,1", "7,a,1", 1))):
        (tmp_path / f"{name}.csv").write_text(changed)
        assert changed != text
        assert (
            units_of_folds(table(str(tmp_path / f"{name}.csv"), "y", folds=4, fold="all", test_fraction=0), "standard") is None
        )
    (tmp_path / "gap.csv").write_text(text.replace("7,v,1", ",v,1", 1))
    gap = table(str(tmp_path / "gap.csv"), "y", folds=4, fold="all", test_fraction=0, missing="mean")
    assert units_of_folds(gap, "standard") is None


@pytest.mark.parametrize("pos_weight", [1.0, 3.0])
@pytest.mark.parametrize("ratio", [1.0, 0.25])
def test_the_path_begins_where_l1_makes_every_coefficient_zero(cancer, pos_weight, ratio):
    data = table(str(cancer), "benign", folds=5, fold="all")
    values = strengths(data.examples, "l1", 5, pos_weight, ratio)
    assert values == pytest.approx([values[0] * 10**-step for step in range(5)])
    own = column(values[0] * 1.001, values[0] * 0.99)
    found = of_split(data.examples, None, own * ratio, own * (1 - ratio), 1e-9, pos_weight).points[0]
    assert [point.coefficients for point in found] == [0, 1]


def test_a_penalty_that_is_not_chosen_stays():
    data = InMemoryDataModule(study(), folds=5, fold=0)
    train, val = data.rows("train"), data.rows("val")
    (point,) = of_split(train, val, column(0.01), column(0.3), 1e-9).points[0]
    alone = newton(train.features, train.target, l2=0.3, l1=0.01)
    logit = val.features.double() @ alone.weight + alone.bias
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logit, val.target[:, 0].double())
    assert point.loss == pytest.approx(float(expected), abs=1e-9)


def test_the_one_standard_error_rule_by_hand():
    losses = {1.0: [0.9, 0.9, 0.9], 0.3: [0.4, 0.5, 0.6], 0.1: [0.3, 0.45, 0.6], 0.03: [0.2, 0.45, 0.61], 0.01: [0.5, 0.5, 0.5]}
    found = [line(value, each, [1, 2, 3]) for value, each in losses.items()]
    assert found[1].loss == pytest.approx(0.5)
    assert found[1].error == pytest.approx(0.1 / math.sqrt(3))
    assert found[1].coefficients == 2
    assert choices(found) == {"min": 3, "1se": 1}  # 0.42 + 0.119 reaches 0.5, not 0.9


def test_the_command_chooses_trains_and_goes_on(tmp_path, cancer):
    command = ("data=table", f"data.path={cancer}", "data.target=benign", "selection.count=12", "hydra.run.dir=chosen")
    told = select(tmp_path, *command)
    run = Run(tmp_path / "chosen")
    found = lines(run.path)
    (least,) = (row for row in found if "min" in row["choice"])
    (chosen,) = (row for row in found if "1se" in row["choice"])
    assert float(least["loss"]) == min(float(row["loss"]) for row in found)
    assert float(chosen["loss"]) <= float(least["loss"]) + float(least["standard_error"])
    assert f"penalty.l2={float(chosen['penalty.l2']):.4g} (selection.choose=1se)" in told
    saved = run.checkpoint()["hyper_parameters"]["config"]["penalty"]
    assert saved == {"_target_": "logitlab.penalties.ElasticNet", "l1": 0.0, "l2": float(chosen["penalty.l2"])}
    assert "  train  484 rows" in told
    data = table(str(cancer), "benign", folds=5, fold="all")
    optimum = newton(data.examples.features, data.examples.target, l2=saved["l2"])
    weight = next(iter(run.state().values())).reshape(-1).double()
    torch.testing.assert_close(weight, optimum.weight, atol=1e-5, rtol=1e-5)
    notes = json.loads((run.path / "selection.json").read_text())
    notes["folds"] = notes["folds"][:2]  # as a process leaves it that was killed in its third fold
    (run.path / "selection.json").write_text(json.dumps(notes))
    (run.path / "selection.csv").unlink()
    select(tmp_path, *command)
    assert lines(run.path) == found
    assert "another selection" in select(tmp_path, *command, "selection.choose=min", code=2)
    assert run_command("predict", "run=chosen", f"data.path={cancer}", "output=p.csv", cwd=tmp_path).returncode == 0
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 570


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["optimizer=adam"], "needs optimizer=newton or optimizer=lbfgs"),
        (["selection.penalty=l1", "optimizer=lbfgs"], "needs optimizer=newton."),
        (["penalty=firth"], "type penalty=elastic_net"),
        (["selection.values=[1]"], "takes two values and more"),
        (["data.fold=0"], "leave data.fold as it is"),
        (["data=toy"], "type data.folds=3"),
        (["selection.l1_ratio=0.5", "selection.penalty=l1"], "leave one of them out"),
        (["selection.l1_ratio=[0.5,2]"], "selection.l1_ratio=2 is not allowed"),
        (["selection.chose=min"], "Did you mean 'choose'?"),
    ],
)
def test_a_mistake_is_told_in_a_paragraph(tmp_path, given, told):
    assert told in " ".join(select(tmp_path, *given, code=2).split())


def test_both_strengths_are_chosen_and_the_path_is_drawn_and_reported(tmp_path, cancer):
    command = ("data=table", f"data.path={cancer}", "data.target=benign", "selection.l1_ratio=[0.2,1]", "selection.count=8")
    told = select(tmp_path, *command, "results=pictures", "callbacks=null", "hydra.run.dir=run")
    found = lines(tmp_path / "run")
    assert len(found) == 16
    shares = [float(row["penalty.l1"]) / (float(row["penalty.l1"]) + float(row["penalty.l2"])) for row in found]
    assert shares == pytest.approx([0.2] * 8 + [1.0] * 8)
    (least,) = (row for row in found if "min" in row["choice"])
    (chosen,) = (row for row in found if "1se" in row["choice"])
    assert float(least["loss"]) == min(float(row["loss"]) for row in found)
    assert f"penalty.l1={float(chosen['penalty.l1']):.4g} penalty.l2={float(chosen['penalty.l2']):.4g}" in told
    with (tmp_path / "run" / "coefficient_path.csv").open(newline="") as file:
        path = list(csv.DictReader(file))
    place = found.index(chosen)
    data = table(str(cancer), "benign", folds=5, fold="all")
    both = {name: float(chosen[f"penalty.{name}"]) for name in ("l1", "l2")}
    optimum = newton(data.examples.exact, data.examples.target, tolerance=1e-10, **both)
    own = [float(path[place][name]) for name in data.feature_names]
    np.testing.assert_allclose(own, optimum.weight, atol=1e-7)
    assert (tmp_path / "run" / "pictures" / "penalty_path.svg").read_text().count("<path") > 30
    page = run_report(tmp_path / "run")
    shown = json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])["path"]
    assert shown["loss"][0] == [
        float(row["loss"]) for row in found if (row["penalty.l2"] == "0.0") == (least["penalty.l2"] == "0.0")
    ]
    assert shown["chosen"]["min"][1] == float(least["loss"])
    (tmp_path / "run" / "coefficient_path.csv").write_text("l1_ratio,strength,bias\n1,2,3\n")
    assert "do not hold a path of penalties" in run_report(tmp_path / "run")


def test_the_end_of_the_path_is_named(tmp_path):
    told = select(tmp_path, "data=hours", "data.folds=2", "selection.values=[1,0.1]")
    assert "the smallest loss is at the weakest penalty of all; weaker ones may do better" in " ".join(told.split())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, cancer):
    """A command whose folds are prepared one by one, for a value is missing; the selection if nothing comes in between."""
    directory = tmp_path_factory.mktemp("selection")
    head, first, *rest = cancer.read_text().splitlines()
    (directory / "gap.csv").write_text("\n".join([head, first[first.index(",") :], *rest]))
    command = ("data=table", f"data.path={directory / 'gap.csv'}", "data.missing=mean", "data.target=benign")
    command = (*command, "selection.penalty=l1", "selection.count=20")
    select(directory, *command, "hydra.run.dir=whole")
    return command, lines(directory / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_selection_that_is_killed_goes_on_with_the_next_fold(tmp_path, uninterrupted, number, code):
    command, whole = uninterrupted
    process = Forked((*command, "hydra.run.dir=run"), tmp_path, {}, door="select_penalty")
    notes = tmp_path / "run" / "selection.json"
    while process.alive() and not notes.exists():
        time.sleep(0.005)
    process.send(number)
    assert process.wait() == code, process.output()
    assert "Traceback" not in process.output()
    begun = json.loads(notes.read_text())["folds"]
    assert 1 <= len(begun) < 5
    select(tmp_path, *command, "hydra.run.dir=run")
    assert json.loads(notes.read_text())["folds"][: len(begun)] == begun
    assert lines(tmp_path / "run") == whole


def test_the_bare_command_chooses_on_a_table_that_has_enough_rows_and_hints_name_it(tmp_path):
    told = select(tmp_path, "selection.count=3", "hydra.run.dir=run")
    assert "5-fold cross-validated" in told and len(lines(tmp_path / "run")) == 3
    told = " ".join(select(tmp_path, "data=table", code=2).split())
    assert told.endswith("as in python select_penalty.py data=table data.path=students.csv data.target=passed")


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_more_columns_than_rows_take_the_work_of_as_many_columns_as_rows(kind):
    random = np.random.default_rng(0)
    x = torch.tensor(random.normal(size=(40, 300)))
    y = torch.tensor((x[:, :5].sum(1).numpy() + random.normal(size=40) > 0).astype(np.float32))[:, None]
    train, val = (Examples(x[part], y[part], tuple(map(str, range(300))), "y") for part in (slice(0, 30), slice(30, 40)))
    values = [0.2, 0.05, 0.01]
    own = column(*values)
    l1, l2 = (own, torch.full_like(own, 0.01)) if kind == "l1" else (torch.zeros_like(own), own)
    points = of_split(train, val, l1, l2, 1e-10).points[0]
    judge = Objective(val.exact, val.target)
    for value, point in zip(values, points, strict=True):
        both = {"l1": value, "l2": 0.01} if kind == "l1" else {"l2": value}
        right = newton(train.exact, train.target, tolerance=1e-10, **both)
        loss = judge(torch.cat([right.weight, right.bias[None]]), hessian=False).loss
        assert point.converged and point.loss == pytest.approx(loss, abs=1e-8)
        assert point.coefficients == int((right.weight != 0).sum())


def test_a_run_whose_penalty_is_chosen_on_its_val_rows(tmp_path, cancer):
    command = ("data=table", f"data.path={cancer}", "data.target=benign", "penalty=path", "penalty.l1_ratio=0.5")
    given = (*command, "penalty.count=12", "optimizer=newton", "callbacks=null", "hydra.run.dir=run")
    process = Forked(given, tmp_path, {}, door="train")
    assert process.wait() == 0, process.output()
    data = table(str(cancer), "benign")
    train, val = data.rows("train"), data.rows("val")
    losses = {}
    for value in strengths(train, "l1", 12, 1.0, 0.5):
        found = newton(train.exact, train.target, l1=value / 2, l2=value / 2)
        losses[value] = Objective(val.exact, val.target)(torch.cat([found.weight, found.bias[None]]), hessian=False).loss
    best = min(losses, key=losses.__getitem__)
    assert f"penalty.l1={best / 2:.4g} penalty.l2={best / 2:.4g} has the smallest log loss" in process.output()
    config = yaml.safe_load((tmp_path / "run" / ".hydra" / "config.yaml").read_text())
    assert config["penalty"] == {
        "_target_": "logitlab.penalties.ElasticNet",
        "l1": pytest.approx(best / 2),
        "l2": pytest.approx(best / 2),
    }
    for more, told in ((("optimizer=adam",), "type optimizer=newton"), (("data.split=none",), "there are none")):
        process = Forked((*command, "optimizer=newton", *more, "hydra.run.dir=other"), tmp_path, {}, door="train")
        assert process.wait() == 2 and told in " ".join(process.output().split())
