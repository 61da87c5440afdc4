"""A checkpoint whose bytes are whole and whose content is not: exit code 2 in words, whoever reads it, or a good answer."""

import copy
import io
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from trained import compose_job, train_table

from logitlab.errors import UserError
from logitlab.inference import jobs
from logitlab.runs.checkpoint_file import load, sealed

GONE = object()
ODD = (GONE, "x", math.nan, [])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train_table(tmp_path_factory.mktemp("trained"))


def store(content: Any, path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(sealed(buffer.getvalue()))


def leaves(node: Any, where: tuple = ()) -> Iterator[tuple]:
    """Yield where everything stands in nested mappings and lists, these themselves as well."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield (*where, key)
        yield from leaves(child, (*where, key))


def changed(content: dict, where: tuple, value: Any) -> dict:
    content = copy.deepcopy(content)
    node = content
    for key in where[:-1]:
        node = node[key]
    if value is GONE:
        del node[where[-1]]
    else:
        node[where[-1]] = value
    return content


@pytest.mark.slow
def test_predict_and_explain_refuse_what_they_cannot_use(trained, tmp_path, capsys):
    """Every part of best.ckpt that a prediction reads, in turn missing and of four other kinds."""
    shutil.copytree(trained.path, tmp_path / "run")
    path, table = tmp_path / "run" / "checkpoints" / "best.ckpt", trained.path.parent / "table.csv"
    good = load(path)
    predict = compose_job("predict", f"run={path}", f"data.path={table}", f"output={tmp_path}/p.csv")
    explain = compose_job("explain", f"run={path}")
    tried = [
        (where, value)
        for where in leaves({key: good[key] for key in ("state_dict", "hyper_parameters", "threshold")})
        if where[:2] not in (("hyper_parameters", "config"), ("hyper_parameters", "data")) or len(where) == 2
        for value in ODD
    ]
    assert len(tried) > 100
    refused, wrong = 0, []
    for where, value in tried:
        store(changed(good, where, value), path)
        try:
            jobs.predict(predict)
            jobs.explain(explain)
        except UserError as error:
            refused += 1
            assert str(error)
        except Exception as error:
            wrong.append(f"{where} = {value!r}: {error!r}")
    assert not wrong, "\n".join(wrong)
    assert refused > 50


RESUMED = {
    "no mapping": lambda good: [1, 2],
    "empty": lambda good: {},
    "no loops": lambda good: changed(good, ("loops",), GONE),
    "loops of another kind": lambda good: changed(good, ("loops",), [1]),
    "a loop without its parts": lambda good: changed(good, ("loops", "fit_loop"), {}),
    "a loop of text": lambda good: changed(good, ("loops", "fit_loop", "epoch_progress", "current", "processed"), "x"),
    "a loop below 0": lambda good: changed(good, ("loops", "fit_loop", "epoch_progress", "total", "ready"), -3),
    "another epoch": lambda good: changed(good, ("epoch",), 2),
    "epoch as text": lambda good: changed(good, ("epoch",), "2"),
    "no steps": lambda good: changed(good, ("global_step",), GONE),
    "no weights": lambda good: changed(good, ("state_dict",), {}),
    "weights of another shape": lambda good: changed(good, ("state_dict", next(iter(good["state_dict"]))), torch.zeros(3, 3)),
    "weights more": lambda good: changed(good, ("state_dict", "network.more"), torch.zeros(3)),
    "weights that are no numbers": lambda good: changed(
        good, ("state_dict", next(iter(good["state_dict"]))), next(iter(good["state_dict"].values())) * math.nan
    ),
    "weights as text": lambda good: changed(good, ("state_dict", next(iter(good["state_dict"]))), "x"),
    "two optimisers": lambda good: changed(good, ("optimizer_states",), good["optimizer_states"] * 2),
    "an optimiser of another kind": lambda good: changed(good, ("optimizer_states",), [[1]]),
    "an optimiser without groups": lambda good: changed(good, ("optimizer_states",), [{"state": {}}]),
    "callbacks as a list": lambda good: changed(good, ("callbacks",), [1]),
    "hyper-parameters as a list": lambda good: changed(good, ("hyper_parameters",), [1]),
    "a config of text": lambda good: changed(good, ("hyper_parameters", "config"), "x"),
}


@pytest.mark.parametrize("how", RESUMED)
def test_a_run_does_not_go_on_from_what_is_no_state_of_it(fit, how):
    run = fit("trainer.max_epochs=3", "optimizer=adam")
    path = run.path / "checkpoints" / "last.ckpt"
    good = load(path)
    store(RESUMED[how](good), path)
    with pytest.raises(UserError, match=r"last\.ckpt|another run"):
        fit("trainer.max_epochs=6", "optimizer=adam", f"ckpt_path={run.path}")
    store(good, path)
    assert fit("trainer.max_epochs=6", "optimizer=adam", f"ckpt_path={run.path}").checkpoint()["epoch"] == 6


def test_the_checkpoint_before_the_last_is_found_or_named(trained, tmp_path, fit, capsys):
    copy_ = tmp_path / "copy"
    shutil.copytree(trained.path, copy_)
    last = copy_ / "checkpoints" / "last.ckpt"
    before = Path(f"{last}.previous")
    shutil.copy(last, before)
    table = trained.path.parent / "table.csv"
    for damage in (lambda: last.write_bytes(last.read_bytes()[:1000]), last.unlink):
        damage()
        for name, job, more in (
            ("predict", jobs.predict, [f"data.path={table}", f"output={tmp_path}/p.csv"]),
            ("evaluate", jobs.evaluate, [f"data.path={table}"]),
            ("explain", jobs.explain, []),
            ("export", jobs.export, []),
        ):
            with pytest.raises(UserError) as told:
                job(compose_job(name, f"run={copy_}", *more))
            assert f"type run={before}" in str(told.value)
    jobs.predict(compose_job("predict", f"run={before}", f"data.path={table}", f"output={tmp_path}/p.csv"))

    run = fit("trainer.max_epochs=3")
    last = run.path / "checkpoints" / "last.ckpt"
    last.rename(f"{last}.previous")
    with pytest.raises(UserError, match="already holds a run"):
        fit("trainer.max_epochs=6")
    again = fit("trainer.max_epochs=6", f"ckpt_path={run.path}")
    assert again.checkpoint()["epoch"] == 6 and "resumes from the one saved before it" in capsys.readouterr().err
