"""Checks: each mistake in a config has its paragraph; what shipped configs say passes."""

from pathlib import Path

import pytest
from processes import ROOT
from runs import compose_config

from logitlab.cli import accelerators, checks
from logitlab.cli.checks import check
from logitlab.cli.primary_configs import groups as groups_of
from logitlab.cli.primary_configs import top_level_keys
from logitlab.errors import UserError
from logitlab.recorded import CONF
from logitlab.rules import Number, OneOf

KNOWN = top_level_keys("config", CONF)

MISTAKES = {
    # a name
    "+foo=1": "'foo' is not a key of the config.",
    "+sed=1": "'sed' is not a key of the config. Did you mean 'seed'?",
    "+trainer.max_epoch=3": "trainer.max_epoch is not an argument of lightning.pytorch.Trainer. Did you mean 'max_epochs'?",
    "+model.wieght=1": "Did you mean 'weight'?",
    "+data.bach_size=2": "Did you mean 'batch_size'?",
    "+optimizer.moment=1": "optimizer.moment is not an argument of torch.optim.SGD. Did you mean 'momentum'?",
    "+callbacks.checkpoints.every=1": "callbacks.checkpoints.every is not an argument",
    "+data.source.rows=3": "data.source.rows is not an argument of logitlab.data.toy.toy",
    # a number
    "trainer.max_epochs=abc": "trainer.max_epochs=abc is not allowed: trainer.max_epochs takes a whole number from 1 up.",
    "trainer.max_epochs=-5": "takes a whole number from 1 up",
    "trainer.max_epochs=0": "takes a whole number from 1 up",
    "trainer.max_epochs=1.5": "takes a whole number from 1 up",
    "trainer.max_epochs=true": "takes a whole number from 1 up",
    "trainer.max_epochs=null": "takes a whole number from 1 up",
    "trainer.log_every_n_steps=0": "takes a whole number from 1 up",
    "optimizer.lr=-1": "optimizer.lr=-1 is not allowed: optimizer.lr takes a number above 0 and up to",
    "optimizer.lr=0": "takes a number above 0",
    "optimizer.lr=nan": "takes a number above 0",
    "optimizer.lr=.nan": "takes a number above 0",
    "optimizer.lr=inf": "takes a number above 0",
    "optimizer.lr='0,1'": "takes a number above 0",
    "optimizer.lr=fast": "takes a number above 0",
    "optimizer.lr=[1]": "takes a number above 0",
    "optimizer.momentum=2": "takes a number from 0 to 1",
    "seed=x": "seed=x is not allowed: seed takes a whole number from 0 to 4294967295.",
    "seed=-1": "takes a whole number from 0 to 4294967295",
    "seed=4294967296": "takes a whole number from 0 to 4294967295",
    "seed=null": "takes a whole number",
    "data.batch_size=0": "takes a whole number from 1 up or null",
    "data.batch_size=2.5": "takes a whole number from 1 up or null",
    "model.bias=no": "takes a number or null",
    "model.bias=[1]": "takes a number or null",
    "model.weight=much": "a list with a number for each, as in model.weight=[0.1,-0.2]",
    "model.weight=[1,x]": "a list with a number for each",
    "model.weight=[1,nan]": "a list with a number for each",
    "callbacks.checkpoints.every_n_seconds=-1": "takes a number from 0 up",
    "callbacks.print_epochs.every_n_epochs=0.5": "takes a whole number from 0 up",
    # two that do not go together
    "optimizer=lbfgs penalty.l1=0.1": "penalty.l1=0.1 does not go with LBFGS: it takes optimizer=newton, sgd, adam or adamw.",
    "penalty=firth optimizer=lbfgs": "penalty=firth is made of the Hessian, which L-BFGS does without: type optimizer=newton",
    "penalty=firth data.batch_size=2": "data.batch_size=2 shows it some: type data.batch_size=null",
    "results.coefficients.errors=cluster": "type data=table data.cluster=COLUMN",
    # a text, or a list of them
    "data=table data.path=t data.target=2021": "data.target=2021 is not allowed: data.target takes a text (a number in quotes",
    "data=table data.path=t data.target=y data.drop=id": "data.drop takes a list of texts in brackets, as in [a,b]",
    "data=table data.path=t data.target=y data.drop=[2021]": "data.drop=[2021] is not allowed",
    "loss.pos_weight=1e308": "loss.pos_weight takes balanced, a number above 0 and up to",
    # one of a few words
    "trainer.accelerator=gup": "trainer.accelerator takes cpu | gpu | auto | cuda | mps | tpu. Did you mean 'gpu'?",
    "trainer.precision=17": "takes 32-true | 64-true",
    "monitor_mode=minimum": "monitor_mode takes min | max. Did you mean 'min'?",
    # what a solver would pass over
    "optimizer=newton lr_scheduler=cosine": "lr_scheduler does not go with optimizer=newton, which has no learning rate",
    "optimizer=lbfgs +trainer.gradient_clip_val=1": "trainer.gradient_clip_val=1 does not go with optimizer=lbfgs",
    "optimizer=newton +trainer.accumulate_grad_batches=4": "trainer.accumulate_grad_batches=4 does not go with",
    "optimizer=newton model=logits trainer.precision=bf16-mixed": "trainer.precision=bf16-mixed does not go with",
    "optimizer=lbfgs +trainer.limit_train_batches=1": "trainer.limit_train_batches=1 does not go with",
    "optimizer=newton callbacks.convergence.tolerance=1e-3": "optimizer.tolerance sets where it stops",
    # a step that float32 cannot hold
    "optimizer=adam optimizer.lr=3e38": "its first step is lr / (1 - beta1) = 3e+39, and float32 holds no more than 3.4e+38",
    "optimizer=adamw optimizer.lr=1e37 optimizer.weight_decay=1e3": "optimizer.lr=1e+37 is too large for AdamW",
    # no result
    "+results.x={_target_:torchmetrics.classification.BinaryAUROC}": "makes nothing of a finished fit",
    # the metric that is monitored
    "monitor=val/aucc": "monitor=val/aucc is no metric that is known after an epoch. Did you mean 'val/auroc'?",
    "monitor=test/loss": "monitor=test/loss is no metric",
    "monitor=train/auroc monitor_mode=max": "monitor=train/auroc is no metric that is known after an epoch",
    "monitor=val/auroc": "monitor=val/auroc is better the larger it is, and monitor_mode=min would keep the worst epoch",
    "monitor_mode=max": "type monitor_mode=min",
    "lr_scheduler=plateau lr_scheduler.monitor=train/los": "lr_scheduler.monitor=train/los is no metric that is known",
    "+callbacks.x={_target_:lightning.pytorch.callbacks.EarlyStopping,monitor:loss}": "callbacks.x.monitor=loss is no metric",
    "+trainer.check_val_every_n_epoch=50 trainer.max_epochs=20": "looks at no val rows in trainer.max_epochs=20",
    "+trainer.limit_val_batches=0": "trainer.limit_val_batches=0 looks at no val rows",
    "+trainer.val_check_interval=0.5": "trainer.val_check_interval=0.5 looks at the val rows inside an epoch",
    # a target
    "data.source._target_=logitlabistic.evil": "names nothing: there is no such class or function",
    "data.source._target_=3": "data.source._target_=3 is not allowed: it takes the dotted name of a class or a function",
    "data.source._target_=toy": "names nothing",
    "logger.tensorboard._target_=pathlib.Psth": "logger.tensorboard._target_=pathlib.Psth names nothing",
    "logger.tensorboard=3": "logger.tensorboard=3 is not allowed: it must be a mapping with a _target_",
    "logger=mlflow": "logger.mlflow needs mlflow, which is not installed: type pip install",
    "logger=wandb": "logger.wandb needs wandb, which is not installed: type pip install",
    "+metrics.own=BinarySpecificty": "metrics.own=BinarySpecificty: there is no such class in torchmetrics.classification.",
    "+metrics.own=torchmetrics.classification.Nothing": "metrics.own=torchmetrics.classification.Nothing: there is no such",
    "+metrics.own=own.Metric": "metrics.own._target_=own.Metric names nothing",
    "+metrics.auroc=BinaryAUROC": "metrics.auroc: there is a metric of that name in every run",
    "+metrics.own=3": "metrics.own=3 is not allowed",
    "model._target_=logitlab.networks.Sequentail": "names nothing: there is no such class or function",
    "data.source={_target_:logitlab.data.nothing.rows}": "names nothing",
    # things that go wrong together
    "trainer.devices=0": "leaves nothing to train on: type trainer.devices=1",
    "trainer.devices='0'": "leaves nothing to train on",
    "trainer.devices=[]": "leaves nothing to train on",
    "trainer.precision=16-mixed": "Type model=logits trainer.precision=16-mixed",
    "trainer.precision=bf16-true": "Type model=logits trainer.precision=bf16-true",
    "trainer.precision=16": "Type model=logits trainer.precision=16",
    "seed=${sead}": "The config cannot be resolved",
    # a part that is none
    "+callbacks.x=1": "callbacks.x=1 is not allowed: it must be a mapping with a _target_ that names what to build",
    "callbacks.doctor=3": "callbacks.doctor=3 is not allowed",
    "results.metrics=5": "'results.metrics={_target_:logitlab.results.metrics.Metrics}', or null to leave it out",
    "data.source=5": "data.source=5 is not allowed: it names the function that hands over the rows",
    "data.source=null": "data.source=null is not allowed",
    # both bounds, the reason, and values as they are typed
    "optimizer.lr=1e308": "takes a number above 0 and up to 3.4e+38 (a weight in float32 holds no more)",
    "results.coefficients.level=2": "takes a number above 0 and up to 0.999999.",
    "monitor_mode=true": "monitor_mode=true is not allowed",
    "optimizer.momentum=null": "optimizer.momentum=null is not allowed",
    "model.weight=[true,null]": "model.weight=[true,null] is not allowed",
    # left out, and needed
    "~trainer.max_epochs": "trainer.max_epochs is left out and has no default",
    "~trainer.enable_progress_bar": "trainer.enable_progress_bar is left out",
    "~cost": "cost.false_positive is left out",
    # several processes
    "trainer.devices=2": "trainer.devices=2 asks for several processes, and a run here is one",
    "trainer.devices='2'": "trainer.devices=2 asks for several processes",
    "trainer.devices=[0,1]": "trainer.devices=[0,1] asks for several processes",
    "trainer.devices='0,1'": "trainer.devices=0,1 asks for several processes",
    "+trainer.num_nodes=2": "trainer.num_nodes above 1 is not supported",
    "seed=???": "seed is not given: type seed=VALUE.",
}


@pytest.mark.parametrize(("override", "said"), MISTAKES.items())
def test_a_mistake_has_its_paragraph(tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(UserError) as told:
        check(compose_config(*override.split(), directory=tmp_path), KNOWN)
    message = str(told.value)
    assert said in message
    assert message.endswith((".", "?"))
    assert "\n" not in message


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=logits", "trainer.precision=16-mixed"],
        ["model=logits", "trainer.precision=bf16-mixed"],
        ["trainer.precision=64-true"],
        ["trainer.precision=32"],
        ["trainer.devices=auto"],
        ["trainer.accelerator=auto"],
        ["model.weight=[1,-2.5]", "model.bias=0"],
        ["model.weight=3"],
        ["optimizer.lr=1e-9"],
        ["optimizer=adam", "optimizer.lr=1"],
        ["data.batch_size=100"],
        ["+trainer.gradient_clip_val=1"],
        ["callbacks.checkpoints.every_n_seconds=0.5"],
        ["logger=[tensorboard,csv]"],
        ["+logger.own={_target_:datetime.timedelta}"],  # the command line is the user's own: it may name any callable
        ["+logger.own={_target_:collections.OrderedDict.fromkeys}"],
        ["+logger.own={_target_:math.sqrt}"],
        ["metrics=more", "monitor=val/mcc", "monitor_mode=max"],
        ["+metrics.own={_target_:torchmetrics.classification.BinaryFBetaScore,beta:2.0}"],
        ["+metrics.own=torchmetrics.classification.BinarySpecificity"],
        ["+callbacks.early_stopping={_target_:lightning.pytorch.callbacks.EarlyStopping,monitor:train/loss,patience:5}"],
        ["callbacks.checkpoints=null"],
    ],
)
def test_what_is_right_passes(tmp_path: Path, overrides: list[str]) -> None:
    check(compose_config(*overrides, directory=tmp_path), KNOWN)


NEEDS = {"data=table": ["data.path=rows.csv", "data.target=y"], "penalty=path": ["optimizer=newton", "data=study"]}
"""What a choice cannot do without."""


def choices() -> list[str]:
    """Return an override for every yaml in conf/ that a person can choose."""
    groups = groups_of("config", CONF)
    return sorted(f"{path.parent.name}={path.stem}" for path in (ROOT / "conf").glob("*/*.yaml") if path.parent.name in groups)


@pytest.mark.parametrize("choice", choices())
def test_every_shipped_choice_passes(tmp_path: Path, choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NEEDED", {})  # whether or not the packages of the extras are there
    check(compose_config(choice, *NEEDS.get(choice, []), directory=tmp_path), KNOWN)


@pytest.mark.parametrize("path", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_yaml_says_what_it_is(path: Path) -> None:
    lines = path.read_text().splitlines()
    first = [line for line in lines[:3] if not line.startswith("# @package")]
    assert first[0].startswith("# ")


@pytest.mark.parametrize("group", checks.NECESSARY)
def test_a_group_that_no_run_can_do_without(tmp_path: Path, group: str) -> None:
    cfg = compose_config(directory=tmp_path)
    cfg[group] = None
    with pytest.raises(UserError, match=f"{group}=null leaves out what no run can do without: type {group}=NAME"):
        check(cfg, KNOWN)


def test_an_absent_gpu_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "why_no_gpu", lambda: "no GPU driver is installed (libcuda is not found).")
    with pytest.raises(
        UserError, match=r"there is none to use: no GPU driver is installed .* Type trainer.accelerator=cpu, or"
    ):
        check(compose_config("trainer.accelerator=gpu", directory=tmp_path), KNOWN)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Number(), "a number"),
        (Number(integer=True, low=1, optional=True), "a whole number from 1 up or null"),
        (Number(above=0), "a number above 0"),
        (Number(low=0, high=2**32 - 1), "a number from 0 to 4294967295"),
        (OneOf(("min", "max")), "min | max"),
    ],
)
def test_rules_in_words(rule: Number | OneOf, words: str) -> None:
    assert str(rule) == words


@pytest.mark.parametrize("value", [True, "1", float("nan"), float("inf"), [1]])
def test_a_number_is_a_finite_number(value: object) -> None:
    assert not Number().accepts(value)
