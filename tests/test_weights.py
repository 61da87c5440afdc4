"""What row weights are: counts, which repeated rows bear out, or sampling weights, which statsmodels and R's survey do.

birthwt.csv is the table of R's MASS (189 births), with weights 0.3 to 4.2, and a column `rare` that separates.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
import torch
from runs import Run

from logitlab.errors import UserError
from logitlab.solvers.newton import newton
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.table import CoefficientTable, coefficient_table

BIRTHWT = pl.read_csv(Path(__file__).parent / "birthwt.csv")
NUMBERS = ["age", "lwt", "smoke", "ptl", "ht", "ui", "ftv"]
HC0 = 0.4527756
"""The standard error of `smoke` as R's sandwich has it (vcovHC, type HC0), of the weights as they are."""


def table(path: Path, weight: pl.Series) -> tuple[str, ...]:
    """Write the births with these weights and a group for each row; return what reads them."""
    frame = BIRTHWT.drop("w", "rare").with_columns(w=weight, id=pl.arange(len(BIRTHWT), eager=True))
    frame.write_csv(path)
    where = ("data=table", f"data.path={path}", "data.target=low", "data.split=none", "data.weight=w")
    return (*where, "penalty=elastic_net", "optimizer=newton")


def error_of_smoke(run: Run) -> float:
    return pl.read_csv(run.path / "coefficients.csv").row(by_predicate=pl.col("name") == "smoke", named=True)["std_error"]


def fitted(weight: np.ndarray, **how) -> CoefficientTable:
    x, y = torch.tensor(BIRTHWT.select(NUMBERS).to_numpy()).double(), torch.tensor(BIRTHWT["low"].to_numpy())
    weights = torch.tensor(weight)
    best = newton(x, y, weights, tolerance=1e-12)
    return coefficient_table(Likelihood(x, y, weights), torch.cat([best.weight, best.bias[None]]), NUMBERS, **how)


def reference(kind: str, **weights):
    design = np.column_stack([BIRTHWT.select(NUMBERS).to_numpy(), np.ones(len(BIRTHWT))])
    model = sm.GLM(BIRTHWT["low"].to_numpy(), design, family=sm.families.Binomial(), **weights)
    return model.fit(cov_type=kind, tol=1e-13)


def test_sampling_weights_have_the_sandwich_of_statsmodels() -> None:
    weight = BIRTHWT["w"].to_numpy() / BIRTHWT["w"].mean()
    ours, theirs = fitted(weight, kind="hc0", sampling=True), reference("HC0", var_weights=weight)
    np.testing.assert_allclose(ours.estimate, theirs.params, rtol=1e-7)
    np.testing.assert_allclose(ours.std_error, theirs.bse, rtol=1e-7)
    rows = np.arange(len(weight))
    survey = fitted(weight, kind="cluster", sampling=True, groups=torch.tensor(rows))  # svyglm's design of single rows
    np.testing.assert_allclose(survey.std_error, theirs.bse * np.sqrt(189 / 188), rtol=1e-7)


def test_counts_have_the_errors_of_statsmodels_frequency_weights() -> None:
    weight = np.round(2 * BIRTHWT["w"].to_numpy()) + 1
    for kind, name in (("classical", "nonrobust"), ("hc0", "HC0")):
        theirs = reference(name, freq_weights=weight)
        np.testing.assert_allclose(fitted(weight, kind=kind).std_error, theirs.bse, rtol=1e-7)


def test_errors_by_rows_and_errors_by_groups_of_one_row_agree_whatever_the_weights_sum_to(
    fit: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sums_to_one = table(tmp_path / "one.csv", BIRTHWT["w"] / BIRTHWT["w"].sum())
    clustered = fit(*sums_to_one, "data.cluster=id", "results.coefficients.errors=cluster", directory=tmp_path / "cluster")
    assert error_of_smoke(clustered) == pytest.approx(HC0 * (189 / 188) ** 0.5, rel=1e-5)  # 0.454, as svyglm
    as_it_is = table(tmp_path / "w.csv", BIRTHWT["w"])
    robust = fit(*as_it_is, "data.drop=[id]", "results.coefficients.errors=hc0", directory=tmp_path / "hc0")
    assert error_of_smoke(robust) == pytest.approx(HC0, rel=1e-5)
    assert "are not all whole numbers, so they are taken as sampling weights" in capsys.readouterr().out
    asked_for_none = fit(*as_it_is, "data.drop=[id]", directory=tmp_path / "classical")
    assert error_of_smoke(asked_for_none) == pytest.approx(HC0 * (189 / 179) ** 0.5, rel=1e-5)
    whole = asked_for_none.json("statistics.json")
    assert whole["errors"] == "hc1"
    assert whole["rows"] == pytest.approx(189, rel=1e-6)
    assert [whole[name] for name in ("aic", "bic", "lr_statistic", "lr_p")] == [None] * 4
    said = capsys.readouterr().out
    assert "hc1 in the place of classical ones" in said
    assert "AIC" not in said and "null model" not in said


def test_whole_numbers_are_counts_unless_it_is_said_that_they_are_sampling_weights(
    fit: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    survey = table(tmp_path / "w.csv", (BIRTHWT["w"] * 10).round().cast(pl.Int64))
    counted = fit(*survey, "data.drop=[id]", directory=tmp_path / "counts")
    assert "are taken as counts: 189 rows count as 3,660" in capsys.readouterr().out
    assert counted.json("statistics.json")["rows"] == 3660
    sampled = fit(*survey, "data.drop=[id]", "data.weight_kind=sampling", directory=tmp_path / "sampling")
    assert error_of_smoke(sampled) == pytest.approx(HC0 * (189 / 179) ** 0.5, rel=1e-5)


def test_counts_that_come_to_fewer_rows_than_coefficients_have_no_errors(fit: Callable[..., Run], tmp_path: Path) -> None:
    run = fit(*table(tmp_path / "w.csv", BIRTHWT["w"] / BIRTHWT["w"].sum()), "data.drop=[id]", "data.weight_kind=counts")
    assert "count as 1 by their weights, and 10 coefficients need more" in run.json("statistics.json")["why_no_errors"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("data.weight=null", "data.weight_kind=sampling"), "type data.weight=COLUMN"),
        (("data.weight_kind=sampling", "results.coefficients.interval=profile"), "sampling weights have no likelihood"),
        (("results.coefficients.errors=hc1", "results.coefficients.interval=profile"), "robust errors do not trust"),
        (("results.coefficients.errors=hc0", "penalty=firth"), "Type results.coefficients.errors=classical"),
        (("data.weight_kind=frequency",), "counts | sampling"),
    ],
)
def test_what_does_not_go_together_is_refused_before_the_fit(
    fit: Callable[..., Run], tmp_path: Path, more: tuple[str, ...], told: str
) -> None:
    where = table(tmp_path / "w.csv", BIRTHWT["w"])
    with pytest.raises(UserError) as raised:
        fit(*(each for each in where if each.partition("=")[0] not in {other.partition("=")[0] for other in more}), *more)
    assert told in str(raised.value)
