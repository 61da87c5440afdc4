"""Composition errors: what Hydra says of a command line, retold with the nearest name and the choices there are."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from runs import CONF

from logitlab.cli.composition_errors import explain
from logitlab.errors import UserError

MISTAKES = {
    "trainer.max_epoch=3": "'trainer.max_epoch' is not a key of the config. Did you mean 'max_epochs'? trainer has: acc",
    "mdoel=class": "'mdoel' is not a key of the config. Did you mean 'model'? There are: calibration, callbacks,",
    "seeed=3": "Did you mean 'seed'?",
    "optimizer.learning_rate=3": "Did you mean 'optimizer.lr'? optimizer has: lr,",
    "wholly.unknown=3": "'wholly.unknown' is not a key of the config. `--cfg job` prints every key.",
    "~optimizer.lrr": "'optimizer.lrr' is not a key of the config. Did you mean 'lr'?",
    "trainer.gradient_clip_val=1": "is not set in conf/, but lightning.pytorch.Trainer takes it: put a + before it",
    "metrics.specificity=BinarySpecificity": "is not set in conf/: to add it put a + before it, as in +metrics.specificity=",
    "model=clas": "model=clas is not a choice. Did you mean 'class'? conf/model/ holds: class, logits, mlp,",
    "experiment=toy": "experiment=toy is not a choice. Did you mean 'toy_zeros'? conf/experiment/ holds:",
    "data=": "is not",
    "+hydra/launcher=nothing": "hydra/launcher=nothing is not a choice.",
    "a b": "'a b' is not an override of the form key=value.",
    "seed=[1": "'seed=[1' is not an override of the form key=value.",
    "data.target=a(b)": "If the value is one text, type 'data.target=\"a(b)\"'.",
    "data.target=a,b": "If the value is one text, type 'data.target=\"a,b\"'.",
    "optimizer.lr=1,2": "holds several values. To train once for each of them type: python train.py -m optimizer.lr=1,2.",
    "+seed=3": "seed has a value already: put no + before it, as in seed=VALUE.",
    "data.source=[1]": "data.source=[1]: data.source holds keys of its own",
}


@pytest.mark.parametrize(("override", "said"), MISTAKES.items())
def test_a_mistake_is_retold(override: str, said: str) -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(Exception) as raised:
        compose("config", overrides=[override], return_hydra_config=True)
    told = explain(raised.value, [override], CONF, "config")
    assert isinstance(told, UserError)
    assert said in str(told)
    assert "\n" not in str(told)


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("x"), ZeroDivisionError()])
def test_what_is_not_about_the_command_line_is_left_alone(error: Exception) -> None:
    assert explain(error, [], CONF, "config") is None


def test_the_keys_named_are_those_of_the_choice_that_was_typed() -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(Exception) as raised:
        compose("config", overrides=["data=table", "data.pth=3"])
    told = str(explain(raised.value, ["data=table", "data.pth=3"], CONF, "config"))
    assert "Did you mean 'path'? data has: " in told
    assert "val_fraction" in told


def test_a_key_of_a_group_that_is_left_out() -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(Exception) as raised:
        compose("config", overrides=["~trainer", "trainer.max_epochs=2"])
    told = explain(raised.value, ["~trainer", "trainer.max_epochs=2"], CONF, "config")
    assert str(told) == "~trainer leaves trainer out, and trainer.max_epochs sets a key of it: type one of the two."


def test_a_choice_of_the_config_that_another_is_made_of() -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(Exception) as raised:
        compose("select_penalty", overrides=["model=logits", "model.weigth=0"])
    told = str(explain(raised.value, ["model=logits", "model.weigth=0"], CONF, "select_penalty"))
    assert "Did you mean 'weight'? model has: " in told
