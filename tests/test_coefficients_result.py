"""coefficients.csv and statistics.json of whole runs: as statsmodels has them at an optimum, with a reason elsewhere."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
import torch
from processes import Forked
from real_tables import TABLES
from runs import Run, same_weights

from logitlab.errors import UserError

TO_THE_OPTIMUM = ("model=logits", "optimizer=newton", "trainer.precision=64-true", "data.split=none")


@pytest.fixture
def spector(tmp_path: Path) -> str:
    x, y = TABLES["spector"]()
    path = tmp_path / "spector.csv"
    pl.DataFrame({"GPA": x[:, 0], "TUCE": x[:, 1], "PSI": x[:, 2], "GRADE": y.astype(int)}).write_csv(path)
    return f"data.path={path}"


NOTHING = [None] * 4


def of_the_greatest_likelihood(run: Run) -> list[float | None]:
    """Return the figures that a penalised, weighted or unfinished fit has not."""
    return [run.json("statistics.json")[name] for name in ("aic", "bic", "lr_statistic", "lr_p")]


def table_of(run: Run) -> dict[str, dict[str, float]]:
    with (run.path / "coefficients.csv").open() as file:
        return {
            row.pop("name"): {name: float(value) if value else math.nan for name, value in row.items() if name != "note"}
            for row in csv.DictReader(file)
        }


def test_a_run_at_the_optimum_has_the_table_of_statsmodels(
    fit: Callable[..., Run], spector: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fit("data=table", "penalty=elastic_net", spector, "data.target=GRADE", *TO_THE_OPTIMUM)
    x, y = TABLES["spector"]()
    theirs = sm.Logit(y, np.column_stack([x, np.ones(len(x))])).fit(disp=0, tol=1e-12, ridge_factor=0)
    ours = table_of(run)
    assert list(ours) == ["GPA", "TUCE", "PSI", "bias"]
    np.testing.assert_allclose([row["estimate"] for row in ours.values()], theirs.params, rtol=1e-6)
    np.testing.assert_allclose([row["std_error"] for row in ours.values()], theirs.bse, rtol=1e-6)
    low = theirs.conf_int()[:, 0]
    np.testing.assert_allclose([row["odds_ratio_low"] for row in ours.values()], np.exp(low), rtol=1e-5)
    np.testing.assert_allclose([row["mean"] for row in ours.values()][:3], x.mean(axis=0), rtol=1e-6)
    whole = run.json("statistics.json")
    assert whole["errors"] == "classical"
    assert whole["aic"] == pytest.approx(theirs.aic, rel=1e-6)
    printed = capsys.readouterr().out
    assert "odds ratio" in printed
    assert f"AIC {theirs.aic:.6g}" in printed


def test_a_penalised_table_names_its_penalty_and_what_gives_statsmodels_numbers(
    fit: Callable[..., Run], fork: Callable[..., Forked], spector: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = ("data=table", spector, "data.target=GRADE", "data.split=none")
    fit(*table, "trainer.max_epochs=20")
    said = capsys.readouterr().out
    assert "penalty.l2=0.0312 (C = 1 in scikit-learn)" in said  # 32 rows
    typed = said.partition("greatest likelihood type ")[2].splitlines()[0].split()
    assert typed == ["penalty=null", "optimizer=newton"]
    as_typed = fork(*table, *typed, "hydra.run.dir=unpenalised")
    assert as_typed.wait() == 0, as_typed.output()
    ours = table_of(Run(tmp_path / "unpenalised"))
    x, y = TABLES["spector"]()
    theirs = sm.Logit(y, np.column_stack([x, np.ones(len(x))])).fit(disp=0, tol=1e-12, ridge_factor=0)
    np.testing.assert_allclose([row["estimate"] for row in ours.values()], theirs.params, rtol=1e-4)
    np.testing.assert_allclose([row["std_error"] for row in ours.values()], theirs.bse, rtol=1e-4)


def test_separable_classes_have_estimates_and_a_reason(fit: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    run = fit("trainer.max_epochs=1001")
    ours = table_of(run)
    assert ours["x1"]["estimate"] == pytest.approx(3.2534, abs=1e-4)
    assert math.isnan(ours["x1"]["std_error"])
    assert "separable" in run.json("statistics.json")["why_no_errors"]
    printed = run.summary_lines(capsys.readouterr().out)
    assert printed["weight of x1"] == "3.2534"
    assert printed["bias"] == "-14.4839"
    assert printed["standard errors"].startswith("none: the classes are separable")


def test_a_fit_that_stopped_early_says_so(fit: Callable[..., Run], spector: str) -> None:
    run = fit("data=table", "penalty=elastic_net", spector, "data.target=GRADE", "data.split=none", "trainer.max_epochs=5")
    assert "standard errors short of the optimum" in run.json("statistics.json")["why_no_errors"]
    assert of_the_greatest_likelihood(run) == NOTHING


def test_a_weighted_class_has_no_errors(fit: Callable[..., Run], spector: str) -> None:
    run = fit("data=table", "penalty=elastic_net", spector, "data.target=GRADE", *TO_THE_OPTIMUM, "loss.pos_weight=2")
    assert "pos_weight" in run.json("statistics.json")["why_no_errors"]
    assert of_the_greatest_likelihood(run) == NOTHING


@pytest.mark.parametrize("among_the_features", [False, True])
def test_cluster_errors_by_a_column_of_text(fit: Callable[..., Run], tmp_path: Path, among_the_features: bool) -> None:
    x, y = TABLES["spector"]()
    schools = x[:, 1].astype(int) % 7
    path = tmp_path / "schools.csv"
    columns = {"GPA": x[:, 0], "school": [f"school {number}" for number in schools], "PSI": x[:, 2], "GRADE": y.astype(int)}
    pl.DataFrame(columns).write_csv(path)
    wanted = ("data.cluster=school", "results.coefficients.errors=cluster")
    wanted += ("data.features=[GPA,PSI,school]",) if among_the_features else ()
    run = fit("data=table", "penalty=elastic_net", f"data.path={path}", "data.target=GRADE", *TO_THE_OPTIMUM, *wanted)
    design = np.column_stack(
        [x[:, [0, 2]], *([schools == level for level in range(1, 7)] if among_the_features else []), np.ones(len(x))]
    )
    groups = {"groups": schools}
    theirs = sm.Logit(y, design.astype(float)).fit(disp=0, tol=1e-12, ridge_factor=0, cov_type="cluster", cov_kwds=groups)
    ours = table_of(run)
    assert ("school=school 1" in ours) == among_the_features
    np.testing.assert_allclose([ours[name]["std_error"] for name in ("GPA", "PSI")], theirs.bse[:2], rtol=1e-6)
    roles = {column["role"] for column in run.json("columns.json")["columns"] if column["name"] == "school"}
    assert roles == ({"feature", "cluster"} if among_the_features else {"cluster"})


def test_a_row_without_a_cluster_is_refused(fit: Callable[..., Run], tmp_path: Path) -> None:
    path = tmp_path / "gap.csv"
    path.write_text("x,school,y\n" + "".join(f"{row % 5},{'' if row == 3 else 'a'},{row % 2}\n" for row in range(40)))
    with pytest.raises(UserError, match=r"'school' \(data.cluster\) has no value in row 4"):
        fit("data=table", f"data.path={path}", "data.target=y", "data.cluster=school")


def test_collinear_columns_are_named_in_the_tables_own_units(
    fit: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = torch.Generator().manual_seed(1)
    height = 1.5 + 0.5 * torch.rand(200, generator=draw).double()
    answer = torch.bernoulli(torch.sigmoid(4 * (height - 1.75)).float(), generator=draw).int()
    path = tmp_path / "people.csv"
    pl.DataFrame({"metres": height.numpy(), "inches": (height / 0.0254).numpy(), "tall": answer.numpy()}).write_csv(path)
    run = fit("data=table", "penalty=elastic_net", f"data.path={path}", "data.target=tall", *TO_THE_OPTIMUM)
    assert run.json("statistics.json")["collinear"] == ["inches = 39.37 metres"]
    ours = table_of(run)
    assert math.isnan(ours["inches"]["std_error"])
    assert math.isfinite(ours["bias"]["std_error"])
    assert "inches = 39.37 metres" in capsys.readouterr().out


def test_wide_tables_have_estimates_only(fit: Callable[..., Run]) -> None:
    run = fit("+results.coefficients.most=1")
    assert "more than results.coefficients.most=1" in run.json("statistics.json")["why_no_errors"]
    assert table_of(run)["x2"]["estimate"] == pytest.approx(1.5181, abs=1e-4)


@pytest.mark.parametrize("key", ["penalty.l1", "penalty.l2", "+optimizer.weight_decay"])
def test_penalised_coefficients_have_no_errors(fit: Callable[..., Run], key: str, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ("penalty=elastic_net",) if key.startswith("penalty") else ()
    run = fit(*chosen, f"{key}=0.01", "trainer.max_epochs=20")
    assert key.removeprefix("+") in run.json("statistics.json")["why_no_errors"]
    assert of_the_greatest_likelihood(run) == NOTHING
    assert run.json("statistics.json")["deviance"] > 0
    said = capsys.readouterr().out
    assert "AIC" not in said and "null model" not in said


def test_firths_estimates_have_errors_on_separable_classes(fit: Callable[..., Run]) -> None:
    run = fit(
        "data=hours", "model=logits", "penalty=firth", "optimizer=newton", "trainer.max_epochs=50", "trainer.precision=64-true"
    )
    x, y = np.array([1.0, 2, 3, 4]), np.array([0, 0, 1, 1])
    design, theta = np.column_stack([x, np.ones(4)]), np.zeros(2)
    for _ in range(500):  # Firth's modified score, by its formula
        p = 1 / (1 + np.exp(-design @ theta))
        v = p * (1 - p)
        covariance = np.linalg.inv(design.T * v @ design)
        leverage = v * ((design @ covariance) * design).sum(1)
        theta = theta + 0.5 * covariance @ design.T @ (y - p + leverage * (0.5 - p))
    ours = table_of(run)
    np.testing.assert_allclose([ours["hours"]["estimate"], ours["bias"]["estimate"]], theta, rtol=1e-5)
    errors = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose([ours["hours"]["std_error"], ours["bias"]["std_error"]], errors, rtol=1e-5)


def test_a_converged_fit_keeps_the_optimum_whatever_the_val_rows_liked_on_the_way(
    fit: Callable[..., Run], spector: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fit(
        "data=table",
        "penalty=elastic_net",
        spector,
        "data.target=GRADE",
        "model=logits",
        "optimizer=newton",
        "data.val_fraction=0.3",
        "seed=3",
    )
    assert "the optimiser converged" in capsys.readouterr().out
    assert run.json("statistics.json")["errors"] == "classical"
    assert same_weights(run.state("best"), run.state("last"))


def test_the_study_table_has_the_published_coefficients(fit: Callable[..., Run]) -> None:
    """Wikipedia, "Logistic regression", section "Example": to the digits that are printed there."""
    run = fit("data=study", "optimizer=newton")
    ours = table_of(run)
    published = {
        "hours": {"estimate": "1.5046", "std_error": "0.6287", "z": "2.393", "p": "0.0167"},
        "bias": {"estimate": "-4.0777", "std_error": "1.7610", "z": "-2.316", "p": "0.0206"},
    }
    for name, row in published.items():
        for column, printed in row.items():
            assert f"{ours[name][column]:.{len(printed.partition('.')[2])}f}" == printed
    assert run.json("statistics.json")["lr_statistic"] == pytest.approx(11.6661, abs=1e-4)
    assert run.json("statistics.json")["lr_p"] == pytest.approx(0.00064, abs=5e-6)


def test_a_fit_that_stopped_on_the_way_to_infinity_is_not_short_of_an_optimum(fit, capsys):
    run = fit("experiment=hours")
    assert "classes are separable" in run.json("statistics.json")["why_no_errors"]
    assert "short of the optimum" not in capsys.readouterr().out
