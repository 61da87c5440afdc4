"""Columns of many categories as codes, against the dense way: the same products, coefficients and predictions."""

import zlib

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import compose_config
from torch.nn import functional

from logitlab.data import preprocessing
from logitlab.data.table import table
from logitlab.errors import UserError
from logitlab.experiment import train
from logitlab.features import Features
from logitlab.inference.exporting import export
from logitlab.inference.model_file import load_model
from logitlab.networks import Logits
from logitlab.penalties import ElasticNet
from logitlab.solvers.newton import newton
from logitlab.solvers.objective import Objective
from logitlab.solvers.solver import LBFGS
from logitlab.sparse import Codes, SparseFeatures

NEVER = 10**9


def mixed(rows: int, seed: int, numbers: int = 2, widths: tuple[int, ...] = (4, 7)) -> SparseFeatures:
    """Return numbers, categories (some rows of them unseen), the places of the numbers among the others."""
    generator = torch.Generator().manual_seed(seed)
    own = Features.of(torch.randn(rows, numbers, dtype=torch.float64, generator=generator), [0.5] * numbers, [2.0] * numbers)
    places, parts, start = [], [], 0
    for width in widths:
        places, start = [*places, start], start + 1
        codes = torch.randint(0, width + 2, (rows,), dtype=torch.int32, generator=generator)
        parts.append(Codes(start, codes, torch.rand(width, dtype=torch.float64, generator=generator)))
        start += width
    places += range(start, start + numbers - len(places))
    return SparseFeatures(own, torch.tensor(places[:numbers]), parts)


@given(rows=st.integers(1, 40), seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_products_are_those_of_the_dense_matrix(rows, seed):
    features = mixed(rows, seed)
    dense, matrix = features.double(), features.to(torch.float64)
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(dense.shape[1], dtype=torch.float64, generator=generator)
    values, curvature = torch.randn(2, rows, dtype=torch.float64, generator=generator)
    ones = torch.cat([dense, torch.ones(rows, 1, dtype=torch.float64)], dim=1)
    close = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(matrix @ weight, dense @ weight, **close)
    torch.testing.assert_close(matrix.times(weight, row_by_row=True), dense @ weight, **close)
    torch.testing.assert_close(values @ matrix, values @ dense, **close)
    torch.testing.assert_close(matrix.gram(curvature), (ones * curvature[:, None]).T @ ones, **close)
    torch.testing.assert_close(features.columns([3, 0]), dense[:, [3, 0]], **close)
    some = torch.randint(0, rows, (7,), generator=generator)
    for part in (slice(2, 5), slice(None, None, 3), some):
        torch.testing.assert_close(features[part].double(), dense[part], **close)
        torch.testing.assert_close(matrix[part].dense(), dense[part], **close)


def test_a_dense_matrix_of_gigabytes_is_refused_in_words():
    shops = Codes(0, torch.zeros(30_000, dtype=torch.int32), torch.zeros(20_000, dtype=torch.float64))
    numbers = Features.plain(torch.empty(30_000, 0, dtype=torch.float64))
    with pytest.raises(
        UserError, match=r"30,000 rows of 20,000 features.* one dense matrix of 4.47 GiB here, and 2 GiB is the"
    ):
        SparseFeatures(numbers, torch.empty(0, dtype=torch.long), [shops]).double()


def test_linear_layer_has_the_dense_gradient():
    features = mixed(50, 3)
    layer = torch.nn.Linear(features.shape[1], 5, dtype=torch.float64)
    found = []
    for x in (features.to(torch.float64), features.double()):
        found.append(torch.autograd.grad((layer(x) ** 3).sum(), list(layer.parameters())))
    for ours, dense in zip(*found, strict=True):
        torch.testing.assert_close(ours, dense, rtol=1e-12, atol=1e-12)
    assert functional.linear(features.to(torch.float64), layer.weight).shape == (50, 5)


@given(seed=st.integers(0, 10**6), l2=st.sampled_from([0.0, 0.1]), weighted=st.booleans(), pos_weight=st.sampled_from([1.0, 3]))
@settings(max_examples=15, deadline=None)
def test_objective_is_that_of_the_dense_matrix(seed, l2, weighted, pos_weight):
    features, generator = mixed(60, seed), torch.Generator().manual_seed(seed)
    target = torch.randint(0, 2, (60,), generator=generator).double()
    weight = torch.rand(60, generator=generator) if weighted else None
    point = torch.randn(features.shape[1] + 1, dtype=torch.float64, generator=generator)
    ours, dense = (
        Objective(each, target, weight, ElasticNet(0.0, l2), pos_weight=pos_weight)(point)
        for each in (features, features.double())
    )
    assert ours.value == pytest.approx(dense.value, rel=1e-13)
    torch.testing.assert_close(ours.gradient, dense.gradient, rtol=0, atol=1e-13)
    torch.testing.assert_close(ours.hessian, dense.hessian, rtol=0, atol=1e-13)


def write_table(path, rows=240, seed=0, missing=False):
    """Write numbers, a category of three levels, one of many, of which some are in few rows, weights, and the target y."""
    generator = np.random.default_rng(seed)
    many = np.minimum(generator.geometric(0.08, rows), 40)
    x, few = generator.normal(size=(rows, 2)).round(3), generator.choice(["a", "b", "c"], rows)
    logit = x[:, 0] + generator.normal(size=41)[many] + (few == "b")
    frame = pl.DataFrame(
        {
            "x1": x[:, 0], "shop": [f"s{number}" for number in many], "few": few, "x2": x[:, 1],
            "w": generator.integers(1, 4, rows), "y": (logit + generator.logistic(size=rows) > 0).astype(int),
        }
    )  # fmt: skip
    if missing:
        gone = pl.Series(generator.random(rows) < 0.1)
        frame = frame.with_columns(pl.when(~gone).then(pl.col(name)).alias(name) for name in ("x2", "shop"))
    frame.write_csv(path)
    return path


COMMON = ("data=table", "data.target=y", "trainer.precision=64-true", "trainer.max_epochs=40", "threshold=f1")
CASES = {
    "newton, l2": ("optimizer=newton", "penalty.l2=auto"),
    "newton, l1 and l2": ("optimizer=newton", "penalty.l1=0.01", "penalty.l2=0.01"),
    "lbfgs, weights": ("optimizer=lbfgs", "optimizer.dtype=float64", "penalty.l2=0.01", "data.weight=w", "data.min_count=5"),
    "adam, mini-batches": (
        "optimizer=adam",
        "data.batch_size=16",
        "calibration=platt",
        "data.hash=16",
        "data.max_categories=5",
    ),
    "sgd, l1": ("optimizer=sgd", "optimizer.lr=0.1", "penalty.l1=0.001", "loss.pos_weight=2"),
    "adam, hidden layer": ("optimizer=adam", "model=mlp", "model.width=3", "optimizer.lr=0.01"),
}
WITH_GAPS = {"newton, l2", "adam, mini-batches", "adam, hidden layer"}


@pytest.mark.parametrize("case", CASES)
def test_a_coded_run_ends_where_the_dense_one_does(case, tmp_path, monkeypatch):
    missing = case in WITH_GAPS
    path = write_table(tmp_path / "table.csv", missing=missing)
    new = pl.read_csv(path)[::7].with_columns(shop=pl.when(pl.col("w") == 2).then(pl.lit("new")).otherwise("shop"))
    found = []
    for coded_from in (NEVER, 10):
        monkeypatch.setattr(preprocessing, "CODED_FROM", coded_from)
        run = tmp_path / str(coded_from)
        gaps = ("data.missing=mean",) if missing else ()
        drop = () if "data.weight=w" in CASES[case] else ("data.drop=[w]",)
        cfg = compose_config(f"data.path={path}", *COMMON, *drop, *CASES[case], *gaps, directory=run)
        train(cfg)
        model = load_model(run)
        assert bool(model.preprocessing.coded) == (coded_from == 10)
        state = torch.cat([each.flatten() for each in model.network.state_dict().values()])
        found.append((state, model.preprocessing.feature_names, model.threshold, model.scores(new)[1]))
        if case in ("lbfgs, weights", "adam, mini-batches"):
            assert export(model, run / "export", str(run)) < 1e-6
    (dense, names, threshold, logit), (coded, same_names, same_threshold, same_logit) = found
    assert names == same_names and threshold == pytest.approx(same_threshold, abs=1e-9)
    torch.testing.assert_close(coded, dense, rtol=0, atol=1e-6)
    torch.testing.assert_close(same_logit, logit, rtol=0, atol=1e-6)


def test_a_table_keeps_four_bytes_of_a_row_and_category(tmp_path, monkeypatch):
    monkeypatch.setattr(preprocessing, "CODED_FROM", 10)
    data = table(str(write_table(tmp_path / "table.csv")), "y", drop=["w"])
    shop, few = data.examples.exact.others
    assert shop.codes.dtype == few.codes.dtype == torch.int32 and shop.codes.shape == (len(data.examples),)
    dense = data.examples.exact.double()
    assert dense.shape[1] == data.in_features == len(data.feature_names)
    where = list(data.feature_names).index("few=b")
    assert dense[:, where].sum() == (few.codes == 1).sum()


def test_lbfgs_of_many_categories_ends_at_newtons_optimum():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 600, (3_000,), dtype=torch.int32, generator=generator)
    numbers = Features.plain(torch.randn(3_000, 1, dtype=torch.float64, generator=generator))
    features = SparseFeatures(numbers, torch.tensor([0]), [Codes(1, codes, torch.full((600,), 1 / 601, dtype=torch.float64))])
    target = (torch.rand(3_000, 1, generator=generator) < 0.3 + 0.4 * (codes[:, None] % 2)).float()
    solver = LBFGS(Logits(601, 0.0, 0.0).double().parameters(), tolerance=1e-9, dtype="float64")
    solver.prepare(ElasticNet(0.0, 1e-3), 1.0)
    solver.choose_basis(features, target)
    passes = 0
    while not solver.finished:
        for rows in (slice(0, 1_000), slice(1_000, 3_000)):
            solver.accumulate(features[rows], target[rows])
        solver.step(solver.evaluate)
        passes += 1
    best = newton(features.double(), target, l2=1e-3)
    theta = torch.cat([best.weight, best.bias[None]])
    torch.testing.assert_close(solver.steps.best.parameters, theta, rtol=0, atol=1e-6)
    assert passes < 40


def test_rare_and_new_values_are_one_category(tmp_path):
    path = write_table(tmp_path / "table.csv")
    data = table(str(path), "y", drop=["w", "few"], min_count=8, split="none")
    counts = pl.read_csv(path)["shop"].value_counts()
    rare = counts.filter(counts["count"] < 8)
    names, shop = data.feature_names, data.preprocessing.encoders[1]
    assert len(names) == 2 + len(counts) - len(rare) and names[-2] == "shop is rare"
    assert data.examples.exact.double()[:, -2].sum() == rare["count"].sum()
    assert torch.equal(shop.codes(pl.Series("shop", [rare["shop"][0], "never seen"])), torch.full((2,), len(shop.levels)))
    assert any(f"'shop is rare' stands for {len(rare)} values" in line for line in data.data_summary.lines)


def test_hashed_values_share_buckets_and_it_is_told(tmp_path):
    path = write_table(tmp_path / "table.csv")
    data = table(str(path), "y", drop=["w"], hash=16, max_categories=5, split="none")
    values = pl.read_csv(path)["shop"]
    bucket = [zlib.crc32(value.encode()) % 16 for value in values]
    names = [name for name in data.feature_names if name.startswith("shop=#")]
    assert sorted(names) == sorted(f"shop=#{number}" for number in set(bucket))[1:]
    place = data.feature_names.index(names[0])
    assert data.examples.exact.double()[:, place].sum() == bucket.count(int(names[0].removeprefix("shop=#")))
    sharing = values.n_unique() - len(set(bucket))
    assert any(f"fill {len(set(bucket))} of 16 buckets, so {sharing} share" in line for line in data.data_summary.lines)
