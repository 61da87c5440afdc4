"""Coefficient tables against statsmodels on real tables, and on tables that leave coefficients open or without an optimum."""

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from real_tables import TABLES
from scipy.stats import chi2

from logitlab.solvers.newton import newton
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.table import CoefficientTable, Units, coefficient_table, indicators

EXACT = {"rtol": 1e-6, "atol": 0}


def fitted(x: np.ndarray, y: np.ndarray, scaled: bool = True, weight: torch.Tensor | None = None, **how) -> CoefficientTable:
    """Fit by Newton on scaled columns and return the table in their own units."""
    features = torch.tensor(x)
    center, scale = torch.zeros(x.shape[1]).double(), torch.ones(x.shape[1]).double()
    if scaled:
        center, scale = features.mean(0), features.std(0).where(features.std(0) > 0, 1.0)
    units = Units(center, scale)
    likelihood = Likelihood((features - center) / scale, torch.tensor(y), weight)
    best = newton(likelihood.features, likelihood.target, likelihood.weight, tolerance=1e-13, max_iterations=20)
    theta = torch.cat([best.weight, best.bias[None]])
    names = [f"x{number}" for number in range(1, x.shape[1] + 1)]
    return coefficient_table(likelihood, theta, names, units, indicators=indicators(likelihood, units), **how)


def reference(x: np.ndarray, y: np.ndarray, **options):
    return sm.Logit(y, np.column_stack([x, np.ones(len(x))])).fit(
        disp=0, method="newton", maxiter=100, tol=1e-12, ridge_factor=0, **options
    )


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("scaled", [False, True])
def test_the_table_is_that_of_statsmodels(name: str, scaled: bool):
    x, y = TABLES[name]()
    ours, theirs = fitted(x, y, scaled), reference(x, y)
    assert ours.why_none is None
    np.testing.assert_allclose(ours.estimate, theirs.params, **EXACT)
    np.testing.assert_allclose(ours.std_error, theirs.bse, **EXACT)
    np.testing.assert_allclose(ours.z, theirs.tvalues, **EXACT)
    np.testing.assert_allclose(ours.p, theirs.pvalues, **EXACT)
    np.testing.assert_allclose(torch.stack([ours.ci_low, ours.ci_high], 1), theirs.conf_int(), **EXACT)
    goodness = ours.goodness.plain()
    for mine, yours in (("log_likelihood", "llf"), ("null_log_likelihood", "llnull"), ("pseudo_r2", "prsquared")):
        np.testing.assert_allclose(goodness[mine], getattr(theirs, yours), **EXACT)
    for mine, yours in (("aic", "aic"), ("bic", "bic"), ("lr_statistic", "llr")):
        np.testing.assert_allclose(goodness[mine], getattr(theirs, yours), **EXACT)
    np.testing.assert_allclose(np.log(goodness["lr_p"]), np.log(theirs.llr_pvalue), **EXACT)  # p is 3e-277 in one of them


@pytest.mark.parametrize("name", TABLES)
def test_marginal_effects_are_those_of_statsmodels(name: str):
    x, y = TABLES[name]()
    ours, theirs = fitted(x, y), reference(x, y).get_margeff(dummy=True)
    np.testing.assert_allclose(ours.marginal_effect[:-1], theirs.margeff, **EXACT)
    np.testing.assert_allclose(ours.marginal_effect_std_error[:-1], theirs.margeff_se, **EXACT)


@pytest.mark.parametrize("name", TABLES)
def test_robust_errors_are_those_of_statsmodels(name: str):
    x, y = TABLES[name]()
    np.testing.assert_allclose(fitted(x, y, kind="hc0").std_error, reference(x, y, cov_type="HC0").bse, **EXACT)
    groups = np.arange(len(y)) // 5
    clustered = reference(x, y, cov_type="cluster", cov_kwds={"groups": groups})
    np.testing.assert_allclose(fitted(x, y, kind="cluster", groups=torch.tensor(groups)).std_error, clustered.bse, **EXACT)


def test_hc1_is_what_statsmodels_has_for_linear_models():
    # its Logit takes cov_type="HC1" and returns HC0; the factor is that of its OLS
    x, y = TABLES["spector"]()
    factor = (sm.OLS(y, x).fit(cov_type="HC1").bse / sm.OLS(y, x).fit(cov_type="HC0").bse)[0]
    assert factor == pytest.approx((len(y) / (len(y) - x.shape[1])) ** 0.5)
    ratio = fitted(x, y, kind="hc1").std_error / fitted(x, y, kind="hc0").std_error
    np.testing.assert_allclose(ratio, (len(y) / (len(y) - x.shape[1] - 1)) ** 0.5)


@pytest.mark.parametrize("kind", ["classical", "hc0", "hc1"])
def test_a_row_of_weight_3_is_three_rows(kind: str):
    x, y = TABLES["anes96"]()
    times = torch.arange(len(y)) % 4
    rows = times.repeat_interleave(times) * 0 + torch.arange(len(y)).repeat_interleave(times)
    weighted, repeated = fitted(x, y, weight=times, kind=kind), fitted(x[rows], y[rows], kind=kind)
    for column in ("estimate", "std_error", "marginal_effect_std_error", "mean"):
        np.testing.assert_allclose(getattr(weighted, column), getattr(repeated, column), rtol=1e-8, equal_nan=True)
    assert weighted.goodness.plain() == pytest.approx(repeated.goodness.plain(), rel=1e-10)


def test_profile_intervals_are_where_the_likelihood_ratio_test_says():
    x, y = TABLES["spector"]()
    table, best = fitted(x, y, interval="profile"), reference(x, y)
    design = np.column_stack([x, np.ones(len(x))])
    for column in range(4):
        others = np.delete(design, column, axis=1)
        exact = {"method": "newton", "tol": 1e-12, "maxiter": 100}
        for end in (table.ci_low[column], table.ci_high[column]):
            held = sm.GLM(y, others, family=sm.families.Binomial(), offset=design[:, column] * end.item()).fit(**exact)
            assert 2 * (best.llf - held.llf) == pytest.approx(3.841458820694124, rel=1e-7)
        without = sm.GLM(y, others, family=sm.families.Binomial()).fit(**exact)
        statistic = 2 * (best.llf - without.llf)
        assert table.z[column].item() == pytest.approx(np.sign(best.params[column]) * statistic**0.5, rel=1e-7)
        assert table.p[column].item() == pytest.approx(chi2.sf(statistic, 1), rel=1e-6)
    assert table.ci_high[0] - table.estimate[0] > table.estimate[0] - table.ci_low[0]  # as R's confint has it: not symmetric


def test_tiny_p_values_keep_their_digits():
    from scipy.stats import norm, t

    from logitlab.statistics.student import t_quantile, t_two_sided
    from logitlab.statistics.wald import chi2_survival, normal_quantile, two_sided

    z = torch.tensor([0.0, 0.5, 1.96, 8.0, -20.0, 37.0], dtype=torch.float64)
    np.testing.assert_allclose(two_sided(z), 2 * norm.sf(z.abs()), rtol=1e-11)
    for x, degrees in ((0.0, 1), (3.84, 1), (55.0, 8), (900.0, 30)):
        assert chi2_survival(x, degrees) == pytest.approx(chi2.sf(x, degrees), rel=1e-9)
    assert normal_quantile(0.9) == pytest.approx(norm.ppf(0.95), rel=1e-12)
    for degrees in (1, 2, 29, 30.5, 5000):
        for value in (0.1, 1.0, 2.05, 30.0):
            assert t_two_sided(-value, degrees) == pytest.approx(2 * t.sf(value, degrees), rel=1e-10)
        assert t_quantile(0.975, degrees) == pytest.approx(t.ppf(0.975, degrees), rel=1e-10)


def noisy(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    x = draw.normal(size=(rows, columns))
    return x, (x[:, 0] + draw.normal(size=rows) > 0).astype(float)


def test_collinear_columns_are_named_and_the_others_keep_their_errors():
    x, y = noisy(80, 3)
    more = np.column_stack([x, 2 * x[:, 0] - x[:, 1] + 3, np.full(80, 7.0)])
    table = fitted(more, y)
    assert [each.words(table.names) for each in table.dependencies] == ["x4 = 2 x1 - x2 + 3", "x5 is 7 in every row"]
    assert table.std_error.isnan().tolist() == table.estimate.isnan().tolist() == [False, False, False, True, True, False]
    assert table.notes == {3: "aliased: x4 = 2 x1 - x2 + 3", 4: "aliased: x5 is 7 in every row"}
    plain, kept = fitted(x, y), [0, 1, 2, 5]
    np.testing.assert_allclose(table.estimate[kept], plain.estimate, rtol=1e-8)
    np.testing.assert_allclose(table.std_error[kept], plain.std_error, rtol=1e-8)
    assert table.goodness.plain() == pytest.approx(plain.goodness.plain())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dependencies_are_found_through_scaling_and_rounding(dtype: torch.dtype):
    from logitlab.statistics.collinear import dependencies

    draw = torch.Generator().manual_seed(5)
    x = torch.rand(500, 6, generator=draw, dtype=torch.float64) * torch.tensor([1e-3, 1.0, 1e5, 3.0, 1.0, 20.0]) + 100
    x[:, 3] = 500 * x[:, 0] + 1e-4 * x[:, 2]
    level = torch.randint(0, 3, (500,), generator=draw)
    x = torch.cat([x, torch.nn.functional.one_hot(level).double()], dim=1)
    center, scale = x.mean(0), x.std(0)
    found = dependencies(Likelihood(((x - center) / scale).to(dtype), level > 1))
    own = [each.in_units(1 / scale, -center / scale).words([f"x{i}" for i in range(9)]) for each in found]
    assert own == ["x3 = 500 x0 + 0.0001 x2", "x8 = -x6 - x7 + 1"]


def test_nearly_collinear_columns_are_not_called_collinear():
    x, y = noisy(200, 2)
    near = np.column_stack([x, x[:, 0] + 1e-4 * np.random.default_rng(1).normal(size=200)])
    table = fitted(near, y)
    assert table.dependencies == []
    theirs = sm.GLM(y, np.column_stack([near, np.ones(200)]), family=sm.families.Binomial()).fit(tol=1e-13)
    np.testing.assert_allclose(table.std_error, theirs.bse, rtol=1e-5)


NO_OPTIMUM = {
    "separable": (np.arange(10.0)[:, None], np.arange(10) > 4, "separable"),
    "quasi-separable": (np.array([0, 1, 2, 3, 3, 4, 5.0])[:, None], np.array([0, 0, 0, 0, 1, 1, 1]), "separable"),
    "one class": (np.arange(10.0)[:, None], np.ones(10), "every row is of class 1"),
    "fewer rows than columns": (noisy(5, 10)[0], np.array([0, 1, 0, 1, 1]), "separable"),
}


@pytest.mark.parametrize("name", NO_OPTIMUM)
@pytest.mark.parametrize("iterations", [3, 10, 30, 100])
def test_without_an_optimum_there_are_no_errors_but_a_reason(name: str, iterations: int):
    x, y, reason = NO_OPTIMUM[name]
    likelihood = Likelihood(torch.tensor(x), torch.tensor(y).double())
    end = newton(likelihood.features, likelihood.target, max_iterations=iterations)
    table = coefficient_table(likelihood, torch.cat([end.weight, end.bias[None]]), [""] * x.shape[1])
    assert table.std_error.isnan().all()
    assert table.ci_low.isnan().all()
    assert table.estimate.isfinite().all()
    assert table.why_none is not None
    assert reason in table.why_none or "short of the optimum" in table.why_none
    assert reason in table.why_none or iterations <= 10


def test_nearly_separable_tables_have_wide_intervals_not_none():
    x = np.arange(40.0)[:, None]
    y = (x[:, 0] > 19).astype(float)
    y[19], y[20] = 1, 0
    table = fitted(x, y)
    assert table.why_none is None
    np.testing.assert_allclose(table.std_error, reference(x, y).bse, rtol=1e-6)


def test_short_of_the_optimum_it_says_how_far():
    x, y = TABLES["spector"]()
    best = reference(x, y)
    away = torch.tensor(best.params)
    away[1] += 2 * best.bse[1]
    table = coefficient_table(Likelihood(torch.tensor(x), torch.tensor(y)), away, ["a", "b", "c"])
    assert "standard errors short of the optimum" in str(table.why_none)
    assert table.marginal_effect[:-1].isfinite().all()


def test_levels_of_a_category_are_compared_with_the_reference_level():
    """Every row is put into the reference level and into the level: no row is ever in two levels."""
    draw = np.random.default_rng(11)
    level, age = draw.integers(0, 3, 400), draw.normal(size=400)
    y = (age + 0.8 * (level == 1) - 0.5 * (level == 2) + draw.logistic(size=400) > 0).astype(float)
    x = np.column_stack([level == 1, level == 2, age]).astype(float)
    likelihood = Likelihood(torch.tensor(x), torch.tensor(y))
    best = newton(likelihood.features, likelihood.target)
    theta = torch.cat([best.weight, best.bias[None]])
    units = Units(torch.zeros(3).double(), torch.ones(3).double())
    table = coefficient_table(likelihood, theta, "abc", units, indicators=indicators(likelihood, units, [[0, 1]]))

    def mean_probability(one: float, two: float) -> float:
        return torch.sigmoid(theta[0] * one + theta[1] * two + theta[2] * torch.tensor(age) + theta[3]).mean().item()

    for column, on in ((0, (1, 0)), (1, (0, 1))):
        assert table.marginal_effect[column] == pytest.approx(mean_probability(*on) - mean_probability(0, 0), rel=1e-10)


def test_products_are_found_by_their_values_in_a_table_that_is_mostly_0():
    from logitlab.statistics.steps import products

    draw = torch.Generator().manual_seed(1)
    x = torch.rand(2000, 40, generator=draw).double() * (torch.rand(2000, 40, generator=draw) < 0.1)
    x[:, 7], x[:, 9], x[:, 11], x[:, 12] = x[:, 3] * x[:, 5], x[:, 2] ** 2, x[:, 2] ** 3, 0.0
    center, scale = x.mean(0), x.std(0).where(x.std(0) > 0, 1.0)
    likelihood = Likelihood((x - center) / scale, torch.arange(2000) % 2)
    assert products(likelihood, center, scale, []) == {7: (3, 5), 9: (2, 2), 11: (2, 2, 2)}
    assert products(likelihood, center, scale, [7, 9, 11]) == {}
