"""Presets for debugging, torch.compile, and Lightning's finders: they work, or are refused in words."""

import pytest
import torch

from logitlab import networks
from logitlab.errors import UserError
from logitlab.networks import MLP, compile_network

MOONS = ("data=moons", "model=mlp", "optimizer=adam", "trainer.max_epochs=12", "results.importance=null")


def test_fast_runs_one_batch(fit) -> None:
    run = fit("debug=fast", *MOONS, "data.batch_size=16")
    assert run.checkpoint()["global_step"] == 1
    assert "test/loss" in run.json()


def test_overfit_sees_one_batch_again_and_again(fit) -> None:
    run = fit("debug=overfit", *MOONS, "data.batch_size=16")
    assert run.checkpoint()["global_step"] == 12
    assert run.curve()[11] < run.curve()[0]


def test_the_profiler_prints_where_the_time_went(fit, tmp_path) -> None:
    fit("debug=profiler", *MOONS, f"trainer.profiler.dirpath={tmp_path}", "trainer.profiler.filename=profile")
    [report] = tmp_path.glob("*profile*.txt")
    assert "training_step" in report.read_text()


def test_a_compiled_network_is_the_same_run(fit, tmp_path) -> None:
    plain = fit(*MOONS, directory=tmp_path / "plain")
    compiled = fit(*MOONS, "trainer.compile=true", directory=tmp_path / "compiled")
    assert compiled.state().keys() == plain.state().keys()
    assert list(compiled.curve().values()) == pytest.approx(list(plain.curve().values()), rel=1e-4)
    again = fit(*MOONS, f"ckpt_path={compiled.path}", "trainer.max_epochs=15", directory=compiled.path)  # and without it
    assert again.checkpoint()["epoch"] == 15


def test_what_cannot_be_compiled_is_refused_in_words(fit, monkeypatch) -> None:
    with pytest.raises(UserError, match=r"trainer\.compile=true does not go with optimizer=newton"):
        fit("data=study", "optimizer=newton", "trainer.compile=true")

    def broken(self, *args, **kwargs) -> None:
        raise RuntimeError("no compiler was found\nand more")

    monkeypatch.setattr(networks.nn.Module, "compile", broken)
    with pytest.raises(UserError, match=r"torch\.compile cannot take the network: no compiler was found Leave"):
        compile_network(MLP(2), torch.zeros(2, 2))


def test_a_learning_rate_is_found_and_kept_by_a_resumed_run(fit, capsys) -> None:
    arguments = ("callbacks=lr_finder", *MOONS, "trainer.max_epochs=120", "callbacks.early_stopping=null")
    run = fit(*arguments)
    found = run.curve("train/learning_rate")[0]
    assert f"Learning rate found: {found:.4g}" in capsys.readouterr().out
    assert 1e-4 < found < 1 and found != 0.03
    assert run.checkpoint()["global_step"] == 120  # the search is no part of the training
    fit(*arguments, f"ckpt_path={run.path}", "trainer.max_epochs=125", directory=run.path)
    assert " found: " not in capsys.readouterr().out
    assert run.curve("train/learning_rate")[122] == pytest.approx(found)


def test_a_batch_size_is_found_and_kept_by_a_resumed_run(fit, capsys) -> None:
    arguments = ("callbacks=batch_size_finder", *MOONS, "data.batch_size=8", "trainer.max_epochs=3")
    run = fit(*arguments)
    said = capsys.readouterr().out
    found = int(said.partition("Batch size found: ")[2].split()[0])
    assert 8 < found <= 300
    steps = -(-300 // found)
    assert run.checkpoint()["global_step"] == 3 * steps
    fit(*arguments, f"ckpt_path={run.path}", "trainer.max_epochs=5", directory=run.path)
    assert " found: " not in capsys.readouterr().out
    assert run.checkpoint()["global_step"] == 5 * steps


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["callbacks=lr_finder", "data=study", "optimizer=newton"], "does not go with a solver, which has no learning rate"),
        (["callbacks=batch_size_finder"], r"data\.batch_size=null takes all rows in one batch"),
    ],
)
def test_finders_with_nothing_to_find_are_refused(fit, arguments: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        fit(*arguments)
