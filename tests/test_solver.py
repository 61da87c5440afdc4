"""Solvers, penalties, schedules and stopping rules inside Lightning: what a fit ends with, and what it says of itself."""

import lightning.pytorch as pl
import numpy as np
import pytest
import statsmodels.api as sm
import torch
from real_tables import TABLES

from logitlab import build, logging_setup
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.examples import Examples
from logitlab.errors import UserError
from logitlab.losses import WeightedCrossEntropy
from logitlab.networks import Logits
from logitlab.penalties import ElasticNet, Firth
from logitlab.solvers.firth import firth
from logitlab.solvers.newton import newton
from logitlab.solvers.solver import LBFGS, Newton
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.table import Units, coefficient_table
from logitlab.training.callbacks.convergence import Convergence
from logitlab.training.module import LogisticRegression


def examples(name, weight=None):
    x, y = TABLES[name]()
    x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32).contiguous()  # row by row, as data modules have it
    names = tuple(f"x{j}" for j in range(x.shape[1]))
    return Examples(x, torch.tensor(y, dtype=torch.float32)[:, None], names, "y", weight)


def trained(data, optimizer, epochs=200, batch_size=None, callbacks=(), precision="32-true", loss=None, **parts):
    network = Logits(data.features.shape[1], weight=0.0, bias=0.0)
    module = LogisticRegression(network, loss or torch.nn.BCEWithLogitsLoss(), optimizer, **parts)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False, "logger": False}
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", callbacks=list(callbacks), precision=precision, **quiet)
    logging_setup.quiet_libraries()
    trainer.fit(module, InMemoryDataModule(data, batch_size=batch_size))
    return module, trainer


def coefficients(module):
    return np.array([*module.network.weight.tolist(), module.network.bias.item()])


def exact(data, **penalty):
    solution = newton(data.features, data.target, data.weight, **penalty)
    return np.array([*solution.weight, solution.bias])


@pytest.mark.parametrize("name", ["spector", "fair", "anes96", "randhie", "breast_cancer"])
@pytest.mark.parametrize(("solver", "digits"), [(Newton, 1e-6), (LBFGS, 1e-4)])
def test_full_batches(name, solver, digits):
    data = examples(name)
    module, trainer = trained(data, solver)
    assert module.converged
    assert trainer.current_epoch < 100
    np.testing.assert_allclose(coefficients(module), exact(data), rtol=digits)


@pytest.mark.parametrize("name", TABLES)
def test_lbfgs_in_float32_has_the_table_of_statsmodels_to_four_digits(name):
    data = examples(name)
    module, _ = trained(data, LBFGS)
    x, y = data.features.double().numpy(), data.target[:, 0].double().numpy()
    theirs = sm.Logit(y, sm.add_constant(x, prepend=False)).fit(disp=0, maxiter=100, tol=1e-12, ridge_factor=0)
    theta, size = torch.tensor(coefficients(module), dtype=torch.float64), x.shape[1]
    units = Units(torch.zeros(size).double(), torch.ones(size).double())
    ours = coefficient_table(Likelihood(data.features, data.target), theta, list(data.feature_names), units)
    assert ours.why_none is None
    np.testing.assert_allclose(ours.estimate, theirs.params, rtol=1e-4)
    np.testing.assert_allclose(ours.std_error, theirs.bse, rtol=1e-4)
    np.testing.assert_allclose(ours.z, theirs.tvalues, rtol=1e-4)
    for mine, yours in zip(ours.p.tolist(), theirs.pvalues, strict=True):  # their digits are those of z^2 in the exponent
        assert mine == yours == 0 or np.log(mine) == pytest.approx(np.log(yours), rel=1e-4, abs=1e-4)
    width = np.abs(theirs.params)[:, None]  # an end of the interval may lie next to 0
    assert (np.abs(torch.stack([ours.ci_low, ours.ci_high], 1).numpy() - theirs.conf_int()) <= 1e-4 * width).all()


@pytest.mark.parametrize("solver", [Newton, LBFGS])
def test_batches_are_summed_over_an_epoch(solver):
    data = examples("anes96")
    one, other = trained(data, solver)[0], trained(data, solver, batch_size=100)[0]
    assert other.converged
    np.testing.assert_allclose(coefficients(other), coefficients(one), rtol=1e-4)


def test_train_loss_is_that_of_the_weights_before_the_move():
    data = examples("spector")
    module, trainer = trained(data, Newton, epochs=1, penalty=ElasticNet(l2=0.1))
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(np.log(2))
    assert float(trainer.callback_metrics["train/objective"]) == pytest.approx(np.log(2))
    assert not module.converged
    module, trainer = trained(data, Newton, penalty=ElasticNet(l2=0.1))
    solution = newton(data.features, data.target, l2=0.1)
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(solution.loss)
    assert float(trainer.callback_metrics["train/objective"]) == pytest.approx(solution.value)


def test_row_weights_and_pos_weight():
    weight = torch.rand(32, 1, generator=torch.Generator().manual_seed(0)) + 0.5
    data = examples("spector", weight / weight.mean())
    module, _ = trained(data, Newton, loss=WeightedCrossEntropy(2.5, takes_logits=True))
    assert module.converged
    other, _ = trained(
        data, torch.optim.LBFGS, epochs=300, precision="64-true", loss=WeightedCrossEntropy(2.5, takes_logits=True)
    )
    np.testing.assert_allclose(coefficients(module), coefficients(other), rtol=1e-4)


def test_a_large_table_is_begun_from_a_sample():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(200_000, 3, generator=generator)
    y = (torch.rand(200_000, 1, generator=generator) < torch.sigmoid(x.sum(1, keepdim=True))).float()
    data = Examples(x, y, ("a", "b", "c"), "y")
    module, trainer = trained(data, LBFGS)
    assert module.converged
    assert trainer.current_epoch <= 5
    np.testing.assert_allclose(coefficients(module), exact(data), rtol=1e-4, atol=1e-6)


def test_firth_by_newton_and_by_descent():
    data = examples("spector")
    solution = firth(data.features, data.target)
    right = np.array([*solution.weight, solution.bias])
    module, _ = trained(data, Newton, penalty=Firth())
    assert module.converged
    np.testing.assert_allclose(coefficients(module), right, rtol=1e-5)
    descent, _ = trained(
        data,
        lambda parameters: torch.optim.SGD(parameters, lr=1.0),
        epochs=3000,
        callbacks=[Convergence(1e-7)],
        precision="64-true",
        penalty=Firth(),
    )
    assert descent.converged
    np.testing.assert_allclose(coefficients(descent), right, rtol=1e-4)


def test_firth_needs_all_rows_at_once():
    with pytest.raises(UserError, match=r"data\.batch_size=null"):
        trained(examples("spector"), Newton, batch_size=10, penalty=Firth())


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=1.0),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "nesterov": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
    "newton": Newton,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zeros_of_l1_are_exact_and_in_the_right_places(name):
    data = examples("anes96")
    right = exact(data, l1=0.02, l2=0.01)
    assert 0 < (right[:-1] == 0).sum() < len(right) - 1
    module, _ = trained(
        data,
        OPTIMIZERS[name],
        epochs=2000,
        callbacks=[Convergence(1e-7)],
        precision="64-true",
        penalty=ElasticNet(l1=0.02, l2=0.01),
    )
    assert module.converged
    np.testing.assert_array_equal(coefficients(module) == 0, right == 0)
    np.testing.assert_allclose(coefficients(module), right, rtol=1e-5)


def test_adam_comes_to_the_same_zeros():
    data = examples("anes96")
    right = exact(data, l1=0.02)
    optimizer, penalty = lambda parameters: torch.optim.Adam(parameters, lr=0.02), ElasticNet(l1=0.02)
    module, _ = trained(data, optimizer, epochs=1500, penalty=penalty)
    np.testing.assert_array_equal(coefficients(module) == 0, right == 0)
    np.testing.assert_allclose(coefficients(module), right, atol=2e-3)


@pytest.mark.parametrize("optimizer", [LBFGS, torch.optim.RMSprop])
def test_l1_is_refused_where_it_cannot_be_kept(optimizer):
    with pytest.raises(UserError, match=r"penalty\.l1 does not go with"):
        trained(examples("spector"), optimizer, penalty=ElasticNet(l1=0.1))


def test_descent_stops_by_the_gradient():
    data, optimizer = examples("spector"), lambda parameters: torch.optim.SGD(parameters, lr=1.0)
    module, trainer = trained(data, optimizer, epochs=5000, callbacks=[Convergence(1e-4)], penalty=ElasticNet(l2=0.1))
    assert module.converged
    assert trainer.current_epoch < 1000
    module, _ = trained(data, optimizer, epochs=3, callbacks=[Convergence(1e-4)], penalty=ElasticNet(l2=0.1))
    assert module.converged is False


def test_solver_state_survives_a_round_trip():
    data = examples("spector")
    whole, _ = trained(data, LBFGS)
    half, trainer = trained(data, LBFGS, epochs=4)
    saved = trainer.optimizers[0].state_dict()
    optimizer = LBFGS(half.network.parameters())
    optimizer.load_state_dict(saved)
    while not optimizer.finished:
        optimizer.accumulate(data.features, data.target)
        optimizer.step(optimizer.evaluate)
    np.testing.assert_array_equal(coefficients(half), coefficients(whole))


class Losses(pl.Callback):
    """Notes the logged loss of every epoch, and that of the weights as they stand at its end."""

    def __init__(self, data):
        self.data, self.logged, self.own = data, [], []

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch:
            self.note(trainer, pl_module)

    def on_train_end(self, trainer, pl_module):
        self.note(trainer, pl_module)

    def note(self, trainer, pl_module):
        self.logged.append(float(trainer.callback_metrics["train/loss"]))
        weight, bias = (each.detach().double() for each in (pl_module.network.weight, pl_module.network.bias))
        logit = self.data.features.double() @ weight + bias
        self.own.append(float(torch.nn.functional.binary_cross_entropy_with_logits(logit, self.data.target[:, 0].double())))


def test_only_accepted_points_count():
    data = examples("fair")
    losses = Losses(data)
    network = Logits(data.features.shape[1], weight=3.0, bias=3.0)
    module = LogisticRegression(network.double(), torch.nn.BCEWithLogitsLoss(), Newton)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False, "logger": False}
    logging_setup.quiet_libraries()
    pl.Trainer(max_epochs=100, accelerator="cpu", callbacks=[losses], **quiet).fit(module, InMemoryDataModule(data))
    assert module.converged
    assert len(set(losses.logged)) < len(losses.logged), "no trial was rejected: the test shows nothing"
    assert all(after <= before + 1e-12 for before, after in zip(losses.logged, losses.logged[1:], strict=False))
    np.testing.assert_allclose(losses.logged, losses.own, rtol=1e-6)


@pytest.mark.parametrize("more", [(), ("model.weight=0.3", "model.bias=0.1")])
def test_a_solver_starts_at_zero_unless_a_start_is_given(fit, more):
    run = fit("optimizer=newton", "penalty=elastic_net", "penalty.l2=0.1", *more)
    assert (run.curve("train/loss")[0] == pytest.approx(np.log(2), rel=1e-6)) == (not more)


@pytest.mark.parametrize(
    ("rows", "columns", "l1", "is_noted"),
    [(50_000, 2_000, 0.0, True), (50_000, 200, 0.0, False), (500, 2_000, 0.0, False), (50_000, 2_000, 0.01, False)],
)
def test_newton_names_l_bfgs_where_columns_are_many(capsys, rows, columns, l1, is_noted):
    build.print_note_on_columns(rows, columns, ElasticNet(l1, 0.01))
    assert ("optimizer=lbfgs reaches the same optimum" in capsys.readouterr().err) is is_noted
